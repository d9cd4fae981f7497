//! Tests of the description of a format for operators.

use super::templates::*;
use super::*;

#[test]
fn what_was_found_is_told_in_words_and_as_data() {
    let described = AnswerFormat::of(&template(&qwen3())).describe();
    assert_eq!(
        described.to_string(),
        "reasoning: from <think> to </think>\n\
        calls: found by comparing what the template renders; several in an answer; arguments in a \
        JSON object with the name\n\
        a call: <tool_call>\\n{\"name\": \"NAME\", \
        \"arguments\": {\"KEY\": …}}\\n</tool_call>"
    );
    let data = serde_json::to_value(&described).unwrap();
    assert_eq!(data["origin"], "compared");
    assert_eq!(
        data["reasoning"],
        serde_json::json!(["<think>", "</think>"])
    );
}

#[test]
fn an_example_shows_how_each_format_writes_a_call() {
    for (name, call) in [
        ("json", "{\"name\": \"NAME\", \"arguments\": {\"KEY\": …}}"),
        ("mistral-named", "[TOOL_CALLS]NAME[ARGS]{\"KEY\": …}"),
        ("lfm2", "<|tool_call_start|>[NAME(KEY=…)]<|tool_call_end|>"),
        (
            "gemma-4",
            "<|tool_call>call:NAME{KEY:<|\"|>…<|\"|>}<tool_call|>",
        ),
        (
            "glm-4.5",
            "<tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>…</arg_value>\n</tool_call>",
        ),
        (
            "harmony",
            "<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{\"KEY\": …}",
        ),
    ] {
        assert_eq!(AnswerFormat::named(name).unwrap().describe().call, call);
    }
}
