//! Makes the JSON Schema of a Rust type say exactly what serde reads as that type.
//!
//! schemars says less of some types than serde asks for, and more of others.

use serde_json::{Map, Value, json};

/// Maximum number of schemas inside one another.
const MOST: usize = 128;

/// The patterns that schemars writes for the keys of a map whose keys are integers.
const INTEGER_KEYS: [&str; 2] = ["^\\d+$", "^-?\\d+$"];

/// Changes a schema so that every value of it can be read.
///
/// # Errors
///
/// The part of the type that no schema describes, and what to do.
pub(super) fn make_readable(schema: &mut Value) -> Result<(), String> {
    visit(schema, 0)
}

fn visit(schema: &mut Value, depth: usize) -> Result<(), String> {
    match schema {
        Value::Object(object) if depth < MOST => {
            set_bounds(object);
            refuse_integer_keys(object)?;
            // A set takes an item that is there already, and stays as it is.
            object.remove("uniqueItems");
            for (keyword, value) in object {
                match keyword.as_str() {
                    // Data, not schemas.
                    "const" | "default" | "enum" | "examples" => {}
                    "$defs" | "properties" | "patternProperties" => {
                        for schema in value.as_object_mut().into_iter().flat_map(Map::values_mut) {
                            visit(schema, depth + 1)?;
                        }
                    }
                    _ => visit(value, depth + 1)?,
                }
            }
        }
        Value::Array(schemas) => {
            for schema in schemas {
                visit(schema, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Sets the bounds of the types whose schemas have none.
fn set_bounds(object: &mut Map<String, Value>) {
    // These have the size of this guest's pointers, which the host does not know.
    let bounds = match object.get("format").and_then(Value::as_str) {
        Some("uint") => Some((json!(usize::MIN), json!(usize::MAX))),
        Some("int") => Some((json!(isize::MIN), json!(isize::MAX))),
        _ => None,
    };
    if let Some((min, max)) = bounds {
        object.entry("minimum").or_insert(min);
        object.entry("maximum").or_insert(max);
    }
    let has_time = object.get_mut("properties").is_some_and(bound_time);
    if has_time {
        // serde refuses other properties of these two, which it ignores in structs.
        object.insert("additionalProperties".to_owned(), json!(false));
    }
}

/// Sets the bounds of `Duration` and `SystemTime`. Returns whether these are the properties of one
/// of them. More nanoseconds than a second has are seconds, of which there may be too many.
fn bound_time(properties: &mut Value) -> bool {
    let Value::Object(properties) = properties else {
        return false;
    };
    for (seconds, nanoseconds, most) in [
        ("secs", "nanos", json!(u64::MAX)),
        ("secs_since_epoch", "nanos_since_epoch", json!(i64::MAX)),
    ] {
        let has = |name: &str, format: &str| {
            let schema = properties.get(name);
            schema.is_some_and(|schema| schema["format"] == format)
        };
        if properties.len() != 2 || !has(seconds, "uint64") || !has(nanoseconds, "uint32") {
            continue;
        }
        for (name, most) in [(seconds, most), (nanoseconds, json!(999_999_999))] {
            if let Some(Value::Object(schema)) = properties.get_mut(name) {
                schema.entry("maximum").or_insert(most);
            }
        }
        return true;
    }
    false
}

/// The schema of a map with integers as keys does not say which integers.
fn refuse_integer_keys(object: &Map<String, Value>) -> Result<(), String> {
    let patterns = object.get("patternProperties").and_then(Value::as_object);
    let has_integers = patterns
        .is_some_and(|patterns| INTEGER_KEYS.iter().any(|keys| patterns.contains_key(*keys)));
    if has_integers && !object.contains_key("propertyNames") {
        return Err(
            "the schema of a map with integers as keys does not say how large they may be: use \
             `String` as the key, or say which keys there are, as in `#[schemars(extend(\
             \"propertyNames\" = {\"pattern\": \"^[0-9]{1,2}$\"}))]`"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap};
    use std::time::{Duration, SystemTime};

    use schemars::{JsonSchema, schema_for};

    use super::*;

    fn readable<T: JsonSchema>() -> Result<Value, String> {
        let mut schema = schema_for!(T).to_value();
        make_readable(&mut schema).map(|()| schema)
    }

    #[test]
    fn a_set_may_name_an_item_twice() {
        let schema = readable::<BTreeSet<u8>>().unwrap();
        assert_eq!(schema.get("uniqueItems"), None);
        assert_eq!(
            serde_json::from_str::<BTreeSet<u8>>("[1,1]").unwrap().len(),
            1
        );
    }

    #[test]
    fn sizes_have_those_of_the_guest() {
        let schema = readable::<(usize, isize)>().unwrap();
        let items = &schema["prefixItems"];
        assert_eq!(items[0]["maximum"], json!(usize::MAX));
        assert_eq!(items[0]["minimum"], json!(0));
        assert_eq!(items[1]["minimum"], json!(isize::MIN));
    }

    #[test]
    fn times_have_no_more_nanoseconds_than_a_second() {
        for (schema, seconds, nanoseconds) in [
            (readable::<Duration>(), "secs", "nanos"),
            (
                readable::<SystemTime>(),
                "secs_since_epoch",
                "nanos_since_epoch",
            ),
        ] {
            let properties = &schema.unwrap()["properties"];
            assert_eq!(properties[nanoseconds]["maximum"], json!(999_999_999));
            let most = &properties[seconds]["maximum"];
            let text = format!("{{\"{seconds}\":{most},\"{nanoseconds}\":999999999}}");
            match seconds {
                "secs" => drop(serde_json::from_str::<Duration>(&text).unwrap()),
                _ => drop(serde_json::from_str::<SystemTime>(&text).unwrap()),
            }
        }
        // Another struct with such names stays as it is.
        let mut other = json!({"properties": {"secs": {"format": "uint64"}, "x": {}}});
        let before = other.clone();
        make_readable(&mut other).unwrap();
        assert_eq!(other, before);
    }

    #[test]
    fn maps_with_integers_as_keys_are_refused_with_a_way_out() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "the type is only described")]
        struct Nested {
            years: Vec<HashMap<u16, String>>,
        }

        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "the type is only described")]
        struct Said {
            #[schemars(extend("propertyNames" = {"pattern": "^20[0-9]{2}$"}))]
            years: HashMap<u16, String>,
        }

        for refused in [readable::<BTreeMap<u8, u8>>(), readable::<Nested>()] {
            assert!(refused.unwrap_err().contains("use `String`"));
        }
        readable::<Said>().unwrap();
        readable::<BTreeMap<String, u8>>().unwrap();
    }
}
