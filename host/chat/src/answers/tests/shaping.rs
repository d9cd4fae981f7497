//! What a shape forces, the parser reads.

use mynah_core::{Event, Shape, Tool, ToolChoice, Tools};
use mynah_settings::OutputForm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Writes a text of a shape. `dice` gives a number below its argument.
fn write(shape: &Shape, dice: &mut dyn FnMut(usize) -> usize, out: &mut String) {
    match shape {
        Shape::Literal(text) => out.push_str(text),
        Shape::Without(texts) => {
            let words = [
                "Ås", " ", "\n", "\"N\"", "7", "<", "{", "[x]", "🙂", "'", "true", "\\",
            ];
            let from = out.len();
            for _ in 0..dice(5) {
                let length = out.len();
                out.push_str(words[dice(words.len())]);
                if texts.iter().any(|text| out[from..].contains(text)) {
                    out.truncate(length);
                }
            }
        }
        Shape::Json(schema) => out.push_str(&value(&self::json(schema), dice).to_string()),
        Shape::Form(OutputForm::Regex(regex)) => out.push_str(match regex.as_str() {
            "[a-zA-Z0-9]{9}" => "a1b2c3d4e",
            "[a-zA-Z0-9_-]{1,16}" | "[0-9]{1,3}" => "1",
            "[A-Za-z_][A-Za-z0-9_]*=" => "place=",
            "[A-Za-z_][A-Za-z0-9_]*:" => "place:",
            other => panic!("{other}"),
        }),
        Shape::Form(form) => panic!("{form:?}"),
        Shape::All(shapes) => shapes.iter().for_each(|shape| write(shape, dice, out)),
        Shape::Any(shapes) => write(&shapes[dice(shapes.len())], dice, out),
        Shape::Repeat { shape, least, most } => {
            let more = most.unwrap_or(least + 2) - least;
            let times = least + u32::try_from(dice(more as usize + 1)).unwrap();
            (0..times).for_each(|_| write(shape, dice, out));
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A value of a schema.
fn value(schema: &Value, dice: &mut dyn FnMut(usize) -> usize) -> Value {
    if let Some(list) = schema["enum"].as_array() {
        return list[dice(list.len())].clone();
    }
    let kinds = schema["type"].as_array().cloned();
    let kinds = kinds.unwrap_or_else(|| vec![schema["type"].clone()]);
    match kinds[dice(kinds.len())].as_str() {
        Some("string") => ["", "Ås \"N\"\n", "7", "a\\b🙂"][dice(4)].into(),
        Some("integer") => dice(100).into(),
        Some("number") => (dice(100) as f64 / 8.0).into(),
        Some("boolean") => (dice(2) == 0).into(),
        Some("null") => Value::Null,
        Some("array") => (0..dice(3))
            .map(|_| value(&schema["items"], dice))
            .collect(),
        _ => {
            let mut object = serde_json::Map::new();
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                if is_required(schema, name) || dice(2) == 0 {
                    object.insert(name.clone(), value(of, dice));
                }
            }
            object.into()
        }
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|names| names.iter().any(|one| one == name))
}

/// Whether a value is of a schema, as far as these tests need it.
fn fits(schema: &Value, value: &Value) -> bool {
    let kinds = schema["type"].as_array().cloned();
    let mut kinds = kinds
        .unwrap_or_else(|| vec![schema["type"].clone()])
        .into_iter();
    let is_listed = schema["enum"]
        .as_array()
        .is_none_or(|list| list.contains(value));
    is_listed
        && kinds.any(|kind| match kind.as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            Some("array") => value.is_array(),
            _ => value.as_object().is_some_and(|object| {
                let properties = schema["properties"].as_object();
                let properties = properties.into_iter().flatten();
                let mut properties = properties.clone();
                object
                    .keys()
                    .all(|key| schema["properties"].get(key).is_some())
                    && properties.all(|(name, of)| match object.get(name) {
                        Some(value) => fits(of, value),
                        None => !is_required(schema, name),
                    })
            }),
        })
}

fn tools(choice: ToolChoice, strict: bool, parallel: bool) -> Tools {
    let of = |name: &str, properties: Value, required: &[&str]| Tool {
        name: name.to_owned(),
        description: None,
        parameters: Some(
            json!({"type": "object", "properties": properties, "required": required}).to_string(),
        ),
        strict,
    };
    let rain = json!({
        "late": {"type": "boolean"},
        "place": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"type": "string", "enum": ["mm", "in"]},
        "of": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}},
    });
    let list = vec![
        of("rain", rain, &["place", "of"]),
        Tool {
            parameters: None,
            ..of("now", json!({}), &[])
        },
        of("where", json!({"name": {"type": "string"}}), &[]),
    ];
    Tools {
        list,
        choice,
        parallel,
    }
}

