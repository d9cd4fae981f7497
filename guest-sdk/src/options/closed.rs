//! Closes the objects of a Rust type's JSON Schema.
//!
//! The schema of a struct allows further properties, because serde ignores them. A model that may
//! add properties often does so until its answer is cut short.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// Keywords that combine schemas which apply to the same value.
const COMBINING: [&str; 4] = ["$ref", "allOf", "anyOf", "oneOf"];

/// Maximum number of alternatives of one value, and of schemas inside one another.
const MOST: usize = 64;

/// Adds `additionalProperties: false` to every object with `properties`, unless the schema says
/// something about further properties itself. Where several schemas apply to one object, as those
/// of flattened and tagged types, they are first merged into one. Where that is not possible, all
/// of them stay as they are.
pub(super) fn close(schema: &mut Value) {
    let mut closing = Closing {
        definitions: schema.get("$defs").cloned().unwrap_or_default(),
        open: BTreeSet::new(),
    };
    // A definition may only turn out to be part of a combination after others were looked at.
    loop {
        let open = closing.open.clone();
        let mut closed = schema.clone();
        closing.visit(&mut closed, false, 0);
        if closing.open == open {
            *schema = closed;
            return;
        }
    }
}

struct Closing {
    definitions: Value,
    /// Names of the definitions that are part of a combination that cannot be merged.
    open: BTreeSet<String>,
}

impl Closing {
    /// Closes a schema and those in it. With `stays`, the schema is a part of a combination that
    /// cannot be merged.
    fn visit(&mut self, schema: &mut Value, stays: bool, depth: usize) {
        let Value::Object(object) = schema else {
            if let Value::Array(schemas) = schema {
                for schema in schemas {
                    self.visit(schema, stays, depth);
                }
            }
            return;
        };
        if depth >= MOST {
            return;
        }
        let stays = stays || !self.close_one(object);
        if stays && let Some(Value::String(reference)) = object.get("$ref") {
            self.open.extend(definition(reference).map(str::to_owned));
        }
        for (keyword, value) in object {
            match keyword.as_str() {
                // Data, not schemas.
                "const" | "default" | "enum" | "examples" => {}
                "allOf" | "anyOf" | "oneOf" => self.visit(value, stays, depth + 1),
                "$defs" | "properties" => {
                    for (name, schema) in value.as_object_mut().into_iter().flatten() {
                        let stays = keyword == "$defs" && self.open.contains(name);
                        self.visit(schema, stays, depth + 1);
                    }
                }
                _ => self.visit(value, false, depth + 1),
            }
        }
    }

    /// Closes an object. Returns whether that was possible, or not necessary.
    fn close_one(&self, object: &mut Object) -> bool {
        let combining = COMBINING
            .iter()
            .filter(|keyword| object.contains_key(**keyword));
        let has_properties = object.get("properties").is_some_and(Value::is_object);
        let is_combined =
            object.contains_key("allOf") || combining.count() + usize::from(has_properties) > 1;
        if !is_combined {
            if has_properties && !says_what_else(object) {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            return true;
        }
        let Some(alternatives) = alternatives(object, &self.definitions, 0) else {
            return false;
        };
        // What requires nothing stays, such as its description and definitions.
        object.retain(|keyword, _| !MERGED.contains(&keyword.as_str()));
        let mut alternatives: Vec<Value> = alternatives
            .into_iter()
            .map(|parts| parts.into_closed().into())
            .collect();
        match (alternatives.len(), alternatives.pop()) {
            (1, Some(Value::Object(only))) => object.extend(only),
            (_, last) => {
                alternatives.extend(last);
                object.insert("anyOf".to_owned(), alternatives.into());
            }
        }
        true
    }
}

/// The name of a definition of the same schema.
fn definition(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/$defs/")
}

/// Whether a schema says which further properties an object may have.
fn says_what_else(object: &Object) -> bool {
    let keywords = [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
    ];
    keywords.iter().any(|keyword| object.contains_key(*keyword))
}

/// The keywords that [`alternatives`] merges.
const MERGED: [&str; 9] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "properties",
    "required",
    "type",
    "unevaluatedProperties",
];

