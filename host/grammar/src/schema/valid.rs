//! Whether a value that a schema lists fits other schemas.

use llguidance::derivre::{Regex, RegexAst, RegexBuilder};
use serde_json::Value;

use super::compile::Compiler;
use super::decimal::Decimal;
use super::document::NodeId;
use super::expand::Part;
use super::shape::{Shape, Type};

/// Steps for following an expression on one text.
const FUEL: u64 = 200_000;

impl<'a> Compiler<'a> {
    /// Whether a value fits a schema.
    pub(super) fn fits(&mut self, value: &Value, node: NodeId) -> Result<bool, String> {
        for alternative in self.expand(&[node])? {
            let is_kind = !alternative.is_null || value.is_null();
            if is_kind && self.fits_all(value, &alternative.parts)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a value fits all parts of an alternative.
    pub(super) fn fits_all(&mut self, value: &Value, parts: &[Part]) -> Result<bool, String> {
        let mut shape = Shape {
            types: Type::ALL.into(),
            parts: parts.to_vec(),
            ..Shape::default()
        };
        for part in parts {
            let mut own = Shape {
                types: Type::ALL.into(),
                ..Shape::default()
            };
            self.add_own(&mut own, part.node)?;
            if !self.fits_own(value, &own)? {
                return Ok(false);
            }
            if let Some(not) = self.document.child(part.node, &["not"])
                && self.fits(value, not)?
            {
                return Ok(false);
            }
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    for node in self.item(&shape, index)? {
                        if !self.fits(item, node)? {
                            return Ok(false);
                        }
                    }
                }
            }
            Value::Object(properties) => {
                for name in self.required(&shape)? {
                    if !properties.contains_key(&name) {
                        return Ok(false);
                    }
                }
                shape.types = [Type::Object].into();
                for (name, property) in properties {
                    let nodes = self.property(&shape, name)?;
                    for node in nodes {
                        if !self.fits(property, node)? {
                            return Ok(false);
                        }
                    }
                    if !self.is_name(&shape, name)? {
                        return Ok(false);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(true)
    }

    fn fits_own(&mut self, value: &Value, own: &Shape<'a>) -> Result<bool, String> {
        if !own.types.contains(&Type::of(value)) {
            return Ok(false);
        }
        if let Some(values) = &own.values
            && !values.iter().any(|listed| is_same(listed, value))
        {
            return Ok(false);
        }
        Ok(match value {
            Value::Number(number) => match own.number.regex()? {
                Some(regex) => compiled(&regex)?.is_match(&Decimal::of(number).text()),
                None => false,
            },
            Value::String(text) => match own.text.regex()? {
                Some(regex) => compiled(&regex)?.is_match(text),
                None => false,
            },
            Value::Array(items) => {
                let is_unique = own.unique.is_none()
                    || items.iter().enumerate().all(|(index, item)| {
                        !items
                            .iter()
                            .skip(index + 1)
                            .any(|other| is_same(item, other))
                    });
                is_unique && own.items.allows(items.len() as u64)
            }
            Value::Object(properties) => own.properties.allows(properties.len() as u64),
            Value::Null | Value::Bool(_) => true,
        })
    }
}

/// Whether two JSON values are equal. `1.0` is 1.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Decimal::of(one) == Decimal::of(other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|other| is_same(value, other)))
        }
        _ => one == other,
    }
}

/// An expression that can be tried on texts.
pub(super) fn compiled(regex: &RegexAst) -> Result<Regex, String> {
    let failed = |error: &dyn std::fmt::Display| crate::limits::summary(&error.to_string());
    let mut builder = RegexBuilder::new();
    let expr = builder.mk(regex).map_err(|error| failed(&error))?;
    builder
        .into_regex_limited(expr, FUEL)
        .map_err(|error| failed(&error))
}
