//! Shapes of answers ([`Shape`]) as grammars: text, calls and forms in an order, in one grammar, so
//! that a token may cross from one part to the next.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use llguidance::derivre::RegexAst;
use llguidance::earley::Grammar;
use llguidance::earley::lexerspec::LexerSpec;
use mynah_core::{Shape, TokenId};
use mynah_settings::OutputForm;

use super::limits;
use super::schema::{self, Builder, Sym, Whitespace};
use super::vocabulary::Vocabulary;

/// Maximum number of parts of a shape.
const MAX_PARTS: usize = 4096;

/// Maximum number of bytes of all schemas of a shape together.
const MAX_SCHEMA_BYTES: usize = 256 << 10;

/// Time after which no further schema is compiled. Each has a limit of its own.
const MAX_TIME: Duration = Duration::from_secs(3);

/// The control tokens of a vocabulary by their names.
#[derive(Debug, Default)]
pub(super) struct ControlTokens {
    by_name: HashMap<String, u32>,
    /// The names of those that end an answer.
    ends: HashSet<String>,
    /// Length of the longest name in bytes.
    longest: usize,
}

impl ControlTokens {
    pub(super) fn of(vocabulary: &dyn Vocabulary) -> Self {
        let mut all = Self::default();
        for id in 0..vocabulary.token_count() {
            let token = TokenId(id.cast_signed());
            if !vocabulary.text(token).is_empty() {
                continue;
            }
            let name = String::from_utf8(vocabulary.name(token)).unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            if vocabulary.is_end(token) {
                all.ends.insert(name.clone());
            }
            all.longest = all.longest.max(name.len());
            all.by_name.insert(name, id);
        }
        all
    }

    /// The longest control token with which a text begins.
    fn first(&self, text: &str) -> Option<(&str, u32)> {
        let ends = (1..=self.longest.min(text.len())).rev();
        ends.filter_map(|end| text.get(..end))
            .find_map(|name| self.by_name.get_key_value(name))
            .map(|(name, id)| (name.as_str(), *id))
    }

    fn contain(&self, text: &str) -> bool {
        self.by_name.contains_key(text)
    }
}

/// A compiled shape.
pub(super) struct Compiled {
    pub(super) grammar: Grammar,
    pub(super) lexer: LexerSpec,
    pub(super) notes: Vec<String>,
}

/// Compiles a shape.
///
/// # Errors
///
/// What can't be followed, and what to do instead.
pub(super) fn compile(shape: &Shape, controls: &ControlTokens) -> Result<Compiled, String> {
    let mut compiler = Compiler {
        builder: Some(Builder::new(Whitespace::Space)?),
        controls,
        notes: Vec::new(),
        schemas: HashMap::new(),
        parts: 0,
        deadline: Instant::now() + MAX_TIME,
    };
    let start = compiler.shape(shape)?;
    let notes = std::mem::take(&mut compiler.notes);
    let (grammar, lexer) = compiler
        .take()?
        .finish(start)?
        .ok_or_else(|| "no answer has this form: its parts contradict each other".to_owned())?;
    Ok(Compiled {
        grammar,
        lexer,
        notes,
    })
}

struct Compiler<'a> {
    // `None` while a schema is compiled.
    builder: Option<Builder>,
    controls: &'a ControlTokens,
    notes: Vec<String>,
    /// Schemas that have been compiled, because tools may share theirs.
    schemas: HashMap<String, Sym>,
    parts: usize,
    deadline: Instant,
}

