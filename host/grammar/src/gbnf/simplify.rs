//! Rewrites what llguidance would follow with more and more work: recursion at the end of a rule,
//! and repetitions within repetitions. The meaning stays.
//!
//! llguidance remembers where each rule began. `word ::= [a-z] word | [a-z]` begins once more with
//! each letter, and in `([a-z]+ " "?)*` a word may begin at each letter. llama.cpp forgets where a
//! rule began, so these are common, and the answer would meet a bound after a few hundred letters.

use super::rules::{Choice, Grammar, Item, Rule};

/// Maximum number of items of one rule after its groups are taken apart.
const MAX_ITEMS: usize = 10_000;

/// Rewrites all rules.
pub(super) fn simplify(grammar: &mut Grammar) {
    for rule in 0..grammar.rules.len() {
        loop_instead_of_tail(grammar, rule);
    }
    let mut can_be_empty = can_be_empty(grammar);
    let mut rule = 0;
    // This adds groups, which come later.
    while rule < grammar.rules.len() {
        join_loops(grammar, &mut can_be_empty, rule);
        rule += 1;
    }
}

/// `a ::= x a | y` becomes `a ::= x* y`.
fn loop_instead_of_tail(grammar: &mut Grammar, rule: usize) {
    let sequences = grammar.sequences(rule);
    if grammar.is_group(rule) || !sequences.iter().any(|it| ends_with(grammar, it, rule)) {
        return;
    }
    let mut flat = Choice::new();
    for sequence in sequences {
        take_apart(grammar, Vec::new(), sequence, rule, &mut flat);
        if flat
            .iter()
            .map(|sequence| sequence.len() + 1)
            .sum::<usize>()
            > MAX_ITEMS
        {
            return;
        }
    }
    let (mut again, last): (Choice, Choice) = flat
        .into_iter()
        .partition(|sequence| sequence.last() == Some(&Item::Rule(rule)));
    if last.is_empty() {
        return;
    }
    for sequence in &mut again {
        sequence.pop();
    }
    // `a ::= a` says nothing.
    again.retain(|sequence| !sequence.is_empty());
    let repeated = Item::Repeat {
        rule: add_group(grammar, again),
        min: 0,
        max: None,
    };
    let last = Item::Rule(add_group(grammar, last));
    if let Some(own) = grammar.rules.get_mut(rule) {
        own.choice = Some(vec![vec![repeated, last]]);
    }
}

/// Whether a sequence may end with the rule, also within groups.
fn ends_with(grammar: &Grammar, sequence: &[Item], rule: usize) -> bool {
    let Some(
        Item::Rule(last)
        | Item::Repeat {
            rule: last,
            min: 0,
            max: Some(1),
        },
    ) = sequence.last()
    else {
        return false;
    };
    let mut inner = grammar.sequences(*last).iter();
    *last == rule || (grammar.is_group(*last) && inner.any(|inner| ends_with(grammar, inner, rule)))
}

/// Adds the sequence after `before`, with a sequence for each way through the groups at its end.
fn take_apart(
    grammar: &Grammar,
    mut before: Vec<Item>,
    sequence: &[Item],
    rule: usize,
    flat: &mut Choice,
) {
    let (Some((last, others)), true) = (sequence.split_last(), ends_with(grammar, sequence, rule))
    else {
        before.extend_from_slice(sequence);
        flat.push(before);
        return;
    };
    before.extend_from_slice(others);
    if let Item::Repeat { .. } = last {
        flat.push(before.clone());
    }
    match last.rule() {
        Some(last) if last != rule => {
            for inner in grammar.sequences(last) {
                if flat.len() > MAX_ITEMS {
                    return;
                }
                take_apart(grammar, before.clone(), inner, rule, flat);
            }
        }
        Some(_) | None => {
            before.push(Item::Rule(rule));
            flat.push(before);
        }
    }
}

