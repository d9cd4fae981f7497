//! Compiles a document into a grammar.
//!
//! A value to which several schemas apply is one symbol of the grammar, with the set of these
//! schemas as its key. So schemas that contain themselves end, also where they are combined.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use llguidance::derivre::{Regex, RegexAst};
use serde_json::{Number, Value};

use super::decimal::Decimal;
use super::document::{Document, NodeId};
use super::expand::at;
use super::grammar::{Builder, Sym};
use super::keyword::{self, Keyword};
use super::shape::{Shape, Type};
use super::text;

/// Maximum number of schemas of a `oneOf` that are compared with each other.
const MAX_COMPARED: usize = 64;

/// Maximum number of comparisons for all of them. Of what is not compared, the log says that it may
/// overlap.
const MAX_COMPARISONS: usize = 5_000;

/// Maximum time for a schema. Usual ones take milliseconds, and the other limits bound each value
/// of a schema, but not all of them together.
const MAX_TIME: Duration = Duration::from_secs(3);

/// Maximum number of notes. The schema chooses how many there would be.
const MAX_NOTES: usize = 20;

pub(super) struct Compiler<'a> {
    pub(super) document: Document<'a>,
    pub(super) builder: Builder,
    /// The symbol of a value by the schemas that apply to it.
    values: HashMap<Vec<NodeId>, Sym>,
    /// Symbols that have no rules yet.
    pending: VecDeque<(Sym, Vec<NodeId>)>,
    /// Schemas whose keywords have been checked.
    pub(super) checked: HashSet<NodeId>,
    pub(super) notes: Vec<String>,
    /// Translated patterns.
    pub(super) patterns: HashMap<String, String>,
    pub(super) pattern_bytes: usize,
    /// Expressions for finding out which names match.
    pub(super) matchers: HashMap<String, Regex>,
    /// The first object with names that may repeat, which the grammar alone does not exclude.
    pub(super) free_names: Option<String>,
    /// Whether all names that a pattern allows may be used up.
    pub(super) names_run_out: bool,
    /// How many schemas of `oneOf` may still be compared.
    comparisons_left: usize,
    deadline: Instant,
    /// The places of values that nothing fits.
    pub(super) nothing: Vec<String>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(document: Document<'a>, builder: Builder) -> Self {
        Self {
            document,
            builder,
            values: HashMap::new(),
            pending: VecDeque::new(),
            checked: HashSet::new(),
            notes: Vec::new(),
            patterns: HashMap::new(),
            pattern_bytes: 0,
            matchers: HashMap::new(),
            free_names: None,
            names_run_out: false,
            comparisons_left: MAX_COMPARISONS,
            deadline: Instant::now() + MAX_TIME,
            nothing: Vec::new(),
        }
    }

    /// Compiles the document. Returns the symbol of its root.
    pub(super) fn run(&mut self) -> Result<Sym, String> {
        let root = self.value(&[self.document.root()]);
        while let Some((symbol, nodes)) = self.pending.pop_front() {
            self.builder.check_size()?;
            self.fill(symbol, &nodes)?;
            if !self.builder.has_rules(symbol) && self.nothing.len() < MAX_NOTES {
                let mut by_falsehood = nodes.iter().filter(|node| self.document.is_false(**node));
                let node = by_falsehood.next().or(nodes.first());
                let place = node.map_or("", |node| self.document.pointer(*node));
                self.nothing.push(place.to_owned());
            }
        }
        Ok(root)
    }

    /// Refuses a schema that takes too long.
    pub(super) fn check_time(&self) -> Result<(), String> {
        match Instant::now() < self.deadline {
            true => Ok(()),
            false => Err(format!(
                "it takes more than {} seconds to compile: combine fewer of `anyOf`, `oneOf`, \
                 `allOf`, `enum` and `pattern`",
                MAX_TIME.as_secs()
            )),
        }
    }

    /// The address of the first schema of a shape, for errors.
    pub(super) fn place(&self, shape: &Shape<'_>) -> &str {
        let first = shape.parts.first();
        first.map_or("", |part| self.document.pointer(part.node))
    }

    /// Adds a note about something that is followed with less than its meaning.
    pub(super) fn note(&mut self, pointer: &str, text: &str) {
        let note = at(pointer, text);
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The symbol of a value that all these schemas apply to.
    pub(super) fn value(&mut self, nodes: &[NodeId]) -> Sym {
        let mut key: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|node| *self.document.schema(*node) != Value::Bool(true))
            .collect();
        key.sort_unstable();
        key.dedup();
        if let Some(known) = self.values.get(&key) {
            return *known;
        }
        let symbol = self.builder.symbol();
        self.values.insert(key.clone(), symbol);
        // The order decides about the order of properties.
        let mut ordered: Vec<NodeId> = Vec::new();
        for node in nodes {
            if key.contains(node) && !ordered.contains(node) {
                ordered.push(*node);
            }
        }
        self.pending.push_back((symbol, ordered));
        symbol
    }

    /// Adds the rules of a value.
    fn fill(&mut self, symbol: Sym, nodes: &[NodeId]) -> Result<(), String> {
        if let [only] = nodes
            && let Some(members) = self.plain_choice(*only)?
        {
            // The checks of its keywords.
            self.expand(nodes)?;
            for member in members {
                let member = self.value(&[member]);
                self.builder.rule(symbol, vec![member]);
            }
            return Ok(());
        }
        for alternative in self.expand(nodes)? {
            let shape = self.shape(&alternative)?;
            self.add_shape(symbol, &shape)?;
        }
        Ok(())
    }

    /// The schemas of an `anyOf` or `oneOf` that is all that a schema says.
    fn plain_choice(&self, node: NodeId) -> Result<Option<Vec<NodeId>>, String> {
        let Some(schema) = self.document.keywords(node) else {
            return Ok(None);
        };
        let mut says = schema
            .keys()
            .filter(|key| keyword::of(key) == Keyword::Followed);
        match (says.next().map(String::as_str), says.next()) {
            (Some(choice @ ("anyOf" | "oneOf")), None) => self.members(node, choice).map(Some),
            _ => Ok(None),
        }
    }

    fn add_shape(&mut self, symbol: Sym, shape: &Shape<'a>) -> Result<(), String> {
        if let Some(values) = &shape.values {
            return self.add_listed(symbol, values);
        }
        let pointer = self.place(shape).to_owned();
        let placed = |reason: String| at(&pointer, &reason);
        for kind in &shape.types {
            let way = match kind {
                Type::Null => vec![self.builder.literal("null")?],
                Type::Boolean => {
                    let mut names = vec!["true", "false"];
                    names.retain(|name| !shape.excluded.contains(&&Value::Bool(*name == "true")));
                    let names = names
                        .into_iter()
                        .map(|name| RegexAst::Literal(name.to_owned()));
                    vec![self.builder.lexeme(RegexAst::Or(names.collect()))?]
                }
                Type::Number => match shape.number.regex().map_err(placed)? {
                    Some(regex) => vec![self.builder.lexeme(regex)?],
                    None => continue,
                },
                Type::String => match shape.text.regex().map_err(placed)? {
                    Some(regex) => vec![self.builder.lexeme(text::quoted(regex))?],
                    None => continue,
                },
                Type::Array => match self.array(shape)? {
                    Some(way) => way,
                    None => continue,
                },
                Type::Object => match self.object(shape)? {
                    Some(way) => way,
                    None => continue,
                },
            };
            self.builder.rule(symbol, way);
        }
        Ok(())
    }

    /// Adds the values that a schema lists. Many ways to write a symbol take much work, many words
    /// of one expression do not.
    fn add_listed(&mut self, symbol: Sym, values: &[&Value]) -> Result<(), String> {
        let mut words = Vec::new();
        for value in values {
            match self.builder.word(value) {
                Some(word) => words.push(word),
                None => {
                    let way = self.listed(value)?;
                    self.builder.rule(symbol, way);
                }
            }
        }
        if !words.is_empty() {
            let word = self.builder.lexeme(RegexAst::Or(words))?;
            self.builder.rule(symbol, vec![word]);
        }
        Ok(())
    }

    /// A value that a schema lists, in one spelling.
    pub(super) fn listed(&mut self, value: &Value) -> Result<Vec<Sym>, String> {
        let mut way = Vec::new();
        match value {
            Value::Array(items) => {
                way.push(self.builder.literal("[")?);
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        way.push(self.builder.comma()?);
                    }
                    way.extend(self.listed(item)?);
                }
                way.push(self.builder.literal("]")?);
            }
            Value::Object(properties) => {
                way.push(self.builder.literal("{")?);
                for (index, (name, item)) in properties.iter().enumerate() {
                    if index > 0 {
                        way.push(self.builder.comma()?);
                    }
                    way.extend(self.builder.key(RegexAst::Literal(spelled(name)))?);
                    way.extend(self.listed(item)?);
                }
                way.push(self.builder.literal("}")?);
            }
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => {
                way.push(self.builder.literal(&scalar(value))?);
            }
        }
        Ok(way)
    }

    /// Whether no value can match two of these schemas, as far as types, listed values and required
    /// properties tell.
    pub(super) fn are_disjoint(&mut self, nodes: &[NodeId]) -> Result<bool, String> {
        if nodes.len() > MAX_COMPARED {
            return Ok(false);
        }
        let mut all: Vec<Vec<Shape<'a>>> = Vec::new();
        for node in nodes {
            let mut shapes = Vec::new();
            for alternative in self.expand(&[*node])? {
                shapes.push(self.shape(&alternative)?);
            }
            all.push(shapes);
        }
        for (index, one) in all.iter().enumerate() {
            for other in all.iter().skip(index + 1) {
                for first in one {
                    for second in other {
                        let listed = |shape: &Shape<'_>| shape.values.as_ref().map_or(1, Vec::len);
                        let cost = listed(first).saturating_mul(listed(second));
                        let Some(left) = self.comparisons_left.checked_sub(cost) else {
                            return Ok(false);
                        };
                        self.comparisons_left = left;
                        if !self.shapes_are_disjoint(first, second)? {
                            return Ok(false);
                        }
                    }
                }
            }
        }
        Ok(true)
    }

    fn shapes_are_disjoint(&mut self, one: &Shape<'a>, two: &Shape<'a>) -> Result<bool, String> {
        if let (Some(one), Some(two)) = (&one.values, &two.values) {
            return Ok(!one.iter().any(|value| two.contains(value)));
        }
        for (listed, other) in [(one, two), (two, one)] {
            if let Some(values) = &listed.values {
                for value in values {
                    if other.types.contains(&Type::of(value))
                        && self.fits_all(value, &other.parts)?
                    {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
        }
        let mut common = one.types.intersection(&two.types);
        let is_only_objects = common.all(|kind| *kind == Type::Object);
        let has_objects = one.types.contains(&Type::Object) && two.types.contains(&Type::Object);
        if !is_only_objects || !has_objects {
            return Ok(is_only_objects);
        }
        for (shape, other) in [(one, two), (two, one)] {
            for name in self.required(shape)? {
                let mine = self.property(shape, &name)?;
                let theirs = self.property(other, &name)?;
                if theirs.iter().any(|node| self.document.is_false(*node)) {
                    return Ok(true);
                }
                let (Some(mine), Some(theirs)) = (self.only(&mine)?, self.only(&theirs)?) else {
                    continue;
                };
                if !mine.iter().any(|value| theirs.contains(value)) {
                    let required = self.required(other)?;
                    if required.contains(&name) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The values that schemas list together, if they list any.
    fn only(&mut self, nodes: &[NodeId]) -> Result<Option<Vec<&'a Value>>, String> {
        let mut all = Vec::new();
        for alternative in self.expand(nodes)? {
            match self.shape(&alternative)?.values {
                Some(values) => all.extend(values),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }
}

/// A value without parts, as it is written.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Number(number) => plain(number),
        other => other.to_string(),
    }
}

/// A number, without a point if it is whole and not large.
fn plain(number: &Number) -> String {
    const LARGE: f64 = 1e15;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.abs() < LARGE => Decimal::of(number).text(),
        _ => number.to_string(),
    }
}

/// A name as it stands in JSON, in the only spelling that the grammar allows.
pub(super) fn spelled(name: &str) -> String {
    Value::from(name).to_string()
}
