//! Entry point of the fuzz target `tools`.

use mynah_core::{Event, Tool, ToolChoice, Tools};
use serde_json::Value;

use super::SEPARATOR;
use crate::template::TokenNames;
use crate::{AnswerFormat, ChatTemplate, Piece, Reasoning, Wanted};

/// Finds the format of a template and reads an answer, whole and in pieces. The text has these
/// parts: the template, or the name of a format; the answer; the schema of the tool; the lengths of
/// the pieces, a byte each.
///
/// The events must be the same however the answer is cut, and no longer than it allows. A call that
/// is complete must be a JSON object.
pub fn tools(bytes: &[u8]) {
    check(&String::from_utf8_lossy(bytes));
}

fn check(input: &str) {
    let mut parts = input.split(SEPARATOR);
    let mut next = || parts.next().unwrap_or_default();
    let (source, answer, schema, cuts) = (next(), next(), next(), next());
    let format = AnswerFormat::named(source).unwrap_or_else(|| {
        let names = TokenNames::default();
        AnswerFormat::of(&ChatTemplate::with_names(source, None, names, false))
    });
    assert!(!format.describe().to_string().is_empty());
    let tool = Tool {
        name: "f".to_owned(),
        description: None,
        parameters: (!schema.is_empty()).then(|| schema.to_owned()),
        strict: cuts.len() % 2 == 0,
    };
    let tools = Tools {
        list: vec![tool],
        choice: ToolChoice::Auto,
        parallel: true,
    };
    let reasoning = Reasoning::Possible;
    let form = None;
    let wanted = Wanted {
        tools: &tools,
        form,
        reasoning,
    };
    assert!(format.shape(&wanted).is_some());
    let _ = format.not_enforced(&tools);
    let whole = read(&format, &tools, [answer].into_iter());
    assert_eq!(read(&format, &tools, pieces(answer, cuts)), whole);
    check_text(&format, answer, &whole);
    let bytes: usize = whole.iter().map(size).sum();
    // A control character takes six bytes in JSON, and each argument some signs of its own.
    let most = 64 + 16 * answer.len();
    assert!(bytes <= most, "{bytes} bytes of {}", answer.len());
}

/// An answer without calls and reasoning is text, unchanged.
fn check_text(format: &AnswerFormat, answer: &str, events: &[Event]) {
    let description = format.describe();
    let has_markers = description
        .reasoning
        .is_some_and(|(begin, _)| answer.contains(&begin));
    // These have markers around text.
    let has_others = ["harmony", "command-r7b"].contains(&format.name());
    let is_text = events.iter().all(|event| matches!(event, Event::Text(_)));
    if is_text && !has_markers && !has_others {
        let said: String = events.iter().filter_map(text).collect();
        assert_eq!(said, answer);
    }
}

fn text(event: &Event) -> Option<&str> {
    match event {
        Event::Text(text) => Some(text),
        _ => None,
    }
}

/// An answer in pieces, each of so many characters as the next byte says.
fn pieces<'a>(answer: &'a str, cuts: &'a str) -> impl Iterator<Item = &'a str> {
    let mut cuts = cuts.bytes().cycle();
    let mut rest = answer;
    std::iter::from_fn(move || {
        let count = usize::from(cuts.next().unwrap_or(1)) % 8 + 1;
        let end = rest
            .char_indices()
            .nth(count)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The events of an answer, those of a kind joined.
fn read<'a>(
    format: &AnswerFormat,
    tools: &Tools,
    pieces: impl Iterator<Item = &'a str>,
) -> Vec<Event> {
    let mut parser = format.parser(tools, false, 7);
    let mut joined = Vec::new();
    for piece in pieces {
        for event in parser.push(Piece::Text(piece)) {
            join(&mut joined, event);
        }
    }
    let end = parser.end();
    for event in end.events {
        join(&mut joined, event);
    }
    let mut calls = vec![String::new(); end.calls as usize];
    for event in &joined {
        if let Event::ToolCallArguments { index, text } = event
            && let Some(call) = calls.get_mut(*index as usize)
        {
            call.push_str(text);
        }
    }
    for (index, arguments) in (0..).zip(calls) {
        let is_whole = serde_json::from_str::<Value>(&arguments).is_ok_and(|of| of.is_object());
        assert!(is_whole || end.incomplete.contains(&index), "{arguments}");
    }
    joined
}

fn join(events: &mut Vec<Event>, event: Event) {
    assert!(size(&event) > 0, "{event:?}");
    match (events.last_mut(), event) {
        (Some(Event::Text(last)), Event::Text(more))
        | (Some(Event::Reasoning(last)), Event::Reasoning(more)) => last.push_str(&more),
        (
            Some(Event::ToolCallArguments { index: of, text }),
            Event::ToolCallArguments { index, text: more },
        ) if *of == index => text.push_str(&more),
        (_, event) => events.push(event),
    }
}

fn size(event: &Event) -> usize {
    match event {
        Event::Text(text) | Event::Reasoning(text) | Event::ToolCallArguments { text, .. } => {
            text.len()
        }
        Event::ToolCallStart { id, name, .. } => id.len() + name.len(),
        Event::Token(_) | Event::Finished(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Pieces of answers in all formats.
    const PIECES: [&str; 64] = [
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        "=",
        "(",
        ")",
        "f",
        "\"name\": \"f\"",
        "\"arguments\": ",
        "\"parameters\": ",
        "{}",
        "\"tool_name\": \"f\"",
        "1",
        "1e999",
        "true",
        "None",
        "'",
        "\\u",
        "d83d",
        " ",
        "\n",
        "x",
        "🙂",
        "\u{1}",
        "<function=f>",
        "<parameter=k>",
        "</parameter>",
        "</function>",
        "<arg_key>k</arg_key>",
        "<arg_value>",
        "</arg_value>",
        "[TOOL_CALLS]",
        "[ARGS]",
        "[CALL_ID]",
        "<|tool_call_start|>",
        "<|tool_call_end|>",
        "<|tool_call>call:",
        "<tool_call|>",
        "<|\"|>",
        "k:",
        "functions.f:0",
        "<|tool_call_begin|>",
        "<|tool_calls_section_begin|>",
        "<|tool_call_argument_begin|>",
        "<|tool_call_end|>",
        "<|channel|>",
        "<|message|>",
        "<|start|>",
        "<|end|>",
        "<|call|>",
        " to=functions.f",
        "analysis",
        "<|START_ACTION|>",
        "<|tool_call|>",
        "<invoke name=\"f\">",
    ];

    const SCHEMAS: [&str; 4] = [
        "",
        "{",
        r#"{"type": "object", "properties": {"k": {"type": "string"}}}"#,
        r##"{"properties": {"k": {"type": "object", "properties": {"k": {"$ref": "#"}}}}}"##,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_answer_is_read_the_same_however_it_is_cut(
            name in prop::sample::select(AnswerFormat::names()),
            pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
            schema in prop::sample::select(SCHEMAS.to_vec()),
            cuts in "[a-h]{1,8}",
        ) {
            check(&[name, &pieces.concat(), schema, &cuts].join("\u{1E}"));
        }
    }

    #[test]
    fn the_seeds_of_tools_keep_its_promises() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tools");
        let mut count = 0;
        for seed in std::fs::read_dir(folder).unwrap() {
            super::tools(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "tools has no seeds");
    }
}
