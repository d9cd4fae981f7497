//! What an output form may cost. The guest writes it, so each bound here is one that a guest can
//! run into.

use llguidance::api::ParserLimits;

use mynah_settings::OutputForm;

/// Bytes of a regular expression at most, and of all regular expressions in a JSON Schema together:
/// the automaton is built as the text goes on, and a text of this size takes tenths of a second
/// where it is meant to take long.
pub(super) const MAX_REGEX_BYTES: usize = 8 << 10;

/// Bytes of a Lark grammar at most: a terminal may contain the ones before it, which costs more
/// than in proportion.
pub(super) const MAX_LARK_BYTES: usize = 16 << 10;

/// Bytes of the stack that a form is read on. The deepest that fit in [`OutputForm::MAX_BYTES`]
/// need about a tenth.
pub(super) const STACK_BYTES: usize = 64 << 20;

/// Whitespace characters in a row at most, between the tokens of a JSON answer: small models would
/// make them forever.
pub(super) const MAX_JSON_WHITESPACE: usize = 20;

/// Steps of the search for the tokens that may come next, at least: about 3 milliseconds.
const MIN_ITEMS: usize = 50_000;

/// The bounds on reading a form and on following it, which end a request with an error.
pub(super) fn parser_limits(form: &OutputForm, vocabulary: usize) -> ParserLimits {
    let is_scannerless = matches!(form, OutputForm::Gbnf(_));
    ParserLimits {
        // Rules that may go on at one place of the text. Work at a place grows with their square. A
        // JSON object has about four for each optional property.
        max_items_in_row: match form {
            OutputForm::JsonSchema(_) => 2_000,
            OutputForm::Regex(_) | OutputForm::Lark(_) | OutputForm::Gbnf(_) => 500,
        },
        // Where each character is a step of its own, every token of the vocabulary takes a few.
        step_max_items: if is_scannerless {
            MIN_ITEMS.max(vocabulary.saturating_mul(4))
        } else {
            MIN_ITEMS
        },
        // About 20 and 15 milliseconds.
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        // Up to 2 kB each.
        max_lexer_states: 50_000,
        max_grammar_size: 500_000,
        precompute_large_lexemes: true,
        // Else an error shows the text so far, which belongs in no log.
        verbose_errors: false,
    }
}

/// Lines and characters a line of a message: a message quotes the form, which the guest makes as
/// long as it likes.
const MAX_LINES: usize = 6;
const MAX_LINE: usize = 160;

/// A message of llguidance, cut to what a person reads.
pub(super) fn summary(message: &str) -> String {
    let message = message.split("\n<non-verbose/>").next().unwrap_or_default();
    // A panic that it caught itself; the rest is its stack.
    let message = match message.split_once("\n<backtrace>") {
        Some((panic, _)) => panic,
        None => message,
    };
    let cut = |line: &str| match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    };
    let lines: Vec<String> = message.trim().lines().take(MAX_LINES).map(cut).collect();
    lines.join("\n")
}