/// Keywords that require nothing of a value.
const ANNOTATIONS: [&str; 8] = [
    "$defs",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "title",
    "writeOnly",
];

/// The properties of an object, from all schemas that apply to it.
#[derive(Debug, Clone, Default)]
struct Parts {
    properties: Object,
    required: Vec<Value>,
}

impl Parts {
    /// The parts of both. `None` if they say different things about one property.
    fn and(mut self, other: &Self) -> Option<Self> {
        for (name, schema) in &other.properties {
            let same = self.properties.get(name).is_none_or(|own| own == schema);
            same.then(|| self.properties.insert(name.clone(), schema.clone()))?;
        }
        for name in &other.required {
            if !self.required.contains(name) {
                self.required.push(name.clone());
            }
        }
        Some(self)
    }

    fn into_closed(self) -> Object {
        let mut object = Object::new();
        object.insert("type".to_owned(), json!("object"));
        object.insert("properties".to_owned(), self.properties.into());
        object.insert("required".to_owned(), self.required.into());
        object.insert("additionalProperties".to_owned(), json!(false));
        object
    }
}

/// What an object may be: one of these. `None` for a schema that says more than which properties
/// there are.
fn alternatives(object: &Object, definitions: &Value, depth: usize) -> Option<Vec<Parts>> {
    let known = |keyword: &String| {
        MERGED.contains(&keyword.as_str()) || ANNOTATIONS.contains(&keyword.as_str())
    };
    let is_object = object.get("type").is_none_or(|kind| kind == "object");
    let is_open_map = ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|keyword| {
            object
                .get(*keyword)
                .is_some_and(|value| *value != json!(false))
        });
    if depth >= MOST || !is_object || is_open_map || !object.keys().all(known) {
        return None;
    }
    let own = Parts {
        properties: match object.get("properties") {
            Some(properties) => properties.as_object()?.clone(),
            None => Object::new(),
        },
        required: match object.get("required") {
            Some(required) => required.as_array()?.clone(),
            None => Vec::new(),
        },
    };
    let of = |schema: &Value| alternatives(schema.as_object()?, definitions, depth + 1);
    let mut all = vec![own];
    if let Some(reference) = object.get("$ref") {
        let name = definition(reference.as_str()?)?;
        all = product(&all, &of(definitions.get(name)?)?)?;
    }
    for schema in object
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        all = product(&all, &of(schema)?)?;
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(choices) = object.get(keyword) {
            let choices: Option<Vec<_>> = choices.as_array()?.iter().map(of).collect();
            all = product(&all, &choices?.concat())?;
        }
    }
    Some(all)
}

