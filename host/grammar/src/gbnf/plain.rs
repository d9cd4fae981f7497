//! Compares random grammars with a plain matcher.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::tests::{grammars, has_form};
use super::tests::{Ten, gbnf};
use super::to_lark;

/// An item of a grammar for the plain matcher.
#[derive(Debug, Clone)]
enum Node {
    /// One of these characters, or another one.
    Class(&'static str, bool),
    Rule(usize),
    Group(Vec<Vec<Node>>),
    Repeat(Vec<Node>, u32, Option<u32>),
}

/// The sequences in GBNF.
fn written(choice: &[Vec<Node>]) -> String {
    let sequences: Vec<String> = choice.iter().map(|items| sequence(items)).collect();
    sequences.join(" | ")
}

fn sequence(items: &[Node]) -> String {
    let items: Vec<String> = items.iter().map(item).collect();
    items.join(" ")
}

fn item(node: &Node) -> String {
    match node {
        Node::Class(set, is_negated) => format!("[{}{set}]", if *is_negated { "^" } else { "" }),
        Node::Rule(0) => "root".to_owned(),
        Node::Rule(number) => format!("r{number}"),
        Node::Group(choice) => format!("({})", written(choice)),
        Node::Repeat(items, 0, Some(1)) => format!("({})?", sequence(items)),
        Node::Repeat(items, 0, None) => format!("({})*", sequence(items)),
        Node::Repeat(items, 1, None) => format!("({})+", sequence(items)),
        Node::Repeat(items, min, None) => format!("({}){{{min},}}", sequence(items)),
        Node::Repeat(items, min, Some(max)) => format!("({}){{{min},{max}}}", sequence(items)),
    }
}

type Rules = Vec<Vec<Vec<Node>>>;

/// The positions in `text` at which a match of `choice` from `begin` may end. Plain and slow.
fn ends(rules: &Rules, choice: &[Vec<Node>], text: &[char], begin: usize) -> BTreeSet<usize> {
    let sequences = choice.iter();
    sequences
        .flat_map(|sequence| after_all(rules, sequence, text, BTreeSet::from([begin])))
        .collect()
}

fn after_all(
    rules: &Rules,
    items: &[Node],
    text: &[char],
    begins: BTreeSet<usize>,
) -> BTreeSet<usize> {
    items.iter().fold(begins, |begins, item| {
        let each = begins.iter();
        each.flat_map(|&begin| after(rules, item, text, begin))
            .collect()
    })
}

fn after(rules: &Rules, item: &Node, text: &[char], begin: usize) -> BTreeSet<usize> {
    match item {
        Node::Class(set, is_negated) => {
            let fits = text
                .get(begin)
                .is_some_and(|&one| set.contains(one) != *is_negated);
            fits.then_some(begin + 1).into_iter().collect()
        }
        Node::Rule(number) => ends(rules, &rules[*number], text, begin),
        Node::Group(choice) => ends(rules, choice, text, begin),
        Node::Repeat(items, min, max) => {
            let mut all = BTreeSet::new();
            let mut now = BTreeSet::from([begin]);
            for count in 0..=max.unwrap_or(text.len() as u32 + min) {
                if count >= *min {
                    all.extend(&now);
                }
                now = after_all(rules, items, text, now);
            }
            all
        }
    }
}

/// Items that refer to rules only after a character. Then no rule is left-recursive, and the plain
/// matcher ends.
fn any_item() -> impl Strategy<Value = Node> {
    let sets = prop::sample::select(vec!["a", "b", "ab", "éb"]);
    let character = (sets, prop::bool::weighted(0.2))
        .prop_map(|(set, is_negated)| Node::Class(set, is_negated));
    let rule = (0..3usize)
        .prop_map(|number| Node::Group(vec![vec![Node::Class("a", false), Node::Rule(number)]]));
    let loops = prop::sample::select(vec![(0u32, None), (1, None), (0, Some(1))]);
    let inner = (prop::sample::select(vec!["a", "b", "ab"]), loops)
        .prop_map(|(set, (min, max))| Node::Repeat(vec![Node::Class(set, false)], min, max));
    let leaf = prop_oneof![4 => character, 2 => inner, 2 => rule];
    leaf.prop_recursive(2, 8, 3, |item| {
        let items = prop::collection::vec(item, 0..3);
        let choice = prop::collection::vec(items.clone(), 1..3);
        prop_oneof![
            choice.prop_map(Node::Group),
            (items, 0..3u32, prop::option::of(0..3u32)).prop_map(
                |(items, min, more)| Node::Repeat(items, min, more.map(|more| min + more))
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_translated_grammar_takes_what_the_grammar_says(
        rules in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any_item(), 0..4), 1..3),
            3,
        ),
        texts in prop::collection::vec("[abé]{0,6}", 8),
    ) {
        let form = gbnf(&format!(
            "root ::= {}\nr1 ::= {}\nr2 ::= {}",
            written(&rules[0]),
            written(&rules[1]),
            written(&rules[2])
        ));
        let grammars = grammars();
        // A grammar that matches no text is refused as a whole.
        if grammars.constraint(&form).is_ok() {
            for text in texts {
                let characters: Vec<char> = text.chars().collect();
                let ends = ends(&rules, &rules[0], &characters, 0);
                let expected = ends.contains(&characters.len());
                let found = has_form(&grammars, &form, &text);
                prop_assert_eq!(found, expected, "{:?} {}", form, text);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_fall_over(
        text in "[ra:= \n\"\\\\\\[\\]()|*+?{}0-9,<>!.#^x-]{0,60}",
    ) {
        let _ = to_lark(&text, &Ten);
        let _ = to_lark(&format!("root ::= {text}"), &Ten);
    }
}
