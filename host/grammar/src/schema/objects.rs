//! Objects: properties in the order of the schema, then others.

use llguidance::derivre::RegexAst;
use serde_json::Value;

use super::compile::{Compiler, spelled};
use super::document::{NodeId, child};
use super::expand::at;
use super::grammar::Sym;
use super::names::{Language, Names};
use super::shape::{Count, Reader, Shape};

/// Maximum number of properties of an object that may be left out. All of them may come next, and
/// the work for a token grows with them.
const MAX_OPTIONAL: usize = 600;

/// Maximum number of states that count properties.
const MAX_COUNTED: usize = 20_000;

/// A property with a name.
struct Property {
    way: Vec<Sym>,
    is_required: bool,
}

/// Properties without a fixed name.
struct Others {
    /// One of them, with its name and value.
    symbol: Sym,
    /// How many there can be, if the names run out.
    max: Option<u64>,
}

impl Compiler<'_> {
    /// The names that an object must have.
    pub(super) fn required(&self, shape: &Shape<'_>) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = Vec::new();
        for part in &shape.parts {
            let Some(required) = self
                .document
                .keywords(part.node)
                .and_then(|it| it.get("required"))
            else {
                continue;
            };
            let wrong = || {
                let place = child(self.document.pointer(part.node), "required");
                at(&place, "it must be a list of names of properties")
            };
            for name in required.as_array().ok_or_else(wrong)? {
                let name = name.as_str().ok_or_else(wrong)?;
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        Ok(names)
    }

    /// The schemas that apply to a property.
    pub(super) fn property(
        &mut self,
        shape: &Shape<'_>,
        name: &str,
    ) -> Result<Vec<NodeId>, String> {
        let mut matching = Vec::new();
        for (pattern, place) in self.name_patterns(shape) {
            if self.name_matches(&pattern, &place, name)? {
                matching.push(pattern);
            }
        }
        Ok(self.applying(shape, Some(name), &matching))
    }

    /// The schemas that apply to a property with this name, or with none that is declared, and that
    /// matches these patterns.
    pub(super) fn applying(
        &self,
        shape: &Shape<'_>,
        name: Option<&str>,
        matching: &[String],
    ) -> Vec<NodeId> {
        let says = |node: NodeId, keyword: &str| {
            let schema = self.document.keywords(node);
            schema.is_some_and(|schema| schema.contains_key(keyword))
        };
        let mut all = Vec::new();
        let mut evaluated: Vec<bool> = Vec::new();
        for part in &shape.parts {
            let child = |path: &[&str]| self.document.child(part.node, path);
            let before = all.len();
            all.extend(name.and_then(|name| child(&["properties", name])));
            for pattern in matching {
                all.extend(child(&["patternProperties", pattern]));
            }
            if all.len() == before {
                all.extend(child(&["additionalProperties"]));
            }
            evaluated.push(all.len() > before);
        }
        // From the inner ones to the outer ones.
        for index in (0..shape.parts.len()).rev() {
            let Some(part) = shape.parts.get(index) else {
                continue;
            };
            if !says(part.node, "unevaluatedProperties") {
                continue;
            }
            let mut others = shape.parts.iter().zip(&evaluated);
            let is_evaluated = others.any(|(other, is_evaluated)| {
                *is_evaluated && (other.node == part.node || other.within.contains(&part.node))
            });
            if !is_evaluated {
                all.extend(self.document.child(part.node, &["unevaluatedProperties"]));
                if let Some(own) = evaluated.get_mut(index) {
                    *own = true;
                }
            }
        }
        all
    }

    /// The patterns for names, with their places.
    pub(super) fn name_patterns(&self, shape: &Shape<'_>) -> Vec<(String, String)> {
        let mut patterns: Vec<(String, String)> = Vec::new();
        for part in &shape.parts {
            let schema = self.document.keywords(part.node);
            let own = schema.and_then(|schema| schema.get("patternProperties"));
            for pattern in own
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|own| own.keys())
            {
                if !patterns.iter().any(|(known, _)| known == pattern) {
                    let place = child(self.document.pointer(part.node), "patternProperties");
                    patterns.push((pattern.clone(), child(&place, pattern)));
                }
            }
        }
        patterns
    }

    /// The schemas for the names of properties.
    pub(super) fn name_schemas(&self, shape: &Shape<'_>) -> Vec<NodeId> {
        let parts = shape.parts.iter();
        let nodes = parts.filter_map(|part| self.document.child(part.node, &["propertyNames"]));
        nodes.collect()
    }

    /// Whether an object may have a property of this name.
    pub(super) fn is_name(&mut self, shape: &Shape<'_>, name: &str) -> Result<bool, String> {
        for node in self.name_schemas(shape) {
            if !self.fits(&Value::from(name), node)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The ways to write an object. `None` if there is none.
    pub(super) fn object(&mut self, shape: &Shape<'_>) -> Result<Option<Vec<Sym>>, String> {
        self.check_object(shape)?;
        let required = self.required(shape)?;
        let mut names: Vec<String> = Vec::new();
        for part in &shape.parts {
            let schema = self.document.keywords(part.node);
            let own = schema.and_then(|schema| schema.get("properties"));
            for name in own
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|own| own.keys())
            {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        for name in &required {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let Names { listed, free } = self.names(shape, &names)?;
        names.extend(listed);
        let mut properties = Vec::new();
        for name in &names {
            let is_required = required.contains(name);
            if !self.is_name(shape, name)? {
                if is_required {
                    return Ok(None);
                }
                continue;
            }
            let nodes = self.property(shape, name)?;
            let value = self.value(&nodes);
            let mut way = self.builder.key(RegexAst::Literal(spelled(name)))?;
            way.push(value);
            properties.push(Property { way, is_required });
        }
        let optional = properties
            .iter()
            .filter(|property| !property.is_required)
            .count();
        if optional > MAX_OPTIONAL {
            return Err(at(
                &child(self.place(shape), "properties"),
                &format!(
                    "{optional} properties may be left out, the maximum is {MAX_OPTIONAL}: list \
                     more of them in `required`, or divide them among several objects"
                ),
            ));
        }
        let others = self.others(free, shape)?;
        let body = self.body(&properties, others.as_ref(), shape)?;
        let (open, close) = (self.builder.literal("{")?, self.builder.literal("}")?);
        Ok(body.map(|body| vec![open, body, close]))
    }

    /// Refuses keywords of objects that have the wrong type.
    fn check_object(&self, shape: &Shape<'_>) -> Result<(), String> {
        for part in &shape.parts {
            let Some(schema) = self.document.keywords(part.node) else {
                continue;
            };
            let read = Reader {
                schema,
                pointer: self.document.pointer(part.node).to_owned(),
            };
            for keyword in ["properties", "patternProperties"] {
                let Some(value) = schema.get(keyword) else {
                    continue;
                };
                let schemas = value.as_object();
                let schemas = schemas.ok_or_else(|| read.wrong(keyword, "an object of schemas"))?;
                for name in schemas.keys() {
                    if self.document.child(part.node, &[keyword, name]).is_none() {
                        let place = child(&read.place(keyword), name);
                        return Err(at(&place, "a schema is an object or a boolean"));
                    }
                }
            }
            for keyword in [
                "additionalProperties",
                "propertyNames",
                "unevaluatedProperties",
            ] {
                if schema.contains_key(keyword)
                    && self.document.child(part.node, &[keyword]).is_none()
                {
                    return Err(read.wrong(keyword, "a schema: an object or a boolean"));
                }
            }
        }
        Ok(())
    }

    /// The properties whose names are not listed.
    fn others(&mut self, free: Vec<Language>, shape: &Shape<'_>) -> Result<Option<Others>, String> {
        if free.is_empty() {
            return Ok(None);
        }
        if self.free_names.is_none() {
            self.free_names = Some(self.place(shape).to_owned());
        }
        let symbol = self.builder.symbol();
        let mut max = Some(0u64);
        for language in free {
            self.names_run_out |= language.runs_out;
            max = max
                .zip(language.count)
                .map(|(max, count)| max.saturating_add(count));
            let value = self.value(&language.nodes);
            let mut way = self.builder.key(language.spelled)?;
            way.push(value);
            self.builder.rule(symbol, way);
        }
        Ok(Some(Others { symbol, max }))
    }

    /// What stands between the braces. `None` if nothing can.
    fn body(
        &mut self,
        properties: &[Property],
        others: Option<&Others>,
        shape: &Shape<'_>,
    ) -> Result<Option<Sym>, String> {
        let Count { min, max } = shape.properties;
        let required = properties
            .iter()
            .filter(|property| property.is_required)
            .count() as u64;
        let most = match others {
            None => Some(properties.len() as u64),
            Some(others) => others
                .max
                .map(|max| max.saturating_add(properties.len() as u64)),
        };
        if max.is_some_and(|max| max < min.max(required)) || most.is_some_and(|most| most < min) {
            return Ok(None);
        }
        // Bounds that hold anyway need no counting.
        let min = if min <= required { 0 } else { min };
        let max = max.filter(|max| most.is_none_or(|most| *max < most));
        // How far properties must be counted. Beyond `min` there is nothing to count without `max`.
        let cap = max
            .unwrap_or(min.max(1))
            .min(properties.len() as u64)
            .max(1);
        let states = (cap + 1).saturating_mul(properties.len() as u64 + 1);
        if states > MAX_COUNTED as u64 {
            return Err(at(
                self.place(shape),
                "too many properties to count for `minProperties` and `maxProperties`: leave them \
                 out, or make more properties required",
            ));
        }
        let comma = self.builder.comma()?;
        // What may follow when `count` properties are there, from the last property to the first.
        let mut follows = Vec::new();
        for count in 0..=cap {
            follows.push(self.end(count, min, max, others, comma)?);
        }
        for property in properties.iter().rev() {
            let mut before = Vec::new();
            for count in 0..=cap {
                let symbol = self.builder.symbol();
                let at = |count: u64| follows.get(usize::try_from(count).unwrap_or(usize::MAX));
                if let (false, Some(skipped)) = (property.is_required, at(count)) {
                    self.builder.rule(symbol, vec![*skipped]);
                }
                let may_come = max.is_none_or(|max| count < max);
                if let (true, Some(after)) = (may_come, at((count + 1).min(cap))) {
                    let mut way = if count > 0 { vec![comma] } else { Vec::new() };
                    way.extend(&property.way);
                    way.push(*after);
                    self.builder.rule(symbol, way);
                }
                before.push(symbol);
            }
            follows = before;
        }
        Ok(follows.first().copied())
    }

    /// What may follow the properties with a name, of which there are `count`.
    fn end(
        &mut self,
        count: u64,
        min: u64,
        max: Option<u64>,
        others: Option<&Others>,
        comma: Sym,
    ) -> Result<Sym, String> {
        let symbol = self.builder.symbol();
        if count >= min {
            self.builder.rule(symbol, Vec::new());
        }
        let Some(others) = others else {
            return Ok(symbol);
        };
        let left = max.map(|max| max.saturating_sub(count));
        if left == Some(0) {
            return Ok(symbol);
        }
        let least = min.saturating_sub(count).max(1);
        let next = self.builder.one_of(vec![vec![comma, others.symbol]]);
        let way = if count == 0 {
            let more = self
                .builder
                .repeat(next, least - 1, left.map(|left| left - 1));
            vec![others.symbol, more]
        } else {
            vec![self.builder.repeat(next, least, left)]
        };
        self.builder.rule(symbol, way);
        Ok(symbol)
    }
}
