//! Random grammars: most are well-formed, some use odd forms, some are broken.

use proptest::prelude::*;
use proptest::sample::select;

use super::words::TINY;

/// Texts: tokens by their place in the vocabulary.
pub(crate) fn texts() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let text = prop::collection::vec(0..=TINY.len(), 0..5);
    prop::collection::vec(text, 6)
}

/// What a grammar is made of. A grammar has dozens of parts, so if each were odd now and then,
/// nearly all grammars would be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// Forms that have a meaning, and rules that refer to later rules.
    Plain,
    /// Any forms.
    Odd,
}

/// A grammar.
pub(crate) fn grammars() -> impl Strategy<Value = String> {
    let characters = |parts| grammar(character(parts), parts);
    // A token and its text at the same place differ on purpose, so a grammar has one of them.
    let tokens = |parts| grammar(token(parts), parts);
    let whole = prop_oneof![
        12 => characters(Parts::Plain),
        2 => tokens(Parts::Plain),
        2 => characters(Parts::Odd),
        1 => tokens(Parts::Odd),
    ];
    let change = prop::option::weighted(0.25, (any::<prop::sample::Index>(), change()));
    (whole, change).prop_map(|(grammar, change)| match change {
        Some((place, (removed, added))) => {
            let mut letters: Vec<char> = grammar.chars().collect();
            let begin = place.index(letters.len() + 1);
            let end = letters.len().min(begin + removed);
            letters.splice(begin..end, added.chars());
            letters.into_iter().collect()
        }
        None => grammar,
    })
}

/// How many letters to remove, and what to write there.
fn change() -> impl Strategy<Value = (usize, &'static str)> {
    let added = select(vec![
        "",
        "",
        "",
        "\n",
        " ",
        "\"",
        "[",
        "]",
        "(",
        ")",
        "|",
        "*",
        "{",
        "}",
        "{0}",
        "{1,2}",
        "-",
        "^",
        "\\",
        "\\x00",
        "\\u",
        "#",
        "::=",
        "a",
        "r1",
        ".",
        "<",
        "!",
        ">",
        ",",
        "\r",
        "\t",
        "_",
        "é",
        "{2,1}",
        "{,2}",
        "{3000}",
        "{0,3000}",
        "{99999999999999999999}",
    ]);
    (0..3usize, added)
}

/// Plain parts, and odd ones among them if those are wanted.
fn mixed<T: Clone + std::fmt::Debug + 'static>(
    parts: Parts,
    plain: Vec<T>,
    odd: Vec<T>,
) -> BoxedStrategy<T> {
    match parts {
        Parts::Plain => select(plain).boxed(),
        Parts::Odd => prop_oneof![15 => select(plain), 1 => select(odd)].boxed(),
    }
}

fn space(parts: Parts) -> BoxedStrategy<&'static str> {
    let plain = vec![" ", " ", " ", " ", "  ", "\t"];
    mixed(
        parts,
        plain,
        vec!["", " # a comment\n", "\n", "\r\n", " \n "],
    )
}

/// Within a group, where lines may end.
fn space_in_group() -> impl Strategy<Value = &'static str> {
    select(vec![
        " ",
        " ",
        " ",
        "",
        "\n",
        " # a comment\n",
        "\r\n",
        " \n ",
    ])
}

/// Between rules.
fn line() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        10 => Just("\n"),
        3 => select(vec!["\r\n", "\r", "\n\n", " # a comment\n", "\n# a comment\r\n ", " \n\t"]),
    ]
}

fn character(parts: Parts) -> BoxedStrategy<String> {
    let piece = vec![
        "#",
        "|",
        "a",
        "a",
        "b",
        "c",
        "ab",
        "é",
        "😀",
        "-",
        "]",
        "^",
        "\\x61",
        "\\u00e9",
        "\\U0001F600",
        "\\n",
        "\\\\",
        "\\\"",
        "\\[",
        "\\]",
        "\\-",
        "0",
        "x",
    ];
    let odd = vec!["\\x00", "\\uD83D", "\\U00110000", "\\UFFFFFFFF"];
    let piece = mixed(parts, piece, odd);
    // There is nothing to repeat in an empty literal.
    let least = if parts == Parts::Odd { 0 } else { 1 };
    let literal = prop::collection::vec(piece, least..3)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let class = vec![
        "[a]",
        "[ab]",
        "[a-c]",
        "[^a]",
        "[^a-c]",
        "[a-]",
        "[-a]",
        "[^-]",
        "[\\]a]",
        "[\\-a]",
        "[é-ü]",
        "[\\u00e0-\\u00ff]",
        "[^\\x00-\\x1F]",
        "[\\x00a]",
        "[^\\uD800-\\uDFFF]",
        "[\\U0001F600]",
        "[a-\\UFFFFFFFF]",
        "[\"]",
        "[^\"\\\\\\x7F\\x00-\\x1F]",
        "[a-c-]",
        "[a^]",
        "[--a]",
        "[\\n]",
        "[#a]",
        "[a-a-c]",
        "[é😀]",
        "[a b]",
        "[\\uDFFF-\\uE000]",
    ];
    let class = mixed(parts, class, vec!["[b-a]", "[]", "[^]", "[\\x00]"]);
    prop_oneof![6 => literal, 6 => class.prop_map(str::to_owned), 1 => Just(".".to_owned())].boxed()
}

