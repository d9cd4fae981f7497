//! Checks JSON Schemas within Lark (`%json`), which llguidance compiles by itself.

use serde_json::{Map, Value};

use crate::limits::MAX_REGEX_BYTES;

/// The key of llguidance's own options.
const OPTIONS: &str = "x-guidance";

/// Maximum number of patterns for property names, because each is compared with each.
const MAX_PATTERN_PROPERTIES: usize = 32;

/// Maximum product of the lengths of patterns that apply together, which is the work of following
/// them.
const MAX_PATTERN_PRODUCT: usize = 100_000;

/// Refuses schemas that would take exponential time within one step of llguidance, which its limits
/// do not cover.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    if schema.get(OPTIONS).is_some() {
        // The options could allow text that is not JSON.
        return Err(format!("`{OPTIONS}` isn't supported"));
    }
    let mut found = Found::default();
    found.visit(schema);
    let bytes: usize = found.patterns.iter().sum();
    if bytes > MAX_REGEX_BYTES {
        return Err(format!(
            "its patterns have {bytes} bytes together, the maximum is {MAX_REGEX_BYTES}"
        ));
    }
    if found.pattern_properties > MAX_PATTERN_PROPERTIES {
        return Err(format!(
            "it has {} pattern properties, the maximum is {MAX_PATTERN_PROPERTIES}",
            found.pattern_properties
        ));
    }
    let together = found
        .patterns
        .iter()
        .fold(1usize, |product, bytes| product.saturating_mul(bytes + 1));
    if found.is_combined && found.patterns.len() > 1 && together > MAX_PATTERN_PRODUCT {
        return Err(
            "it has too many patterns that may apply to one value: combine the patterns of a \
             string into one `pattern`, or avoid `allOf` and keywords beside `$ref`, `anyOf` and \
             `oneOf`"
                .to_owned(),
        );
    }
    Ok(())
}

/// The costly parts of a schema. Keywords count anywhere, so it may find too many but never too
/// few.
#[derive(Default)]
struct Found {
    // The length of each regular expression in bytes.
    patterns: Vec<usize>,
    pattern_properties: usize,
    // Whether one value may have to match several schemas.
    is_combined: bool,
}

impl Found {
    // Recursive: serde_json has limited the depth.
    fn visit(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                self.look_at(object);
                object.values().for_each(|value| self.visit(value));
            }
            Value::Array(list) => list.iter().for_each(|value| self.visit(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn look_at(&mut self, object: &Map<String, Value>) {
        if let Some(Value::String(pattern)) = object.get("pattern") {
            self.patterns.push(pattern.len());
        }
        if let Some(Value::Object(patterns)) = object.get("patternProperties") {
            self.pattern_properties += patterns.len();
            self.patterns.extend(patterns.keys().map(String::len));
        }
        let constrains = |key: &str| !ANNOTATIONS.contains(&key);
        let combines = ["$ref", "$dynamicRef", "anyOf", "oneOf"];
        let beside = object.keys().filter(|key| constrains(key)).count();
        self.is_combined |= object.contains_key("allOf")
            || object.contains_key("patternProperties")
            || (beside > 1 && combines.iter().any(|key| object.contains_key(*key)));
    }
}

/// Keywords without requirements for a value.
const ANNOTATIONS: [&str; 16] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "$vocabulary",
    "default",
    "definitions",
    "deprecated",
    "description",
    "example",
    "examples",
    "id",
    "readOnly",
    "title",
    "writeOnly",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_that_may_hold_together_are_bounded() {
        let each = |count: usize| -> Vec<Value> {
            let patterns = (0..count).map(|number| json!({"pattern": format!("k{number}")}));
            patterns.collect()
        };
        let named = |count: usize| -> Map<String, Value> {
            let names = (0..count).map(|number| (format!("^k{number}$"), json!({})));
            names.collect()
        };
        check(&json!({"allOf": each(3)})).unwrap();
        check(&json!({"patternProperties": named(3)})).unwrap();
        check(&json!({"anyOf": each(300)})).unwrap();
        for combined in [
            json!({"allOf": each(40)}),
            json!({"type": "string", "anyOf": each(40)}),
            json!({"$ref": "#/$defs/a", "minLength": 3, "$defs": {"a": {"anyOf": each(40)}}}),
            // A name may match several of them.
            json!({"patternProperties": named(10)}),
        ] {
            let refused = check(&combined).unwrap_err();
            assert!(refused.contains("apply to one value"), "{refused}");
        }
    }

    #[test]
    fn patterns_are_bounded_in_all() {
        let long = json!({"anyOf": [{"pattern": "x".repeat(5000)}, {"pattern": "y".repeat(5000)}]});
        let refused = check(&long).unwrap_err();
        assert!(refused.contains("10000 bytes"), "{refused}");
        let names: Map<String, Value> = (0..33)
            .map(|number| (format!("^k{number}$"), json!({})))
            .collect();
        let refused = check(&json!({"patternProperties": names})).unwrap_err();
        assert!(refused.contains("33 pattern properties"), "{refused}");
    }
}
