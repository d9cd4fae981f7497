//! Limits for output forms. The guest writes the form, so each limit can be reached by a guest.

use llguidance::api::ParserLimits;

use mynah_settings::OutputForm;

/// Maximum size in bytes of a regular expression, and of all regular expressions in a JSON Schema
/// together. The automaton is built while the text is generated, and an expression of this size
/// that is made to be slow takes tenths of a second.
pub(super) const MAX_REGEX_BYTES: usize = 8 << 10;

/// Maximum size of a Lark grammar in bytes. A terminal may contain earlier ones, so the cost grows
/// more than in proportion.
pub(super) const MAX_LARK_BYTES: usize = 16 << 10;

/// Stack size in bytes for reading a form. The deepest forms within [`OutputForm::MAX_BYTES`] need
/// about a tenth of it.
pub(super) const STACK_BYTES: usize = 64 << 20;

/// Minimum for the limit of steps in the search for the next tokens, about 3 milliseconds.
const MIN_ITEMS: usize = 50_000;

/// The limits for compiling a form and following it. Exceeding one ends the request with an error.
pub(super) fn parser_limits(form: &OutputForm, vocabulary: usize) -> ParserLimits {
    let is_scannerless = matches!(form, OutputForm::Gbnf(_));
    ParserLimits {
        // Rules that may continue at one position of the text. The work at a position grows with
        // the square of their number. A JSON object has about four for each optional property.
        max_items_in_row: match form {
            OutputForm::JsonSchema(_) => 2_000,
            OutputForm::Lark(text) if text.contains("%json") => 2_000,
            OutputForm::Regex(_) | OutputForm::Lark(_) | OutputForm::Gbnf(_) => 500,
        },
        // If each character is a separate step, every token of the vocabulary takes several.
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
        // A verbose error contains the text so far, which must not be logged.
        verbose_errors: false,
    }
}

/// Maximum number of lines in a message, and of characters per line. A message quotes the form,
/// whose length the guest chooses.
const MAX_LINES: usize = 6;
const MAX_LINE: usize = 160;

/// A message of llguidance, without its backtrace and shortened to [`MAX_LINES`] lines.
pub(super) fn summary(message: &str) -> String {
    let message = message.split("\n<non-verbose/>").next().unwrap_or_default();
    // A panic that llguidance caught; the rest is its backtrace.
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