/// Each of the one with each of the other.
fn product(one: &[Parts], other: &[Parts]) -> Option<Vec<Parts>> {
    if one.len() * other.len() > MOST {
        return None;
    }
    let pairs = one
        .iter()
        .flat_map(|one| other.iter().map(|other| one.clone().and(other)));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    #![expect(dead_code, reason = "the types are only described")]

    use std::collections::BTreeMap;

    use schemars::JsonSchema;

    use super::*;

    #[derive(JsonSchema)]
    struct Inner {
        a: u8,
        more: Option<Box<Inner>>,
    }

    #[derive(JsonSchema)]
    #[serde(tag = "kind")]
    enum Tagged {
        A(Inner),
        B { x: u8 },
        C,
    }

    #[derive(JsonSchema)]
    struct Flattened {
        q: u8,
        #[serde(flatten)]
        tagged: Tagged,
    }

    #[derive(JsonSchema)]
    struct WithRest {
        q: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
        any: serde_json::Value,
        map: BTreeMap<String, Inner>,
    }

    #[derive(JsonSchema)]
    #[schemars(extend("additionalProperties" = true))]
    struct Open {
        a: u8,
    }

    fn closed<T: JsonSchema>() -> Value {
        let mut schema = schemars::schema_for!(T).to_value();
        close(&mut schema);
        schema
    }

    /// The names of the properties, sorted, and whether there may be others.
    fn shape(schema: &Value) -> (Vec<&str>, bool) {
        let names = schema["properties"].as_object().unwrap().keys();
        let mut names: Vec<&str> = names.map(String::as_str).collect();
        names.sort_unstable();
        (names, schema["additionalProperties"] != json!(false))
    }

    /// Newcomer 3.
    #[test]
    fn a_struct_has_its_own_properties_alone() {
        let schema = closed::<Inner>();
        assert_eq!(shape(&schema), (vec!["a", "more"], false));
        let schema = closed::<WithRest>();
        assert!(!shape(&schema["$defs"]["Inner"]).1);
    }

    #[test]
    fn variants_with_a_tag_have_the_tag_and_their_own_properties() {
        let schema = closed::<Tagged>();
        let shapes: Vec<_> = schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(shape)
            .collect();
        let (a, b, c) = (vec!["a", "kind", "more"], vec!["kind", "x"], vec!["kind"]);
        assert_eq!(shapes, [(a, false), (b, false), (c, false)]);
    }

    #[test]
    fn a_flattened_choice_becomes_a_choice_of_whole_objects() {
        let schema = closed::<Flattened>();
        let shapes: Vec<_> = schema["anyOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(shape)
            .collect();
        let a = vec!["a", "kind", "more", "q"];
        assert_eq!(
            shapes,
            [
                (a, false),
                (vec!["kind", "q", "x"], false),
                (vec!["kind", "q"], false)
            ]
        );
        let mut required = schema["anyOf"][1]["required"].clone();
        required
            .as_array_mut()
            .unwrap()
            .sort_by_key(Value::to_string);
        assert_eq!(required, json!(["kind", "q", "x"]));
        assert!(schema.get("properties").is_none() && schema.get("$defs").is_some());
    }

    #[test]
    fn what_a_type_says_about_further_properties_stays() {
        assert!(shape(&closed::<Open>()).1);
        let schema = closed::<WithRest>();
        assert_eq!(schema["additionalProperties"]["type"], "integer");
        assert_eq!(schema["properties"]["any"], true);
        assert_eq!(
            schema["properties"]["map"]["additionalProperties"]["$ref"],
            "#/$defs/Inner"
        );
    }

    #[test]
    fn an_object_that_cannot_be_merged_stays_open() {
        let schema = json!({
            "type": "object", "properties": {"a": {"type": "string"}},
            "allOf": [{"properties": {"a": {"minLength": 3}}}],
        });
        let mut same = schema.clone();
        close(&mut same);
        assert_eq!(same["properties"], schema["properties"]);
        assert_eq!(
            same["allOf"][0]["properties"],
            schema["allOf"][0]["properties"]
        );
        assert!(same.get("additionalProperties").is_none());
    }

    #[test]
    fn all_parts_of_such_an_object_stay_open() {
        let object = |name: &str| json!({"type": "object", "properties": {name: true}});
        let schema = json!({
            "$defs": {"A": object("a"), "B": object("b"), "C": object("c")},
            "type": "object",
            "properties": {
                "mixed": {
                    "properties": {"d": true}, "maxProperties": 3,
                    "allOf": [object("e"), {"$ref": "#/$defs/B"}], "$ref": "#/$defs/A",
                },
                "alone": {"$ref": "#/$defs/C"},
            },
        });
        let mut same = schema.clone();
        close(&mut same);
        assert_eq!(same["properties"], schema["properties"]);
        for name in ["A", "B"] {
            assert_eq!(same["$defs"][name], schema["$defs"][name]);
        }
        assert!(!shape(&same["$defs"]["C"]).1 && !shape(&same).1);
    }

    #[test]
    fn data_is_not_mistaken_for_a_schema() {
        let data = json!({"properties": {"a": 1}});
        let mut schema = json!({"const": data, "enum": [data], "default": data});
        let before = schema.clone();
        close(&mut schema);
        assert_eq!(schema, before);
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let mut schema = json!({
            "$defs": {"A": {"type": "object", "properties": {"a": true}, "$ref": "#/$defs/A"}},
            "$ref": "#/$defs/A",
        });
        close(&mut schema);
        assert_eq!(schema["$defs"]["A"]["$ref"], "#/$defs/A");
    }
}
