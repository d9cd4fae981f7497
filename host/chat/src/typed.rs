//! Messages and tools in the form in which `apply_chat_template` gives them to templates.

use std::collections::HashMap;

use mynah_core::{Conversation, Message, Part, Role, Tool, ToolCall};

use super::ChatError;
use super::adapt::calls;
use super::context::object;
use super::data::{Data, Object};
use super::probe::text_part;

/// Where a template reads the reasoning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasoning {
    /// In a field of this name.
    Field(&'static str),
    /// In the first part of the content, as Mistral's.
    Part,
}

/// The names of fields of reasoning.
pub(super) const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];

/// Maximum number of characters of a media type that an error shows.
const MAX_SHOWN: usize = 64;

/// Checks that all parts of messages are text: a template makes text, which can't carry others.
///
/// # Errors
///
/// [`ChatError::UnsupportedPart`] for the first other part.
pub(super) fn check_parts(conversation: &Conversation) -> Result<(), ChatError> {
    for (message, of) in (1..).zip(&conversation.messages) {
        for (part, content) in (1..).zip(&of.content) {
            let (kind, media) = match content {
                Part::Text(_) => continue,
                Part::Image(media) => ("an image", media),
                Part::Audio(media) => ("audio", media),
            };
            return Err(ChatError::UnsupportedPart {
                message,
                part,
                kind,
                media_type: media.media_type.chars().take(MAX_SHOWN).collect(),
            });
        }
    }
    Ok(())
}

/// Whether any message has reasoning.
pub(super) fn has_reasoning(conversation: &Conversation) -> bool {
    let mut thoughts = conversation
        .messages
        .iter()
        .filter_map(|of| of.reasoning.as_ref());
    thoughts.any(|text| !text.is_empty())
}

/// The messages of a conversation, with reasoning in this place, or without it.
///
/// # Errors
///
/// Which of the guest's JSON is invalid, and where, or what it says twice.
pub(super) fn messages(
    conversation: &Conversation,
    reasoning: Option<Reasoning>,
) -> Result<Vec<Data>, String> {
    let mut called = HashMap::new();
    let mut messages = Vec::with_capacity(conversation.messages.len());
    for (number, given) in (1..).zip(&conversation.messages) {
        let mut whole = message(number, given, reasoning)?;
        // Some templates show the name of the tool, others the id of the call.
        if let Some(id) = &given.tool_call_id
            && let Some(name) = called.get(id)
            && !whole.contains_key("name")
        {
            whole.insert("name".to_owned(), Data::text(name));
        }
        let whole = Data::Object(whole);
        called.extend(calls(&whole).iter().filter_map(id_and_name));
        messages.push(whole);
    }
    Ok(messages)
}

fn message(number: usize, given: &Message, reasoning: Option<Reasoning>) -> Result<Object, String> {
    let mut whole = Object::new();
    let mut add = |key: &str, value: Data| whole.insert(key.to_owned(), value);
    add("role", Data::text(given.role.name()));
    let thought = given.reasoning.as_ref().filter(|text| !text.is_empty());
    let place = thought.and(reasoning);
    let thought = thought.map_or("", String::as_str);
    match place {
        Some(Reasoning::Part) => add("content", behind_thought(thought, content(given))),
        Some(Reasoning::Field(_)) | None => add("content", content(given)),
    };
    if let Some(Reasoning::Field(name)) = place {
        add(name, Data::text(thought));
    }
    if !given.tool_calls.is_empty() {
        let calls = (1..).zip(&given.tool_calls);
        let calls: Result<_, _> = calls.map(|(at, of)| call(number, at, of)).collect();
        add("tool_calls", Data::List(calls?));
    }
    if let Some(id) = &given.tool_call_id {
        add("tool_call_id", Data::text(id));
    }
    if let Some(name) = &given.name {
        add("name", Data::text(name));
    }
    let Some(text) = &given.fields else {
        return Ok(whole);
    };
    let what = format!("the fields of message {number}");
    let fields = object(&what, text)?;
    let is_thought = |key: &&String| given.reasoning.is_some() && REASONING.contains(&key.as_str());
    let is_twice = |key: &&String| whole.contains_key(*key) || is_thought(key);
    if let Some(twice) = fields.keys().find(is_twice) {
        return Err(format!(
            "{what} set `{twice}`, which the message itself says"
        ));
    }
    whole.extend(fields);
    Ok(whole)
}

/// The content: one text as it is, several in a list. An answer may have none, which templates
/// tell apart from an empty text; for other roles they do not expect it.
fn content(given: &Message) -> Data {
    let texts = given.content.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Image(_) | Part::Audio(_) => None,
    });
    let texts: Vec<&str> = texts.collect();
    match texts.as_slice() {
        [] if given.role == Role::Assistant => Data::Null,
        [] => Data::text(""),
        [text] => Data::text(*text),
        texts => Data::List(texts.iter().copied().map(text_part).collect()),
    }
}

/// A content with reasoning before it.
pub(super) fn behind_thought(thought: &str, content: Data) -> Data {
    let mut parts = vec![Data::object([
        ("type", Data::text("thinking")),
        ("thinking", Data::text(thought)),
    ])];
    match content {
        Data::List(of) => parts.extend(of),
        Data::Text(text) if !text.is_empty() => parts.push(text_part(&text)),
        _ => {}
    }
    Data::List(parts)
}

fn call(message: usize, number: usize, call: &ToolCall) -> Result<Data, String> {
    let what = format!("the arguments of call {number} of message {message}");
    let arguments = object(&what, &call.arguments)?;
    Ok(function_call(&call.id, &call.name, Data::Object(arguments)))
}

/// A call in the form that templates read.
pub(super) fn function_call(id: &str, name: &str, arguments: Data) -> Data {
    let function = [("name", Data::text(name)), ("arguments", arguments)];
    Data::object([
        ("id", Data::text(id)),
        ("type", Data::text("function")),
        ("function", Data::object(function)),
    ])
}

/// An assistant's message with calls, beside this content.
pub(super) fn calling(content: Data, calls: Vec<Data>) -> Data {
    Data::object([
        ("role", Data::text("assistant")),
        ("content", content),
        ("tool_calls", Data::List(calls)),
    ])
}

/// The id of a call and the name of the tool.
fn id_and_name(call: &Data) -> Option<(String, String)> {
    let id = call.get("id").and_then(Data::as_text)?;
    let function = call.get("function").unwrap_or(call);
    let name = function.get("name").and_then(Data::as_text)?;
    Some((id.to_owned(), name.to_owned()))
}

/// A tool. Templates read all three fields of the function without asking whether they are there.
///
/// # Errors
///
/// Its parameters are no JSON object.
pub(super) fn tool(tool: &Tool) -> Result<Data, String> {
    let parameters = match &tool.parameters {
        Some(text) => {
            let what = format!("the parameters of the tool `{}`", tool.name);
            object(&what, text)?
        }
        None => Object::from([
            ("type".to_owned(), Data::text("object")),
            ("properties".to_owned(), Data::Object(Object::new())),
        ]),
    };
    let description = tool.description.as_deref().unwrap_or_default();
    let parameters = Data::Object(parameters);
    Ok(function_tool(&tool.name, description, parameters))
}

/// A tool in the form that templates read.
pub(super) fn function_tool(name: &str, description: &str, parameters: Data) -> Data {
    let function = [
        ("name", Data::text(name)),
        ("description", Data::text(description)),
        ("parameters", parameters),
    ];
    Data::object([
        ("type", Data::text("function")),
        ("function", Data::object(function)),
    ])
}
