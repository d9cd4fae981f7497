//! Schemas that are made to take long, or to be lost later.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{constraint, refused, takes};

/// `count` times one of two required properties, which doubles the alternatives each time.
fn pairs(count: usize) -> Vec<Value> {
    let pair =
        |n| json!({"anyOf": [{"required": [format!("a{n}")]}, {"required": [format!("b{n}")]}]});
    (0..count).map(pair).collect()
}

#[test]
fn alternatives_that_multiply_end_in_time() {
    let tagged = |n: usize| {
        json!({
            "type": "object",
            "properties": {"k": {"const": n}},
            "required": ["k"],
            "allOf": pairs(8),
        })
    };
    let patterns = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({"pattern": format!("^v{n}")}))
            .collect()
    };
    let words: Vec<String> = (0..1500).map(|n| format!("v{n}")).collect();
    for schema in [
        json!({"type": "object", "allOf": pairs(20)}),
        json!({"oneOf": (0..40).map(tagged).collect::<Vec<Value>>()}),
        json!({"allOf": [{"enum": words}, {"anyOf": patterns(400)}]}),
        json!({"type": "integer", "allOf": [{"multipleOf": 99991}, {"multipleOf": 99989}]}),
    ] {
        let begin = Instant::now();
        let _ = constraint(&schema);
        // The bound is 3 seconds; the machine may be busy.
        assert!(begin.elapsed() < Duration::from_secs(20), "{schema:.60}");
    }
}

#[test]
fn long_lists_of_values_are_followed() {
    let words: Vec<String> = (0..3000).map(|n| format!("word {n}")).collect();
    assert!(takes(&json!({"enum": words}), "\"word 2999\""));
    assert!(!takes(&json!({"enum": words}), "\"word 3000\""));
    let numbers: Vec<u32> = (0..9000).collect();
    assert!(takes(&json!({"enum": numbers, "type": "integer"}), "8999"));
    let objects: Vec<Value> = (0..1000)
        .map(|n| json!({"a": n, "b": [n, {}, []]}))
        .collect();
    assert!(takes(
        &json!({"enum": objects}),
        r#"{"a": 7,"b": [7, {}, []]}"#
    ));
    assert!(!takes(
        &json!({"enum": objects}),
        r#"{"a":7,"b":[8,{},[]]}"#
    ));
    assert!(!takes(
        &json!({"type": "string", "not": {"enum": words}}),
        "\"word 7\""
    ));
    // With white space, each object is an alternative of its own.
    let schema = json!({"enum": objects, "x-whitespace": "any"});
    assert!(takes(&schema, "{ \"a\" : 7 , \"b\":[7,{},[]]}"));
    let objects: Vec<Value> = (0..1600).map(|n| json!({"a": n})).collect();
    let told = refused(&json!({"enum": objects, "x-whitespace": "any"}));
    assert!(told.contains("more than 1500 alternatives"), "{told}");
}

#[test]
fn what_would_be_lost_later_is_refused_with_its_reason() {
    let overlapping: serde_json::Map<String, Value> = ["a", "b", "c", "d", "e", "f"]
        .map(|name| (name.to_owned(), json!(true)))
        .into_iter()
        .collect();
    for (schema, told) in [
        (
            json!({"type": "object", "patternProperties": overlapping}),
            "overlap in too many ways",
        ),
        (
            json!({"type": "integer", "allOf": [{"multipleOf": 99991}, {"multipleOf": 99989}]}),
            "`multipleOf`: the digits",
        ),
        (
            json!({"type": "number", "minimum": 0.5, "multipleOf": 1e6}),
            "`multipleOf`: the digits",
        ),
        (
            json!({"properties": {"b": false}, "required": ["b"], "type": "object"}),
            "`/properties/b`: no",
        ),
        (
            json!({"type": "number", "minimum": 1e-300}),
            "more than 100 digits",
        ),
        (
            json!({"type": "integer", "minimum": 5, "maximum": 4}),
            "the keywords contradict each other",
        ),
        (
            json!({"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"]}),
            "another one without end",
        ),
    ] {
        let reason = refused(&schema);
        assert!(reason.contains(told), "{schema}: {reason}");
    }
    let large = json!({"type": "number", "minimum": 1e30, "maximum": 1e300});
    assert!(takes(&large, &format!("1{}", "0".repeat(30))));
    assert!(!takes(&large, &"9".repeat(30)));
}
