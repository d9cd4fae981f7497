//! Arrays.

use std::collections::HashMap;

use serde_json::Value;

use super::compile::Compiler;
use super::document::{NodeId, child};
use super::expand::at;
use super::grammar::Sym;
use super::shape::{Shape, Type};

/// Maximum number of sets of different items.
const MAX_SETS: usize = 1_024;

/// Maximum number of items with a schema each.
const MAX_ITEMS: usize = 2_000;

impl Compiler<'_> {
    /// The schemas that apply to the item at an index.
    pub(super) fn item(&mut self, shape: &Shape<'_>, index: usize) -> Result<Vec<NodeId>, String> {
        let mut nodes = Vec::new();
        for part in &shape.parts {
            let Some(schema) = self.document.keywords(part.node) else {
                continue;
            };
            let index = index.to_string();
            // A list under `items` is older than `prefixItems`.
            let (first, rest) = match schema.get("items") {
                Some(Value::Array(_)) => ("items", "additionalItems"),
                _ => ("prefixItems", "items"),
            };
            let node = self.document.child(part.node, &[first, &index]);
            let node = node.or_else(|| self.document.child(part.node, &[rest]));
            let is_schema = |value: &Value| matches!(value, Value::Object(_) | Value::Bool(_));
            if let Some(items) = schema.get("items")
                && !is_schema(items)
                && !items.is_array()
            {
                let place = child(self.document.pointer(part.node), "items");
                return Err(at(&place, "it must be a schema, or a list of schemas"));
            }
            nodes.extend(node);
        }
        Ok(nodes)
    }

    /// The number of items that have schemas of their own.
    fn own_items(&self, shape: &Shape<'_>) -> usize {
        let lists = shape.parts.iter().filter_map(|part| {
            let schema = self.document.keywords(part.node)?;
            let list = match schema.get("items") {
                Some(Value::Array(list)) => list,
                _ => schema.get("prefixItems")?.as_array()?,
            };
            Some(list.len())
        });
        lists.max().unwrap_or_default()
    }

    /// The ways to write an array. `None` if there is none.
    pub(super) fn array(&mut self, shape: &Shape<'_>) -> Result<Option<Vec<Sym>>, String> {
        let (min, max) = (shape.items.min, shape.items.max);
        if max.is_some_and(|max| min > max) {
            return Ok(None);
        }
        let (open, close) = (self.builder.literal("[")?, self.builder.literal("]")?);
        if let Some(unique) = shape.unique.filter(|_| max.is_none_or(|max| max > 1)) {
            let Some(items) = self.different_items(shape, unique)? else {
                return Ok(None);
            };
            return Ok(Some(vec![open, items, close]));
        }
        let own = self.own_items(shape);
        if own > MAX_ITEMS {
            return Err(at(
                self.place(shape),
                &format!("it has more than {MAX_ITEMS} items with schemas of their own"),
            ));
        }
        let comma = self.builder.comma()?;
        // From the last to the first: what may follow after `count` items.
        let rest = self.item(shape, own)?;
        let rest = self.value(&rest);
        let next = self.builder.one_of(vec![vec![comma, rest]]);
        let own_count = own as u64;
        let left = |bound: u64, count: u64| bound.saturating_sub(count);
        let mut follows = self.builder.symbol();
        if own == 0 {
            // The first item has no comma.
            if min == 0 {
                self.builder.rule(follows, Vec::new());
            }
            if max != Some(0) {
                let max = max.map(|max| max - 1);
                let more = self.builder.repeat(next, left(min, 1), max);
                self.builder.rule(follows, vec![rest, more]);
            }
            return Ok(Some(vec![open, follows, close]));
        }
        if min <= own_count {
            self.builder.rule(follows, Vec::new());
        }
        if max.is_none_or(|max| max > own_count) {
            let least = left(min, own_count).max(1);
            let more = self
                .builder
                .repeat(next, least, max.map(|max| max - own_count));
            self.builder.rule(follows, vec![more]);
        }
        for index in (0..own).rev() {
            let item = self.item(shape, index)?;
            let item = self.value(&item);
            let before = self.builder.symbol();
            let count = index as u64;
            if min <= count {
                self.builder.rule(before, Vec::new());
            }
            if max.is_none_or(|max| max > count) {
                let way = match index {
                    0 => vec![item, follows],
                    _ => vec![comma, item, follows],
                };
                self.builder.rule(before, way);
            }
            follows = before;
        }
        Ok(Some(vec![open, follows, close]))
    }

    /// Items of which no two are equal: each set of items that is there already is a symbol.
    fn different_items(
        &mut self,
        shape: &Shape<'_>,
        unique: NodeId,
    ) -> Result<Option<Sym>, String> {
        let place = child(self.document.pointer(unique), "uniqueItems");
        let own = self.own_items(shape);
        let nodes = self.item(shape, 0)?;
        let values = match own {
            0 => self.listed_values(&nodes)?,
            _ => None,
        };
        let most = shape.items.max.unwrap_or(u64::MAX);
        let values = values.filter(|values| sets(values.len(), most) <= MAX_SETS);
        let values = values.ok_or_else(|| {
            at(
                &place,
                "`uniqueItems` is supported for few items that are listed by `enum` or `const` \
                 (10 values, or more with a small `maxItems`): leave it out, and check it in what \
                 reads the answer",
            )
        })?;
        let mut items = Vec::new();
        for value in &values {
            let way = self.listed(value)?;
            items.push(self.builder.one_of(vec![way]));
        }
        let comma = self.builder.comma()?;
        // The symbols of sets by their bits.
        let mut known = HashMap::new();
        let mut pending = vec![0u32];
        known.insert(0u32, self.builder.symbol());
        while let Some(set) = pending.pop() {
            let Some(symbol) = known.get(&set).copied() else {
                continue;
            };
            let count = u64::from(set.count_ones());
            if count >= shape.items.min {
                self.builder.rule(symbol, Vec::new());
            }
            if count >= most {
                continue;
            }
            for (index, item) in items.iter().enumerate() {
                let with = set | 1u32 << index;
                if with == set {
                    continue;
                }
                let after = match known.get(&with) {
                    Some(after) => *after,
                    None => {
                        pending.push(with);
                        let after = self.builder.symbol();
                        known.insert(with, after);
                        after
                    }
                };
                let way = match set {
                    0 => vec![*item, after],
                    _ => vec![comma, *item, after],
                };
                self.builder.rule(symbol, way);
            }
        }
        Ok(known.get(&0).copied())
    }

    /// The values that schemas list together, if they list all of them.
    fn listed_values(&mut self, nodes: &[NodeId]) -> Result<Option<Vec<Value>>, String> {
        let mut all: Vec<Value> = Vec::new();
        for alternative in self.expand(nodes)? {
            let shape = self.shape(&alternative)?;
            let values: Vec<Value> = match &shape.values {
                Some(values) => values.iter().map(|value| (*value).clone()).collect(),
                None if shape
                    .types
                    .iter()
                    .all(|kind| matches!(kind, Type::Null | Type::Boolean)) =>
                {
                    let both = [Value::Null, Value::Bool(true), Value::Bool(false)];
                    let fits = |value: &Value| {
                        shape.types.contains(&Type::of(value)) && !shape.excluded.contains(&value)
                    };
                    both.into_iter().filter(fits).collect()
                }
                None => return Ok(None),
            };
            for value in values {
                if !all.contains(&value) {
                    all.push(value);
                }
            }
        }
        Ok((all.len() <= 32).then_some(all))
    }
}

/// The number of sets of up to `most` of `values` values.
fn sets(values: usize, most: u64) -> usize {
    let mut all = 1usize;
    let mut of_size = 1usize;
    for size in 1..=values {
        if size as u64 > most {
            break;
        }
        of_size = of_size.saturating_mul(values - size + 1) / size;
        all = all.saturating_add(of_size);
    }
    all
}
