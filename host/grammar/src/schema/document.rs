//! The text of a JSON Schema, with each schema in it as a node that has an address.
//!
//! It resolves references and knows nothing of what keywords mean.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::uri;

/// A schema in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(usize);

#[derive(Debug)]
struct Node<'a> {
    pointer: String,
    schema: &'a Value,
    /// The index of the resource that it belongs to.
    resource: usize,
}

/// A schema with a URI of its own (`$id`), to which references within it relate.
#[derive(Debug)]
struct Resource {
    uri: String,
    pointer: String,
}

/// A JSON Schema with all schemas in it.
#[derive(Debug)]
pub(super) struct Document<'a> {
    root: &'a Value,
    nodes: Vec<Node<'a>>,
    by_pointer: HashMap<String, NodeId>,
    resources: Vec<Resource>,
    anchors: HashMap<(usize, String), NodeId>,
    draft: Draft,
    /// Whether any schema has `unevaluatedProperties`, which looks at what others have found.
    has_unevaluated: bool,
}

/// The dialects that differ in how a schema is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draft {
    /// Drafts 3 to 7: keywords beside `$ref` do not count.
    Old,
    /// 2019-09, 2020-12, OpenAPI 3.1, and what does not say.
    New,
}

/// Keywords with a schema.
const ONE: [&str; 14] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependencies",
    "extends",
];
/// Keywords with a list of schemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords with an object of schemas.
const MAP: [&str; 6] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "properties",
];

impl<'a> Document<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        let old = ["draft-03", "draft-04", "draft-06", "draft-07"];
        let dialect = root.get("$schema").and_then(Value::as_str);
        let is_old = dialect.is_some_and(|dialect| old.iter().any(|old| dialect.contains(old)));
        let mut document = Self {
            root,
            nodes: Vec::new(),
            by_pointer: HashMap::new(),
            resources: vec![Resource {
                uri: String::new(),
                pointer: String::new(),
            }],
            anchors: HashMap::new(),
            draft: if is_old { Draft::Old } else { Draft::New },
            has_unevaluated: false,
        };
        document.walk(root, String::new(), 0);
        document
    }

    /// Adds a schema and those in it. Recursive: serde_json has limited the depth.
    fn walk(&mut self, schema: &'a Value, pointer: String, resource: usize) -> Option<NodeId> {
        if let Some(known) = self.by_pointer.get(&pointer) {
            return Some(*known);
        }
        if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
            return None;
        }
        let id = NodeId(self.nodes.len());
        self.by_pointer.insert(pointer.clone(), id);
        let resource = self.resource_of(schema, &pointer, resource);
        self.nodes.push(Node {
            pointer: pointer.clone(),
            schema,
            resource,
        });
        let Value::Object(object) = schema else {
            return Some(id);
        };
        self.has_unevaluated |= object.contains_key("unevaluatedProperties");
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(Value::String(anchor)) = object.get(keyword) {
                self.anchors.insert((resource, anchor.clone()), id);
            }
        }
        for (keyword, value) in object {
            let here = child(&pointer, keyword);
            let (one, list, map) = (
                ONE.contains(&keyword.as_str()),
                LIST.contains(&keyword.as_str()),
                MAP.contains(&keyword.as_str()),
            );
            match value {
                Value::Array(schemas) if list => {
                    for (index, schema) in schemas.iter().enumerate() {
                        self.walk(schema, child(&here, &index.to_string()), resource);
                    }
                }
                Value::Object(schemas) if map => {
                    for (name, schema) in schemas {
                        self.walk(schema, child(&here, name), resource);
                    }
                }
                _ if one => {
                    self.walk(value, here, resource);
                }
                _ => {}
            }
        }
        Some(id)
    }

    /// The resource that a schema belongs to: a new one if it has a URI.
    fn resource_of(&mut self, schema: &Value, pointer: &str, outer: usize) -> usize {
        // Up to draft 7, a reference is all that its schema says.
        if self.draft == Draft::Old && schema.get("$ref").is_some_and(Value::is_string) {
            return outer;
        }
        let id = schema.get("$id").or_else(|| schema.get("id"));
        let Some(id) = id.and_then(Value::as_str) else {
            return outer;
        };
        let (address, fragment) = id.split_once('#').unwrap_or((id, ""));
        if address.is_empty() {
            if !fragment.is_empty() {
                // The anchors of older drafts.
                let node = NodeId(self.nodes.len());
                self.anchors.insert((outer, fragment.to_owned()), node);
            }
            return outer;
        }
        let base = self.resources.get(outer).map_or("", |outer| &outer.uri);
        let resource = Resource {
            uri: uri::resolve(base, address),
            pointer: pointer.to_owned(),
        };
        if pointer.is_empty()
            && let Some(root) = self.resources.first_mut()
        {
            *root = resource;
            return 0;
        }
        self.resources.push(resource);
        let own = self.resources.len() - 1;
        if !fragment.is_empty() {
            let node = NodeId(self.nodes.len());
            self.anchors.insert((own, fragment.to_owned()), node);
        }
        own
    }

    /// The whole schema.
    pub(super) fn root(&self) -> NodeId {
        NodeId(0)
    }

    pub(super) fn draft(&self) -> Draft {
        self.draft
    }

    pub(super) fn has_unevaluated(&self) -> bool {
        self.has_unevaluated
    }

    pub(super) fn schema(&self, id: NodeId) -> &'a Value {
        // Each id is one of a node.
        static NONE: Value = Value::Null;
        self.nodes.get(id.0).map_or(&NONE, |node| node.schema)
    }

    /// Whether no value fits the schema, because it is `false`.
    pub(super) fn is_false(&self, id: NodeId) -> bool {
        *self.schema(id) == Value::Bool(false)
    }

    /// The keywords of a schema. None if it is `true` or `false`.
    pub(super) fn keywords(&self, id: NodeId) -> Option<&'a Map<String, Value>> {
        self.schema(id).as_object()
    }

    /// The address of a schema, a JSON pointer.
    pub(super) fn pointer(&self, id: NodeId) -> &str {
        self.nodes.get(id.0).map_or("", |node| &node.pointer)
    }

    /// The schema at this path below another.
    pub(super) fn child(&self, id: NodeId, path: &[&str]) -> Option<NodeId> {
        let mut pointer = self.pointer(id).to_owned();
        for part in path {
            pointer = child(&pointer, part);
        }
        self.by_pointer.get(&pointer).copied()
    }

    /// The schema that a reference means.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    pub(super) fn resolve(&mut self, id: NodeId, reference: &str) -> Result<NodeId, String> {
        let own = self.nodes.get(id.0).map_or(0, |node| node.resource);
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = match address {
            "" => own,
            address => {
                let base = self.resources.get(own).map_or("", |own| &own.uri);
                let target = uri::resolve(base, address);
                let mut all = self.resources.iter();
                let known = all.position(|resource| resource.uri == target);
                known.ok_or_else(|| {
                    format!(
                        "`{reference}` is outside of this schema, and the host does not fetch \
                         schemas: copy it into `$defs`"
                    )
                })?
            }
        };
        let missing = || format!("there is no schema at `{reference}`");
        let fragment = uri::decode(fragment).ok_or_else(missing)?;
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let anchor = self.anchors.get(&(resource, fragment));
            return anchor.copied().ok_or_else(missing);
        }
        let base = self.resources.get(resource).map(|own| own.pointer.as_str());
        let pointer = format!("{}{fragment}", base.unwrap_or_default());
        if let Some(known) = self.by_pointer.get(&pointer) {
            return Ok(*known);
        }
        // A schema below an unknown keyword, such as `components` of OpenAPI.
        let schema = self.root.pointer(&pointer).ok_or_else(missing)?;
        self.walk(schema, pointer, resource).ok_or_else(missing)
    }
}

