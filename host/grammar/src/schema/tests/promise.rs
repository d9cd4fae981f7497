//! The promise of a form: what ends by itself can be read, and has no property twice.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::decimal::Decimal;
use super::{constraint, follows, takes};
use mynah_core::TokenId;

/// The tokens of the vocabulary of the tests.
pub(super) const TOKENS: i32 = 263;

/// Schemas with all kinds of objects and numbers.
pub(super) fn schemas() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("é\"")];
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "number", "minimum": -1.5, "exclusiveMaximum": 12})),
        Just(json!({"type": "integer", "multipleOf": 7, "minimum": 0})),
        Just(json!({"type": "integer", "format": "uint8"})),
        Just(json!({"type": "string", "maxLength": 3})),
        Just(json!({"enum": ["a", 1, null, {"a": 1}]})),
        Just(json!({"type": ["boolean", "null"]})),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let properties = prop::collection::vec((name.clone(), inner.clone()), 0..3);
        let others = prop_oneof![
            Just(json!({})),
            Just(json!({"additionalProperties": false})),
            inner
                .clone()
                .prop_map(|schema| json!({"additionalProperties": schema})),
            inner.clone().prop_map(|schema| json!({
                "patternProperties": {"^[ab]{1,2}$": schema}, "additionalProperties": false,
            })),
            inner.clone().prop_map(|schema| json!({
                "patternProperties": {"^([xy]{8}|z+)$": schema}, "additionalProperties": false,
            })),
            inner.clone().prop_map(|schema| json!({
                "propertyNames": {"pattern": "^[a-c]", "maxLength": 4},
                "additionalProperties": schema,
            })),
        ];
        prop_oneof![
            (properties, others, any::<bool>(), prop::option::of(1u64..4)).prop_map(
                |(properties, others, is_required, max)| {
                    let mut schema = others;
                    let properties: Map<String, Value> = properties
                        .into_iter()
                        .map(|(name, schema)| (name.to_owned(), schema))
                        .collect();
                    let names: Vec<Value> = properties.keys().map(|name| json!(name)).collect();
                    schema["type"] = json!("object");
                    schema["properties"] = properties.into();
                    if is_required {
                        schema["required"] = names.into();
                    }
                    if let Some(max) = max {
                        schema["maxProperties"] = json!(max);
                    }
                    schema
                }
            ),
            (inner.clone(), 0u64..3).prop_map(|(items, min)| json!({
                "type": "array", "items": items, "minItems": min, "maxItems": 3,
            })),
            prop::collection::vec(inner, 1..3).prop_map(|schemas| json!({"anyOf": schemas})),
        ]
    })
}

/// An answer by this choice of tokens. `None` if it is not at its end after many tokens.
pub(super) fn answer(schema: &Value, choices: &[u32]) -> Option<String> {
    let mut constraint = constraint(schema).ok()?;
    let mut text = Vec::new();
    for choice in choices {
        if constraint.is_complete() {
            break;
        }
        let allowed = constraint.allowed().unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(&text).into_owned();
            panic!("{error} after {text} of {schema}")
        });
        let mut tokens: Vec<i32> = (0..TOKENS).filter(|id| allowed.has(TokenId(*id))).collect();
        // Letters that repeat names are likely, and so is the end.
        let likely: Vec<i32> = tokens
            .iter()
            .copied()
            .filter(|id| {
                (*id == 256)
                    || u8::try_from(*id).is_ok_and(|byte| b"abxyz\",:{}[]1e".contains(&byte))
            })
            .collect();
        if !likely.is_empty() && choice % 8 != 0 {
            tokens = likely;
        }
        let token = tokens[*choice as usize % tokens.len()];
        if token == 256 || token == 257 {
            break;
        }
        assert!(constraint.allows(TokenId(token)).unwrap());
        constraint.accept(TokenId(token)).unwrap();
        let word: &[u8] = match token {
            259 => b"ab",
            260 => b"{\"",
            261 => b"}}",
            262 => b"true",
            byte => &[u8::try_from(byte).unwrap()],
        };
        text.extend_from_slice(word);
    }
    let is_whole = constraint.is_complete() || constraint.allows(TokenId(256)).unwrap();
    is_whole.then(|| String::from_utf8(text).unwrap())
}