impl Compiler<'_> {
    fn take(&mut self) -> Result<Builder, String> {
        self.builder
            .take()
            .ok_or_else(|| "the grammar engine failed".to_owned())
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Builder) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut builder = self.take()?;
        let done = work(&mut builder);
        self.builder = Some(builder);
        done
    }

    fn one_of(&mut self, ways: Vec<Vec<Sym>>) -> Result<Sym, String> {
        self.with(|builder| Ok(builder.one_of(ways)))
    }

    // Recursive: the format of an answer decides about the depth, which is small.
    fn shape(&mut self, shape: &Shape) -> Result<Sym, String> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(format!(
                "the tools take more than {MAX_PARTS} parts: offer fewer of them at once"
            ));
        }
        match shape {
            Shape::Literal(text) => self.literal(text),
            Shape::Without(_) | Shape::All(_) => self.all(std::slice::from_ref(shape)),
            Shape::Any(shapes) => {
                let shapes = shapes.iter().map(|shape| Ok(vec![self.shape(shape)?]));
                let ways = shapes.collect::<Result<_, String>>()?;
                self.one_of(ways)
            }
            Shape::Repeat { shape, least, most } => {
                let one = self.shape(shape)?;
                let (least, most) = (u64::from(*least), most.map(u64::from));
                self.with(|builder| Ok(builder.repeat(one, least, most)))
            }
            Shape::Json(schema) => self.json(schema),
            Shape::Form(OutputForm::JsonSchema(schema)) => self.json(schema),
            Shape::Form(OutputForm::Regex(regex)) => self.regex(regex),
            Shape::Form(OutputForm::Lark(_) | OutputForm::Gbnf(_)) => Err(
                "a grammar can't be combined with tools: give a JSON Schema or a regular \
                 expression, or leave out the tools"
                    .to_owned(),
            ),
        }
    }

    /// A text, with the control tokens in it, up to one that ends the answer.
    fn literal(&mut self, text: &str) -> Result<Sym, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let Some((name, id)) = self.controls.first(rest) else {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                continue;
            };
            if self.controls.ends.contains(name) {
                break;
            }
            if !plain.is_empty() {
                let text = std::mem::take(&mut plain);
                parts.push(self.with(|builder| builder.literal(&text))?);
            }
            parts.push(self.with(|builder| builder.control(name, id))?);
            rest = rest.get(name.len()..).unwrap_or_default();
        }
        if !plain.is_empty() {
            parts.push(self.with(|builder| builder.literal(&plain))?);
        }
        self.one_of(vec![parts])
    }

    /// Shapes one after another.
    fn all(&mut self, shapes: &[Shape]) -> Result<Sym, String> {
        let flat = flat(shapes);
        let mut rest = flat.as_slice();
        let mut parts = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            let Shape::Without(texts) = first else {
                parts.push(self.shape(first)?);
                rest = after;
                continue;
            };
            // Control tokens are never a part of text.
            let is_text = |text: &&String| !self.controls.contain(text);
            let texts: Vec<String> = texts.iter().filter(is_text).cloned().collect();
            // What follows begins with one of the texts, or the text goes on to the end.
            let mut ways = vec![vec![self.all_of(after)?], {
                let to_end = self.text(&texts, None)?;
                vec![to_end, self.all_of(&without_begin(after, &texts))?]
            }];
            for text in &texts {
                if let Some(behind) = behind(after, text) {
                    let up_to = self.text(&texts, Some(text))?;
                    ways.push(vec![up_to, self.all_of(&behind)?]);
                }
            }
            parts.push(self.one_of(ways)?);
            return self.one_of(vec![parts]);
        }
        self.one_of(vec![parts])
    }

    fn all_of(&mut self, shapes: &[Shape]) -> Result<Sym, String> {
        match shapes {
            [] => self.one_of(vec![vec![]]),
            _ => self.all(shapes),
        }
    }

    /// Text, at least one character, in which none of `texts` is; with `end`, it ends with that.
    fn text(&mut self, texts: &[String], end: Option<&str>) -> Result<Sym, String> {
        let any = || RegexAst::Regex("(?s:.*)".to_owned());
        let some = RegexAst::Regex("(?s:.+)".to_owned());
        let literals: Vec<RegexAst> = texts.iter().cloned().map(RegexAst::Literal).collect();
        let without = match literals.is_empty() {
            true => any(),
            false => {
                let with = RegexAst::Concat(vec![any(), RegexAst::Or(literals), any()]);
                RegexAst::And(vec![any(), RegexAst::Not(Box::new(with))])
            }
        };
        let text = match end {
            Some(end) => RegexAst::Concat(vec![without, RegexAst::Literal(end.to_owned())]),
            None => RegexAst::And(vec![some, without]),
        };
        self.with(|builder| builder.lexeme(text))
    }

    fn json(&mut self, schema: &str) -> Result<Sym, String> {
        if let Some(known) = self.schemas.get(schema) {
            return Ok(*known);
        }
        let known: usize = self.schemas.keys().map(String::len).sum();
        if known + schema.len() > MAX_SCHEMA_BYTES {
            return Err(format!(
                "the schemas of the tools have more than {MAX_SCHEMA_BYTES} bytes together: offer \
                 fewer tools at once"
            ));
        }
        if Instant::now() > self.deadline {
            return Err(format!(
                "the schemas of the tools take more than {} seconds to compile: offer fewer tools \
                 at once, or simplify their schemas",
                MAX_TIME.as_secs()
            ));
        }
        let value = schema::read(schema)?;
        let builder = self.take()?;
        let part = schema::compile_part(&value, builder)?;
        self.builder = Some(part.builder);
        self.notes.extend(part.notes);
        self.schemas.insert(schema.to_owned(), part.root);
        Ok(part.root)
    }

    fn regex(&mut self, regex: &str) -> Result<Sym, String> {
        limits::check_regex(regex)?;
        let regex = RegexAst::Regex(regex.to_owned());
        self.with(|builder| builder.lexeme(regex))
    }
}

