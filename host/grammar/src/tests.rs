//! Tests that follow forms over small vocabularies.

use std::sync::Arc;

use mynah_core::{Shape, TokenId};
use mynah_settings::OutputForm;

use super::{Constraint, ConstraintError, GrammarError, Grammars, Vocabulary};

/// The token that ends an answer; those before it are the 256 bytes.
const END: i32 = 256;

/// An artificial vocabulary.
struct Words {
    /// The text of each token.
    texts: Vec<Vec<u8>>,
    /// The names of some tokens without text.
    names: Vec<(i32, &'static str)>,
    ends: Vec<i32>,
}

impl Vocabulary for Words {
    fn token_count(&self) -> u32 {
        self.texts.len() as u32
    }

    fn text(&self, token: TokenId) -> Vec<u8> {
        self.texts[token.0 as usize].clone()
    }

    fn name(&self, token: TokenId) -> Vec<u8> {
        let named = self.names.iter().find(|(id, _)| *id == token.0);
        named.map_or_else(Vec::new, |(_, name)| name.as_bytes().to_vec())
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.ends.contains(&token.0)
    }

    fn find(&self, name: &str) -> Option<TokenId> {
        let mut all = (0..self.texts.len() as i32).map(TokenId);
        all.find(|&id| self.text(id) == name.as_bytes() || self.name(id) == name.as_bytes())
    }
}

/// All bytes, two end tokens, a token without text, and some longer tokens.
fn words(more: &[&str]) -> Words {
    let mut texts: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    // This byte never occurs in UTF-8, and llguidance marks special tokens with it.
    texts[255].clear();
    texts.extend([Vec::new(), Vec::new(), Vec::new()]);
    texts.extend(more.iter().map(|word| word.as_bytes().to_vec()));
    Words {
        texts,
        names: vec![(END, "<end>"), (END + 1, "<turn>")],
        ends: vec![END, END + 1],
    }
}

pub(super) fn grammars() -> Grammars {
    Grammars::new(Arc::new(words(&["ab", "{\"", "}}", "true", "<think>"])))
}

pub(super) fn schema(text: &str) -> OutputForm {
    OutputForm::JsonSchema(text.to_owned())
}

pub(super) fn regex(text: &str) -> OutputForm {
    OutputForm::Regex(text.to_owned())
}

pub(super) fn lark(text: &str) -> OutputForm {
    OutputForm::Lark(text.to_owned())
}

/// Follows the text byte by byte. Returns how many bytes were allowed, and whether the answer may
/// end there.
fn follow(constraint: &mut Constraint, text: &str) -> (usize, bool) {
    for (count, byte) in text.bytes().enumerate() {
        let token = TokenId(byte.into());
        if constraint.is_complete() || !constraint.allows(token).unwrap() {
            return (count, false);
        }
        constraint.accept(token).unwrap();
    }
    let may_end = constraint.is_complete() || constraint.allows(TokenId(END)).unwrap();
    (text.len(), may_end)
}

/// Whether the text as a whole has the form.
pub(super) fn has_form(grammars: &Grammars, form: &OutputForm, text: &str) -> bool {
    let mut constraint = grammars.constraint(form).unwrap();
    follow(&mut constraint, text) == (text.len(), true)
}

pub(super) fn refused(form: &OutputForm) -> String {
    match grammars().constraint(form) {
        Err(GrammarError::Form { reason, .. }) => reason,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("taken: {form:?}"),
    }
}

#[test]
fn a_text_has_its_form_or_has_it_not() {
    let grammars = grammars();
    let number = schema("{\"type\": \"integer\", \"minimum\": 0}");
    let object = schema(
        "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"boolean\"}}, \
         \"required\": [\"a\"], \"additionalProperties\": false}",
    );
    for (form, text, expected) in [
        (&number, "12", true),
        (&number, "-12", false),
        (&number, "12 ", false),
        (&object, "{\"a\":true}", true),
        (&object, "{\"a\": false}", true),
        (&object, "{\"b\":true}", false),
        (&object, "{}", false),
        (&regex("[a-c]+x"), "abcx", true),
        (&regex("[a-c]+x"), "abc", false),
        (&regex("^a|b$"), "b", true),
        (&regex("(?i)straße"), "STRASSE", false),
        (&regex(".é"), "éé", true),
        (&lark("start: A \"-\" A\nA: /[0-9]{2}/"), "12-34", true),
        (&lark("start: A \"-\" A\nA: /[0-9]{2}/"), "12-3", false),
    ] {
        assert_eq!(
            has_form(&grammars, form, text),
            expected,
            "{form:?} {text:?}"
        );
    }
}

#[test]
fn an_end_token_is_allowed_where_the_answer_is_whole_and_only_there() {
    let grammars = grammars();
    let mut constraint = grammars.constraint(&regex("ab*")).unwrap();
    for end in [END, END + 1] {
        assert!(!constraint.allows(TokenId(end)).unwrap());
    }
    assert_eq!(follow(&mut constraint, "abb"), (3, true));
    assert!(!constraint.is_complete(), "more may come");
    for end in [END, END + 1] {
        assert!(constraint.allows(TokenId(end)).unwrap());
    }
}

#[test]
fn an_answer_is_complete_when_nothing_may_follow() {
    let grammars = grammars();
    let mut constraint = grammars
        .constraint(&schema("{\"enum\": [{\"a\": 1}]}"))
        .unwrap();
    assert_eq!(follow(&mut constraint, "{\"a\":1"), (6, false));
    assert!(!constraint.is_complete());
    constraint.accept(TokenId(b'}'.into())).unwrap();
    assert!(constraint.is_complete());
}

#[test]
fn one_token_is_allowed_exactly_when_it_is_among_all_that_are() {
    let grammars = grammars();
    for form in [
        schema("{\"type\": \"object\", \"properties\": {\"ab\": {\"type\": \"string\"}}}"),
        regex("(ab|true|é)*x?"),
        OutputForm::Gbnf("root ::= \"ab\" root | [^b]".to_owned()),
    ] {
        for text in ["", "{", "{\"", "ab", "a"] {
            let mut constraint = grammars.constraint(&form).unwrap();
            if follow(&mut constraint, text).0 < text.len() || constraint.is_complete() {
                continue;
            }
            constraint.allowed = None;
            let tokens = -1..=words(&["ab", "{\"", "}}", "true"]).texts.len() as i32;
            let each: Vec<bool> = tokens
                .clone()
                .map(|token| constraint.allows(TokenId(token)).unwrap())
                .collect();
            constraint.allowed().unwrap();
            let all: Vec<bool> = tokens
                .map(|token| constraint.allows(TokenId(token)).unwrap())
                .collect();
            assert_eq!(each, all, "{form:?} after {text:?}");
        }
    }
}

#[test]
fn tokens_without_text_and_numbers_of_none_are_refused() {
    let grammars = grammars();
    let mut constraint = grammars.constraint(&regex("(?s:.*)")).unwrap();
    constraint.allowed = None;
    for token in [255, 258, 10_000, -1, i32::MAX] {
        assert!(!constraint.allows(TokenId(token)).unwrap(), "{token}");
    }
}

#[test]
fn logits_of_other_tokens_are_taken_out() {
    let grammars = grammars();
    let mut constraint = grammars.constraint(&regex("ab|b")).unwrap();
    // A model may have more logits than tokens.
    let mut logits = vec![1.0; 300];
    let allowed = constraint.allowed().unwrap();
    for (id, logit) in (0..).zip(&mut logits) {
        if !allowed.has(TokenId(id)) {
            *logit = f32::NEG_INFINITY;
        }
    }
    let left: Vec<usize> = (0..300).filter(|&id| logits[id] > 0.0).collect();
    assert_eq!(left, [97, 98, 259], "`a`, `b` and `ab`");
}

#[test]
fn a_vocabulary_that_lacks_a_character_leads_to_a_dead_end() {
    let mut words = words(&[]);
    words.texts[usize::from(b'c')].clear();
    let grammars = Grammars::new(Arc::new(words));
    let mut constraint = grammars.constraint(&regex("abc")).unwrap();
    assert_eq!(follow(&mut constraint, "ab"), (2, false));
    assert_eq!(constraint.allowed().err(), Some(ConstraintError::DeadEnd));
}

/// Newcomer 3: a third of a pretty-printed answer is white space.
#[test]
fn json_has_at_most_one_space_after_a_separator_and_no_other_white_space() {
    let grammars = grammars();
    let form = schema("{\"type\": [\"array\", \"object\"]}");
    for text in [
        "[1,2]",
        "[1, 2]",
        "{\"a\":1,\"b\":[]}",
        "{\"a\": 1, \"b\": {}}",
        "[\" \"]",
    ] {
        assert!(has_form(&grammars, &form, text), "{text}");
    }
    for text in [
        "[ ]",
        "[1 ]",
        "[1 ,2]",
        "[1,  2]",
        "[1,\n2]",
        " []",
        "{\n\"a\":1}",
        "{\"a\" :1}",
    ] {
        assert!(!has_form(&grammars, &form, text), "{text}");
    }
}

#[test]
fn what_is_malformed_is_refused_with_what_is_wrong() {
    for (form, reason) in [
        (schema("{\"type\": \"banana\"}"), "banana"),
        (schema("{\"type\":"), "line 1 column 8"),
        (schema("{\"$ref\": \"#/$defs/x\"}"), "/$defs/x"),
        (
            schema("{\"$ref\": \"http://localhost:1/x\"}"),
            "does not fetch",
        ),
        (
            schema("{\"$ref\": \"file:///etc/passwd\"}"),
            "does not fetch",
        ),
        (schema("{\"uniqueItems\": true}"), "uniqueItems"),
        (schema("{\"$ref\": \"#\"}"), "no text has this form"),
        (regex("(ab"), "unclosed group"),
        (regex("(?=a)b"), "look-around"),
        (regex("ab\\"), "incomplete escape"),
        (regex("\\p{Banana}"), "not found"),
        (lark("start: ("), "1("),
        (lark("begin: \"a\""), "start"),
        (lark("start: \"a\0\""), "lexer error"),
        (lark("start: <|banana|>"), "banana"),
        (
            lark("start: x\nx[temperature=0.5]: /a/"),
            "line 2, column 3",
        ),
    ] {
        let told = refused(&form);
        assert!(told.contains(reason), "{form:?}: {told}");
    }
}

#[test]
fn a_message_quotes_no_more_of_a_form_than_a_person_reads() {
    let told = refused(&lark(&format!("start: {}", "(".repeat(10_000))));
    assert!(told.len() < 1_200, "{} bytes", told.len());
}

/// `count` lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|number| line(number) + "\n").collect()
}

