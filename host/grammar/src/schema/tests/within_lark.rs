//! Schemas within a Lark grammar mean what they mean alone.

use mynah_core::TokenId;
use mynah_settings::OutputForm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::FreeNames;
use super::constraint;
use super::promise::{TOKENS, schemas};
use crate::tests::{grammars, has_form, lark, refused};

/// The schema between angle brackets, in Lark.
fn between(schema: &Value) -> OutputForm {
    lark(&format!("start: \"<\" %json {schema} \">\""))
}

/// The schema with no other properties than those that it lists.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keywords) => {
            if keywords.get("type") == Some(&json!("object")) {
                keywords.insert("additionalProperties".to_owned(), json!(false));
            }
            for (keyword, value) in keywords {
                if keyword != "enum" {
                    *value = closed(value.take());
                }
            }
        }
        Value::Array(all) => all
            .iter_mut()
            .for_each(|value| *value = closed(value.take())),
        Value::Bool(true) => return json!({"type": "boolean"}),
        _ => {}
    }
    schema
}

fn listed(is_closed: bool) -> impl Strategy<Value = Value> {
    schemas().prop_map(move |schema| match is_closed {
        true => closed(schema),
        false => schema,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// At each token, as many may come next as alone.
    #[test]
    fn a_schema_within_lark_allows_the_same_tokens_as_alone(
        schema in prop_oneof![4 => listed(true), 1 => listed(false)],
        choices in prop::collection::vec(any::<u32>(), 60),
    ) {
        let grammars = grammars();
        let compiled = super::super::compile(&schema);
        let within = grammars.constraint(&between(&schema));
        let has_free_names = compiled.as_ref().is_ok_and(|it| it.names != FreeNames::None);
        prop_assert_eq!(within.is_ok(), compiled.is_ok() && !has_free_names, "{}", &schema);
        let (Ok(mut within), Ok(mut alone)) = (within, constraint(&schema)) else {
            return Ok(());
        };
        prop_assert_eq!(within.notes().len(), alone.notes().len());
        within.accept(TokenId(b'<'.into())).unwrap();
        for choice in choices {
            let may_end = alone.is_complete() || alone.allows(TokenId(256)).unwrap();
            prop_assert_eq!(within.allows(TokenId(b'>'.into())).unwrap(), may_end || {
                // It is also a character of texts.
                !alone.is_complete() && alone.allows(TokenId(b'>'.into())).unwrap()
            });
            if alone.is_complete() {
                break;
            }
            let mut both = Vec::new();
            for id in (0..TOKENS).filter(|id| ![b'>'.into(), 256, 257].contains(id)) {
                let is_allowed = alone.allowed().unwrap().has(TokenId(id));
                prop_assert_eq!(
                    within.allowed().unwrap().has(TokenId(id)),
                    is_allowed,
                    "{} of {}",
                    id,
                    &schema
                );
                both.extend(is_allowed.then_some(id));
            }
            let Some(next) = both.get(choice as usize % both.len().max(1)) else {
                break;
            };
            alone.accept(TokenId(*next)).unwrap();
            within.accept(TokenId(*next)).unwrap();
        }
    }
}

#[test]
fn schemas_stand_anywhere_in_a_grammar() {
    let grammars = grammars();
    let point = json!({
        "type": "object",
        "properties": {"x": {"type": "integer"}, "to": {"$ref": "#"}},
        "required": ["x"],
        "additionalProperties": false,
    });
    let form = lark(&format!(
        "start: thought (\"point \" point | \"list:\" points)\n\
         thought[max_tokens=50]: /[a-z ]*\\n/\n\
         point: %json {point}\n\
         points: (%json {{\"enum\": [\"a\", \"}}\"]}} \";\")+ // %json {{\n\
         unused: %json true"
    ));
    for (text, expected) in [
        ("so be it\npoint {\"x\": 1}", true),
        ("\npoint {\"x\":1,\"to\":{\"x\":-2}}", true),
        ("\npoint {\"x\":1,\"y\":2}", false),
        ("\npoint {\"x\": 01}", false),
        ("\npoint {\"x\":9223372036854775808}", false),
        ("\nlist:\"}\";\"a\";", true),
        ("\nlist:\"b\";", false),
        ("\nlist:", false),
    ] {
        assert_eq!(has_form(&grammars, &form, text), expected, "{text}");
    }
}

#[test]
fn as_many_properties_may_be_left_out_as_alone() {
    let properties: Vec<String> = (0..600)
        .map(|n| format!("\"p{n}\":{{\"const\":1}}"))
        .collect();
    let form = lark(&format!(
        "start: %json {{\"type\": \"object\", \"additionalProperties\": false, \
         \"properties\": {{{}}}}}",
        properties.join(",")
    ));
    assert!(has_form(&grammars(), &form, "{\"p9\":1,\"p598\":1}"));
}

#[test]
fn white_space_is_what_the_schema_asks_for() {
    let grammars = grammars();
    let list = |whitespace: &str| {
        let schema = json!({"items": {"type": "integer"}, "type": "array"});
        let mut schema = schema;
        schema["x-whitespace"] = json!(whitespace);
        between(&schema)
    };
    for (whitespace, text, expected) in [
        ("none", "<[1,2]>", true),
        ("none", "<[1, 2]>", false),
        ("space", "<[1, 2]>", true),
        ("space", "<[1,\n2]>", false),
        ("any", "<[1,\n  2 ]>", true),
        ("any", "<[1,2]>", true),
        ("any", "<[12 3]>", false),
    ] {
        let found = has_form(&grammars, &list(whitespace), text);
        assert_eq!(found, expected, "{whitespace}: {text}");
    }
}

#[test]
fn what_a_schema_within_lark_cannot_say_is_refused_with_its_place() {
    for (text, told) in [
        (
            "start: \"a\"\n  | %json {\"properties\": {\"a\": {\"type\": \"object\"}}, \
             \"additionalProperties\": false, \"type\": \"object\"}",
            "line 2, column 5: `/properties/a`: within Lark, an object has no other properties",
        ),
        (
            "start: %json {\"type\": \"object\"}",
            "say `additionalProperties: false`",
        ),
        ("start: %json {}", "line 1, column 8: within Lark"),
        (
            "start: %json {\"contains\": {}}",
            "line 1, column 8: `/contains`: `contains` is not",
        ),
        ("start: %json {\"x-guidance\": {}}", "`/x-guidance`"),
        (
            "start: %json {\"type\": \"banana\"}",
            "line 1, column 8: `/type`: `banana`",
        ),
        ("start: %json false", "line 1, column 8: no"),
        (
            "start: %json 7",
            "line 1, column 8: a JSON Schema is an object",
        ),
        (
            "start: %json {\"x-whitespace\": 1}",
            "line 1, column 8: `/x-whitespace`",
        ),
        ("start: A\nA: %json true", "2(4): "),
        ("start: %json\n{\n}\n\nA: ???", "5(4): "),
    ] {
        let refused = refused(&lark(text));
        assert!(refused.contains(told), "{text}: {refused}");
        assert!(!refused.contains("capture"), "{text}: {refused}");
    }
    let noted = json!({"type": "string", "format": "shoe-size"});
    let taken = grammars().constraint(&between(&noted)).unwrap();
    assert_eq!(taken.notes().len(), 1);
    assert!(taken.notes()[0].starts_with("line 1, column 12: `/format`: "));
    // The names of the placeholders differ from those of the grammar.
    let named = lark("start[capture=\"schema0\"]: %json {\"const\": 1}");
    assert!(has_form(&grammars(), &named, "1"));
}
