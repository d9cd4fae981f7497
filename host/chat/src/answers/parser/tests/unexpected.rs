//! Answers that are not as they should be.

use super::*;

fn said(format: &AnswerFormat, text: &str) -> String {
    let answer = whole(format, false, text);
    let is_text = |(kind, _): &(&str, String)| *kind == "text";
    assert!(answer.order.iter().all(is_text), "{answer:?}");
    answer.order.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn what_is_no_call_is_text_whole_and_unchanged() {
    for (name, text) in [
        (
            "hermes",
            "Write <tool_call> and  </tool_call>, then\n\n<tool_call",
        ),
        (
            "hermes",
            " \n<tool_call>\n{\"name\": \"snow\", \"arguments\": {}}\n</tool_call>",
        ),
        ("hermes", "<tool_call>\n{\"name\": rain}\n</tool_call> \n"),
        (
            "hermes",
            "<tool_call>{\"name\": \"rain\", \"arguments\": 7}</tool_call>",
        ),
        (
            "hermes",
            "<tool_call>{\"arguments\": {\"a\": 1}}</tool_call>",
        ),
        (
            "llama-3",
            "{\"a\": 1}\n{\"name\": \"Ann\", \"parameters\": {}}",
        ),
        ("json", "```json\n{\"a\": 1}\n```"),
        (
            "qwen3-coder",
            "<tool_call>\n<function=snow>\n</function>\n</tool_call>",
        ),
        ("mistral-list", "[TOOL_CALLS] none [{\"name\""),
        ("mistral-named", "[TOOL_CALLS]rain{\"a\": 1}"),
        ("lfm2", "<|tool_call_start|>[snow()]<|tool_call_end|>"),
        ("gemma-4", "<|tool_call>call:rain<tool_call|>"),
        (
            "kimi-k2",
            "<|tool_calls_section_begin|><|tool_call_begin|>rain",
        ),
        ("glm-4.5", "<tool_call>rain\nfall</tool_call>"),
    ] {
        assert_eq!(said(&format(name), text), text, "{name}");
    }
}

#[test]
fn a_call_after_something_like_a_call_is_a_call() {
    let text = "<tool_call><tool_call>\n{\"name\": \"now\"}\n</tool_call>";
    let answer = whole(&format("hermes"), false, text);
    let order = [
        ("text", "<tool_call>".to_owned()),
        ("call", "now".to_owned()),
    ];
    assert_eq!(answer.order, order);
    assert_eq!(answer.arguments, ["{}"]);
}

#[test]
fn a_call_may_be_written_in_other_ways_than_it_was_taught() {
    for text in [
        "<tool_call>{\"arguments\":{\"place\":\"Oslo\"},\"name\":\"rain\"}</tool_call>",
        "<tool_call>{\"name\":\"rain\",\"arguments\":\"{\\\"place\\\":\\\"Oslo\\\"}\"}</tool_call>",
        "<tool_call>{\"type\":\"function\",\"function\":{\"name\":\"rain\",\"arguments\":\
            {\"place\":\"Oslo\"}}}</tool_call>",
        "<tool_call>\n\n{ \"name\" : \"rain\" , \"arguments\" : {\"place\":\"Oslo\"} }",
    ] {
        let answer = whole(&format("hermes"), false, text);
        assert_eq!(answer.order, [("call", "rain".to_owned())], "{text}");
        assert_eq!(
            json(&answer.arguments[0]),
            json("{\"place\": \"Oslo\"}"),
            "{text}"
        );
    }
    let fenced = "```json\n{\"name\": \"now\", \"arguments\": {}}\n```\nDone.";
    let answer = whole(&format("json"), false, fenced);
    let order = [("call", "now".to_owned()), ("text", "Done.".to_owned())];
    assert_eq!(answer.order, order);
}

#[test]
fn arguments_that_no_reader_takes_are_mended_or_reported() {
    let hermes = format("hermes");
    let read = |arguments: &str| {
        let text =
            format!("<tool_call>{{\"name\":\"rain\",\"arguments\":{arguments}}}</tool_call>");
        whole(&hermes, false, &text)
    };
    for (given, mended) in [
        ("{\"a\": \"x\ny\tz\u{1}\"}", "{\"a\": \"x\\ny\\tz\\u0001\"}"),
        ("{\"a\": \"\\ud83d\\ude42\"}", "{\"a\": \"🙂\"}"),
        (
            "{\"a\": \"\\ud83d!\\ude42\"}",
            "{\"a\": \"\u{FFFD}!\u{FFFD}\"}",
        ),
        ("{\"a\": \"\\/\\u0041\\u000a\"}", "{\"a\": \"/A\\n\"}"),
    ] {
        let answer = read(given);
        assert_eq!(answer.arguments, [mended], "{given}");
        assert!(answer.incomplete.is_empty(), "{given}");
    }
    for broken in [
        "{\"a\": 1e999}",
        "{\"a\": 01}",
        "{a: 1}",
        "{\"a\": 1,}",
        "{\"a\" 1}",
        "{\"a\": nul}",
    ] {
        assert_eq!(read(broken).incomplete, [0], "{broken}");
    }
    let deep = ["{\"a\": ", &"[".repeat(200), &"]".repeat(200), "}"].concat();
    assert_eq!(read(&deep).incomplete, [0]);
}

#[test]
fn control_tokens_are_markers_or_nothing() {
    let pieces = [
        Piece::Control("<|python_tag|>"),
        Piece::Text("{\"name\": \"now\", \"parameters\": {}}"),
    ];
    let answer = read(&format("llama-3"), false, pieces.into_iter());
    assert_eq!(answer.order, [("call", "now".to_owned())]);
    let pieces = [
        Piece::Text("Hi"),
        Piece::Control("<|im_start|>"),
        Piece::Text(" you"),
        Piece::Control("[TOOL_CALLS]"),
        Piece::Text("now"),
        Piece::Control("[ARGS]"),
        Piece::Text("{}"),
    ];
    let answer = read(&format("mistral-named"), false, pieces.into_iter());
    let order = [("text", "Hi you".to_owned()), ("call", "now".to_owned())];
    assert_eq!(answer.order, order);
}

#[test]
fn without_tools_or_with_the_choice_of_none_nothing_is_a_call() {
    let text = "<think>\nHm.\n</think>\n\n<tool_call>\n{\"name\": \"now\"}\n</tool_call> ";
    let without = Tools::default();
    let none = Tools {
        choice: ToolChoice::None,
        ..tools()
    };
    for tools in [without, none] {
        let mut parser = format("hermes").parser(&tools, false, 0);
        let mut events = parser.push(Piece::Text(text));
        events.extend(parser.end().events);
        let said = "<tool_call>\n{\"name\": \"now\"}\n</tool_call> ".to_owned();
        let joined = |events: &[Event]| {
            let texts = events.iter().filter_map(|event| match event {
                Event::Text(text) => Some(text.as_str()),
                _ => None,
            });
            texts.collect::<String>()
        };
        assert_eq!(events[0], Event::Reasoning("Hm.".to_owned()));
        assert_eq!(joined(&events), said);
    }
}

#[test]
fn text_without_markers_is_unchanged_and_is_not_held_back() {
    let hermes = format("hermes");
    let mut parser = hermes.parser(&tools(), false, 0);
    for c in " a < b <tool".chars() {
        let mut bytes = [0; 4];
        let _ = parser.push(Piece::Text(c.encode_utf8(&mut bytes)));
    }
    assert_eq!(
        parser.push(Piece::Text("x!")),
        [Event::Text(" <toolx!".to_owned())]
    );
    let text = " \n a </think> <think> b\n```json\n \n";
    assert_eq!(said(&hermes, text), text);
}

#[test]
fn what_is_kept_back_is_bounded() {
    let hermes = format("hermes");
    let mut parser = hermes.parser(&tools(), false, 0);
    let _ = parser.push(Piece::Text("<tool_call>{\"arguments\": {\"a\": \""));
    let sent: usize = (0..100)
        .flat_map(|_| parser.push(Piece::Text(&"x".repeat(1000))))
        .map(|event| match event {
            Event::Text(text) => text.len(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert!(sent > 30_000, "{sent}");
    let space = " ".repeat(5000);
    let events = hermes.parser(&tools(), false, 0).push(Piece::Text(&space));
    assert_eq!(events.len(), 1);
}

#[test]
fn a_value_without_quotes_has_the_type_that_the_schema_wants() {
    let mut tools = tools();
    let parameters = r#"{"type": "object", "properties": {
        "text": {"type": "string"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "listed": {"type": ["string", "boolean"]},
        "one": {"enum": ["1", "2"]},
        "number": {"type": "number"},
        "any": {}}}"#;
    tools.list[0].parameters = Some(parameters.to_owned());
    for (key, written, expected) in [
        ("text", "7", "\"7\""),
        ("text", " true\n", "\" true\\n\""),
        ("maybe", "7", "\"7\""),
        ("maybe", "null", "null"),
        ("maybe", "\"7\"", "\"7\""),
        ("listed", "True", "true"),
        ("listed", "[1]", "\"[1]\""),
        ("one", "1", "\"1\""),
        ("number", " 7 ", "7"),
        // It is for the caller, or the grammar, to refuse it.
        ("number", "many", "\"many\""),
        ("any", "{\"a\": [1]}", "{\"a\": [1]}"),
        ("any", "x", "\"x\""),
        ("unknown", "7", "7"),
        ("unknown", "None", "\"None\""),
    ] {
        let answer = format!(
            "<tool_call>rain\n<arg_key>{key}</arg_key>\n<arg_value>{written}</arg_value>\n\
            </tool_call>"
        );
        let mut parser = format("glm-4.5").parser(&tools, false, 0);
        let mut arguments = String::new();
        for event in parser.push(Piece::Text(&answer)) {
            if let Event::ToolCallArguments { text, .. } = event {
                arguments.push_str(&text);
            }
        }
        assert_eq!(
            arguments,
            format!("{{\"{key}\": {expected}}}"),
            "{key}: {written}"
        );
    }
}

#[test]
fn reasoning_is_told_while_it_lasts() {
    let mut parser = format("hermes").parser(&tools(), false, 0);
    let mut is_reasoning = |text| {
        let _ = parser.push(Piece::Text(text));
        parser.is_reasoning()
    };
    assert!(!is_reasoning("\n<thi"));
    assert!(is_reasoning("nk>"));
    assert!(is_reasoning("Hm. </thin"));
    assert!(!is_reasoning("k>"));
    assert!(!is_reasoning("\n\nYes."));
    assert!(format("hermes").parser(&tools(), true, 0).is_reasoning());
    let mut harmony = format("harmony").parser(&tools(), false, 0);
    let _ = harmony.push(Piece::Text("<|channel|>analysis<|message|>"));
    assert!(harmony.is_reasoning());
    let _ = harmony.push(Piece::Text("Hm.<|end|>"));
    assert!(!harmony.is_reasoning());
}

#[test]
fn ids_follow_from_the_seed_and_the_number_of_the_call() {
    let text = "{\"name\": \"now\"}\n{\"name\": \"now\"}";
    let ids = |seed| {
        let mut parser = format("json").parser(&tools(), false, seed);
        let events = parser.push(Piece::Text(text));
        assert_eq!(parser.calls(), 2);
        let ids = events.into_iter().filter_map(|event| match event {
            Event::ToolCallStart { id, .. } => Some(id),
            _ => None,
        });
        ids.collect::<Vec<String>>()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1)[0], ids(1)[1]);
    assert_ne!(ids(1)[0], ids(2)[0]);
}

#[test]
fn an_id_that_the_model_writes_twice_or_that_is_too_long_is_replaced() {
    let long = "1".repeat(200);
    let text = ["7", "7", &long].map(|id| format!("[TOOL_CALLS]now[CALL_ID]{id}[ARGS]{{}}"));
    let answer = whole(&format("mistral-named"), false, &text[..2].concat());
    assert_eq!(answer.ids[0], "7");
    assert_eq!(answer.ids[1].len(), 9);
    let answer = whole(&format("mistral-named"), false, &text[2]);
    assert_eq!(answer.ids[0].len(), 9);
}

#[test]
fn there_are_at_most_256_calls_in_an_answer() {
    let answer = "[TOOL_CALLS]now[ARGS]{}".repeat(300);
    let answer = read(
        &format("mistral-named"),
        false,
        [Piece::Text(&answer)].into_iter(),
    );
    assert_eq!(answer.ids.len(), 256);
    let (kind, text) = answer.order.last().unwrap();
    assert_eq!(
        (*kind, text.len()),
        ("text", 44 * "[TOOL_CALLS]now[ARGS]{}".len())
    );
}
