//! Tests of GBNF: grammars are parsed, translated and followed.

use super::super::tests::{grammars, has_form, refused};
use super::supported::SUPPORTED;
use super::{Tokens, to_lark};
use mynah_core::TokenId;
use mynah_settings::OutputForm;
use mynah_settings::supported::{self, Support};

/// Ten tokens. `<end>` is 7 and ends an answer, `<turn>` is 8.
pub(super) struct Ten;

impl Tokens for Ten {
    fn count(&self) -> u32 {
        10
    }

    fn find(&self, name: &str) -> Option<u32> {
        [("<end>", 7), ("<turn>", 8)]
            .into_iter()
            .find_map(|(known, id)| (known == name).then_some(id))
    }

    fn is_end(&self, id: u32) -> bool {
        id == 7
    }

    fn is_usable(&self, id: u32) -> bool {
        id < 10 && id != 9
    }

    fn text(&self, _: u32) -> Vec<u8> {
        Vec::new()
    }
}

pub(super) fn gbnf(text: &str) -> OutputForm {
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
    let form = gbnf(JSON);
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
        ("root ::= [0-9]{2} | \"x\"{3,}", "12", true),
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
        assert_eq!(
            has_form(&grammars, &gbnf(grammar), text),
            expected,
            "{grammar} {text:?}"
        );
    }
}

#[test]
fn tokens_are_named_by_number_or_text() {
    let lark = to_lark("root ::= <[3]> !<[4]> <turn> !<turn> !<[99]>", &Ten);
    let lark = lark.unwrap().lark;
    assert!(lark.contains("r0: <[3]> o4 <[8]> o8 o99\n"), "{lark}");
    // No other may be a token that ends the answer, or one that no answer has.
    assert!(
        lark.contains("\no4: <[3]> | <[8]> | <[0-2,5-6]>\n"),
        "{lark}"
    );
    assert!(
        lark.contains("\no8: <[3]> | <[4]> | <[0-2,5-6]>\n"),
        "{lark}"
    );
}

#[test]
fn another_token_is_followed_beside_the_tokens_of_the_grammar() {
    let grammars = grammars();
    let form = gbnf("root ::= !<[97]>* <[98]> <[99]> | <[98]> <[98]>");
    for (text, expected) in [
        ("bc", true),
        ("bb", true),
        ("bbbc", true),
        ("xbc", true),
        ("xbb", false),
        ("abc", false),
    ] {
        assert_eq!(has_form(&grammars, &form, text), expected, "{text}");
    }
}

/// Case nul-in-class.
#[test]
fn nul_in_a_class_changes_nothing() {
    let grammars = grammars();
    let form = gbnf("root ::= \"<\" [^>\\x00-\\x1F]+ \">\"");
    assert!(has_form(&grammars, &form, "<a b>"));
    assert!(!has_form(&grammars, &form, "<a\tb>"));
    assert!(has_form(&grammars, &gbnf("root ::= [a\\x00]"), "a"));
    assert!(!has_form(&grammars, &gbnf("root ::= ."), "\0"));
    assert!(!has_form(&grammars, &gbnf("root ::= [^a]"), "\0"));
}

