//! What the schemas of one alternative together require of a value.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Number, Value};

use super::compile::Compiler;
use super::decimal::Decimal;
use super::document::{NodeId, child};
use super::expand::{Alternative, Part, at};
use super::numbers::{self, NumberRule};
use super::text::TextRule;
use super::{formats, pattern};

/// The types of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    pub(super) const ALL: [Self; 6] = [
        Self::Null,
        Self::Boolean,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Object,
    ];

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    /// The type of this name, and whether only whole numbers are meant.
    fn named(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "null" => (Self::Null, false),
            "boolean" => (Self::Boolean, false),
            "number" => (Self::Number, false),
            "integer" => (Self::Number, true),
            "string" => (Self::String, false),
            "array" => (Self::Array, false),
            "object" => (Self::Object, false),
            _ => return None,
        })
    }
}

/// The number of characters, items or properties.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) min: u64,
    pub(super) max: Option<u64>,
}

impl Count {
    /// Whether this many are allowed.
    pub(super) fn allows(self, count: u64) -> bool {
        self.min <= count && self.max.is_none_or(|max| count <= max)
    }

    fn at_least(&mut self, min: u64) {
        self.min = self.min.max(min);
    }

    fn at_most(&mut self, max: u64) {
        self.max = Some(self.max.map_or(max, |old| old.min(max)));
    }
}

/// What a value must be.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape<'a> {
    pub(super) types: BTreeSet<Type>,
    /// The values that it may be, if they are listed.
    pub(super) values: Option<Vec<&'a Value>>,
    /// Values that it must not be.
    pub(super) excluded: Vec<&'a Value>,
    pub(super) number: NumberRule,
    pub(super) text: TextRule,
    pub(super) items: Count,
    pub(super) properties: Count,
    /// The schema whose `uniqueItems` is true.
    pub(super) unique: Option<NodeId>,
    pub(super) parts: Vec<Part>,
}