/// The pointer of a part of what a pointer points to.
pub(super) fn child(pointer: &str, part: &str) -> String {
    format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(schema: &Value, from: &[&str], reference: &str) -> Result<String, String> {
        let mut document = Document::new(schema);
        let from = document.child(document.root(), from).unwrap();
        let found = document.resolve(from, reference)?;
        Ok(document.pointer(found).to_owned())
    }

    #[test]
    fn references_lead_to_schemas_of_the_same_document() {
        let schema = json!({
            "$id": "http://a/root.json",
            "$defs": {
                "a/b": {"$anchor": "here"},
                "other": {"$id": "other.json", "$defs": {"in": true}, "items": {"$ref": "#"}},
            },
            "components": {"schemas": {"Pet": {"properties": {"x": true}}}},
        });
        for (reference, expected) in [
            ("#", ""),
            ("#/$defs/a~1b", "/$defs/a~1b"),
            ("#/%24defs/a~1b", "/$defs/a~1b"),
            ("#here", "/$defs/a~1b"),
            ("root.json#here", "/$defs/a~1b"),
            ("other.json", "/$defs/other"),
            ("http://a/other.json#/$defs/in", "/$defs/other/$defs/in"),
            (
                "#/components/schemas/Pet/properties/x",
                "/components/schemas/Pet/properties/x",
            ),
        ] {
            assert_eq!(target(&schema, &[], reference).as_deref(), Ok(expected));
        }
        let inner = ["$defs", "other", "items"];
        assert_eq!(target(&schema, &inner, "#").as_deref(), Ok("/$defs/other"));
        for (reference, reason) in [
            ("#/$defs/none", "no schema at `#/$defs/none`"),
            ("#nowhere", "no schema"),
            ("http://b/c", "does not fetch"),
        ] {
            assert!(
                target(&schema, &[], reference)
                    .unwrap_err()
                    .contains(reason)
            );
        }
    }

    #[test]
    fn the_dialect_decides_what_counts_beside_a_reference() {
        for (dialect, draft) in [
            ("http://json-schema.org/draft-07/schema#", Draft::Old),
            ("https://json-schema.org/draft/2020-12/schema", Draft::New),
            ("https://json.example/own", Draft::New),
        ] {
            assert_eq!(Document::new(&json!({"$schema": dialect})).draft(), draft);
        }
    }
}
