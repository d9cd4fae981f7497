//! Random grammars: most are well-formed, some use odd forms, some are broken.

use proptest::prelude::*;
use proptest::sample::select;

use super::words::TINY;

/// Texts: tokens by their place in the vocabulary.
pub(crate) fn texts() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let text = prop::collection::vec(0..=TINY.len(), 0..5);
    prop::collection::vec(text, 6)
}

/// A grammar.
pub(crate) fn grammars() -> impl Strategy<Value = String> {
    let characters = grammar(character().boxed());
    // A token and its text at the same place differ on purpose, so a grammar has one of them.
    let tokens = grammar(token().boxed());
    let whole = prop_oneof![6 => characters, 1 => tokens];
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

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        20 => Just(" "),
        2 => select(vec!["", "  ", "\t", " # a comment\n", "\n", "\r\n", " \n "]),
    ]
}

/// Between rules.
fn line() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        10 => Just("\n"),
        3 => select(vec!["\r\n", "\r", "\n\n", " # a comment\n", "\n# a comment\r\n ", " \n\t"]),
    ]
}

fn character() -> impl Strategy<Value = String> {
    let piece = select(vec![
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
    ]);
    let rare = select(vec![
        "\\x00",
        "\\uD83D",
        "\\U00110000",
        "\\UFFFFFFFF",
        "#",
        "|",
    ]);
    let piece = prop_oneof![30 => piece, 1 => rare];
    let literal =
        prop::collection::vec(piece, 0..3).prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let class = select(vec![
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
        "[b-a]",
        "[]",
        "[^]",
        "[--a]",
        "[\\x00]",
        "[\\n]",
        "[#a]",
        "[a-a-c]",
        "[é😀]",
        "[a b]",
        "[\\uDFFF-\\uE000]",
    ]);
    prop_oneof![6 => literal, 6 => class.prop_map(str::to_owned), 1 => Just(".".to_owned())]
}

fn token() -> impl Strategy<Value = String> {
    let common = select(vec![
        "<x>", "!<x>", "<[259]>", "<[260]>", "<[261]>", "!<[259]>", "!<[260]>", "<[271]>", "<s>",
    ]);
    let rare = select(vec![
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
    ]);
    prop_oneof![20 => common, 1 => rare].prop_map(str::to_owned)
}

fn times() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        10 => select(vec!["*", "+", "?"]),
        4 => select(vec!["{0}", "{1}", "{2}", "{0,0}", "{0,1}", "{0,2}", "{1,2}", "{2,}", "{0,}"]),
        1 => select(vec!["{ 1 , 2 }", "{1 }", "{,2}", "{}", "{00}", "{2001}", "{1\n}", "**", "+?"]),
    ]
}

fn choice(item: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let times = prop::option::weighted(0.25, times()).prop_map(Option::unwrap_or_default);
    let item =
        (item, times, space()).prop_map(|(item, times, space)| format!("{item}{times}{space}"));
    let sequence = prop::collection::vec(item, 0..4)
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

fn grammar(leaf: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let name = prop_oneof![
        20 => select(vec!["r1", "r-2", "r1", "r-2", "root"]),
        1 => select(vec!["r9", "r_1"]),
    ];
    let leaf = prop_oneof![5 => leaf, 2 => name.prop_map(str::to_owned)];
    let item = leaf.prop_recursive(3, 12, 3, |item| {
        (space(), choice(item.boxed())).prop_map(|(space, choice)| format!("({space}{choice})"))
    });
    let rule = choice(item.boxed()).boxed();
    let again = (select(vec!["root", "r1", "r-2", "unused"]), rule.clone());
    (
        (line(), rule.clone()),
        (line(), rule.clone()),
        (line(), rule),
        prop::option::weighted(0.2, again),
        prop::option::weighted(0.1, select(vec!["\n", " \n ", "# before\n"])),
    )
        .prop_map(|((_, root), (one, first), (two, second), again, before)| {
            let again = again.map(|(name, rule)| format!("\n{name} ::={rule}\n"));
            format!(
                "{}root ::= {root}{one}r1 ::= {first}{two}r-2::={second}{}",
                before.unwrap_or_default(),
                again.unwrap_or_default()
            )
        })
}