#[test]
fn forms_made_to_overflow_the_stack_do_not() {
    let open = |text: &str, count| text.repeat(count);
    let nested = lines(1_300, |n| {
        format!(
            "\"d{n}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{}\"}},{{}}]}},",
            n + 1
        )
    });
    for form in [
        regex(&open("(", 8_000)),
        regex(&(open("(", 240) + "a" + &open(")*", 240))),
        lark(&format!("start: {}", open("(", 16_000))),
        lark(&format!(
            "start: r0\n{}r1300: \"a\"",
            lines(1_300, |n| format!("r{n}: r{}", n + 1))
        )),
        lark(&format!(
            "start: R0\n{}R900: \"a\"",
            lines(900, |n| format!("R{n}: R{} \"b\"", n + 1))
        )),
        schema(&open("{\"items\":", 8_000)),
        schema(&(open("{\"items\":", 120) + "{}" + &open("}", 120))),
        schema(&format!(
            "{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{nested}\"d1300\":{{}}}}}}"
        )),
        OutputForm::Gbnf(format!("root ::= {}", open("(", 60_000))),
        OutputForm::Gbnf(
            lines(5_000, |n| format!("r{n} ::= r{}", n + 1)) + "r5000 ::= \"a\"\nroot ::= r0",
        ),
    ] {
        // Taken or refused, the process lives.
        let _ = grammars().constraint(&form);
    }
}

