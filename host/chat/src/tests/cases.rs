//! Constructs of published templates, each with a conversation and the prompt that must come.

use std::path::Path;

use serde_json::Value as Json;

use super::*;

/// A case's template and conversation.
fn case(name: &str) -> (Template, Conversation) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let read = |end: &str| std::fs::read_to_string(folder.join(format!("{name}.{end}"))).unwrap();
    let conversation: Json = serde_json::from_str(&read("conversation.json")).unwrap();
    let text = |of: &Json| of.as_str().map(str::to_owned);
    let messages = conversation["messages"].as_array().unwrap().iter();
    let messages = messages.map(|message| Message {
        fields: text(&message["fields"]),
        ..say(
            serde_json::from_value(message["role"].clone()).unwrap(),
            message["content"].as_str().unwrap(),
        )
    });
    let conversation = Conversation {
        messages: messages.collect(),
        template_tools: text(&conversation["tools"]),
        variables: text(&conversation["variables"]),
        ..Conversation::default()
    };
    (template(&read("jinja"), false), conversation)
}

fn prompt(name: &str) -> String {
    let (template, conversation) = case(name);
    let text = template.text(&conversation);
    text.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The system message that describes a tool, for a template without a place for tools.
const RAIN: &str = "{\"type\": \"function\", \"function\": {\"name\": \"rain\", \"description\": \
    \"Rain in Z\u{fc}rich?\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": \
    {\"type\": \"string\"}}}}}";

#[test]
fn none_iterable() {
    assert_eq!(prompt("none-iterable"), "[user]Hi");
}

#[test]
fn typed_content() {
    assert_eq!(prompt("typed-content"), "[user]Hi there");
}

#[test]
fn no_system() {
    assert_eq!(prompt("no-system"), "[U]Be brief.\n\nHi[A]");
}

#[test]
fn system_refused() {
    assert_eq!(prompt("system-refused"), "[user]Be brief.\n\nHi");
}

#[test]
fn first_system_only() {
    assert_eq!(prompt("first-system-only"), "[S]One.\n\nTwo.[user]Hi");
}

#[test]
fn no_tools() {
    let prompt = prompt("no-tools");
    let [before, after] = [
        "[system]You can call tools.",
        &format!("\n{RAIN}[user]Rain?"),
    ];
    assert!(
        prompt.starts_with(before) && prompt.ends_with(after),
        "{prompt}"
    );
}

#[test]
fn other_tools() {
    // The template reads them from a variable of its own.
    let prompt = prompt("other-tools");
    assert!(prompt.contains("Rain in Zürich?"), "{prompt}");
    assert!(prompt.ends_with("[user]Rain?"), "{prompt}");
    assert!(!prompt.contains("[system]"), "{prompt}");
}

#[test]
fn call_when_none() {
    let prompt = prompt("call-when-none");
    let expected = format!("{RAIN}[user]Rain?[assistant]CALL rain[tool]yes");
    assert!(prompt.ends_with(&expected), "{prompt}");
}

#[test]
fn arguments_items() {
    let prompt = prompt("arguments-items");
    let expected = format!("{RAIN}[user]Rain?[assistant]city=Oslo;[tool]yes");
    assert!(prompt.ends_with(&expected), "{prompt}");
}

#[test]
fn tojson_separators() {
    let compact = RAIN.replace(": ", ":").replace(", ", ",");
    assert_eq!(prompt("tojson-separators"), format!("[{compact}][user]Hi"));
}

#[test]
fn append() {
    assert_eq!(prompt("append"), "Hi");
}

#[test]
fn group_list() {
    assert_eq!(prompt("group-list"), "user:Hi");
}

#[test]
fn quadratic() {
    let (template, conversation) = case("quadratic");
    let expected: String = conversation
        .messages
        .iter()
        .map(|message| {
            let [mynah_core::Part::Text(content)] = message.content.as_slice() else {
                panic!("{message:?}");
            };
            match message.role {
                Role::User => format!("[user]{content}"),
                _ => format!("[assistant]{content}"),
            }
        })
        .collect();
    let text = template.text(&conversation).unwrap();
    assert!(text == expected, "{} bytes, {}", text.len(), expected.len());
}

#[test]
fn macro_default() {
    assert_eq!(prompt("macro-default"), "Hi");
}

#[test]
fn is_sequence() {
    assert_eq!(prompt("is-sequence"), "Hi");
}

#[test]
fn percent_format() {
    assert_eq!(prompt("percent-format"), "[user] Hi");
}

#[test]
fn numbers() {
    let expected = "Go{\"id\": 12345678901234567890123, \"x\": 1e-07}yes";
    assert_eq!(prompt("numbers"), expected);
}

#[test]
fn microseconds() {
    assert_eq!(prompt("microseconds"), "6%Q[user]Hi");
}

/// The engine gives a model with an empty template the built-in one for its vocabulary.
#[test]
fn empty() {
    let (_, conversation) = case("empty");
    let name = for_vocabulary(|token| token == "<|im_start|>");
    let text = template(built_in_source(name), false).text(&conversation);
    let expected = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn prefill() {
    assert_eq!(prompt("prefill"), "<user>Hi</user><assistant>Sure, here is");
}