/// What the parser reads: the text and the calls.
fn read(format: &AnswerFormat, tools: &Tools, text: &str) -> (String, Vec<(String, String)>) {
    let mut parser = format.parser(tools, false, 1);
    let mut events = parser.push(Piece::Text(text));
    let end = parser.end();
    events.extend(end.events);
    assert!(end.incomplete.is_empty(), "{}: {text}", format.name());
    let (mut said, mut calls) = (String::new(), Vec::new());
    for event in events {
        match event {
            Event::Text(text) => said.push_str(&text),
            Event::ToolCallStart { name, .. } => calls.push((name, String::new())),
            Event::ToolCallArguments { text, .. } => calls.last_mut().unwrap().1.push_str(&text),
            Event::Reasoning(_) => {}
            other => panic!("{other:?}"),
        }
    }
    (said, calls)
}

fn wanted(tools: &Tools, reasoning: Reasoning) -> Wanted<'_> {
    Wanted {
        tools,
        form: None,
        reasoning,
    }
}

fn check(format: &AnswerFormat, tools: &Tools, text: &str) {
    let (said, calls) = read(format, tools, text);
    let name = format.name();
    let is_required = !matches!(tools.choice, ToolChoice::Auto);
    if is_required {
        assert!(
            said.trim().is_empty() && !calls.is_empty(),
            "{name}: {text:?} gives {said:?}"
        );
    }
    assert!(tools.parallel || calls.len() <= 1, "{name}: {text}");
    for (called, arguments) in calls {
        let tool = tools.list.iter().find(|tool| tool.name == called).unwrap();
        let arguments = json(&arguments);
        let schema = tool.parameters.as_deref().map_or(json!({}), json);
        let holds = !(is_required || tool.strict) || fits(&schema, &arguments);
        assert!(holds, "{name}: {arguments} in {text}");
        if let ToolChoice::Named(wanted) = &tools.choice {
            assert_eq!(&called, wanted);
        }
    }
}

proptest! {
    #[test]
    fn what_a_shape_forces_is_what_the_parser_reads(
        numbers in prop::collection::vec(any::<u32>(), 1..200),
        choice in prop_oneof![
            Just(ToolChoice::Auto),
            Just(ToolChoice::Required),
            Just(ToolChoice::Named("rain".to_owned())),
        ],
        strict in any::<bool>(),
        parallel in any::<bool>(),
        thinks in any::<bool>(),
    ) {
        let tools = tools(choice, strict, parallel);
        for name in AnswerFormat::names() {
            let format = AnswerFormat::named(name).unwrap();
            assert!(format.not_enforced(&tools).is_empty(), "{:?}", format.not_enforced(&tools));
            let reasoning = if thinks { Reasoning::Possible } else { Reasoning::Absent };
            let shape = format.shape(&wanted(&tools, reasoning)).unwrap();
            let mut numbers = numbers.iter().cycle();
            let mut dice = |below: usize| *numbers.next().unwrap() as usize % below;
            let mut text = String::new();
            write(&shape, &mut dice, &mut text);
            check(&format, &tools, &text);
        }
    }
}

fn hermes() -> AnswerFormat {
    AnswerFormat::named("hermes").unwrap()
}

#[test]
fn a_required_call_begins_with_the_first_token_after_the_reasoning() {
    let tools = tools(ToolChoice::Named("now".to_owned()), false, false);
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": ";
    let none = r#"{"type": "object", "properties": {}, "additionalProperties": false}"#;
    let expected = |begin: &str| {
        vec![
            Shape::Literal(format!("{begin}{call}")),
            Shape::Json(none.to_owned()),
            Shape::Literal("}\n</tool_call>".to_owned()),
        ]
    };
    let absent = hermes().shape(&wanted(&tools, Reasoning::Absent));
    assert_eq!(absent, Some(Shape::All(expected(""))));
    let open = hermes().shape(&wanted(&tools, Reasoning::Open));
    let thought = vec![Shape::Without(vec!["</think>".to_owned()])];
    let expected = [thought, expected("</think>\n\n")].concat();
    assert_eq!(open, Some(Shape::All(expected)));
}

#[test]
fn text_without_calls_lacks_their_marker() {
    let none = tools(ToolChoice::None, false, true);
    let shape = hermes().shape(&wanted(&none, Reasoning::Absent));
    assert_eq!(shape, Some(Shape::Without(vec!["<tool_call>".to_owned()])));
    let python = AnswerFormat::named("pythonic").unwrap();
    let shape = python.shape(&wanted(&none, Reasoning::Absent));
    let begins = ["[rain(", "[now(", "[where("].map(str::to_owned);
    assert_eq!(shape, Some(Shape::Without(begins.to_vec())));
    let command = AnswerFormat::named("command-r").unwrap();
    let shape = command.shape(&wanted(&none, Reasoning::Absent));
    assert_eq!(
        shape,
        Some(Shape::Without(vec!["Action: ```json\n[".to_owned()]))
    );
    let llama = AnswerFormat::named("llama-3").unwrap();
    let shape = llama.shape(&wanted(&none, Reasoning::Absent));
    assert_eq!(
        shape,
        Some(Shape::Without(vec!["{\"name\": \"".to_owned()]))
    );
}