#[test]
fn forms_made_to_take_forever_end_with_an_error() {
    let patterns: Vec<String> = (0..40)
        .map(|n| format!("{{\"pattern\":\"k{n}\"}}"))
        .collect();
    for form in [
        schema(&format!("{{\"allOf\":[{}]}}", patterns.join(","))),
        lark("start: A\nA: /.*a.*/ & /.*b.*/"),
        lark(&format!(
            "start: R0\n{}R60: /a|b/",
            lines(60, |n| format!("R{n}: R{0} R{0}", n + 1))
        )),
        regex(&r"[\p{L}\w]*".repeat(800)),
        regex(&"x".repeat(9_000)),
        lark(&"x".repeat(17_000)),
    ] {
        refused(&form);
    }
}

#[test]
fn a_form_that_grows_too_much_on_its_way_is_lost_with_the_reason() {
    let grammars = grammars();
    // After each `a`, one more way to go on for each rule.
    let ways: Vec<String> = (1..60).map(|count| "e ".repeat(count)).collect();
    let form = lark(&format!("start: e\ne: {} | \"a\"", ways.join("|")));
    let mut constraint = grammars.constraint(&form).unwrap();
    let a = TokenId(b'a'.into());
    let lost = (0..1000).find_map(|_| constraint.accept(a).err());
    match lost {
        Some(ConstraintError::Failed(reason)) => assert!(reason.contains("items"), "{reason}"),
        other => panic!("{other:?}"),
    }
    // And from then on it says so, instead of falling over.
    assert!(constraint.accept(a).is_err());
    assert!(constraint.allowed().is_err());
}

