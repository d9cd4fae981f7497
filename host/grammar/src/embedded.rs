//! JSON Schemas within a Lark grammar (`%json`).
//!
//! llguidance's own compiler of schemas keeps less than this crate promises. So llguidance reads a
//! grammar with a placeholder for each schema, which no text matches, and the schema is added to
//! the result as another way to write the placeholder.

use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::earley::{Grammar, SymIdx, SymbolProps};
use llguidance::toktrie::TokEnv;

use super::lark::Lark;
use super::limits::summary;
use super::schema::{self, Whitespace};

/// Maximum number of symbols. llguidance counts them with 16 bits.
const MAX_SYMBOLS: usize = 60_000;

/// Compiles a grammar with schemas. Returns it with what is followed with less than its meaning.
///
/// # Errors
///
/// What can't be followed, with its place and what to do instead.
pub(super) fn compile(
    lark: &Lark<'_>,
    env: TokEnv,
    limits: ParserLimits,
) -> Result<(GrammarInit, Vec<String>), String> {
    let name = unused_name(lark);
    let read = |text| {
        let init = GrammarInit::Serialized(TopLevelGrammar::from_lark(text));
        let read = init.to_internal(Some(env.clone()), limits.clone());
        read.map_err(|error| summary(&error.to_string()))
    };
    let (mut grammar, mut lexer) = read(with_placeholders(lark, &name)?).map_err(|error| {
        // The message quotes the grammar: better one that has the lines of the original.
        read(with_lines(lark)).err().unwrap_or(error)
    })?;
    let placeholders = placeholders(&mut grammar, &name);
    let mut notes = Vec::new();
    // A schema in a rule that nothing refers to has no placeholder.
    for (index, symbol) in placeholders {
        let Some((_, schema)) = lark.before.get(index) else {
            continue;
        };
        let placed = |reason: String| format!("{}: {reason}", schema.place);
        lexer.current_class = grammar.sym_props(symbol).grammar_id;
        let (added, own) =
            schema::compile_within(&schema.value, &mut grammar, symbol, lexer).map_err(placed)?;
        lexer = added;
        notes.extend(own.into_iter().map(placed));
        if grammar.num_symbols() > MAX_SYMBOLS {
            return Err(placed(format!(
                "the schemas take more than {MAX_SYMBOLS} rules: use smaller ones"
            )));
        }
    }
    Ok((GrammarInit::Internal(grammar, lexer), notes))
}

/// A name that does not occur in the grammar.
fn unused_name(lark: &Lark<'_>) -> String {
    let texts = || lark.before.iter().map(|(before, _)| *before);
    let is_used = |name: &str| texts().chain([lark.rest]).any(|text| text.contains(name));
    let mut name = "schema".to_owned();
    while is_used(&name) {
        name.push('_');
    }
    name
}

/// The text with a grammar of its own in place of each schema, which captures under `name` and the
/// number of the schema.
fn with_placeholders(lark: &Lark<'_>, name: &str) -> Result<String, String> {
    let mut text = String::new();
    for (index, (before, schema)) in lark.before.iter().enumerate() {
        let placed = |reason: String| format!("{}: {reason}", schema.place);
        let skip = match schema::whitespace(&schema.value).map_err(placed)? {
            Whitespace::Any => format!(
                "%ignore /{}/\n%llguidance {{\"ignore_once\": true}}\n",
                schema::ANY_SPACE
            ),
            Whitespace::None | Whitespace::Space => String::new(),
        };
        text.push_str(before);
        text.push_str(&format!(
            "%lark {{ start[capture=\"{name}{index}\"]: /[^\\s\\S]/\n{skip}}}"
        ));
    }
    text.push_str(lark.rest);
    Ok(text)
}

/// The text with a schema without keywords in place of each, in as many lines.
fn with_lines(lark: &Lark<'_>) -> String {
    let mut text = String::new();
    for (before, schema) in &lark.before {
        let lines = "\n".repeat(schema.text.matches('\n').count());
        text.push_str(&format!("{before}%json {{{lines}}}"));
    }
    text + lark.rest
}

/// The symbols of the placeholders, with the numbers of their schemas. They no longer capture.
fn placeholders(grammar: &mut Grammar, name: &str) -> Vec<(usize, SymIdx)> {
    let mut found = Vec::new();
    // Symbols of any grammar are counted alike, and only those that it made can be named.
    let mut counter = Grammar::new(None);
    for _ in 0..grammar.num_symbols() {
        let symbol = counter.fresh_symbol_ext("s", SymbolProps::default());
        if symbol.as_usize() >= grammar.num_symbols() {
            break;
        }
        let capture = grammar.sym_props(symbol).capture_name.as_deref();
        let index = capture.and_then(|capture| capture.strip_prefix(name));
        if let Some(index) = index.and_then(|index| index.parse().ok()) {
            grammar.sym_props_mut(symbol).capture_name = None;
            found.push((index, symbol));
        }
    }
    found
}