impl<'a> Compiler<'a> {
    /// The requirements of an alternative.
    pub(super) fn shape(&mut self, alternative: &Alternative) -> Result<Shape<'a>, String> {
        self.check_time()?;
        let mut shape = Shape {
            types: Type::ALL.into(),
            parts: alternative.parts.clone(),
            ..Shape::default()
        };
        if alternative.is_null {
            shape.types = [Type::Null].into();
        }
        for part in &alternative.parts {
            self.add_part(&mut shape, part.node)?;
        }
        for excluded in &shape.excluded {
            match excluded {
                Value::String(text) => shape.text.excluded.push(text.clone()),
                Value::Number(number) => shape.number.excluded.push(number.clone()),
                _ => {}
            }
        }
        if let Some(values) = shape.values.take() {
            shape.values = Some(self.fitting(&shape, values)?);
        }
        Ok(shape)
    }

    /// The listed values that fit all else, each once.
    fn fitting(
        &mut self,
        shape: &Shape<'a>,
        values: Vec<&'a Value>,
    ) -> Result<Vec<&'a Value>, String> {
        // Comparing each value with each would take long for long lists.
        let is_only_listed = match shape.parts.as_slice() {
            [part] => self.document.keywords(part.node).is_none_or(|schema| {
                let mut says = schema.keys().filter(|key| is_followed(key));
                says.all(|key| ["enum", "type"].contains(&key.as_str()))
            }),
            _ => false,
        };
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for value in values {
            self.check_time()?;
            let fits = shape.types.contains(&Type::of(value)) && !shape.excluded.contains(&value);
            if fits
                && seen.insert(value.to_string())
                && match value {
                    Value::Number(number) if is_only_listed => {
                        !shape.number.is_integer || Decimal::of(number).is_whole()
                    }
                    _ => is_only_listed || self.fits_all(value, &shape.parts)?,
                }
            {
                kept.push(value);
            }
        }
        Ok(kept)
    }

    fn add_part(&mut self, shape: &mut Shape<'a>, node: NodeId) -> Result<(), String> {
        self.add_own(shape, node)?;
        let keywords = self.document.keywords(node);
        if keywords.is_some_and(|schema| schema.contains_key("not")) {
            self.add_not(shape, node)?;
        }
        Ok(())
    }

    /// Adds what the keywords of a schema require of the value itself, but not `not`.
    pub(super) fn add_own(&mut self, shape: &mut Shape<'a>, node: NodeId) -> Result<(), String> {
        let Some(schema) = self.document.keywords(node) else {
            return Ok(());
        };
        let read = Reader {
            schema,
            pointer: self.document.pointer(node).to_owned(),
        };
        if let Some(kind) = schema.get("type") {
            let types = read.types(kind)?;
            shape
                .types
                .retain(|kind| types.iter().any(|(own, _)| own == kind));
            let is_integer = types
                .iter()
                .all(|(own, is_whole)| *own != Type::Number || *is_whole);
            shape.number.is_integer |= is_integer;
        }
        let lists = [
            schema
                .get("enum")
                .map(|list| read.list("enum", list))
                .transpose()?,
            schema.get("const").map(std::slice::from_ref),
        ];
        for list in lists.into_iter().flatten() {
            match &mut shape.values {
                None => shape.values = Some(list.iter().collect()),
                Some(values) => values.retain(|value| list.contains(value)),
            }
        }
        read.number(&mut shape.number)?;
        self.add_text(shape, &read)?;
        read.bounds(&mut shape.items, "minItems", "maxItems")?;
        read.bounds(&mut shape.properties, "minProperties", "maxProperties")?;
        match schema.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => shape.unique = Some(node),
            Some(_) => return Err(read.wrong("uniqueItems", "true or false")),
        }
        Ok(())
    }

    fn add_text(&mut self, shape: &mut Shape<'a>, read: &Reader<'a>) -> Result<(), String> {
        let text = &mut shape.text;
        read.bounds(&mut text.length, "minLength", "maxLength")?;
        if let Some(value) = read.schema.get("pattern") {
            let place = read.place("pattern");
            let pattern = value.as_str();
            let pattern = pattern.ok_or_else(|| read.wrong("pattern", "a regular expression"))?;
            let translated = self.pattern(pattern, &place)?;
            if !text.patterns.contains(&translated) {
                text.patterns.push(translated);
            }
        }
        let Some(value) = read.schema.get("format") else {
            return Ok(());
        };
        let format = value.as_str();
        let format = format.ok_or_else(|| read.wrong("format", "the name of a format"))?;
        if formats::KNOWN.contains(&format) {
            if !text.formats.iter().any(|known| known == format) {
                text.formats.push(format.to_owned());
            }
        } else if numbers::is_number_format(format) {
            shape.number.format(format);
            if !shape.types.contains(&Type::Number) {
                self.note(
                    &read.place("format"),
                    &format!("the format `{format}` has no effect on what is no number"),
                );
            }
        } else {
            self.note(
                &read.place("format"),
                &format!("the format `{format}` is not known and has no effect"),
            );
        }
        Ok(())
    }

    /// Translates a regular expression, once for each.
    pub(super) fn pattern(&mut self, pattern: &str, place: &str) -> Result<String, String> {
        if let Some(known) = self.patterns.get(pattern) {
            return Ok(known.clone());
        }
        self.pattern_bytes += pattern.len();
        let most = crate::limits::MAX_REGEX_BYTES;
        if self.pattern_bytes > most {
            return Err(at(
                place,
                &format!("all patterns together have more than {most} bytes, the maximum"),
            ));
        }
        let translated = pattern::translate(pattern).map_err(|reason| at(place, &reason))?;
        self.patterns.insert(pattern.to_owned(), translated.clone());
        Ok(translated)
    }

    /// What `not` excludes: listed values, or types.
    fn add_not(&mut self, shape: &mut Shape<'a>, node: NodeId) -> Result<(), String> {
        let place = child(self.document.pointer(node), "not");
        let wrong = || at(&place, "it must be a schema, an object or a boolean");
        let not = self.document.child(node, &["not"]).ok_or_else(wrong)?;
        let Some(schema) = self.document.keywords(not) else {
            if *self.document.schema(not) == Value::Bool(true) {
                shape.types.clear();
            }
            return Ok(());
        };
        let read = Reader {
            schema,
            pointer: place.clone(),
        };
        let says: Vec<&str> = schema
            .keys()
            .map(String::as_str)
            .filter(|key| super::keyword::of(key) != super::keyword::Keyword::Annotation)
            .collect();
        match says.as_slice() {
            [] => shape.types.clear(),
            ["type"] => {
                let kinds = schema
                    .get("type")
                    .map(|kind| read.types(kind))
                    .transpose()?;
                let kinds = kinds.unwrap_or_default();
                if kinds.iter().any(|(_, is_whole)| *is_whole) {
                    return Err(at(
                        &place,
                        "whole numbers can't be excluded: leave it out, and check it in what \
                         reads the answer",
                    ));
                }
                shape
                    .types
                    .retain(|kind| !kinds.iter().any(|(own, _)| own == kind));
            }
            ["const"] | ["enum"] => {
                let values: Vec<&'a Value> = match (schema.get("const"), schema.get("enum")) {
                    (Some(value), _) => vec![value],
                    (None, Some(list)) => read.list("enum", list)?.iter().collect(),
                    (None, None) => Vec::new(),
                };
                for value in values {
                    match value {
                        Value::Null => {
                            shape.types.remove(&Type::Null);
                        }
                        Value::Bool(_) | Value::String(_) | Value::Number(_) => {}
                        // Excluded from listed values only.
                        Value::Array(_) | Value::Object(_) if shape.values.is_some() => {}
                        Value::Array(_) | Value::Object(_) => {
                            return Err(at(&place, NOT_SUPPORTED));
                        }
                    }
                    shape.excluded.push(value);
                }
            }
            _ if shape.values.is_some() => {}
            _ => return Err(at(&place, NOT_SUPPORTED)),
        }
        Ok(())
    }
}