/// The rules that the empty text matches.
fn can_be_empty(grammar: &Grammar) -> Vec<bool> {
    let mut empty = vec![false; grammar.rules.len()];
    // A rule is looked at again when one that it refers to has changed.
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); grammar.rules.len()];
    for rule in 0..grammar.rules.len() {
        for used in grammar
            .sequences(rule)
            .iter()
            .flatten()
            .filter_map(Item::rule)
        {
            if let Some(users) = users.get_mut(used) {
                users.push(rule);
            }
        }
    }
    let mut left: Vec<usize> = (0..grammar.rules.len()).collect();
    while let Some(rule) = left.pop() {
        let mut sequences = grammar.sequences(rule).iter();
        if empty.get(rule) == Some(&false)
            && sequences.any(|sequence| sequence.iter().all(|item| is_optional(item, &empty)))
            && let Some(own) = empty.get_mut(rule)
        {
            *own = true;
            left.extend(users.get(rule).into_iter().flatten());
        }
    }
    empty
}

fn is_optional(item: &Item, can_be_empty: &[bool]) -> bool {
    match item {
        Item::Repeat { min: 0, .. } => true,
        Item::Rule(rule) | Item::Repeat { rule, .. } => can_be_empty.get(*rule) == Some(&true),
        Item::Character(_) | Item::Token(_) | Item::OtherToken(_) | Item::End { .. } => false,
    }
}

/// `(x+ y?)*` becomes `(x y?)*`: what is repeated within need not be, if all beside it may be
/// empty.
fn join_loops(grammar: &mut Grammar, can_be_empty: &mut Vec<bool>, rule: usize) {
    let Some(mut choice) = grammar.take(rule) else {
        return;
    };
    for item in choice.iter_mut().flatten() {
        let Item::Repeat {
            rule: inner,
            min: 0 | 1,
            max: None,
        } = item
        else {
            continue;
        };
        let mut body = match *inner == rule {
            true => continue,
            false => grammar.sequences(*inner).to_vec(),
        };
        let mut is_changed = false;
        for sequence in &mut body {
            while let Some((index, once)) = inner_loop(grammar, can_be_empty, sequence) {
                if let Some(item) = sequence.get_mut(index) {
                    *item = once;
                    is_changed = true;
                }
            }
        }
        if is_changed {
            let was_empty = can_be_empty.get(*inner) == Some(&true);
            *inner = add_group(grammar, body);
            can_be_empty.push(was_empty);
        }
    }
    grammar.put(rule, choice);
}

/// The first repetition in a sequence beside which all may be empty, and what stands for one round
/// of it.
fn inner_loop(
    grammar: &Grammar,
    can_be_empty: &[bool],
    sequence: &[Item],
) -> Option<(usize, Item)> {
    let mut needed = sequence.iter().enumerate();
    let mut needed = needed
        .by_ref()
        .filter(|(_, item)| !is_optional(item, can_be_empty));
    let only = needed.next().map(|(index, _)| index);
    if needed.next().is_some() {
        return None;
    }
    sequence.iter().enumerate().find_map(|(index, item)| {
        if only.is_some_and(|only| only != index) {
            return None;
        }
        match *alone(grammar, item) {
            Item::Repeat {
                rule,
                min: 1,
                max: None,
            } => Some((index, Item::Rule(rule))),
            Item::Repeat {
                rule,
                min: 0,
                max: None,
            } => {
                let max = Some(1);
                Some((index, Item::Repeat { rule, min: 0, max }))
            }
            _ => None,
        }
    })
}

/// The item that a rule consists of, if it is only one.
fn alone<'a>(grammar: &'a Grammar, mut item: &'a Item) -> &'a Item {
    const MOST: usize = 100;
    for _ in 0..MOST {
        let Item::Rule(rule) = item else {
            break;
        };
        let [sequence] = grammar.sequences(*rule) else {
            break;
        };
        let [only] = sequence.as_slice() else {
            break;
        };
        item = only;
    }
    item
}

/// Adds a group of items that may stand elsewhere, too. So the groups in it are rules from now on.
fn add_group(grammar: &mut Grammar, choice: Choice) -> usize {
    for rule in choice.iter().flatten().filter_map(Item::rule) {
        if let Some(rule) = grammar.rules.get_mut(rule) {
            rule.is_named = true;
        }
    }
    grammar.rules.push(Rule {
        is_named: false,
        choice: Some(choice),
    });
    grammar.rules.len() - 1
}
