//! Tests of what a conversation is refused for.

use proptest::prelude::*;

use super::*;
use crate::ToolCall;

fn tool(name: &str, parameters: Option<&str>) -> Tool {
    Tool {
        name: name.to_owned(),
        description: None,
        parameters: parameters.map(str::to_owned),
        strict: false,
    }
}

fn with_tools(list: Vec<Tool>, choice: ToolChoice) -> Conversation {
    Conversation {
        tools: Tools {
            list,
            choice,
            parallel: true,
        },
        ..vec![Message::new(Role::User, "Rain?")].into()
    }
}

fn refused(conversation: &Conversation) -> String {
    conversation.check().expect_err("it is wrong").to_string()
}

fn call(name: &str, arguments: &str) -> Message {
    Message {
        tool_calls: vec![ToolCall {
            id: "1".to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        }],
        ..Message::empty(Role::Assistant)
    }
}

#[test]
fn a_conversation_with_tools_calls_and_results_is_taken() {
    let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}}}"#;
    let list = vec![tool("rain", Some(schema)), tool("math/add.2-x_Y", None)];
    let thought = Message {
        reasoning: Some("hm".to_owned()),
        ..call("rain", r#" {"city": "Oslo"} "#)
    };
    let result = Message {
        tool_call_id: Some("of another conversation".to_owned()),
        ..Message::new(Role::Tool, "yes")
    };
    for choice in [
        ToolChoice::Auto,
        ToolChoice::None,
        ToolChoice::Required,
        ToolChoice::Named("rain".to_owned()),
    ] {
        let mut conversation = with_tools(list.clone(), choice);
        conversation
            .messages
            .extend([thought.clone(), result.clone()]);
        assert_eq!(conversation.check(), Ok(()));
    }
    let without = with_tools(Vec::new(), ToolChoice::None);
    assert_eq!(without.check(), Ok(()));
}

#[test]
fn a_name_that_a_format_of_calls_could_misread_is_refused() {
    let named = |name: &str| refused(&with_tools(vec![tool(name, None)], ToolChoice::Auto));
    assert!(
        named("").contains("tool 1 has 0 characters"),
        "{}",
        named("")
    );
    let long = named(&"x".repeat(129));
    assert!(
        long.contains("129 characters") && long.len() < 200,
        "{long}"
    );
    for character in ['"', '\\', '\n', ' ', '<', ':', '\u{e9}'] {
        let told = named(&format!("a{character}b"));
        assert!(told.contains(&format!("has {character:?}")), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }
    assert_eq!(
        with_tools(vec![tool(&"x".repeat(128), None)], ToolChoice::Auto).check(),
        Ok(())
    );
}

#[test]
fn each_tool_has_its_own_name() {
    let list = vec![tool("a", None), tool("b", None), tool("a", None)];
    let told = refused(&with_tools(list, ToolChoice::Auto));
    assert!(told.contains("two tools `a`"), "{told}");
}

#[test]
fn parameters_are_a_schema_of_an_object() {
    for (parameters, reason) in [
        ("[]", "they are a list"),
        ("null", "they are null"),
        ("{\n\"a\": }", "line 2 column 6"),
        (r#"{"type": "string"}"#, "their `type` is `string`"),
    ] {
        let list = vec![tool("rain", Some(parameters))];
        let told = refused(&with_tools(list, ToolChoice::Auto));
        assert!(told.contains("`rain`") && told.contains(reason), "{told}");
    }
    let deep = ["{\"a\":".repeat(10_000), "}".repeat(10_000)].concat();
    let told = refused(&with_tools(vec![tool("a", Some(&deep))], ToolChoice::Auto));
    assert!(told.contains("recursion limit"), "{told}");
}

#[test]
fn what_must_be_called_is_there() {
    let told = refused(&with_tools(Vec::new(), ToolChoice::Required));
    assert!(told.contains("there are no tools"), "{told}");
    let named = ToolChoice::Named("y".repeat(1000));
    let told = refused(&with_tools(vec![tool("x", None)], named));
    assert!(
        told.contains("there is no tool `yyy") && told.len() < 200,
        "{told}"
    );
}

#[test]
fn tools_are_given_in_one_way() {
    let mut conversation = with_tools(vec![tool("x", None)], ToolChoice::Auto);
    conversation.template_tools = Some("[]".to_owned());
    assert_eq!(conversation.check(), Err(ConversationError::ToolsTwice));
    conversation.tools = Tools::default();
    assert_eq!(conversation.check(), Ok(()));
}

#[test]
fn a_message_has_only_what_its_role_has() {
    let messages = [
        Message {
            role: Role::User,
            ..call("rain", "{}")
        },
        Message {
            reasoning: Some("hm".to_owned()),
            ..Message::new(Role::Tool, "x")
        },
        Message {
            tool_call_id: Some("1".to_owned()),
            ..Message::new(Role::Assistant, "x")
        },
    ];
    for (message, told) in messages.into_iter().zip([
        "message 2 (user) has tool_calls, which only messages of the role `assistant` have",
        "message 2 (tool) has reasoning, which only messages of the role `assistant` have",
        "message 2 (assistant) has tool_call_id, which only messages of the role `tool` have",
    ]) {
        let conversation = vec![Message::new(Role::User, "u"), message].into();
        assert!(refused(&conversation).starts_with(told), "{told}");
    }
}

#[test]
fn an_earlier_call_has_a_name_and_an_object() {
    let told = refused(&vec![call("", "{}")].into());
    assert!(told.contains("call 1 of message 1 has no name"), "{told}");
    for (arguments, reason) in [("", "EOF"), (r#"{"city": "Os"#, "EOF"), ("7", "a number")] {
        let told = refused(&vec![call("rain", arguments)].into());
        assert!(
            told.contains("call 1 of message 1") && told.contains(reason),
            "{told}"
        );
    }
}

proptest! {
    #[test]
    fn any_tools_are_taken_or_refused_with_a_short_reason(
        tools in prop::collection::vec(
            (".{0,200}", prop::option::of(r#"[{}\[\]"a:1,]{0,20}"#)),
            0..4,
        ),
        named in prop::option::of(".{0,200}"),
    ) {
        let list = tools.iter().map(|(name, parameters)| tool(name, parameters.as_deref()));
        let choice = named.map_or(ToolChoice::Required, ToolChoice::Named);
        if let Err(error) = with_tools(list.collect(), choice).check() {
            let told = error.to_string();
            prop_assert!(told.len() < 1000 && !told.contains('\n'), "{told}");
        }
    }
}
