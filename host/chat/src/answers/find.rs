//! Finds how a model writes calls, from its chat template.
//!
//! The template renders small conversations with marked names, keys and values. What stands around
//! a mark in one result and between two marks in another is compared. What is found counts only if
//! the parser that follows from it reads other calls back.

use std::borrow::Cow;

use mynah_core::{Event, Tool, ToolChoice, Tools};
use serde_json::{Deserializer, Value};

use super::Piece;
use super::compare::{Split, common_end, common_start};
use super::format::{
    AnswerFormat, Around, Body, Calls, IdKey, Keys, Named, NamedId, Notation, Origin, Tagged,
};
use super::rendered::{Called, Rendered};
use crate::ChatTemplate;
use crate::probe::ANSWER;
use crate::template::Probing;

const FIRST: Called = Called {
    name: "mynahcall",
    id: Cow::Borrowed("idoffirst"),
    arguments: r#"{"mynahkey": "mynahvalue", "mynahmore": "mynahlast"}"#,
};
const SECOND: Called = Called {
    name: "mynahother",
    id: Cow::Borrowed("idofother"),
    arguments: r#"{"mynahmine": "mynahcase"}"#,
};
/// Calls that must be read back: with arguments that are hard to write, and with none.
const HARD: Called = Called {
    name: "mynahother",
    id: Cow::Borrowed("idofother"),
    arguments: r#"{"mynahkey": "Ås \"N\" 🙂\n{<b> 'x'", "days": 2, "of": {"a": [1, true, "x"]}}"#,
};
const EMPTY: Called = Called {
    name: "mynahcall",
    id: Cow::Borrowed("idoffirst"),
    arguments: "{}",
};
/// A call whose arguments are no texts.
const NUMBERS: Called = Called {
    name: "mynahcall",
    id: Cow::Borrowed("idoffirst"),
    arguments: r#"{"mynahkey": 70707, "mynahmore": 80808}"#,
};
const NUMBER: &str = "70707";
const KEYS: [&str; 2] = ["mynahkey", "mynahmore"];
const VALUES: [&str; 2] = ["mynahvalue", "mynahlast"];

impl AnswerFormat {
    /// How a model with this template writes its reasoning and its calls.
    ///
    /// Takes up to forty small renderings, each bounded: 1 to 50 ms for published templates. The
    /// caller should keep the result.
    #[must_use]
    pub fn of(template: &ChatTemplate) -> Self {
        let probing = Probing::of(template);
        let names = [FIRST.name, SECOND.name];
        let rendered = Rendered::new(probing, &names).ok();
        let reasoning = rendered
            .as_ref()
            .and_then(|rendered| rendered.reasoning.clone());
        let render = |messages, tools| probing.render(messages, tools, true);
        // Without a place for tools they are described in the system message, with the fallback.
        let takes_tools = probing.abilities().tools(&render);
        let compared = || rendered.as_ref().and_then(compared);
        let is_of = |format: &Self| match &rendered {
            Some(rendered) => shows_no_calls(rendered) || reads_back(format, rendered, false),
            None => true,
        };
        let certain = || Self::recognised(probing.source(), true, is_of);
        let likely = || Self::recognised(probing.source(), false, is_of);
        let format = match takes_tools {
            true => certain().or_else(compared).or_else(likely),
            false => None,
        };
        let format = format.unwrap_or_else(|| Self {
            origin: match takes_tools {
                true => Origin::Assumed,
                false => Origin::Fallback,
            },
            ..Self::fallback()
        });
        if format.has_channels {
            return format;
        }
        let is_shown = |around: &Around| probing.source().contains(around.end.trim());
        Self {
            reasoning: reasoning.or(format.reasoning.filter(is_shown)),
            ..format
        }
    }
}

/// Finds calls of one kind in the renderings of one call and of two.
type Finder<'a> = &'a dyn Fn(&str, Option<&str>) -> Option<Calls>;

