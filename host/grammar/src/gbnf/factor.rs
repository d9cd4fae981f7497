//! Joins what the alternatives of a choice begin with: `"ab" | "ac"` becomes `"a" ("b" | "c")`.
//!
//! llguidance follows every alternative separately as long as it fits, within a bound. So a choice
//! between a thousand words would be lost at the first letter that many of them share.

use std::collections::HashMap;

use super::rules::{Choice, Grammar, Item, Rule};

/// Joins the alternatives of all rules and groups. The meaning stays.
pub(super) fn factor(grammar: &mut Grammar) {
    // A group has a larger number than those around it.
    for rule in (0..grammar.rules.len()).rev() {
        flatten(grammar, rule);
    }
    let mut rule = 0;
    // This adds groups, which come later.
    while rule < grammar.rules.len() {
        join(grammar, rule);
        rule += 1;
    }
}

/// Replaces an alternative that is a group by the alternatives of the group.
fn flatten(grammar: &mut Grammar, rule: usize) {
    let Some(choice) = grammar.take(rule) else {
        return;
    };
    let mut flat = Choice::new();
    for sequence in choice {
        let group = match sequence.as_slice() {
            [Item::Rule(inner)] if *inner != rule && grammar.is_group(*inner) => {
                grammar.take(*inner)
            }
            _ => None,
        };
        // Each group stands in one place, so nothing else refers to it.
        match group {
            Some(group) => flat.extend(group),
            None => flat.push(sequence),
        }
    }
    grammar.put(rule, flat);
}

fn join(grammar: &mut Grammar, rule: usize) {
    if grammar.sequences(rule).len() < 2 {
        return;
    }
    let Some(choice) = grammar.take(rule) else {
        return;
    };
    // The alternatives by their first item, in the order of the first of each.
    let mut places: HashMap<Option<Item>, usize> = HashMap::new();
    let mut alike: Vec<Choice> = Vec::new();
    for sequence in choice {
        let next = alike.len();
        let place = *places.entry(sequence.first().cloned()).or_insert(next);
        match alike.get_mut(place) {
            Some(others) => others.push(sequence),
            None => alike.push(vec![sequence]),
        }
    }
    let joined = alike.into_iter().map(|mut sequences| {
        let Some(mut joined) = sequences.pop() else {
            return Vec::new();
        };
        if sequences.is_empty() {
            return joined;
        }
        let common = sequences.iter().map(|other| common(&joined, other)).min();
        let common = common.unwrap_or(0);
        let mut rests: Choice = sequences
            .iter_mut()
            .map(|other| other.split_off(common))
            .collect();
        rests.push(joined.split_off(common));
        if rests.iter().any(|rest| !rest.is_empty()) {
            grammar.rules.push(Rule {
                is_named: false,
                choice: Some(rests),
            });
            joined.push(Item::Rule(grammar.rules.len() - 1));
        }
        joined
    });
    let joined: Choice = joined.collect();
    grammar.put(rule, joined);
}

/// How many items are the same at the beginning.
fn common(one: &[Item], other: &[Item]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(one, other)| one == other).count()
}
