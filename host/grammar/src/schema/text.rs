//! Regular expressions for the JSON strings that a schema allows.

use llguidance::derivre::{JsonQuoteOptions, RegexAst, RegexBuilder};

use super::formats;
use super::shape::Count;

/// Maximum product of the lengths of patterns that one string must match, which is the work of
/// following them.
const MAX_PATTERN_PRODUCT: usize = 100_000;

/// Steps for finding out whether any text matches, about 10 milliseconds.
const FUEL: u64 = 200_000;

/// Maximum of a minimum length.
const MAX_MIN_LENGTH: u64 = 1_000_000;

/// What a schema requires of a string.
#[derive(Debug, Clone, Default)]
pub(super) struct TextRule {
    /// The number of characters.
    pub(super) length: Count,
    /// Expressions that must match somewhere in it, as `regex-syntax` reads them.
    pub(super) patterns: Vec<String>,
    /// Known formats.
    pub(super) formats: Vec<String>,
    /// Strings that it must not be.
    pub(super) excluded: Vec<String>,
}

impl TextRule {
    fn is_free(&self) -> bool {
        let has_length = self.length.min > 0 || self.length.max.is_some();
        !has_length
            && self.patterns.is_empty()
            && self.formats.is_empty()
            && self.excluded.is_empty()
    }

    /// The expression for the text of these strings, without quotes and escapes. `None` if there is
    /// no such string.
    ///
    /// # Errors
    ///
    /// Why there is no expression.
    pub(super) fn regex(&self) -> Result<Option<RegexAst>, String> {
        if self.is_free() {
            return Ok(Some(any()));
        }
        let Count { min, max } = self.length;
        if max.is_some_and(|max| min > max) {
            return Ok(None);
        }
        if min > MAX_MIN_LENGTH {
            return Err(format!(
                "a string of at least {min} characters is too long, the maximum is {MAX_MIN_LENGTH}"
            ));
        }
        let lengths = self.patterns.iter().map(|pattern| pattern.len() + 1);
        let product = lengths.fold(1usize, usize::saturating_mul);
        if self.patterns.len() > 1 && product > MAX_PATTERN_PRODUCT {
            return Err(
                "one string must match too many patterns: combine them into one `pattern`"
                    .to_owned(),
            );
        }
        let mut parts: Vec<RegexAst> = Vec::new();
        for pattern in &self.patterns {
            parts.push(RegexAst::SearchRegex(pattern.clone()));
        }
        for format in &self.formats {
            parts.extend(formats::regex(format).map(RegexAst::Regex));
        }
        // A longer string than this does not occur.
        let max = max.and_then(|max| u32::try_from(max).ok());
        if min > 0 || max.is_some() {
            let max = max.map_or_else(String::new, |max| max.to_string());
            parts.push(RegexAst::Regex(format!("(?s:.{{{min},{max}}})")));
        }
        if parts.is_empty() {
            parts.push(any());
        }
        if !self.excluded.is_empty() {
            let excluded = self.excluded.iter().cloned().map(RegexAst::Literal);
            parts.push(RegexAst::Not(Box::new(RegexAst::Or(excluded.collect()))));
        }
        let regex = match parts.len() {
            1 => parts.remove(0),
            _ => RegexAst::And(parts),
        };
        Ok((!is_empty(&regex)?).then_some(regex))
    }
}

/// Any text.
pub(super) fn any() -> RegexAst {
    RegexAst::Regex("(?s:.*)".to_owned())
}

/// Whether an expression matches no text.
///
/// # Errors
///
/// It takes too long to find out.
pub(super) fn is_empty(regex: &RegexAst) -> Result<bool, String> {
    let too_much =
        |_| "it takes too long to find out whether any text matches: make it simpler".to_owned();
    let mut builder = RegexBuilder::new();
    let expr = builder.mk(regex).map_err(too_much)?;
    if builder.exprset().is_positive(expr) {
        return Ok(false);
    }
    let mut regex = builder.into_regex_limited(expr, FUEL).map_err(too_much)?;
    Ok(regex.always_empty())
}

/// The JSON strings whose text matches.
pub(super) fn quoted(text: RegexAst) -> RegexAst {
    RegexAst::JsonQuote(Box::new(text), JsonQuoteOptions::regular())
}

/// The JSON strings whose text matches, each in one spelling only, so that equal names of
/// properties are equal texts.
pub(super) fn quoted_once(text: RegexAst) -> RegexAst {
    let options = JsonQuoteOptions {
        allowed_escapes: "nrbtf\\\"".to_owned(),
        raw_mode: false,
    };
    RegexAst::JsonQuote(Box::new(text), options)
}