/// Reads JSON, and refuses names that are there twice.
fn read_strictly(text: &str) -> Result<Value, String> {
    struct Strict;

    impl<'de> serde::de::DeserializeSeed<'de> for Strict {
        type Value = Value;

        fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
            from.deserialize_any(self)
        }
    }

    impl<'de> serde::de::Visitor<'de> for Strict {
        type Value = Value;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }

        fn visit_unit<E>(self) -> Result<Value, E> {
            Ok(Value::Null)
        }

        fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
            Ok(value.into())
        }

        fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
            Ok(value.into())
        }

        fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
            Ok(value.into())
        }

        fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
            assert!(value.is_finite());
            Ok(value.into())
        }

        fn visit_str<E>(self, value: &str) -> Result<Value, E> {
            Ok(value.into())
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element_seed(Strict)? {
                items.push(item);
            }
            Ok(items.into())
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
            let mut all = Map::new();
            while let Some(name) = map.next_key::<String>()? {
                let value = map.next_value_seed(Strict)?;
                if all.insert(name.clone(), value).is_some() {
                    return Err(serde::de::Error::custom(format!("{name} is there twice")));
                }
            }
            Ok(all.into())
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde::de::DeserializeSeed::deserialize(Strict, &mut reader);
    value.map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No choice of tokens leads to a dead end, to a name twice, to a number that can't be read, or
    /// to a value that the schema does not allow.
    #[test]
    fn whatever_is_chosen_an_answer_that_ends_has_its_form(
        schema in schemas(),
        choices in prop::collection::vec(any::<u32>(), 120),
    ) {
        if let Some(text) = answer(&schema, &choices) {
            let value = read_strictly(&text);
            prop_assert!(value.is_ok(), "{} of {}: {:?}", text, schema, value);
            let validator = jsonschema::validator_for(&schema).unwrap();
            let value = value.unwrap();
            prop_assert!(validator.is_valid(&value), "{} of {}", text, schema);
            prop_assert!(takes(&schema, &text), "{} of {}", text, schema);
        }
    }
}

/// Names of a pattern that are used up leave a way on.
#[test]
fn an_object_whose_names_run_out_can_be_closed() {
    // Too many names to be listed, and each may be there once.
    let schema = json!({
        "type": "object",
        "patternProperties": {"^([ab][0-9]{2}|c)$": {"const": 1}},
        "additionalProperties": false,
    });
    let mut taken = constraint(&schema).unwrap();
    assert!(follows(&mut taken, r#"{"c":1,"a00":1}"#));
    let mut taken = constraint(&schema).unwrap();
    for byte in br#"{"c":1,""# {
        let token = TokenId((*byte).into());
        assert!(taken.allows(token).unwrap());
        taken.accept(token).unwrap();
    }
    // It could only become the `c` that is there.
    assert!(!taken.allows(TokenId(b'c'.into())).unwrap());
    assert!(taken.allows(TokenId(b'a'.into())).unwrap());
    assert!(!taken.allowed().unwrap().has(TokenId(b'c'.into())));
    // All names.
    let mut names = vec!["c".to_owned()];
    names.extend((0..200).map(|number| {
        format!(
            "{}{:02}",
            if number < 100 { 'a' } else { 'b' },
            number % 100
        )
    }));
    let all: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    let mut taken = constraint(&schema).unwrap();
    for byte in format!("{{{}", all.join(",")).bytes() {
        assert!(taken.allows(TokenId(byte.into())).unwrap());
        taken.accept(TokenId(byte.into())).unwrap();
    }
    assert!(!taken.allows(TokenId(b','.into())).unwrap());
    assert!(taken.allows(TokenId(b'}'.into())).unwrap());
}

/// A property can't be promised that is not there: fewer names than `minProperties`.
#[test]
fn more_properties_than_names_are_refused() {
    let schema = json!({
        "type": "object",
        "patternProperties": {"^[ab]$": true},
        "additionalProperties": false,
        "minProperties": 3,
    });
    assert!(super::refused(&schema).contains("no text has this form"));
}

/// Numbers stay themselves, whatever reads them.
#[test]
fn bounds_are_kept_to_the_last_digit() {
    for bound in [
        "9007199254740993",
        "18446744073709551615",
        "0.1",
        "-1234567890.125",
    ] {
        let number: serde_json::Number = serde_json::from_str(bound).unwrap();
        let schema = json!({"type": "number", "maximum": number});
        assert!(takes(&schema, bound), "{bound}");
        let decimal = Decimal::of(&number);
        let above = decimal.floor(false).ceil(true).text();
        assert!(!takes(&schema, &above), "{above}");
    }
}

/// Readers refuse what lies deeper than 128 inside other objects and arrays.
#[test]
fn an_answer_is_not_deeper_than_readers_read() {
    let schema = json!({"type": "array"});
    let mut taken = constraint(&schema).unwrap();
    let open = TokenId(b'['.into());
    let mut depth = 0;
    while taken.allows(open).unwrap() {
        taken.accept(open).unwrap();
        depth += 1;
        assert!(depth < 128);
    }
    assert!(!taken.allowed().unwrap().has(open));
    assert!(follows(&mut taken, &"]".repeat(depth)));
    // Where nothing else can come, it goes on.
    let nested = (0..110).fold(
        json!(true),
        |schema, _| json!({"type": "array", "items": schema, "minItems": 1}),
    );
    assert!(takes(
        &nested,
        &format!("{}1{}", "[".repeat(110), "]".repeat(110))
    ));
}