#[test]
fn a_form_begins_behind_the_reasoning_and_needs_no_tools() {
    let form = OutputForm::Regex("[ab]".to_owned());
    let tools = Tools::default();
    let wanted = |form, reasoning| Wanted {
        tools: &tools,
        form,
        reasoning,
    };
    let shape = hermes().shape(&wanted(Some(&form), Reasoning::Open));
    let expected = vec![
        Shape::Without(vec!["</think>".to_owned()]),
        Shape::Literal("</think>\n\n".to_owned()),
        Shape::Form(form.clone()),
    ];
    assert_eq!(shape, Some(Shape::All(expected)));
    assert_eq!(hermes().shape(&wanted(None, Reasoning::Open)), None);
    let harmony = AnswerFormat::named("harmony").unwrap();
    let shape = harmony.shape(&wanted(Some(&form), Reasoning::Absent));
    let Some(Shape::All(parts)) = shape else {
        panic!("{shape:?}");
    };
    assert_eq!(
        parts[0],
        Shape::Literal("<|channel|>final<|message|>".to_owned())
    );
}

#[test]
fn what_of_a_schema_is_not_enforced_is_told() {
    let refused = |name: &str, parameters: Value| {
        let mut tools = tools(ToolChoice::Required, false, true);
        tools.list.truncate(1);
        tools.list[0].parameters = Some(parameters.to_string());
        let format = AnswerFormat::named(name).unwrap();
        let refused = format.not_enforced(&tools);
        tools.choice = ToolChoice::Auto;
        assert!(format.not_enforced(&tools).is_empty());
        refused
            .into_iter()
            .map(|one| one.reason)
            .collect::<String>()
    };
    let of = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
    let pattern = of(json!({"type": "string", "pattern": "^x"}));
    assert!(refused("qwen3-coder", pattern.clone()).contains("`pattern` of `a`"));
    assert!(refused("gemma-4", pattern.clone()).contains("`pattern` of `a`"));
    // Where the text is in quotes, the grammar enforces it.
    assert_eq!(refused("hermes", pattern.clone()), "");
    assert_eq!(refused("lfm2", pattern), "");
    let either = json!({"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]});
    assert!(refused("glm-4.5", either.clone()).contains("`anyOf`"));
    assert!(refused("lfm2", either).contains("`anyOf`"));
    for name in ["hermes", "qwen3-coder", "kimi-k2", "lfm2"] {
        let other = refused(name, json!({"type": "string"}));
        assert!(other.contains("`object`"), "{name}: {other}");
        assert_eq!(refused(name, json!({"properties": {}})), "");
    }
    let list = of(json!({"type": "array", "items": {"type": "string"}}));
    assert!(refused("gemma-4", list.clone()).contains("the schema of `a`"));
    assert_eq!(refused("minimax-m2", list), "");
    let missing = json!({"type": "object", "required": ["b"]});
    assert!(refused("qwen3-coder", missing).contains("`b` is required and has no schema"));
    let written = of(json!({"enum": ["a</parameter>"]}));
    assert!(refused("qwen3-coder", written).contains("cannot write"));
}

#[test]
fn a_shape_does_not_explode_with_a_schema() {
    let mut schema = json!({"type": "string"});
    for _ in 0..12 {
        let properties: serde_json::Map<String, Value> = (0..12)
            .map(|at| (format!("a{at}"), schema.clone()))
            .take(2)
            .collect();
        schema = json!({"type": "object", "properties": properties});
    }
    let mut tools = tools(ToolChoice::Required, false, true);
    tools.list.truncate(1);
    tools.list[0].parameters = Some(schema.to_string());
    let gemma = AnswerFormat::named("gemma-4").unwrap();
    let [refused] = &gemma.not_enforced(&tools)[..] else {
        panic!("it is refused");
    };
    assert!(refused.reason.contains("too many"), "{}", refused.reason);
    let shared: Value = (0..1000)
        .map(|at| (format!("a{at}"), json!({"$ref": "#/$defs/x"})))
        .collect();
    let long = json!({"x": {"description": "x".repeat(9000)}});
    let schema = json!({"type": "object", "properties": shared, "$defs": long});
    tools.list[0].parameters = Some(schema.to_string());
    let coder = AnswerFormat::named("qwen3-coder").unwrap();
    assert!(coder.not_enforced(&tools)[0].reason.contains("bytes"));
}
