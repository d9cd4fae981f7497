//! Checks of a whole grammar: each rule is defined, and nothing follows a token that ends the
//! answer. Finds the rules that no text matches.

use std::collections::BTreeSet;

use super::rules::{Grammar, Item, Mistake};

/// Refuses a grammar in which something may come after a token that ends the answer. llama.cpp
/// takes it, and then finds no token that goes on.
pub(super) fn ends(text: &str, grammar: &Grammar) -> Result<(), Mistake> {
    let reachable = grammar.reachable([0]);
    let inner = inner(grammar, &reachable);
    for &rule in &reachable {
        for sequence in grammar.sequences(rule) {
            let last = sequence.len().saturating_sub(1);
            for (index, item) in sequence.iter().enumerate() {
                if let Item::End { at } = *item
                    && (index < last || inner.contains(&rule))
                {
                    let what = "this token ends the answer, but more may follow it here: put it \
                                at the end of the grammar, or remove it";
                    return Err(Mistake::new(text, at, what));
                }
            }
        }
    }
    Ok(())
}

/// The rules after which an answer may go on.
fn inner(grammar: &Grammar, reachable: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut left = Vec::new();
    for &rule in reachable {
        for sequence in grammar.sequences(rule) {
            let last = sequence.len().saturating_sub(1);
            for (index, item) in sequence.iter().enumerate() {
                let is_repeated =
                    matches!(item, Item::Repeat { max, .. } if max.is_none_or(|max| max > 1));
                if index < last || is_repeated {
                    left.extend(item.rule());
                }
            }
        }
    }
    let mut inner = BTreeSet::new();
    while let Some(rule) = left.pop() {
        if inner.insert(rule) {
            let sequences = grammar.sequences(rule).iter();
            left.extend(sequences.filter_map(|sequence| sequence.last()?.rule()));
        }
    }
    inner
}

/// The rules that no text matches because they need a character that no text has.
///
/// A rule that only goes round in itself is not one of them: its answers never end.
pub(super) fn never(grammar: &Grammar) -> Vec<bool> {
    // For each rule, the sequences that refer to it, and how many of its own are left.
    let mut users: Vec<Vec<(usize, usize)>> = vec![Vec::new(); grammar.rules.len()];
    let mut left: Vec<usize> = Vec::new();
    let mut is_dead: Vec<Vec<bool>> = Vec::new();
    let mut found = Vec::new();
    for rule in 0..grammar.rules.len() {
        let sequences = grammar.sequences(rule);
        left.push(sequences.len());
        is_dead.push(vec![false; sequences.len()]);
        for (index, sequence) in sequences.iter().enumerate() {
            for item in sequence {
                match item {
                    Item::Character(set) if set.is_empty() => found.push((rule, index)),
                    Item::Rule(user)
                    | Item::Repeat {
                        rule: user,
                        min: 1..,
                        ..
                    } => {
                        if let Some(users) = users.get_mut(*user) {
                            users.push((rule, index));
                        }
                    }
                    Item::Character(_)
                    | Item::Token(_)
                    | Item::OtherToken(_)
                    | Item::End { .. }
                    | Item::Repeat { .. } => {}
                }
            }
        }
    }
    let mut never = vec![false; grammar.rules.len()];
    while let Some((rule, index)) = found.pop() {
        let is_dead = is_dead.get_mut(rule).and_then(|each| each.get_mut(index));
        let (Some(is_dead), Some(left)) = (is_dead, left.get_mut(rule)) else {
            continue;
        };
        if std::mem::replace(is_dead, true) {
            continue;
        }
        *left -= 1;
        if *left == 0 {
            if let Some(never) = never.get_mut(rule) {
                *never = true;
            }
            found.extend(users.get(rule).into_iter().flatten());
        }
    }
    never
}
