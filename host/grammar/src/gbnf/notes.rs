//! What the log says about a grammar that is taken.

use std::collections::BTreeSet;

use super::rules::{Grammar, Item, Mistake};
use super::tokens::Tokens;

/// Maximum number of notes. The grammar chooses how many there would be.
const MAX_NOTES: usize = 20;

/// Rules that are defined again, and tokens whose text the grammar may also allow.
pub(super) fn of(text: &str, grammar: &Grammar, tokens: &dyn Tokens) -> Vec<String> {
    let again = grammar.defined_again.iter().take(MAX_NOTES).map(|&at| {
        let what = "this rule was defined before: only its last definition counts";
        Mistake::new(text, at, what).to_string()
    });
    let mut notes: Vec<String> = again.collect();
    let rules = grammar.reachable([0]);
    let items = || {
        rules
            .iter()
            .flat_map(|&rule| grammar.sequences(rule).iter().flatten())
    };
    let named: BTreeSet<u32> = items()
        .filter_map(|item| match item {
            Item::Token(id) => Some(*id),
            _ => None,
        })
        .collect();
    let has_others = items().any(|item| matches!(item, Item::OtherToken(_)));
    let is_text = |letter: char| {
        items().any(|item| matches!(item, Item::Character(set) if set.has(u32::from(letter))))
    };
    let is_doubtful = |id: &u32| {
        let bytes = tokens.text(*id);
        let text = String::from_utf8_lossy(&bytes);
        !text.is_empty() && text.chars().all(is_text)
    };
    if let Some(id) = named.iter().take(MAX_NOTES).find(|id| is_doubtful(id)) {
        notes.push(format!(
            "where the token <[{id}]> and its text both fit, only the token is followed"
        ));
    } else if has_others && items().any(|item| matches!(item, Item::Character(_))) {
        notes.push(
            "where `!<token>` and the text of a token both fit, only `!<token>` is followed"
                .to_owned(),
        );
    }
    notes
}
