//! Tests of answers in the styles of published models.

use mynah_core::{Tool, ToolChoice};

use super::*;

mod families;
mod unexpected;

/// A tool of a place, a number of days and details, and one without arguments.
pub(super) fn tools() -> Tools {
    let parameters = r#"{"type": "object", "properties": {"place": {"type": "string"},
        "days": {"type": "integer"}, "of": {"type": "object"}}, "required": ["place"]}"#;
    let tool = |name: &str, parameters: Option<&str>| Tool {
        name: name.to_owned(),
        description: None,
        parameters: parameters.map(str::to_owned),
        strict: false,
    };
    Tools {
        list: vec![tool("rain", Some(parameters)), tool("now", None)],
        choice: ToolChoice::Auto,
        parallel: true,
    }
}

/// What an answer consists of, calls with their ids.
#[derive(Debug, Default, Clone, PartialEq)]
struct Answer {
    /// Text, reasoning and the names of calls in their order.
    order: Vec<(&'static str, String)>,
    ids: Vec<String>,
    arguments: Vec<String>,
    incomplete: Vec<u32>,
}

impl Answer {
    fn add(&mut self, event: Event) {
        let (kind, text) = match event {
            Event::Reasoning(text) => ("reasoning", text),
            Event::Text(text) => ("text", text),
            Event::ToolCallStart { index, id, name } => {
                assert_eq!(index as usize, self.arguments.len());
                self.ids.push(id);
                self.arguments.push(String::new());
                ("call", name)
            }
            Event::ToolCallArguments { index, text } => {
                self.arguments[index as usize].push_str(&text);
                return;
            }
            other => panic!("{other:?}"),
        };
        match self.order.last_mut() {
            Some((last, more)) if *last == kind && kind != "call" => more.push_str(&text),
            _ => self.order.push((kind, text)),
        }
    }
}

/// Reads an answer in pieces.
fn read<'a>(
    format: &AnswerFormat,
    in_reasoning: bool,
    pieces: impl Iterator<Item = Piece<'a>>,
) -> Answer {
    let mut parser = format.parser(&tools(), in_reasoning, 7);
    let mut answer = Answer::default();
    for piece in pieces {
        parser
            .push(piece)
            .into_iter()
            .for_each(|event| answer.add(event));
    }
    let end = parser.end();
    end.events.into_iter().for_each(|event| answer.add(event));
    assert_eq!(end.calls as usize, answer.arguments.len());
    for (index, arguments) in (0..).zip(&answer.arguments) {
        let read: Result<serde_json::Value, _> = serde_json::from_str(arguments);
        let is_whole = read.as_ref().is_ok_and(serde_json::Value::is_object);
        let is_incomplete = end.incomplete.contains(&index);
        assert!(is_whole || is_incomplete, "{arguments}: {read:?}");
    }
    answer.incomplete = end.incomplete;
    answer
}

/// Reads an answer, which must be the same however it is cut.
fn whole(format: &AnswerFormat, in_reasoning: bool, text: &str) -> Answer {
    let answer = read(format, in_reasoning, [Piece::Text(text)].into_iter());
    let chars: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for size in 1..=chars.len().min(20) {
        let cuts = chars.iter().copied().step_by(size);
        let ends = cuts.clone().skip(1).chain([text.len()]);
        let pieces = cuts
            .zip(ends)
            .map(|(from, to)| Piece::Text(&text[from..to]));
        assert_eq!(read(format, in_reasoning, pieces), answer, "{size}: {text}");
    }
    for at in chars {
        let (first, second) = text.split_at(at);
        let pieces = [Piece::Text(first), Piece::Text(second)].into_iter();
        assert_eq!(read(format, in_reasoning, pieces), answer, "{at}: {text}");
    }
    answer
}

fn format(name: &str) -> AnswerFormat {
    AnswerFormat::named(name).unwrap_or_else(|| panic!("{name}"))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
