//! The variables that a template gets for a conversation.

use mynah_core::Conversation;

use super::control_tokens::{ControlTokens, is_mark, unused_mark};
use super::data::{Data, Object};
use super::typed;

/// Variables that a guest cannot set, because the renderer sets them.
const OWN: [&str; 7] = [
    "messages",
    "tools",
    "add_generation_prompt",
    "bos_token",
    "eos_token",
    "pad_token",
    "sep_token",
];

/// The variables of a conversation without its messages, with the names of `apply_chat_template`.
///
/// # Errors
///
/// Which of the guest's JSON is invalid, and where.
pub(super) fn variables(conversation: &Conversation) -> Result<Object, String> {
    let mut variables = defaults();
    if let Some(text) = &conversation.variables {
        let set = object("the variables", text)?;
        if let Some(own) = OWN.iter().find(|own| set.contains_key(**own)) {
            return Err(format!(
                "the variables set `{own}`, which is the template's own: name it otherwise"
            ));
        }
        variables.extend(set);
    }
    let tools = &conversation.tools.list;
    if !tools.is_empty() {
        let tools: Result<_, _> = tools.iter().map(typed::tool).collect();
        variables.insert("tools".to_owned(), Data::List(tools?));
    } else if let Some(text) = &conversation.template_tools {
        match Data::read(text) {
            Ok(tools @ Data::List(_)) => variables.insert("tools".to_owned(), tools),
            Ok(_) => return Err("the tools are no JSON list: give a list of tools".to_owned()),
            Err(error) => return Err(format!("the tools are no JSON list: {error}")),
        };
    }
    Ok(variables)
}

/// The variables that every conversation has.
pub(super) fn defaults() -> Object {
    // Templates distinguish `none` from undefined: without tools, these variables are defined and
    // `none`.
    let mut variables = Object::new();
    variables.insert("tools".to_owned(), Data::Null);
    variables.insert("documents".to_owned(), Data::Null);
    variables.insert("add_generation_prompt".to_owned(), Data::Bool(true));
    variables
}

/// Sets the tools, also under the name that SmolLM3's template reads in its place. A guest may have
/// set that one itself.
pub(super) fn set_tools(variables: &mut Object, tools: Data) {
    if tools.as_list().is_some() {
        let other = variables.entry("xml_tools".to_owned());
        other.or_insert_with(|| tools.clone());
    }
    variables.insert("tools".to_owned(), tools);
}

/// Marks the end of the last message, which the answer continues. A space after the mark shows
/// whether the template removes white space at the end.
///
/// # Errors
///
/// The guest uses every character that could be the mark.
pub(super) fn mark_end(variables: &mut Object, mark: Option<char>) -> Result<(), String> {
    let mark = mark.ok_or(
        "the messages use every noncharacter from U+FDD0 to U+FDEF, and the last one is to be \
         continued: leave one out",
    )?;
    let messages = variables.get_mut("messages").and_then(Data::as_list_mut);
    let last = messages.and_then(|messages| messages.last_mut()?.as_object_mut());
    let content = match last.and_then(|last| last.get_mut("content")) {
        Some(Data::List(parts)) => {
            let part = parts.last_mut().and_then(Data::as_object_mut);
            part.and_then(|part| part.get_mut("text"))
        }
        content => content,
    };
    if let Some(Data::Text(content)) = content {
        content.push(mark);
        content.push(' ');
    }
    Ok(())
}

/// The prompt up to the end of the message that the answer continues.
///
/// # Errors
///
/// The template leaves that message out, or changes it.
pub(super) fn cut(text: &str, mark: Option<char>) -> Result<String, String> {
    let found = mark.and_then(|mark| text.rsplit_once(mark));
    let (before, after) = found.ok_or(
        "it leaves out the last message, which is the assistant's and is to be continued: end with \
         another message",
    )?;
    // The template removes white space at the end, unless the space after the mark is there.
    let text = match after.starts_with(' ') {
        true => before,
        false => before.trim_end(),
    };
    Ok(text.to_owned())
}

/// The object that a text of JSON is.
///
/// # Errors
///
/// `what` it is, and the mistake.
pub(super) fn object(what: &str, text: &str) -> Result<Object, String> {
    // serde_json refuses more than 128 levels.
    match Data::read(text) {
        Ok(Data::Object(object)) => Ok(object),
        Ok(_) => Err(format!("{what} are no JSON object")),
        Err(error) => Err(format!("{what} are no JSON object: {error}")),
    }
}

/// Marks everything in the guest's text that could be read as a control token. Returns the mark, or
/// `None` if there is nothing to mark, and a second character that is not in the text.
///
/// # Errors
///
/// The guest uses every character that could be the mark.
pub(super) fn mark(
    variables: &mut Object,
    control_tokens: &ControlTokens,
) -> Result<(Option<char>, Option<char>), String> {
    let mut is_near = false;
    let mut used = Vec::new();
    each_text(variables, &mut |text, is_key| {
        is_near |= if is_key {
            control_tokens.is_in(text)
        } else {
            control_tokens.is_near(text)
        };
        used.extend(text.chars().filter(|&c| is_mark(c)));
        None
    });
    used.sort_unstable();
    used.dedup();
    if !is_near {
        return Ok((None, unused_mark(|mark| used.contains(&mark))));
    }
    let mark = unused_mark(|mark| used.contains(&mark)).ok_or(
        "the messages use every noncharacter from U+FDD0 to U+FDEF beside the text of a control \
         token: leave one out",
    )?;
    each_text(variables, &mut |text, is_key| {
        let is_marked = !is_key || control_tokens.is_in(text);
        is_marked.then(|| control_tokens.mark(text, mark))
    });
    let second = unused_mark(|other| other == mark || used.contains(&other));
    Ok((Some(mark), second))
}

/// Calls `with` for each text, and says whether it is a key, which templates look up. The result
/// replaces the text. The roles of messages are not guest text.
fn each_text(variables: &mut Object, with: &mut dyn FnMut(&str, bool) -> Option<String>) {
    for (name, value) in variables.iter_mut() {
        match value {
            Data::List(messages) if name == "messages" => {
                let messages = messages.iter_mut().filter_map(Data::as_object_mut);
                messages.for_each(|message| walk_object(message, Some("role"), with));
            }
            value => walk(value, with),
        }
    }
}

fn walk(value: &mut Data, with: &mut dyn FnMut(&str, bool) -> Option<String>) {
    match value {
        Data::Text(text) => {
            if let Some(changed) = with(text, false) {
                *text = changed;
            }
        }
        Data::List(list) => list.iter_mut().for_each(|value| walk(value, with)),
        Data::Object(of) => walk_object(of, None, with),
        Data::Null | Data::Bool(_) | Data::Whole(_) | Data::Fraction(_) => {}
    }
}

fn walk_object(
    of: &mut Object,
    without: Option<&str>,
    with: &mut dyn FnMut(&str, bool) -> Option<String>,
) {
    let changed = |(key, mut value): (String, Data)| {
        if without == Some(key.as_str()) {
            return (key, value);
        }
        walk(&mut value, with);
        (with(&key, true).unwrap_or(key), value)
    };
    *of = std::mem::take(of).into_iter().map(changed).collect();
}
