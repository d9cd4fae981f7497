//! JSON Schemas as grammars.
//!
//! [`Document`] reads a schema and resolves references in it. [`Compiler`] makes a grammar of it:
//! the alternatives of each value (`expand`), what they require of it (`shape`), and the rules for
//! that (`numbers`, `text`, `arrays`, `objects`). llguidance follows the grammar, and [`Keys`] the
//! names of properties, which must not repeat. What can't be followed is refused with its place in
//! the schema. Decision 46, `docs/decisions/046-a-compiler-of-json-schemas.md`, has the reasons.

mod arrays;
mod compile;
mod decimal;
mod document;
mod expand;
mod formats;
mod grammar;
mod keys;
mod keyword;
mod names;
mod numbers;
mod objects;
mod pattern;
mod shape;
#[cfg(test)]
mod supported;
mod text;
mod uri;
mod valid;

use llguidance::earley::lexerspec::LexerSpec;
use llguidance::earley::{Grammar, SymIdx};
use serde_json::{Map, Value};

use compile::Compiler;
use document::Document;
pub(crate) use grammar::{Builder, Sym};
pub(crate) use keys::Keys;
use keyword::Keyword;

/// Maximum number of bytes of a schema.
const MAX_BYTES: usize = mynah_settings::OutputForm::MAX_BYTES;

/// White space between parts of JSON, as [`Whitespace::Any`] allows it.
pub(super) const ANY_SPACE: &str = "[ \\n\\r\\t]+";

/// The white space of an answer that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whitespace {
    /// None.
    None,
    /// At most one space after a comma and a colon. It is part of the token that follows in most
    /// vocabularies, and without it a model would have to write what it has hardly seen.
    Space,
    /// Any, between any parts.
    Any,
}

/// A compiled schema.
pub(super) struct Compiled {
    pub(super) grammar: Grammar,
    pub(super) lexer: LexerSpec,
    /// What is followed with less than its meaning, each with its place.
    pub(super) notes: Vec<String>,
    /// How the names of properties are kept from repeating.
    pub(super) names: FreeNames,
}

/// Names of properties that an answer may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FreeNames {
    /// There are none: the grammar says which names there are.
    None,
    /// Every name that is begun can be made longer, so that it differs from those that are there.
    Endless,
    /// The names that a pattern allows may be used up.
    RunOut,
}

/// Reads the text of a schema.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!(
            "it has {} bytes, the maximum is {MAX_BYTES}",
            text.len()
        ));
    }
    let schema: Value =
        serde_json::from_str(text).map_err(|error| format!("it isn't JSON: {error}"))?;
    check_kind(&schema)?;
    Ok(schema)
}

/// Refuses what is no schema, or one that no value fits.
fn check_kind(schema: &Value) -> Result<(), String> {
    match schema {
        Value::Object(keywords) if is_wrapper(keywords) => Err(
            "`/schema`: the schema is within another object, as APIs of OpenAI's kind send it: \
             give the inner one"
                .to_owned(),
        ),
        Value::Object(_) | Value::Bool(true) => Ok(()),
        Value::Bool(false) => Err("no value fits the schema `false`".to_owned()),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("a JSON Schema is an object, `true` or `false`".to_owned())
        }
    }
}

/// Whether an object says nothing about a value, but has a schema in it: `{"name": .., "schema":
/// {..}}`.
fn is_wrapper(keywords: &Map<String, Value>) -> bool {
    let is_followed = |key: &String| keyword::of(key) == Keyword::Followed;
    keywords.get("schema").is_some_and(Value::is_object) && !keywords.keys().any(is_followed)
}

/// Compiles a schema.
///
/// # Errors
///
/// What can't be followed, with its place and what to do instead.
pub(super) fn compile(schema: &Value) -> Result<Compiled, String> {
    let mut compiler = compiler(schema, Builder::new(whitespace(schema)?)?);
    let root = compiler.run()?;
    let Compiler {
        builder,
        notes,
        free_names,
        names_run_out,
        nothing,
        ..
    } = compiler;
    let names = match (free_names, names_run_out) {
        (None, _) => FreeNames::None,
        (Some(_), false) => FreeNames::Endless,
        (Some(_), true) => FreeNames::RunOut,
    };
    let (grammar, lexer) = builder.finish(root)?.ok_or_else(|| no_text(&nothing))?;
    Ok(Compiled {
        grammar,
        lexer,
        notes,
        names,
    })
}

