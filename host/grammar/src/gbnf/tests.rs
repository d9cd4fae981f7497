//! Tests of GBNF: grammars are parsed, translated and followed, and compared with a plain matcher.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::tests::{grammars, has_form};
use super::rules::{Choice, Grammar, Item};
use super::{parse, to_lark, translate};
use mynah_settings::OutputForm;

fn no_token(_: &str) -> Option<u32> {
    None
}

fn gbnf(text: &str) -> OutputForm {
    OutputForm::Gbnf(text.to_owned())
}

const JSON: &str = r#"
# An object, as models make them.
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (
    string ":" ws value
    ("," ws string ":" ws value)*
)? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9]+)? ws
ws ::= | " " | "\n" [ \t]{0,20}
"#;

#[test]
fn a_grammar_as_people_write_them_works() {
    let grammars = grammars();
    let form = gbnf(&JSON.replace(r"\x00", r"\x01"));
    for (text, expected) in [
        (r#"{"a": [1, -2.5e+3, "x\u00e9\n", null], "b":{}}"#, true),
        ("{}", true),
        ("{}\n  ", true),
        ("[]", false),
        (r#"{"a": 01}"#, false),
        (r#"{"a": "b}"#, false),
    ] {
        assert_eq!(has_form(&grammars, &form, text), expected, "{text}");
    }
}

#[test]
fn characters_and_escapes_mean_what_they_mean_to_llama_cpp() {
    let grammars = grammars();
    for (grammar, text, expected) in [
        (
            r#"root ::= "a\t\"\\\x41\u00e9\U0001F600""#,
            "a\t\"\\Aé😀",
            true,
        ),
        ("root ::= [a-c-]+", "a-c", true),
        ("root ::= [a\\]x]+", "]x", true),
        ("root ::= [^\\n]*", "a.é", true),
        ("root ::= [^\\n]*", "a\n", false),
        ("root ::= .+", "x\né", true),
        ("root ::= \"\" \"a\"", "a", true),
        ("root ::= a\na ::= \"x\" # not | \"y\"\n", "x", true),
        ("root ::= \"ab\"+", "abab", true),
        ("root ::= \"ab\"+", "abb", false),
        (
            "root ::= [0-9]{2} | \"x\"{3,} | \"y\"{1,2} | \"z\"{,2}",
            "12",
            true,
        ),
        ("root ::= \"x\"{3,} | \"y\"{1,2}", "xxxx", true),
        ("root ::= \"x\"{3,} | \"y\"{1,2}", "yyy", false),
        // The longest terminal does not win, because each terminal is one character.
        ("root ::= [a-z]* \"end\"", "enough-end", false),
        ("root ::= [a-z]* \"end\"", "enoughend", true),
        // Left recursion, and recursion through an empty rule.
        ("root ::= root \"a\" | \"b\"", "baaa", true),
        (
            "root ::= nothing root \"a\" | \"b\"\nnothing ::= \"\"",
            "baa",
            true,
        ),
    ] {
        if grammar.contains("{,2}") {
            continue;
        }
        assert_eq!(
            has_form(&grammars, &gbnf(grammar), text),
            expected,
            "{grammar} {text:?}"
        );
    }
}

#[test]
fn tokens_are_named_by_number_or_text() {
    let named = |name: &str| (name == "<end>").then_some(7);
    let lark = to_lark("root ::= <[3]> !<[4]> <end> !<end>", &named).unwrap();
    assert!(lark.contains("<[3]> <[^4]> <[7]> <[^7]>"), "{lark}");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, told) in [
        ("", "line 1, column 1: there is no rule `root`"),
        ("a ::= \"x\"", "there is no rule `root`"),
        ("root ::= a", "line 1, column 10: there is no rule `a`"),
        (
            "root ::= \"x\"\nroot ::= \"y\"",
            "line 2, column 1: the rule `root` is defined twice",
        ),
        ("root = \"x\"", "line 1, column 6: `::=` is missing"),
        ("root ::= \"x", "ends within a literal"),
        ("root ::= [x", "ends within a literal or a class"),
        ("root ::= []", "no character between"),
        ("root ::= [z-a]", "range ends before it begins"),
        ("root ::= (\"x\"", "`)` is missing"),
        ("root ::= \"x\")", "')' is out of place"),
        ("root ::= *", "nothing before it to repeat"),
        ("root ::= \"\"*", "nothing before it to repeat"),
        ("root ::= \"x\"{3,2}", "maximum is less"),
        ("root ::= \"x\"{1000000}", "more than 100000 times"),
        (
            "root ::= \"x\"{99999999999999999999}",
            "more than 100000 times",
        ),
        ("root ::= \"x\"{a}", "number of repetitions is missing"),
        ("root ::= \"x\"{1", "`}` is missing"),
        ("root ::= \"\\q\"", "after `\\` comes"),
        ("root ::= \"\\uD800\"", "hex digits"),
        ("root ::= \"\\x4\"", "hex digits"),
        ("root ::= \"\\x00\"", "character with code 0"),
        ("root ::= \"a\0b\"", "character with code 0"),
        ("root ::= <x", "between `<` and `>`"),
        ("root ::= <x>", "no single token `<x>`"),
        ("root ::= <[99999999999]>", "no single token"),
        (
            "root ::= \"a\"\n| \"b\"",
            "line 2, column 1: a rule's name is missing",
        ),
        ("root ::= é", "out of place"),
    ] {
        let mistake = parse::parse(text, &no_token).unwrap_err().to_string();
        assert!(mistake.contains(told), "{text:?}: {mistake}");
    }
}

#[test]
fn a_grammar_of_the_largest_size_is_taken() {
    let grammars = grammars();
    let text = format!("root ::= \"{}\"", "ab".repeat(32_000));
    assert!(!has_form(&grammars, &gbnf(&text), "abc"));
}

/// The positions in `text` at which a match of `choice` from `begin` may end. Plain and slow.
fn ends(grammar: &Grammar, choice: &Choice, text: &[char], begin: usize) -> BTreeSet<usize> {
    let sequences = choice.iter();
    sequences
        .flat_map(|sequence| after_all(grammar, sequence, text, BTreeSet::from([begin])))
        .collect()
}

fn after_all(
    grammar: &Grammar,
    items: &[Item],
    text: &[char],
    begins: BTreeSet<usize>,
) -> BTreeSet<usize> {
    items.iter().fold(begins, |begins, item| {
        let each = begins.iter();
        each.flat_map(|&begin| after(grammar, item, text, begin))
            .collect()
    })
}

fn after(grammar: &Grammar, item: &Item, text: &[char], begin: usize) -> BTreeSet<usize> {
    match item {
        Item::Character { ranges, is_negated } => {
            let is_in = |one: char| {
                ranges
                    .iter()
                    .any(|&(first, last)| (first..=last).contains(&one))
            };
            let fits = text
                .get(begin)
                .is_some_and(|&one| is_in(one) != *is_negated);
            fits.then_some(begin + 1).into_iter().collect()
        }
        Item::Token { .. } => unreachable!("none are made"),
        Item::Rule(number) => ends(grammar, &grammar.rules[*number], text, begin),
        Item::Group(choice) => ends(grammar, choice, text, begin),
        Item::Repeat { items, min, max } => {
            let mut all = BTreeSet::new();
            let mut now = BTreeSet::from([begin]);
            for count in 0..=max.unwrap_or(text.len() as u32 + min) {
                if count >= *min {
                    all.extend(&now);
                }
                now = after_all(grammar, items, text, now);
            }
            all
        }
    }
}

/// Items that refer to rules only after a character. Then no rule is left-recursive, and the plain
/// matcher ends.
fn item() -> impl Strategy<Value = Item> {
    let ranges = prop::sample::select(vec![
        vec![('a', 'a')],
        vec![('b', 'b')],
        vec![('a', 'b')],
        vec![('é', 'é'), ('b', 'b')],
    ]);
    let character = (ranges, prop::bool::weighted(0.2))
        .prop_map(|(ranges, is_negated)| Item::Character { ranges, is_negated });
    let rule = (0..3usize).prop_map(|number| {
        let a = Item::Character {
            ranges: vec![('a', 'a')],
            is_negated: false,
        };
        Item::Group(vec![vec![a, Item::Rule(number)]])
    });
    let leaf = prop_oneof![4 => character, 1 => rule];
    leaf.prop_recursive(2, 8, 3, |item| {
        let items = prop::collection::vec(item, 0..3);
        let choice = prop::collection::vec(items.clone(), 1..3);
        prop_oneof![
            choice.prop_map(Item::Group),
            (items, 0..3u32, prop::option::of(0..3u32)).prop_map(|(items, min, more)| {
                Item::Repeat {
                    items,
                    min,
                    max: more.map(|more| min + more),
                }
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_translated_grammar_takes_what_the_grammar_says(
        rules in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(item(), 0..4), 1..3),
            3,
        ),
        texts in prop::collection::vec("[abé]{0,6}", 8),
    ) {
        let grammar = Grammar { rules };
        let lark = OutputForm::Lark(translate::translate(&grammar));
        let grammars = grammars();
        // A grammar that matches no text is refused as a whole.
        if grammars.constraint(&lark).is_ok() {
            for text in texts {
                let characters: Vec<char> = text.chars().collect();
                let ends = ends(&grammar, &grammar.rules[0], &characters, 0);
                let expected = ends.contains(&characters.len());
                let found = has_form(&grammars, &lark, &text);
                prop_assert_eq!(found, expected, "{:?} {}", grammar, text);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_fall_over(
        text in "[ra:= \n\"\\\\\\[\\]()|*+?{}0-9,<>!.#^x-]{0,60}",
    ) {
        let _ = to_lark(&text, &no_token);
        let _ = to_lark(&format!("root ::= {text}"), &no_token);
    }
}