#[test]
fn a_model_without_an_end_token_ends_with_what_is_complete() {
    let mut words = words(&[]);
    words.ends.clear();
    let grammars = Grammars::new(Arc::new(words));
    let mut constraint = grammars.constraint(&regex("ab")).unwrap();
    follow(&mut constraint, "ab");
    assert!(constraint.is_complete());
}

/// Follows tokens: bytes of a text, or a control token by its id. Returns whether all were allowed
/// and the answer may end.
fn has_shape(shape: &Shape, answer: &[Result<&str, i32>]) -> bool {
    let mut vocabulary = words(&[]);
    vocabulary.names.push((CALL, "[CALL]"));
    let mut constraint = Grammars::new(Arc::new(vocabulary)).shape(shape).unwrap();
    let tokens = answer.iter().flat_map(|part| match part {
        Ok(text) => text.bytes().map(|byte| TokenId(byte.into())).collect(),
        Err(control) => vec![TokenId(*control)],
    });
    for token in tokens {
        if constraint.is_complete() || !constraint.allows(token).unwrap() {
            return false;
        }
        constraint.accept(token).unwrap();
    }
    constraint.is_complete() || constraint.allows(TokenId(END)).unwrap()
}

/// A control token that does not end an answer.
const CALL: i32 = END + 2;

fn literal(text: &str) -> Shape {
    Shape::Literal(text.to_owned())
}

fn maybe(shape: Shape) -> Shape {
    Shape::Repeat {
        shape: Box::new(shape),
        least: 0,
        most: Some(1),
    }
}

#[test]
fn text_goes_on_to_its_end_or_to_a_marker_after_which_the_rest_is_forced() {
    let call = Shape::All(vec![
        literal("<tool>\n"),
        Shape::Json(r#"{"type": "integer"}"#.to_owned()),
        literal("</tool>"),
    ]);
    let text = Shape::Without(vec!["<tool>".to_owned()]);
    let shape = Shape::All(vec![text, maybe(call)]);
    for (answer, expected) in [
        ("", true),
        ("Just text, with < and <tool in it", true),
        ("<tool>\n12</tool>", true),
        ("Let me see.<tool>\n12</tool>", true),
        ("<<tool>\n12</tool>", true),
        ("Let me see.<tool>", false),
        ("Let me see.<tool> 12</tool>", false),
        ("Let me see.<tool>\nx", false),
        ("<tool>\n12</tool> and more", false),
    ] {
        assert_eq!(has_shape(&shape, &[Ok(answer)]), expected, "{answer}");
    }
}

#[test]
fn a_control_token_of_a_shape_is_the_token_and_not_its_name() {
    let call = Shape::All(vec![
        literal("[CALL]"),
        Shape::Any(vec![literal("a{}"), literal("b{}")]),
    ]);
    let more = Shape::Repeat {
        shape: Box::new(call),
        least: 1,
        most: None,
    };
    let text = Shape::Without(vec!["[CALL]".to_owned()]);
    let shape = Shape::All(vec![text, maybe(more)]);
    for (answer, expected) in [
        (&[Ok("text")][..], true),
        // Its name within text is text.
        (&[Ok("[CALL]a")], true),
        (&[Err(CALL), Ok("a{}")], true),
        (
            &[Ok("text"), Err(CALL), Ok("b{}"), Err(CALL), Ok("a{}")],
            true,
        ),
        (&[Ok("text"), Err(CALL)], false),
        (&[Err(CALL), Ok("c")], false),
        (&[Err(CALL), Ok("a{} text")], false),
    ] {
        assert_eq!(has_shape(&shape, answer), expected, "{answer:?}");
    }
}

#[test]
fn a_shape_ends_where_its_literal_names_a_token_that_ends_the_answer() {
    let shape = Shape::All(vec![literal("done<end>"), maybe(literal("more"))]);
    assert!(has_shape(&shape, &[Ok("done")]));
    let shape = Shape::All(vec![
        literal("a"),
        Shape::Form(regex("[0-9]{2}")),
        literal("b"),
    ]);
    assert!(has_shape(&shape, &[Ok("a12b")]));
    assert!(!has_shape(&shape, &[Ok("a1b")]));
}

#[test]
fn a_grammar_within_a_shape_is_refused_with_a_way_out() {
    let shape = Shape::Any(vec![literal("a"), Shape::Form(lark("start: \"b\""))]);
    let error = grammars().shape(&shape).unwrap_err().to_string();
    assert!(
        error.contains("JSON Schema or a regular expression"),
        "{error}"
    );
}