/// Compiles a schema into a grammar, as a way to write its symbol `root`. Its lexemes are in the
/// current class of `lexer`. Returns all lexemes, and what is followed with less than its meaning.
///
/// # Errors
///
/// What can't be followed, with its place and what to do instead. This includes names of properties
/// that the schema does not list: that none repeats can only be followed if it is known where the
/// JSON begins.
pub(super) fn compile_within(
    schema: &Value,
    grammar: &mut Grammar,
    root: SymIdx,
    lexer: LexerSpec,
) -> Result<(LexerSpec, Vec<String>), String> {
    check_kind(schema)?;
    let mut compiler = compiler(schema, Builder::with(lexer, whitespace(schema)?));
    let start = compiler.run()?;
    if let Some(place) = compiler.free_names {
        return Err(expand::at(
            &place,
            "within Lark, an object has no other properties than those that the schema lists: say \
             `additionalProperties: false`, or give the schema as `json_schema`",
        ));
    }
    let lexer = compiler.builder.add_to(grammar, root, start)?;
    let lexer = lexer.ok_or_else(|| no_text(&compiler.nothing))?;
    Ok((lexer, compiler.notes))
}

/// A schema that is a part of a grammar.
pub(super) struct Part {
    pub(super) builder: Builder,
    /// A value of the schema.
    pub(super) root: Sym,
    /// What is followed with less than its meaning, each with its place.
    pub(super) notes: Vec<String>,
}

/// Compiles a schema into a builder of a grammar with other parts, whose white space holds. Names
/// of properties that the schema does not list may repeat.
///
/// # Errors
///
/// What can't be followed, with its place and what to do instead.
pub(super) fn compile_part(schema: &Value, builder: Builder) -> Result<Part, String> {
    check_kind(schema)?;
    let mut compiler = compiler(schema, builder);
    let root = compiler.run()?;
    Ok(Part {
        builder: compiler.builder,
        root,
        notes: compiler.notes,
    })
}

/// Why no text has the form. `places` are those of values that nothing fits.
fn no_text(places: &[String]) -> String {
    match places.first() {
        Some(place) => expand::at(
            place,
            "no text has this form: no value fits here, the keywords contradict each other",
        ),
        None => "no text has this form: each value must contain another one without end".to_owned(),
    }
}

fn compiler(schema: &Value, builder: Builder) -> Compiler<'_> {
    let mut compiler = Compiler::new(Document::new(schema), builder);
    note_dialect(schema, &mut compiler);
    compiler
}

/// The white space that the schema asks for with `x-whitespace`.
pub(super) fn whitespace(schema: &Value) -> Result<Whitespace, String> {
    match schema.get("x-whitespace") {
        None => Ok(Whitespace::Space),
        Some(value) => match value.as_str() {
            Some("none") => Ok(Whitespace::None),
            Some("space") => Ok(Whitespace::Space),
            Some("any") => Ok(Whitespace::Any),
            _ => Err(
                "`/x-whitespace`: it must be `none`, `space` (one after a comma or colon) or `any`"
                    .to_owned(),
            ),
        },
    }
}

/// Notes a dialect of JSON Schema that is not known.
fn note_dialect(schema: &Value, compiler: &mut Compiler<'_>) {
    let Some(dialect) = schema.get("$schema") else {
        return;
    };
    let known = ["json-schema.org/draft", "spec.openapis.org/oas"];
    let dialect = dialect.as_str().unwrap_or_default();
    let is_known = known.iter().any(|known| dialect.contains(known));
    if !is_known || dialect.contains("draft-03") {
        compiler.note(
            "/$schema",
            "this dialect is not known: the schema is read as a later one",
        );
    }
}

#[cfg(test)]
mod tests;
