//! What is found in templates.

use mynah_core::{Conversation, Event, Message, Role, Tool, Tools};

use super::super::format::{Around, Body, Calls, NamedId};
use super::templates::*;
use super::*;
use crate::Rendered;
use crate::control_tokens::ControlTokens;

fn found(source: &str) -> AnswerFormat {
    AnswerFormat::of(&template(source))
}

fn known(name: &str) -> AnswerFormat {
    AnswerFormat::named(name).unwrap()
}

#[test]
fn comparing_finds_how_calls_are_written() {
    for (source, name) in [
        (qwen3(), "hermes"),
        (qwen3_coder(), "qwen3-coder"),
        (mistral_list(), "mistral-list"),
        (mistral_named(true), "mistral-named"),
        (command_r(), "command-r"),
        (glm(), "glm-4.5"),
        (minimax(), "minimax-m2"),
        (deepseek_r1(), "deepseek-r1"),
        (deepseek_v3_1(), "deepseek-v3.1"),
        (dsml(), "deepseek-dsml"),
    ] {
        let found = found(&source);
        assert_eq!(found.origin(), Origin::Compared, "{name}: {found:#?}");
        assert_eq!(found.calls, known(name).calls, "{name}");
    }
}

#[test]
fn reasoning_is_found_by_rendering_it_or_by_its_markers() {
    for (source, begin, end) in [
        (qwen3(), "<think>\n", "\n</think>\n\n"),
        (minimax(), "<think>\n", "\n</think>\n\n"),
        (glm(), "<think>", "</think>\n"),
        // These show no reasoning of earlier turns.
        (deepseek_r1(), "<think>\n", "\n</think>\n\n"),
        (smollm3(), "<think>\n", "\n</think>\n\n"),
        (command_r7b(), "<|START_THINKING|>", "<|END_THINKING|>"),
    ] {
        let found = found(&source);
        assert_eq!(found.reasoning, Some(Around::new(begin, end)), "{source}");
    }
    for source in [qwen3_coder(), mistral_list(), llama_3(), gemma_3()] {
        assert_eq!(found(&source).reasoning, None, "{source}");
    }
}