/// Case nul-string.
#[test]
fn nul_in_the_class_of_a_string_changes_nothing() {
    let form = gbnf(
        "root ::= quoted\n\
         quoted ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" [\"nt] )* \"\\\"\"",
    );
    assert!(has_form(&grammars(), &form, r#""a\n\"b""#));
    assert!(!has_form(&grammars(), &form, "\"a\n\""));
}

/// Case repeat-none.
#[test]
fn repeated_no_times_is_nothing() {
    let grammars = grammars();
    for none in ["{0}", "{0,0}", "{ 0 }", "{00}"] {
        let form = gbnf(&format!("root ::= \"a\" \"b\"{none} \"c\""));
        assert!(has_form(&grammars, &form, "ac"), "{none}");
        assert!(!has_form(&grammars, &form, "abc"), "{none}");
    }
    // As in llama.cpp, nothing is left to repeat.
    let again = refused(&gbnf("root ::= \"a\"{0}*"));
    assert!(again.contains("nothing before it to repeat"), "{again}");
}

/// Case rule-twice.
#[test]
fn the_last_definition_of_a_rule_counts() {
    let grammars = grammars();
    let form = gbnf("root ::= colour\ncolour ::= \"red\"\ncolour ::= \"blue\"\n");
    assert!(has_form(&grammars, &form, "blue"));
    assert!(!has_form(&grammars, &form, "red"));
    // What only a replaced definition needs is not needed.
    let form = gbnf("root ::= (none | \"x\")\nroot ::= \"y\"");
    assert!(has_form(&grammars, &form, "y"));
}

/// Case surrogates.
#[test]
fn a_range_of_surrogates_has_no_character() {
    let grammars = grammars();
    let form = gbnf("root ::= \"k\" [^\\uD800-\\uDFFF]{1,4}");
    assert!(has_form(&grammars, &form, "ka\u{e000}😀"));
    assert!(!has_form(&grammars, &form, "k"));
    let form = gbnf("root ::= [\\uD700-\\uE000] [\\UFFFFFFFFa]");
    assert!(has_form(&grammars, &form, "\u{d7ff}a"));
}

/// Case control-token-inside.
#[test]
fn a_token_that_ends_the_answer_is_taken_at_the_end_alone() {
    let grammars = grammars();
    for taken in [
        "root ::= \"a\" <end>",
        "root ::= \"a\" (<end> | <turn> | \"b\")",
        "root ::= \"a\" last\nlast ::= \"b\"? <end>?",
        "root ::= \"a\" <[256]>\nunused ::= <end> \"b\"",
    ] {
        let form = gbnf(taken);
        assert!(has_form(&grammars, &form, "a"), "{taken}");
    }
    for (inside, place) in [
        ("root ::= \"go\" <end> \"on\"", "line 1, column 15"),
        ("root ::= \"a\" (<end> | \"b\") \"c\"", "line 1, column 15"),
        ("root ::= \"a\" <end>*", "line 1, column 14"),
        (
            "root ::= a \"b\" | a\na ::= last\nlast ::= \"a\" <end>",
            "line 3, column 14",
        ),
        ("root ::= <end> <turn>", "line 1, column 10"),
    ] {
        let told = refused(&gbnf(inside));
        assert!(told.starts_with(place), "{inside}: {told}");
        assert!(
            told.contains("this token ends the answer"),
            "{inside}: {told}"
        );
    }
}

#[test]
fn what_no_text_matches_is_left_out_unless_nothing_is_left() {
    let grammars = grammars();
    for text in [
        "root ::= \"a\" | \"b\\x00\"",
        "root ::= \"a\" \"\\uD800\"?",
        "root ::= \"a\" none* | none\nnone ::= \"x\" [\\x00] | none \"y\"\n",
    ] {
        assert!(has_form(&grammars, &gbnf(text), "a"), "{text}");
        assert!(!has_form(&grammars, &gbnf(text), "b"), "{text}");
    }
    let told = refused(&gbnf("root ::= \"a\" b\nb ::= \"b\\x00\""));
    assert!(
        told.starts_with("line 2, column 9: no text has this"),
        "{told}"
    );
}

#[test]
fn deep_parentheses_are_read() {
    let grammars = grammars();
    for depth in [65, 200] {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        let form = gbnf(&format!("root ::= {open}\"a\"{close}"));
        assert!(has_form(&grammars, &form, "a"), "{depth}");
    }
    let form = gbnf(&format!(
        "root ::= {}\"b\"{}",
        "(\"a\" | ".repeat(100),
        ")".repeat(100)
    ));
    assert!(has_form(&grammars, &form, "b"));
    for deep in [
        format!("root ::= {}\"a\"{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("root ::= {}", "(".repeat(60_000)),
        format!("root ::= \"a\"{}", "*".repeat(60_000)),
        format!("root ::= \"a\"{}", "{1}".repeat(20_000)),
    ] {
        // Taken or refused, the process lives.
        let _ = grammars.constraint(&gbnf(&deep));
    }
}

#[test]
fn a_choice_between_thousands_of_words_is_followed() {
    let grammars = grammars();
    let words: Vec<String> = (0..3000).map(|n| format!("\"word-{n:04}\"")).collect();
    let form = gbnf(&format!("root ::= ({}) \";\"", words.join(" | ")));
    assert!(has_form(&grammars, &form, "word-1999;"));
    assert!(!has_form(&grammars, &form, "word-3000;"));
    let nested = format!(
        "root ::= {}\"b\"{}",
        "(\"a\" | ".repeat(900),
        ")".repeat(900)
    );
    assert!(has_form(&grammars, &gbnf(&nested), "b"));
    let form = gbnf("root ::= (\"ab\" | \"ac\" | \"a\" | \"ab\" | \"b\" |) \"x\"");
    for text in ["abx", "acx", "ax", "x", "bx"] {
        assert!(has_form(&grammars, &form, text), "{text}");
    }
    assert!(!has_form(&grammars, &form, "adx"));
}

#[test]
fn each_construct_is_supported_as_the_page_says() {
    let grammars = grammars();
    for row in SUPPORTED {
        let taken = grammars.constraint(&gbnf(row.example));
        match row.support {
            Support::Yes => assert!(taken.is_ok(), "{}: {taken:?}", row.construct),
            Support::No => {
                let told = taken.expect_err(row.construct).to_string();
                assert!(told.contains("line 1, column"), "{}: {told}", row.construct);
            }
            Support::Partly => {
                let notes = taken.unwrap().notes().to_vec();
                assert!(!notes.is_empty(), "{}", row.construct);
            }
        }
    }
    let page = include_str!("../../../../docs/supported.md");
    let table = supported::table(SUPPORTED);
    assert_eq!(
        supported::section(page, "GBNF"),
        Some(table.as_str()),
        "{table}"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, told) in [
        ("", "line 1, column 1: there is no rule `root`"),
        ("a ::= \"x\"", "there is no rule `root`"),
        ("root ::= a", "line 1, column 10: there is no rule `a`"),
        ("root = \"x\"", "line 1, column 6: `::=` is missing"),
        ("root ::= \"x", "ends within a literal"),
        ("root ::= [x", "ends within a literal or a class"),
        ("root ::= []", "no character between"),
        ("root ::= [^]", "no character between"),
        (
            "root ::= [xz-a]",
            "line 1, column 12: the range `z-a` has no character",
        ),
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
        ("root ::= \"\\uD80\"", "hex digits"),
        ("root ::= \"\\x4\"", "hex digits"),
        (
            "root ::= \"\\x00\"",
            "line 1, column 11: no text has this character",
        ),
        ("root ::= \"a\0b\"", "character with code 0"),
        ("root ::= <x", "between `<` and `>`"),
        ("root ::= <x>", "no single token `<x>`"),
        ("root ::= <[99999999999]>", "no single token"),
        ("root ::= <[+1]>", "no single token"),
        ("root ::= <[10]>", "no single token"),
        ("root ::= <[9]>", "no single token"),
        ("root ::= \"x\"{\n1}", "number of repetitions is missing"),
        (
            "root ::= \"a\"\n| \"b\"",
            "line 2, column 1: a rule's name is missing",
        ),
        ("root ::= é", "out of place"),
    ] {
        let mistake = to_lark(text, &Ten).unwrap_err().to_string();
        assert!(mistake.contains(told), "{text:?}: {mistake}");
    }
}

#[test]
fn what_is_followed_otherwise_than_written_is_noted_with_its_place() {
    let grammars = grammars();
    let notes = |text| grammars.constraint(&gbnf(text)).unwrap().notes().to_vec();
    let again = notes("root ::= a\na ::= \"x\"\n a ::= \"y\"\nroot ::= a");
    assert_eq!(again.len(), 2, "{again:?}");
    assert!(
        again[0].starts_with("line 3, column 2: this rule was defined before"),
        "{again:?}"
    );
    for doubtful in ["root ::= <[97]> | [a-z]", "root ::= !<[97]> | \"b\""] {
        let notes = notes(doubtful);
        assert!(notes[0].contains("is followed"), "{doubtful}: {notes:?}");
    }
    for clear in [
        "root ::= <[97]> [b-z]",
        "root ::= <think> [a-z]",
        "root ::= <think> [^<]*",
        "root ::= a\na ::= a \"x\" | \"y\"",
    ] {
        assert_eq!(notes(clear), Vec::<String>::new(), "{clear}");
    }
}

#[test]
fn too_many_ways_to_go_on_are_told_in_the_words_of_the_grammar() {
    let grammars = grammars();
    let mut constraint = grammars
        .constraint(&gbnf("root ::= [a-z]* [a-z]*"))
        .unwrap();
    let a = TokenId(b'a'.into());
    let lost = (0..2000).find_map(|_| constraint.accept(a).err());
    let lost = lost.unwrap().to_string();
    assert!(
        lost.starts_with("after ") && lost.contains("`[a-z]*` for"),
        "{lost}"
    );
}

#[test]
fn long_answers_of_recursion_and_repetitions_are_followed() {
    let grammars = grammars();
    let words = "an answer of words ".repeat(200);
    for grammar in [
        "root ::= ([a-z]+ \" \"?)*",
        "root ::= (word space)+\nword ::= [a-z]+\nspace ::= [ ]*",
        "root ::= [a-z ] root | \"\"",
        "root ::= [a-z ] root?",
        "root ::= [a-z ] (\"\" | root)",
        "root ::= (([a-z]* \" \"*)+)?",
        "root ::= ([a-z]+ | [ ]+)*",
        "root ::= word \" \" root | \"\"\nword ::= [a-z] word | [a-z]",
        "root ::= line*\nline ::= [a-z]* \" \"?",
    ] {
        assert!(has_form(&grammars, &gbnf(grammar), &words), "{grammar}");
    }
    // Groups before the recursion stand in several places then.
    let form = gbnf("root ::= (\"x\" | \"y\") (\"z\" root | \"w\")?");
    for text in ["x", "yw", "xzy", "xzyzxw"] {
        assert!(has_form(&grammars, &form, text), "{text}");
    }
    assert!(!has_form(&grammars, &form, "xz"));
}

#[test]
fn a_grammar_of_the_largest_size_is_taken() {
    let grammars = grammars();
    let text = format!("root ::= \"{}\"", "ab".repeat(32_000));
    assert!(!has_form(&grammars, &gbnf(&text), "abc"));
}
