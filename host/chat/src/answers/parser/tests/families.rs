//! Each format that has a name, in one table.

use super::*;

/// How a family writes.
struct Family {
    name: &'static str,
    /// A call of `rain` with `HARD` as its arguments, and one of `now` without any, in parallel.
    two: &'static str,
}

/// The arguments of the first call.
const HARD: &str = r#"{"place": "Ås \"N\" 🙂\nB", "days": 2, "of": {"a": [1, true, null, "x"]}}"#;

const FAMILIES: [Family; 20] = [
    Family {
        name: "hermes",
        two: "<tool_call>\n{\"name\": \"rain\", \"arguments\": HARD}\n</tool_call>\n\
            <tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
    },
    Family {
        name: "qwen3-coder",
        two: "<tool_call>\n<function=rain>\n<parameter=place>\nÅs \"N\" 🙂\nB\n</parameter>\n\
            <parameter=days>\n2\n</parameter>\n<parameter=of>\n{\"a\": [1, true, null, \"x\"]}\n\
            </parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n\
            </tool_call>",
    },
    Family {
        name: "llama-3",
        two: "{\"name\": \"rain\", \"parameters\": HARD}; {\"name\": \"now\", \"parameters\": {}}",
    },
    Family {
        name: "mistral-list",
        two: "[TOOL_CALLS][{\"name\": \"rain\", \"arguments\": HARD, \"id\": \"a1b2c3d4e\"}, \
            {\"name\": \"now\", \"arguments\": {}}]",
    },
    Family {
        name: "mistral-named",
        two: "[TOOL_CALLS]rain[ARGS]HARD[TOOL_CALLS]now[CALL_ID]a1b2c3d4e[ARGS]{}",
    },
    Family {
        name: "command-r",
        two: "Action: ```json\n[\n    {\n        \"tool_name\": \"rain\",\n        \"parameters\": \
            HARD\n    },\n    {\n        \"tool_name\": \"now\",\n        \
            \"parameters\": {}\n    }\n]```",
    },
    Family {
        name: "command-r7b",
        two: "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"rain\", \
            \"parameters\": HARD},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"now\", \
            \"parameters\": {}}\n]<|END_ACTION|>",
    },
    Family {
        name: "glm-4.5",
        two: "<tool_call>rain\n<arg_key>place</arg_key>\n<arg_value>Ås \"N\" 🙂\nB</arg_value>\n\
            <arg_key>days</arg_key>\n<arg_value>2</arg_value>\n<arg_key>of</arg_key>\n\
            <arg_value>{\"a\": [1, true, null, \"x\"]}</arg_value>\n</tool_call>\n\
            <tool_call>now\n</tool_call>",
    },
    Family {
        name: "minimax-m2",
        two: "<minimax:tool_call>\n<invoke name=\"rain\">\n<parameter name=\"place\">Ås \"N\" 🙂\nB\
            </parameter>\n<parameter name=\"days\">2</parameter>\n<parameter name=\"of\">\
            {\"a\": [1, true, null, \"x\"]}</parameter>\n</invoke>\n<invoke name=\"now\">\n\
            </invoke>\
            \n</minimax:tool_call>",
    },
    Family {
        name: "deepseek-r1",
        two: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>rain\n```json\nHARD\n\
            ```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n\
            ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    },
    Family {
        name: "deepseek-v3.1",
        two: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>rain<｜tool▁sep｜>HARD<｜tool▁call▁end｜>\
            <｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    },
    Family {
        name: "deepseek-dsml",
        two: "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"rain\">\n\
            <｜DSML｜parameter name=\"place\" string=\"true\">Ås \"N\" 🙂\nB</｜DSML｜parameter>\n\
            <｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n\
            <｜DSML｜parameter name=\"of\" string=\"false\">{\"a\": [1, true, null, \"x\"]}\
            </｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"now\">\n\
            </｜DSML｜invoke>\n</｜DSML｜function_calls>",
    },
    Family {
        name: "granite-3",
        two: "<|tool_call|>[{\"name\": \"rain\", \"arguments\": HARD}, \
            {\"name\": \"now\", \"arguments\": {}}]",
    },
    Family {
        name: "phi-4-mini",
        two: "<|tool_call|>[{\"name\": \"rain\", \"arguments\": HARD}, \
            {\"name\": \"now\", \"arguments\": {}}]<|/tool_call|>",
    },
    Family {
        name: "lfm2",
        two: "<|tool_call_start|>[rain(place=\"Ås \\\"N\\\" 🙂\\nB\", days=2, \
            of={'a': [1, True, None, 'x']}), now()]<|tool_call_end|>",
    },
    Family {
        name: "pythonic",
        two: "[rain(place='Ås \"N\" \\U0001F642\\x0aB', days=2, \
            of={'a': (1, True, None, 'x',)}), now()]",
    },
    Family {
        name: "gemma-4",
        two: "<|tool_call>call:rain{place:<|\"|>Ås \"N\" 🙂\nB<|\"|>,days:2,of:{a:[1,true,null,\
            <|\"|>x<|\"|>]}}<tool_call|><|tool_call>call:now{}<tool_call|>",
    },
    Family {
        name: "function-gemma",
        two: "<start_function_call>call:rain{place:<escape>Ås \"N\" 🙂\nB<escape>,days:2,of:\
            {a:[1,true,null,<escape>x<escape>]}}<end_function_call>\
            <start_function_call>call:now{}<end_function_call>",
    },
    Family {
        name: "kimi-k2",
        two: "<|tool_calls_section_begin|><|tool_call_begin|>functions.rain:0\
            <|tool_call_argument_begin|>HARD<|tool_call_end|><|tool_call_begin|>functions.now:1\
            <|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
    },
    Family {
        name: "json",
        two: "{\"name\": \"rain\", \"arguments\": HARD}\n{\"name\": \"now\", \"arguments\": {}}",
    },
];

