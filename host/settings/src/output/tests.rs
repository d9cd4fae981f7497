//! Tests of the forms of an answer.

use super::*;

fn form(text: &str) -> Option<FormText> {
    Some(FormText(text.to_owned()))
}

#[test]
fn only_a_schema_may_be_an_object() {
    let object: Value = json!({"type": "string"}).into();
    let read = |value: &Value, is_json| FormText::read(value, &Form { is_json });
    assert_eq!(read(&object, true), form(r#"{"type":"string"}"#));
    assert_eq!(read(&Value::Bool(true), true), form("true"));
    assert_eq!(
        (read(&object, false), read(&Value::Bool(true), false)),
        (None, None)
    );
    for is_json in [true, false] {
        assert_eq!(read(&Value::Text("a".to_owned()), is_json), form("a"));
        assert_eq!(read(&Value::Integer(1), is_json), None);
    }
}

#[test]
fn a_form_has_64_kibibytes_at_most() {
    let rule = Form { is_json: false };
    let of = |bytes| FormText("x".repeat(bytes)).refuse(&rule);
    assert_eq!((of(0), of(65_536)), (None, None));
    assert_eq!(of(65_537).as_deref(), Some("a text of 65537 bytes"));
    assert_eq!(
        FormText::allowed(&rule),
        "a text of at most 65536 bytes (empty: none)"
    );
    let json = Form { is_json: true };
    assert_eq!(
        FormText::allowed(&json),
        "a text or an object of at most 65536 bytes (empty: none)"
    );
    let text = json!({"type": "string", "maxLength": 65_536});
    assert_eq!(FormText::schema(&rule), text);
    let any = json!({"anyOf": [text, {"type": ["object", "boolean"]}]});
    assert_eq!(FormText::schema(&json), any);
    assert_eq!(FormText("a".to_owned()).json(), json!("a"));
}

#[test]
fn each_form_is_in_force_alone_and_an_empty_one_is_none() {
    for form in [
        OutputForm::JsonSchema("{}".to_owned()),
        OutputForm::Regex("a".to_owned()),
        OutputForm::Lark("b".to_owned()),
        OutputForm::Gbnf("c".to_owned()),
    ] {
        let output = Output::from(form.clone());
        let mut check = Check::default();
        output.check_one(&mut check);
        check.done().unwrap();
        assert!(output.is_set());
        assert_eq!(output.in_force(), Some(form));
    }
    assert!(Output::free().is_set() && !Output::default().is_set());
    assert_eq!(Output::free().in_force(), None);
}

#[test]
fn vectors_and_empty_texts_count_as_forms_only_if_they_ask_for_something() {
    let told = |output: &Output| {
        let mut check = Check::default();
        output.check_one(&mut check);
        check.done().err().map(|error| error.to_string())
    };
    let regex = |embedding, lark| Output {
        regex: form("a"),
        lark: form(lark),
        embedding: Some(embedding),
        ..Output::default()
    };
    assert_eq!(told(&regex(false, "")), None);
    let two = told(&regex(true, "")).unwrap();
    assert!(two.contains("2 forms"), "{two}");
    let three = told(&regex(true, "b")).unwrap();
    assert!(three.contains("3 forms"), "{three}");
    let vectors = Output {
        embedding: Some(true),
        ..Output::default()
    };
    assert_eq!(told(&vectors), None);
}

#[test]
fn a_level_that_sets_a_form_hides_all_of_the_next() {
    let (one, other) = (
        Output::free(),
        Output::from(OutputForm::Lark("b".to_owned())),
    );
    let none = Output::default();
    assert_eq!((one.over(&other), none.over(&other)), (&one, &other));
}