/// What comparing finds, if the parser reads calls back with it.
fn compared(rendered: &Rendered<'_>) -> Option<AnswerFormat> {
    let one = rendered.calls("", &[FIRST]).ok()?;
    let numbers = rendered.calls("", &[NUMBERS]).ok();
    let two = rendered.calls("", &[FIRST, SECOND]).ok();
    let two = two.filter(|two| two.contains(FIRST.name) && two.contains(SECOND.name));
    let two = two.as_deref();
    let tagged = |one: &str, two: Option<&str>| tagged(one, two, numbers.as_deref());
    let finders: [Finder<'_>; 3] = [&object, &named, &tagged];
    finders.iter().find_map(|find| {
        let calls = find(&one, two)?;
        let format = AnswerFormat {
            name: "found".to_owned(),
            origin: Origin::Compared,
            reasoning: rendered.reasoning.clone(),
            text: Around::default(),
            calls,
            has_channels: false,
        };
        // Texts between tags have rules of their own in some templates, which need not fit.
        let is_hard = !matches!(format.calls.body, Body::Tagged(_));
        let is_usable = format.calls.is_short() && reads_back(&format, rendered, is_hard);
        is_usable.then_some(format)
    })
}

/// Where a call is in a text, and how it is written.
struct Found {
    from: usize,
    to: usize,
    body: Body,
}

/// The calls around a body: from what stands around it alone, and between two of them.
fn around(
    one: &str,
    two: Option<&str>,
    find: impl Fn(&str, &Called) -> Option<Found>,
) -> Option<Calls> {
    let Found { from, to, body } = find(one, &FIRST)?;
    let (before, after) = (one.get(..from)?.trim_start(), one.get(to..)?.trim_end());
    let split = two.and_then(|two| {
        let (first, second) = (find(two, &FIRST)?, find(two, &SECOND)?);
        Split::of(before, two.get(first.to..second.from)?, after)
    });
    let is_single = split.is_none();
    let split = split.unwrap_or(Split {
        outer: ["", ""],
        inner: [before, after],
        separator: "; ",
    });
    let has_marker = !before.is_empty();
    if !has_marker && !matches!(body, Body::Object(_)) {
        return None;
    }
    let [begin, end] = split.inner;
    let [section_begin, section_end] = split.outer;
    // A section needs a beginning of its own.
    let (section, each) = match section_begin.trim().is_empty() {
        true => (Around::default(), [section_begin, begin].concat()),
        false => (Around::new(section_begin, section_end), begin.to_owned()),
    };
    Some(Calls {
        section,
        each: Around {
            begin: each,
            end: end.to_owned(),
        },
        separator: split.separator.to_owned(),
        body,
        is_single,
    })
}

/// Calls that are JSON objects.
fn object(one: &str, two: Option<&str>) -> Option<Calls> {
    around(one, two, |text, call| {
        let wanted: Value = serde_json::from_str(call.arguments).ok()?;
        objects(text).find_map(|(from, to, value)| {
            let whole = value.as_object()?;
            let within = whole
                .get("function")
                .and_then(Value::as_object)
                .unwrap_or(whole);
            let key = |is: &dyn Fn(&Value) -> bool, of: &serde_json::Map<String, Value>| {
                of.iter()
                    .find(|(_, value)| is(value))
                    .map(|(key, _)| key.clone())
            };
            let name = key(&|value| value.as_str() == Some(call.name), within)?;
            let is_wanted = |value: &Value| {
                let text = value
                    .as_str()
                    .and_then(|text| serde_json::from_str(text).ok());
                *value == wanted || text.as_ref() == Some(&wanted)
            };
            let arguments = key(&is_wanted, within)?;
            let id = key(&|value| value.as_str() == Some(&call.id), whole);
            let position = |mark: &str| text.get(from..to)?.find(mark);
            let id = id.map(|key| IdKey {
                is_first: position(&call.id) < position(&format!("\"{arguments}\"")),
                key,
            });
            let body = Body::Object(Keys {
                name,
                arguments,
                id,
            });
            Some(Found { from, to, body })
        })
    })
}

/// Calls that are a name, then arguments in JSON.
fn named(one: &str, two: Option<&str>) -> Option<Calls> {
    around(one, two, |text, call| {
        let wanted: Value = serde_json::from_str(call.arguments).ok()?;
        let is_wanted = |(_, _, value): &(usize, usize, Value)| *value == wanted;
        let (start, to, _) = objects(text).find(is_wanted)?;
        let from = text.get(..start)?.rfind(call.name)?;
        let between = text.get(from + call.name.len()..start)?;
        let before = text.get(..from)?;
        let id_first = before.rfind(call.id.as_ref());
        let (from, id, between) = match (id_first, between.split_once(call.id.as_ref())) {
            (Some(at), _) => {
                let marker = before.get(at + call.id.len()..)?;
                (at, NamedId::Before(marker.to_owned()), between)
            }
            (None, Some((marker, between))) => (from, NamedId::After(marker.to_owned()), between),
            (None, None) => (from, NamedId::Absent, between),
        };
        let body = Body::Named(Named {
            id,
            between: between.to_owned(),
            notation: Notation::Json,
        });
        Some(Found { from, to, body })
    })
}

/// Calls whose arguments stand between tags.
fn tagged(one: &str, two: Option<&str>, numbers: Option<&str>) -> Option<Calls> {
    let format = tags(one, numbers)?;
    around(one, two, |text, call| {
        let from = text.find(call.name)?;
        let last = match call.name == FIRST.name {
            true => VALUES[1],
            false => "mynahcase",
        };
        let behind = text.find(last)? + last.len();
        let to = behind + format.value.end.len();
        let body = Body::Tagged(format.clone());
        (text.get(behind..to)? == format.value.end).then_some(Found { from, to, body })
    })
}

/// The tags around names and values.
fn tags(text: &str, numbers: Option<&str>) -> Option<Tagged> {
    let after_name = text.split_once(FIRST.name)?.1;
    let (name_to_key, rest) = after_name.split_once(KEYS[0])?;
    let (key_to_value, rest) = rest.split_once(VALUES[0])?;
    let (value_to_key, rest) = rest.split_once(KEYS[1])?;
    let (again, after) = rest.split_once(VALUES[1])?;
    // A text in quotes is no text between tags.
    if again != key_to_value || key_to_value.contains('"') && key_to_value.ends_with('"') {
        return None;
    }
    let value_end = value_to_key.get(..common_start(value_to_key, after))?;
    let rest = value_to_key.get(value_end.len()..)?;
    let key_begin = rest.get(rest.len() - common_end(rest, name_to_key)..)?;
    let name_end = name_to_key.strip_suffix(key_begin)?;
    let key_to_number = numbers.and_then(|numbers| {
        let after_key = numbers.split_once(KEYS[0])?.1;
        Some(after_key.split_once(NUMBER)?.0).filter(|between| *between != key_to_value)
    });
    let close = match key_to_number {
        Some(_) => key_to_value.find(['>', '"']),
        None => key_to_value.find('>'),
    };
    let cut = close.map_or(key_to_value.len(), |at| at + 1);
    let (key_end, value_begin) = key_to_value.split_at_checked(cut)?;
    let json_begin = match key_to_number {
        Some(other) => Some(other.strip_prefix(key_end)?.to_owned()),
        None => None,
    };
    let are_marked = [value_end, key_begin, key_end]
        .iter()
        .all(|marker| !marker.trim().is_empty());
    are_marked.then(|| Tagged {
        name_end: name_end.to_owned(),
        key: Around::new(key_begin, key_end),
        value: Around::new(value_begin, value_end),
        json_begin,
    })
}

/// The JSON objects in a text, with where they begin and end, the outer ones first.
fn objects(text: &str) -> impl Iterator<Item = (usize, usize, Value)> {
    text.match_indices('{').filter_map(|(from, _)| {
        let mut values = Deserializer::from_str(text.get(from..)?).into_iter::<Value>();
        let value = values.next()?.ok()?;
        Some((from, from + values.byte_offset(), value))
    })
}

/// Whether a call does not reach the prompt where the model would have written it.
fn shows_no_calls(rendered: &Rendered<'_>) -> bool {
    let written = rendered.calls("", &[FIRST]);
    !written.is_ok_and(|written| written.contains(FIRST.name) || written.contains(VALUES[0]))
}

/// Whether the parser reads back what the template writes, and with `is_hard` also arguments that
/// are hard to write.
fn reads_back(format: &AnswerFormat, rendered: &Rendered<'_>, is_hard: bool) -> bool {
    let is_read = |beside: &str, calls: &[Called]| {
        let calls = (0..).zip(calls).map(|(at, call)| call.of(format, at));
        let calls: Vec<Called> = calls.collect();
        match rendered.calls(beside, &calls) {
            // Some templates show either the text or the calls.
            Ok(written) if !beside.is_empty() && !written.contains(FIRST.name) => true,
            Ok(written) => read(format, &written).is_some_and(|read| read.is(beside, &calls)),
            // Some templates take one call only, or none without arguments.
            Err(_) => true,
        }
    };
    let is_single = format.calls.is_single;
    is_read("", &[FIRST])
        && is_read("", &[EMPTY])
        && (is_single || is_read("", &[EMPTY, SECOND]))
        && (is_single || is_read("", &[SECOND, FIRST]))
        && is_read(ANSWER, &[FIRST])
        && (!is_hard || is_read("", &[HARD]))
}

impl Called {
    /// The call with an id as the model would write it.
    fn of(&self, format: &AnswerFormat, at: usize) -> Self {
        let has_name = match &format.calls.body {
            Body::Named(named) => named.id == NamedId::WithName,
            Body::Object(_) | Body::Tagged(_) => false,
        };
        let mut call = self.clone();
        if has_name {
            call.id = Cow::Owned(format!("functions.{}:{at}", self.name));
        }
        call
    }
}

/// What the parser reads.
#[derive(Debug, Default)]
struct Read {
    text: String,
    calls: Vec<(String, String)>,
}

impl Read {
    /// Whether it is these calls. Templates may leave out a text beside them.
    fn is(&self, beside: &str, calls: &[Called]) -> bool {
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        let is_same = |((name, arguments), call): (&(String, String), &Called)| {
            name == call.name && value(arguments) == value(call.arguments)
        };
        let text = self.text.trim();
        let is_text = text.is_empty() || !beside.is_empty() && text.starts_with(beside);
        let has_all = self.calls.len() == calls.len();
        is_text && has_all && self.calls.iter().zip(calls).all(is_same)
    }
}

fn read(format: &AnswerFormat, written: &str) -> Option<Read> {
    let parameters = r#"{"type": "object", "properties": {"mynahkey": {"type": "string"},
        "mynahmore": {"type": "string"}, "days": {"type": "integer"}, "of": {"type": "object"}}}"#;
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        description: None,
        parameters: Some(parameters.to_owned()),
        strict: false,
    };
    let tools = Tools {
        list: vec![tool(FIRST.name), tool(SECOND.name)],
        choice: ToolChoice::Auto,
        parallel: true,
    };
    let mut parser = format.parser(&tools, false, 0);
    let mut events = parser.push(Piece::Text(written));
    let end = parser.end();
    events.extend(end.events);
    let mut read = Read::default();
    for event in events {
        match event {
            Event::Text(text) => read.text.push_str(&text),
            Event::ToolCallStart { name, .. } => read.calls.push((name, String::new())),
            Event::ToolCallArguments { text, .. } => read.calls.last_mut()?.1.push_str(&text),
            Event::Token(_) | Event::Reasoning(_) | Event::Finished(_) => {}
        }
    }
    end.incomplete.is_empty().then_some(read)
}