impl Family {
    fn format(&self) -> AnswerFormat {
        format(self.name)
    }

    fn two(&self) -> String {
        self.two.replace("HARD", HARD)
    }
}

fn check_calls(name: &str, answer: &Answer) {
    let calls: Vec<&str> = answer.order.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(calls, ["rain", "now"], "{name}: {answer:?}");
    assert_eq!(json(&answer.arguments[0]), json(HARD), "{name}");
    assert_eq!(json(&answer.arguments[1]), json("{}"), "{name}");
    assert_ne!(answer.ids[0], answer.ids[1], "{name}");
    assert!(answer.incomplete.is_empty(), "{name}");
}

#[test]
fn each_family_has_two_calls_in_an_answer() {
    for family in FAMILIES {
        check_calls(family.name, &whole(&family.format(), false, &family.two()));
    }
}

#[test]
fn each_family_may_say_something_before_a_call() {
    for family in FAMILIES {
        let text = format!("Let me see: <b>\n\n{}", family.two());
        let mut answer = whole(&family.format(), false, &text);
        let said = answer.order.remove(0);
        assert_eq!(
            said,
            ("text", "Let me see: <b>".to_owned()),
            "{}",
            family.name
        );
        check_calls(family.name, &answer);
    }
}

#[test]
fn each_family_thinks_before_a_call() {
    for family in FAMILIES {
        let format = family.format();
        let Some(Around { begin, end }) = format.reasoning.clone() else {
            continue;
        };
        let written = format!("{begin}A <tool_call> {{\nB{end}{}", family.two());
        let opened = written.strip_prefix(&begin).unwrap();
        for (in_reasoning, text) in [(false, written.as_str()), (true, opened)] {
            let mut answer = whole(&format, in_reasoning, text);
            let thought = answer.order.remove(0);
            assert_eq!(
                thought,
                ("reasoning", "A <tool_call> {\nB".to_owned()),
                "{text}"
            );
            check_calls(family.name, &answer);
        }
    }
}

#[test]
fn a_call_that_is_cut_off_has_the_beginning_of_its_arguments() {
    for family in FAMILIES {
        let (format, text) = (family.format(), family.two());
        let whole = whole(&format, false, &text);
        for (at, _) in text.char_indices() {
            let answer = read(&format, false, [Piece::Text(&text[..at])].into_iter());
            let calls = answer.arguments.len();
            for (cut, full) in answer.arguments.iter().zip(&whole.arguments) {
                assert!(full.starts_with(cut), "{}: {cut}", family.name);
            }
            assert_eq!(answer.ids, whole.ids[..calls], "{}", family.name);
            let last = calls.checked_sub(1).map(|last| last as u32);
            let is_cut = answer
                .arguments
                .last()
                .is_some_and(|cut| *cut != whole.arguments[calls - 1]);
            let incomplete: Vec<u32> = last.filter(|_| is_cut).into_iter().collect();
            assert_eq!(
                answer.incomplete,
                incomplete,
                "{}: {}",
                family.name,
                &text[..at]
            );
            // Before its name is known it is text, whole.
            if calls == 0 {
                let said: String = answer.order.into_iter().map(|(_, text)| text).collect();
                assert_eq!(said, text[..at], "{}", family.name);
            }
        }
    }
}

#[test]
fn the_ids_that_the_model_writes_are_kept() {
    for (name, expected) in [
        ("kimi-k2", ["functions.rain:0", "functions.now:1"]),
        ("command-r7b", ["0", "1"]),
    ] {
        let family = FAMILIES.iter().find(|family| family.name == name).unwrap();
        assert_eq!(whole(&family.format(), false, &family.two()).ids, expected);
    }
    let named = FAMILIES
        .iter()
        .find(|family| family.name == "mistral-named")
        .unwrap();
    let ids = whole(&named.format(), false, &named.two()).ids;
    assert_eq!(ids[1], "a1b2c3d4e");
    // The other one is generated, in the form that its template wants.
    assert!(
        ids[0].len() == 9 && ids[0].bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{ids:?}"
    );
}

#[test]
fn harmony_has_reasoning_text_and_a_call_in_channels() {
    let format = format("harmony");
    let text = format!(
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary\
        <|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.rain \
        <|constrain|>json<|message|>{HARD}<|call|>"
    );
    let mut answer = whole(&format, false, &text);
    assert_eq!(answer.order.remove(0), ("reasoning", "Hm.".to_owned()));
    assert_eq!(answer.order.remove(0), ("text", "I look.".to_owned()));
    assert_eq!(answer.order, [("call", "rain".to_owned())]);
    assert_eq!(json(&answer.arguments[0]), json(HARD));
    let first = " to=functions.now<|channel|>commentary json<|message|>{}<|call|>";
    let answer = whole(&format, false, first);
    assert_eq!(answer.order, [("call", "now".to_owned())]);
    let last = "<|channel|>final<|message|>Yes.<|return|>";
    assert_eq!(
        whole(&format, false, last).order,
        [("text", "Yes.".to_owned())]
    );
    assert_eq!(
        whole(&format, false, "Yes.").order,
        [("text", "Yes.".to_owned())]
    );
    let foreign = "<|channel|>commentary to=python<|message|>{}";
    assert_eq!(
        whole(&format, false, foreign).order,
        [("text", foreign.to_owned())]
    );
}