fn is_followed(keyword: &str) -> bool {
    super::keyword::of(keyword) == super::keyword::Keyword::Followed
}

const NOT_SUPPORTED: &str = "`not` is supported with `type`, `const` or `enum` alone: leave it \
                             out, and check it in what reads the answer";

/// The keywords of a schema, with their place for errors.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Map<String, Value>,
    pub(super) pointer: String,
}

impl<'a> Reader<'a> {
    pub(super) fn place(&self, keyword: &str) -> String {
        child(&self.pointer, keyword)
    }

    pub(super) fn wrong(&self, keyword: &str, expected: &str) -> String {
        at(&self.place(keyword), &format!("it must be {expected}"))
    }

    fn types(&self, kind: &Value) -> Result<Vec<(Type, bool)>, String> {
        let names = match kind {
            Value::Array(names) => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        names
            .iter()
            .map(|name| {
                let name = name.as_str().unwrap_or_default();
                Type::named(name).ok_or_else(|| {
                    at(
                        &self.place("type"),
                        &format!(
                            "`{name:.40}` is no type of JSON: use `null`, `boolean`, `number`, \
                             `integer`, `string`, `array` or `object`"
                        ),
                    )
                })
            })
            .collect()
    }

    pub(super) fn list(&self, keyword: &str, list: &'a Value) -> Result<&'a [Value], String> {
        let list = list.as_array().map(Vec::as_slice);
        list.ok_or_else(|| self.wrong(keyword, "a list"))
    }

    /// Adds the bounds of a number of characters, items or properties.
    fn bounds(&self, count: &mut Count, min: &str, max: &str) -> Result<(), String> {
        if let Some(min) = self.count(min)? {
            count.at_least(min);
        }
        if let Some(max) = self.count(max)? {
            count.at_most(max);
        }
        Ok(())
    }

    /// A number of characters, items or properties. `1.0` is 1.
    fn count(&self, keyword: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.schema.get(keyword) else {
            return Ok(None);
        };
        let wrong = || self.wrong(keyword, "a whole number, 0 or more");
        let number = value.as_number().ok_or_else(wrong)?;
        let decimal = Decimal::of(number);
        if decimal.is_negative || !decimal.is_whole() {
            return Err(wrong());
        }
        // What is larger than any number of them is as good as the largest.
        Ok(Some(decimal.whole.parse().unwrap_or_else(|_| {
            if decimal.is_zero() { 0 } else { u64::MAX }
        })))
    }

    fn decimal(&self, keyword: &str) -> Result<Option<Decimal>, String> {
        let Some(value) = self.schema.get(keyword) else {
            return Ok(None);
        };
        let number: Option<&Number> = value.as_number();
        let number = number.ok_or_else(|| self.wrong(keyword, "a number"))?;
        Ok(Some(Decimal::of(number)))
    }

    fn number(&self, rule: &mut NumberRule) -> Result<(), String> {
        let is_true = |keyword: &str| self.schema.get(keyword) == Some(&Value::Bool(true));
        let is_flag = |keyword: &str| self.schema.get(keyword).is_some_and(Value::is_boolean);
        // Draft 4 has flags where others have numbers.
        if let Some(min) = self.decimal("minimum")? {
            rule.at_least(min, is_true("exclusiveMinimum"));
        }
        if let Some(max) = self.decimal("maximum")? {
            rule.at_most(max, is_true("exclusiveMaximum"));
        }
        if !is_flag("exclusiveMinimum")
            && let Some(min) = self.decimal("exclusiveMinimum")?
        {
            rule.at_least(min, true);
        }
        if !is_flag("exclusiveMaximum")
            && let Some(max) = self.decimal("exclusiveMaximum")?
        {
            rule.at_most(max, true);
        }
        if let Some(divisor) = self.decimal("multipleOf")? {
            if divisor.is_negative || divisor.is_zero() {
                return Err(self.wrong("multipleOf", "greater than 0"));
            }
            rule.multiple_of(divisor);
        }
        Ok(())
    }
}
