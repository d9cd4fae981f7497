//! The alternatives of schemas that apply together: `$ref`, `allOf`, `anyOf`, `oneOf` and
//! `nullable` are followed until only keywords for values are left.

use serde_json::{Map, Value};

use super::compile::Compiler;
use super::document::{Draft, NodeId, child};
use super::keyword::{self, Keyword};

/// Maximum number of alternatives of one value.
const MAX_ALTERNATIVES: usize = 512;

/// Maximum number of steps for the alternatives of one value.
const MAX_STEPS: usize = 20_000;

/// A schema of which only the keywords for values count, not those that combine schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) node: NodeId,
    /// The schemas around it whose `unevaluatedProperties` counts what it says.
    pub(super) within: Vec<NodeId>,
}

/// Schemas that all apply to one value.
#[derive(Debug, Clone, Default)]
pub(super) struct Alternative {
    pub(super) parts: Vec<Part>,
    pub(super) is_null: bool,
}

impl Compiler<'_> {
    /// The alternatives of a value that all these schemas apply to.
    pub(super) fn expand(&mut self, nodes: &[NodeId]) -> Result<Vec<Alternative>, String> {
        self.check_time()?;
        let mut alternatives = vec![Alternative::default()];
        let mut walk = Walk::default();
        for node in nodes {
            alternatives = self.add(alternatives, *node, &mut walk)?;
        }
        Ok(alternatives)
    }

    fn add(
        &mut self,
        mut alternatives: Vec<Alternative>,
        node: NodeId,
        walk: &mut Walk,
    ) -> Result<Vec<Alternative>, String> {
        let pointer = self.document.pointer(node).to_owned();
        walk.steps += 1 + alternatives.len();
        if walk.steps > MAX_STEPS || alternatives.len() > MAX_ALTERNATIVES {
            return Err(at(
                &pointer,
                &format!(
                    "the alternatives of one value multiply to more than {MAX_ALTERNATIVES}: \
                     combine fewer of `anyOf`, `oneOf` and `allOf`"
                ),
            ));
        }
        let schema = match self.document.schema(node) {
            Value::Bool(true) => return Ok(alternatives),
            Value::Object(schema) => schema,
            _ => return Ok(Vec::new()),
        };
        if walk.inside.contains(&node) {
            return Err(at(
                &pointer,
                "no text has this form: the schema refers to itself",
            ));
        }
        self.check_keywords(node)?;
        walk.inside.push(node);
        let has_unevaluated = schema.contains_key("unevaluatedProperties");
        if has_unevaluated {
            walk.within.push(node);
        }
        let reference = schema.get("$ref").filter(|value| value.is_string());
        let is_alone = reference.is_some() && self.document.draft() == Draft::Old;
        let before = match schema.get("nullable") {
            Some(Value::Bool(true)) if !is_alone => alternatives.clone(),
            _ => Vec::new(),
        };
        if !is_alone {
            for alternative in &mut alternatives {
                if !alternative.parts.iter().any(|part| part.node == node) {
                    alternative.parts.push(Part {
                        node,
                        within: walk.within.clone(),
                    });
                }
            }
        }
        if let Some(Value::String(reference)) = reference {
            let target = self.document.resolve(node, reference);
            let target = target.map_err(|reason| at(&child(&pointer, "$ref"), &reason))?;
            alternatives = self.add(alternatives, target, walk)?;
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            if is_alone || !schema.contains_key(keyword) {
                continue;
            }
            let members = self.members(node, keyword)?;
            if keyword == "allOf" {
                for member in members {
                    alternatives = self.add(alternatives, member, walk)?;
                }
                continue;
            }
            let mut all = Vec::new();
            for member in members {
                all.extend(self.add(alternatives.clone(), member, walk)?);
                if all.len() > MAX_ALTERNATIVES {
                    break;
                }
            }
            alternatives = all;
        }
        // `null` instead of all that this schema says.
        alternatives.extend(before.into_iter().map(|alternative| Alternative {
            is_null: true,
            ..alternative
        }));
        walk.inside.pop();
        if has_unevaluated {
            walk.within.pop();
        }
        Ok(alternatives)
    }

    /// The schemas in a list.
    pub(super) fn members(&self, node: NodeId, keyword: &str) -> Result<Vec<NodeId>, String> {
        let pointer = child(self.document.pointer(node), keyword);
        let list = self
            .document
            .keywords(node)
            .and_then(|schema| schema.get(keyword));
        let list = list
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| at(&pointer, "it must be a list of schemas"))?;
        (0..list.len())
            .map(|index| {
                let member = self.document.child(node, &[keyword, &index.to_string()]);
                member.ok_or_else(|| {
                    at(
                        &child(&pointer, &index.to_string()),
                        "a schema is an object or a boolean",
                    )
                })
            })
            .collect()
    }

    /// Whether a keyword that isn't supported has no effect as it is used.
    fn asks_nothing(&self, key: &str, value: &Value, schema: &Map<String, Value>) -> bool {
        match key {
            // Its properties count as evaluated.
            "if" => {
                let is_alone = !schema.contains_key("then") && !schema.contains_key("else");
                is_alone && !self.document.has_unevaluated()
            }
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                value.as_object().is_some_and(Map::is_empty)
            }
            "unevaluatedItems" => *value == Value::Bool(true),
            _ => false,
        }
    }

    /// Refuses keywords that can't be followed, and notes those that have no effect.
    fn check_keywords(&mut self, node: NodeId) -> Result<(), String> {
        if !self.checked.insert(node) {
            return Ok(());
        }
        let Some(schema) = self.document.keywords(node) else {
            return Ok(());
        };
        let pointer = self.document.pointer(node).to_owned();
        if self.document.draft() == Draft::Old
            && schema.contains_key("$ref")
            && let Some(beside) = schema
                .keys()
                .find(|key| *key != "$ref" && keyword::of(key) == Keyword::Followed)
        {
            self.note(
                &child(&pointer, beside),
                "it has no effect beside `$ref` in this version of JSON Schema",
            );
            return Ok(());
        }
        for (key, value) in schema {
            let here = child(&pointer, key);
            if key == "required" && value.is_boolean() {
                return Err(at(
                    &here,
                    "it must be a list of names of properties, at the object that has them",
                ));
            }
            match keyword::of(key) {
                Keyword::Followed | Keyword::Annotation => {}
                Keyword::Refused(_) if self.asks_nothing(key, value, schema) => {}
                Keyword::Refused(remedy) => {
                    return Err(at(&here, &format!("`{key}` is not supported: {remedy}")));
                }
                Keyword::Noted => self.note(&here, &format!("`{key}` has no effect")),
            }
        }
        if let Some(list) = schema.get("oneOf").and_then(Value::as_array)
            && list.len() > 1
        {
            let members = self.members(node, "oneOf")?;
            if !self.are_disjoint(&members)? {
                self.note(
                    &child(&pointer, "oneOf"),
                    "it is followed as `anyOf`: an answer may match more than one of its schemas",
                );
            }
        }
        Ok(())
    }
}

/// The way through schemas that apply to the same value.
#[derive(Default)]
struct Walk {
    /// Schemas that are being followed, to find those that contain themselves.
    inside: Vec<NodeId>,
    within: Vec<NodeId>,
    steps: usize,
}

/// A refusal or note with its place.
pub(super) fn at(pointer: &str, reason: &str) -> String {
    const MOST: usize = 120;
    let count = pointer.chars().count();
    if pointer.is_empty() {
        reason.to_owned()
    } else if count > MOST {
        // The end says most.
        let end: String = pointer.chars().skip(count - MOST).collect();
        format!("`...{end}`: {reason}")
    } else {
        format!("`{pointer}`: {reason}")
    }
}