/// The shapes without shapes of shapes.
fn flat(shapes: &[Shape]) -> Vec<Shape> {
    let mut all = Vec::new();
    for shape in shapes {
        match shape {
            Shape::All(inner) => all.extend(flat(inner)),
            other => all.push(other.clone()),
        }
    }
    all
}

/// What comes after a text with which these shapes begin; `None` if they can't begin with it.
fn behind(shapes: &[Shape], text: &str) -> Option<Vec<Shape>> {
    let (first, after) = shapes.split_first()?;
    let with = |rest: Vec<Shape>| Some([rest, after.to_vec()].concat());
    match first {
        Shape::Literal(literal) => match literal.strip_prefix(text)? {
            "" => with(Vec::new()),
            rest => with(vec![Shape::Literal(rest.to_owned())]),
        },
        Shape::All(inner) => behind(&[inner.as_slice(), after].concat(), text),
        Shape::Any(shapes) => {
            let each = shapes.iter();
            let each = each.filter_map(|shape| behind(std::slice::from_ref(shape), text));
            let each: Vec<Shape> = each.map(Shape::All).collect();
            (!each.is_empty()).then(|| [vec![Shape::Any(each)], after.to_vec()].concat())
        }
        Shape::Repeat { shape, least, most } => {
            let once = behind(std::slice::from_ref(shape), text);
            let once = once.map(|once| {
                let more = Shape::Repeat {
                    shape: shape.clone(),
                    least: least.saturating_sub(1),
                    most: most.map(|most| most.saturating_sub(1)),
                };
                Shape::All([once, vec![more]].concat())
            });
            let none = behind(after, text).filter(|_| *least == 0);
            let ways: Vec<Shape> = once
                .map(|once| Shape::All([vec![once], after.to_vec()].concat()))
                .into_iter()
                .chain(none.map(Shape::All))
                .collect();
            (!ways.is_empty()).then(|| vec![Shape::Any(ways)])
        }
        Shape::Without(_) | Shape::Json(_) | Shape::Form(_) => None,
    }
}

/// The shapes without those of their ways that begin with one of the texts, which end a text before
/// them.
fn without_begin(shapes: &[Shape], texts: &[String]) -> Vec<Shape> {
    let Some((first, after)) = shapes.split_first() else {
        return Vec::new();
    };
    let begins = |shape: &Shape| {
        let shape = std::slice::from_ref(shape);
        texts.iter().any(|text| behind(shape, text).is_some())
    };
    let never = || vec![Shape::Any(Vec::new())];
    match first {
        Shape::Repeat {
            shape, least: 0, ..
        } if begins(shape) => without_begin(after, texts),
        shape if begins(shape) => never(),
        _ => shapes.to_vec(),
    }
}