#[test]
fn a_prompt_tells_whether_it_opens_reasoning() {
    let found = found(&qwen3());
    assert!(found.opens_reasoning("<|im_start|>assistant\n<think>\n"));
    assert!(!found.opens_reasoning("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
    assert!(!found.opens_reasoning("<|im_start|>assistant\n"));
    assert_eq!(found.reasoning(), Some(("<think>", "</think>")));
}

#[test]
fn one_call_without_a_marker_is_found() {
    let found = found(&llama_3());
    assert_eq!(found.origin(), Origin::Compared);
    let expected = Calls {
        is_single: true,
        ..known("llama-3").calls
    };
    assert_eq!(found.calls, expected);
}

#[test]
fn what_is_no_format_of_a_name_is_found_too() {
    let found_calls = |source: &str| {
        let found = found(source);
        assert_eq!(found.origin(), Origin::Compared, "{found:?}");
        found.calls
    };
    let smollm3 = found_calls(&smollm3());
    assert_eq!(smollm3.each, Around::new("<tool_call>", "</tool_call>"));
    assert_eq!(smollm3.separator, "");
    let whole = found_calls(&whole_call());
    assert_eq!(whole.each, Around::new("<call>", "</call>"));
    let Body::Object(keys) = whole.body else {
        panic!("{:?}", whole.body);
    };
    assert_eq!(
        (keys.name.as_str(), keys.arguments.as_str()),
        ("name", "arguments")
    );
    let Body::Named(id_first) = found_calls(&id_first()).body else {
        panic!("it is a name and arguments");
    };
    assert_eq!(
        id_first.id,
        NamedId::Before("<|tool_call:name|>".to_owned())
    );
    let action = found_calls(&more_in_the_prompt());
    assert_eq!(action.each, Around::new("Action: ", ";"));
    let without_id = found_calls(&mistral_named(false));
    assert_eq!(without_id.each, Around::new("[TOOL_CALLS]", ""));
}

#[test]
fn formats_that_comparing_cannot_find_are_recognised() {
    for (words, name) in [
        (
            "<|channel|>analysis, <|message|> after <|start|>",
            "harmony",
        ),
        ("<｜DSML｜function_calls>", "deepseek-dsml"),
        (
            "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>",
            "kimi-k2",
        ),
        ("<|tool_call>call:f{}<tool_call|>", "gemma-4"),
        ("<start_function_call>call:f{}", "function-gemma"),
        ("<|tool_call_start|>[f()]<|tool_call_end|>", "lfm2"),
        (
            "write [func_name1(params_name1=params_value1, ...)]",
            "pythonic",
        ),
        ("<|tool_call|>[{}]<|/tool_call|>", "phi-4-mini"),
        ("<|tool|>[]<|/tool|>", "phi-4-mini"),
        ("write <|tool_call|> and a list", "granite-3"),
        ("within <tool_call> tags", "hermes"),
    ] {
        let found = found(&in_words(words));
        assert_eq!(
            (found.name(), found.origin()),
            (name, Origin::Recognised),
            "{words}"
        );
    }
    // What these write for a call is read.
    for (source, name) in [
        (command_r7b(), "command-r7b"),
        (kimi(), "kimi-k2"),
        (lfm2(), "lfm2"),
        (gemma_4(), "gemma-4"),
        (harmony(), "harmony"),
    ] {
        let found = found(&source);
        assert_eq!(
            (found.name(), found.origin()),
            (name, Origin::Recognised),
            "{source}"
        );
    }
}

#[test]
fn markers_are_no_proof_if_the_calls_in_them_are_not_read() {
    let found = found(&unreadable());
    assert_eq!((found.name(), found.origin()), ("json", Origin::Assumed));
}

#[test]
fn without_a_place_for_tools_or_a_known_way_to_call_them_the_fallback_is_asked_for() {
    let assumed = found(&in_words("be brief"));
    assert_eq!(
        (assumed.name(), assumed.origin()),
        ("json", Origin::Assumed)
    );
    for source in [gemma_3(), "{% for %}".to_owned(), String::new()] {
        let found = found(&source);
        assert_eq!(
            (found.name(), found.origin()),
            ("json", Origin::Fallback),
            "{source}"
        );
    }
}

#[test]
fn a_marker_that_is_too_long_to_compare_is_none() {
    let source = whole_call().replace("<call>", &format!("<{}call>", "<".repeat(300)));
    assert_eq!(found(&source).origin(), Origin::Assumed);
}

#[test]
fn names_are_known_and_others_are_not() {
    for name in AnswerFormat::names() {
        let named = known(name);
        assert_eq!((named.name(), named.origin()), (name, Origin::Chosen));
    }
    assert_eq!(AnswerFormat::named("qwen"), None);
}

#[test]
fn the_fallback_reads_what_its_description_asks_for() {
    let conversation = Conversation {
        template_tools: Some(r#"[{"name": "tool"}]"#.to_owned()),
        ..vec![Message::new(Role::User, "x")].into()
    };
    let none = ControlTokens::new(std::iter::empty()).unwrap();
    let rendered = template(&gemma_3()).render_with(&none, &conversation, None, 10_000);
    let Rendered::Text(prompt) = rendered.unwrap().prompt else {
        panic!("there are no control tokens");
    };
    let asked = "{\"name\": \"tool\", \"arguments\": {\"key\": \"value\"}}";
    assert!(prompt.contains(asked), "{prompt}");
    let tool = Tool {
        name: "tool".to_owned(),
        description: None,
        parameters: None,
        strict: false,
    };
    let tools = Tools {
        list: vec![tool],
        ..Tools::default()
    };
    let mut parser = AnswerFormat::fallback().parser(&tools, false, 0);
    let events = parser.push(Piece::Text(asked));
    let [
        Event::ToolCallStart { name, .. },
        Event::ToolCallArguments { text, .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (name.as_str(), text.as_str()),
        ("tool", "{\"key\": \"value\"}")
    );
}