fn token(parts: Parts) -> BoxedStrategy<String> {
    let plain = vec![
        "<x>", "!<x>", "<[259]>", "<[260]>", "<[261]>", "!<[259]>", "!<[260]>", "<[271]>", "<s>",
    ];
    let odd = vec![
        "</s>",
        "!</s>",
        "<y>",
        "<[9999]>",
        "!<[9999]>",
        "<[]>",
        "<[+1]>",
        "<[01]>",
        "< x>",
        "<x",
    ];
    mixed(parts, plain, odd).prop_map(str::to_owned).boxed()
}

fn times(parts: Parts) -> BoxedStrategy<&'static str> {
    let plain = vec![
        "*", "*", "+", "+", "?", "?", "{0}", "{1}", "{2}", "{0,0}", "{0,1}", "{0,2}", "{1,2}",
        "{2,}", "{0,}",
    ];
    let odd = vec![
        "{ 1 , 2 }",
        "{1 }",
        "{,2}",
        "{}",
        "{00}",
        "{2001}",
        "{1\n}",
        "**",
        "+?",
    ];
    mixed(parts, plain, odd)
}

fn choice(item: BoxedStrategy<String>, parts: Parts) -> BoxedStrategy<String> {
    let times = prop::option::weighted(0.25, times(parts)).prop_map(Option::unwrap_or_default);
    let item = (item, times, space(parts))
        .prop_map(|(item, times, space)| format!("{item}{times}{space}"));
    let sequence = prop::collection::vec(item, 1..4)
        .prop_map(|items| items.concat())
        .boxed();
    let separator = select(vec!["|", "| ", "|\n", "|#\n"]);
    let more = prop::collection::vec((separator, sequence.clone()), 0..3);
    (sequence, more)
        .prop_map(|(first, more)| {
            let more = more
                .into_iter()
                .map(|(separator, next)| format!("{separator}{next}"));
            first + &more.collect::<String>()
        })
        .boxed()
}

/// The choice of a rule that may refer to some rules.
fn rule(
    leaf: BoxedStrategy<String>,
    names: Vec<&'static str>,
    parts: Parts,
) -> BoxedStrategy<String> {
    let names = match parts {
        Parts::Plain => names,
        Parts::Odd => vec!["r1", "r-2", "r1", "r-2", "root", "r9", "r_1"],
    };
    let leaf = match names.as_slice() {
        [] => leaf,
        _ => prop_oneof![5 => leaf, 2 => select(names).prop_map(str::to_owned)].boxed(),
    };
    let item = leaf.prop_recursive(3, 12, 3, move |item| {
        (space_in_group(), choice(item.boxed(), parts))
            .prop_map(|(space, choice)| format!("({space}{choice})"))
    });
    choice(item.boxed(), parts)
}

fn grammar(leaf: BoxedStrategy<String>, parts: Parts) -> impl Strategy<Value = String> {
    let rule = |names| rule(leaf.clone(), names, parts);
    let again = (select(vec!["r1", "r-2", "unused"]), rule(Vec::new()));
    // A rule may come again at its end.
    let tail = leaf.clone().prop_map(|leaf| format!("| {leaf} r1 "));
    (
        (line(), rule(vec!["r1", "r-2"])),
        (line(), rule(vec!["r-2"]), prop::option::weighted(0.2, tail)),
        (line(), rule(Vec::new())),
        prop::option::weighted(0.2, again),
        prop::option::weighted(0.1, select(vec!["\n", " \n ", "# before\n"])),
    )
        .prop_map(
            |((_, root), (one, first, tail), (two, second), again, before)| {
                let again = again.map(|(name, rule)| format!("\n{name} ::={rule}\n"));
                format!(
                    "{}root ::= {root}{one}r1 ::= {first}{}{two}r-2::={second}{}",
                    before.unwrap_or_default(),
                    tail.unwrap_or_default(),
                    again.unwrap_or_default()
                )
            },
        )
}
