//! Schemas that people reported, one test for each.

use serde_json::{Value, json};

use super::{constraint, refused, takes};

/// The texts that are answers, and those that are not.
fn check(schema: &Value, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(takes(schema, text), "{text}");
    }
    for text in bad {
        assert!(!takes(schema, text), "{text}");
    }
}

/// The only note about a schema.
fn note(schema: &Value) -> String {
    let taken = constraint(schema).unwrap();
    match taken.notes() {
        [only] => only.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn case_record() {
    let schema = json!({
        "type": "object",
        "propertyNames": {"type": "string"},
        "additionalProperties": {"type": "number"},
    });
    check(
        &schema,
        &["{}", r#"{"a":1,"b":2.5}"#],
        &[r#"{"a":"x"}"#, r#"{"a":1,"a":2}"#],
    );
}

#[test]
fn case_record_in_tool() {
    let schema = json!({
        "type": "object",
        "properties": {
            "tool": {"enum": ["find", "save"]},
            "args": {
                "type": "object",
                "propertyNames": {"type": "string"},
                "additionalProperties": {},
            },
        },
        "required": ["tool", "args"],
        "additionalProperties": false,
    });
    check(
        &schema,
        &[r#"{"tool":"find","args":{"x":[1,{"x":null}]}}"#],
        &[
            r#"{"tool":"find","args":{"x":1,"x":2}}"#,
            r#"{"tool":"find"}"#,
        ],
    );
}

#[test]
fn case_oneof_untagged() {
    let object = |name: &str| {
        let properties = json!({name: {"type": "integer"}});
        json!({"type": "object", "properties": properties, "required": [name]})
    };
    let schema = json!({"oneOf": [object("h"), object("w")]});
    check(
        &schema,
        &[r#"{"h":1}"#, r#"{"w": 2}"#],
        &["{}", r#"{"h":"x"}"#],
    );
    let note = note(&schema);
    assert!(
        note.starts_with("`/oneOf`: ") && note.contains("as `anyOf`"),
        "{note}"
    );
}

#[test]
fn case_oneof_required() {
    let schema = json!({
        "type": "object",
        "properties": {"mail": {"type": "string"}, "phone": {"type": "string"}},
        "oneOf": [{"required": ["mail"]}, {"required": ["phone"]}],
    });
    check(&schema, &[r#"{"mail":"a"}"#, r#"{"phone":"1"}"#], &["{}"]);
    assert!(note(&schema).starts_with("`/oneOf`"));
}

#[test]
fn case_oneof_default_tag() {
    let tagged = |tag: &str, name: &str| {
        json!({
            "type": "object",
            "properties": {
                "k": {"const": tag, "type": "string", "default": tag},
                name: {"type": "integer"},
            },
            "required": [name],
        })
    };
    let schema = json!({"oneOf": [tagged("car", "seats"), tagged("bike", "gears")]});
    check(
        &schema,
        &[r#"{"k":"car","seats":4}"#, r#"{"gears":3}"#],
        &[r#"{"k":"boat","seats":4}"#, r#"{"k":"bike"}"#],
    );
    assert!(note(&schema).starts_with("`/oneOf`"));
}

/// Alternatives that exclude each other need no note.
#[test]
fn one_of_several_that_exclude_each_other_is_not_noted() {
    let tagged = |tag: &str| {
        let properties = json!({"k": {"const": tag}});
        json!({"type": "object", "properties": properties, "required": ["k"]})
    };
    for schema in [
        json!({"oneOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"oneOf": [tagged("a"), tagged("b")]}),
        json!({"oneOf": [{"const": 1}, {"enum": [2, "x"]}]}),
        json!({"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
               "$defs": {"a": tagged("a"), "b": tagged("b")}}),
    ] {
        assert!(constraint(&schema).unwrap().notes().is_empty(), "{schema}");
    }
}

#[test]
fn case_format_password() {
    unknown_format("password");
}

#[test]
fn case_format_base64() {
    unknown_format("base64");
}

/// A format that is not known is an annotation.
fn unknown_format(format: &str) {
    let schema = json!({
        "type": "object",
        "properties": {"pin": {"type": "string", "format": format}},
        "required": ["pin"],
    });
    check(&schema, &[r#"{"pin":"any text"}"#], &[r#"{"pin":1}"#]);
    let note = note(&schema);
    assert!(
        note.starts_with("`/properties/pin/format`: ") && note.contains(format),
        "{note}"
    );
}

#[test]
fn case_format_int32_text() {
    let schema = json!({
        "type": "object",
        "properties": {"n": {"type": "string", "format": "int32"}},
    });
    check(&schema, &[r#"{"n":"any"}"#], &[r#"{"n":1}"#]);
    assert!(note(&schema).starts_with("`/properties/n/format`"));
}

/// schemars writes it for `IpAddr`, which reads nothing else.
#[test]
fn case_format_ip() {
    let schema = json!({"type": "string", "format": "ip"});
    check(
        &schema,
        &[r#""10.0.0.1""#, r#""::1""#],
        &[r#""10.0.0""#, r#""x""#],
    );
}

#[test]
fn case_set() {
    let schema = json!({
        "type": "array", "items": {"enum": ["n", "e", "s", "w"]}, "uniqueItems": true,
    });
    check(
        &schema,
        &["[]", r#"["w"]"#, r#"["w", "n"]"#, r#"["e","s","w","n"]"#],
        &[r#"["n","n"]"#, r#"["e","s","e"]"#, r#"["x"]"#],
    );
    let free = json!({
        "properties": {"tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}},
    });
    let reason = refused(&free);
    assert!(
        reason.starts_with("`/properties/tags/uniqueItems`"),
        "{reason}"
    );
    assert!(reason.contains("leave it out, and check it"), "{reason}");
}

#[test]
fn case_set_false() {
    let schema = json!({"type": "array", "items": {"type": "integer"}, "uniqueItems": false});
    check(&schema, &["[1,1]"], &["[true]"]);
}

#[test]
fn case_patterns_apart() {
    let schema = json!({
        "type": "object",
        "properties": {
            "plz": {"type": "string", "pattern": "^[0-9]{5}$"},
            "land": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "tel": {"type": "string", "pattern": "^[+]?[0-9 ]{6,20}$"},
            "ref": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
            "when": {"$ref": "#/$defs/w", "x-order": 3},
        },
        "$defs": {"w": {
            "type": "object",
            "properties": {"day": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}},
        }},
    });
    check(
        &schema,
        &[r#"{"plz":"12345","when":{"day":"2026-01"}}"#],
        &[r#"{"plz":"1234"}"#, r#"{"when":{"day":"2026"}}"#],
    );
    assert!(note(&schema).starts_with("`/properties/when/x-order`"));
}

#[test]
fn case_escaped_key() {
    let schema = json!({
        "type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"],
    });
    check(
        &schema,
        &[
            r#"{"age": 1}"#,
            r#"{"age": 1, "name": "x"}"#,
            r#"{"age":1,"a\"b":1}"#,
        ],
        &[
            r#"{"age": 1, "\u0061ge": "x"}"#,
            r#"{"\u0061ge": "x"}"#,
            r#"{"age": 1, "age": "x"}"#,
            r#"{"age":1,"b\/c":1}"#,
        ],
    );
}

#[test]
fn case_key_twice() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    check(
        &schema,
        &[
            r#"{"a": 1, "b": 1, "c": 2}"#,
            r#"{"b":{"b":1},"c":{"b":2}}"#,
        ],
        &[
            r#"{"a": 1, "b": 1, "b": 2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"c":{"b":1,"b":2}}"#,
        ],
    );
    let counted = json!({"type": "object", "minProperties": 2});
    check(
        &counted,
        &[r#"{"a":1,"b":1}"#],
        &[r#"{"a":1,"a":1}"#, r#"{"a":1}"#],
    );
}

#[test]
fn case_whole_too_large() {
    let schema = json!({
        "type": "object",
        "properties": {"n": {"type": "integer", "format": "uint32", "minimum": 0}},
        "required": ["n"],
    });
    check(
        &schema,
        &[r#"{"n":4294967295}"#, r#"{"n":0}"#],
        &[r#"{"n":99999999999}"#, r#"{"n":4294967296}"#, r#"{"n":-1}"#],
    );
}

#[test]
fn case_number_infinite() {
    let schema = json!({"type": "number"});
    check(&schema, &["1e300", "-0.5E-7"], &["1e400", "-312E298675628"]);
}

#[test]
fn case_i64_bounds() {
    let schema = json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX});
    check(
        &schema,
        &["-9223372036854775808", "9223372036854775807"],
        &["-9223372036854775809", "9223372036854775808"],
    );
    let schema = json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
    check(
        &schema,
        &["18446744073709551615"],
        &["18446744073709551616", "-1"],
    );
}

#[test]
fn case_pattern_lookahead() {
    let schema = json!({
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^(?!_)[a-z_]+$"}},
    });
    let reason = refused(&schema);
    assert!(
        reason.starts_with("`/properties/name/pattern`: look-around"),
        "{reason}"
    );
    assert!(!reason.contains('\n'), "{reason}");
}

#[test]
fn case_if_then() {
    let schema = json!({
        "type": "object",
        "properties": {"k": {"enum": ["a", "b"]}, "x": {"type": "string"}},
        "if": {"properties": {"k": {"const": "a"}}},
        "then": {"required": ["x"]},
    });
    let reason = refused(&schema);
    assert!(
        reason.starts_with("`/if`: ") && reason.contains("anyOf"),
        "{reason}"
    );
}

#[test]
fn case_dialect() {
    let schema = json!({"$schema": "https://json.example/dialects/own", "type": "boolean"});
    check(&schema, &["true"], &["1"]);
    assert!(note(&schema).starts_with("`/$schema`"));
}

#[test]
fn case_nullable() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "integer", "nullable": true}},
        "required": ["a"],
    });
    check(
        &schema,
        &[r#"{"a": null}"#, r#"{"a":1}"#],
        &[r#"{"a":"x"}"#],
    );
    // OpenAPI 3.0 has it beside `allOf`, because nothing may stand beside `$ref`.
    let referred = json!({
        "allOf": [{"$ref": "#/components/schemas/N"}], "nullable": true,
        "components": {"schemas": {"N": {"type": "integer"}}},
    });
    check(&referred, &["null", "1"], &["true"]);
}

#[test]
fn case_optional_500() {
    let many = |count: usize| {
        let properties: serde_json::Map<String, Value> = (0..count)
            .map(|index| (format!("p{index}"), json!({"type": "integer"})))
            .collect();
        json!({"type": "object", "properties": properties})
    };
    let all: Vec<String> = (0..500)
        .map(|index| format!("\"p{index}\":{index}"))
        .collect();
    let all = format!("{{{}}}", all.join(","));
    check(
        &many(500),
        &[
            "{}",
            r#"{"p0":1}"#,
            r#"{"p499":1}"#,
            r#"{"p3":1,"p400":2,"other":{}}"#,
            &all,
        ],
        &[r#"{"p4":1,"p3":1}"#],
    );
    let reason = refused(&many(1000));
    assert!(
        reason.starts_with("`/properties`: 1000 properties"),
        "{reason}"
    );
}

/// `minLength: 1.0` is 1.
#[test]
fn a_count_may_be_written_as_a_float() {
    check(
        &json!({"type": "string", "minLength": 1.0}),
        &[r#""a""#],
        &[r#""""#],
    );
    let reason = refused(&json!({"type": "string", "minLength": 1.5}));
    assert!(reason.starts_with("`/minLength`"), "{reason}");
}

/// zod 3 writes it for `undefined`.
#[test]
fn what_excludes_everything_is_left_out() {
    let schema = json!({"type": "object", "properties": {"a": {"not": {}}, "b": {"const": 1}}});
    check(&schema, &[r#"{"b":1}"#, "{}"], &[r#"{"a":1}"#]);
    let required = json!({"properties": {"a": {"not": {}}}, "required": ["a"], "type": "object"});
    assert!(refused(&required).contains("no text has this form"));
}
