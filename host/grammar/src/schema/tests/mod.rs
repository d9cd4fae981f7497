//! Tests of schemas as a whole: what is taken, noted and refused, and which answers have the form.

mod cases;
mod corpus;
mod hostile;
mod promise;
mod rust_types;
mod suite;
mod within_lark;

use std::sync::LazyLock;

use mynah_core::TokenId;
use serde_json::{Value, json};

use super::*;
use crate::tests::{grammars, schema as form};
use crate::{Constraint, GrammarError, Grammars};

/// The state at the beginning of an answer with this schema, in a vocabulary of bytes.
pub(super) fn constraint(schema: &Value) -> Result<Constraint, String> {
    // What all constraints of a vocabulary share is built once.
    static GRAMMARS: LazyLock<Grammars> = LazyLock::new(grammars);
    GRAMMARS
        .constraint(&form(&schema.to_string()))
        .map_err(|error| match error {
            GrammarError::Form { reason, .. } => reason,
            GrammarError::Thread(error) => panic!("{error}"),
        })
}

/// Whether the text is a whole answer.
pub(super) fn takes(schema: &Value, text: &str) -> bool {
    let taken = constraint(schema);
    let mut taken = taken.unwrap_or_else(|reason| panic!("{schema} is refused: {reason}"));
    follows(&mut taken, text)
}

/// Whether the text is a whole answer of a form that has just begun.
pub(super) fn follows(constraint: &mut Constraint, text: &str) -> bool {
    for byte in text.bytes() {
        let token = TokenId(byte.into());
        if constraint.is_complete() || !constraint.allows(token).unwrap() {
            return false;
        }
        constraint.accept(token).unwrap();
    }
    constraint.is_complete() || constraint.allows(TokenId(256)).unwrap()
}

/// Why a schema is refused.
pub(super) fn refused(schema: &Value) -> String {
    match constraint(schema) {
        Ok(_) => panic!("{schema} is taken"),
        Err(reason) => reason,
    }
}

#[test]
fn a_schema_within_another_object_is_refused_with_its_place() {
    let inner = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let refused = refused(&json!({"name": "answer", "strict": true, "schema": inner.clone()}));
    assert!(refused.contains("`/schema`"), "{refused}");
    // A property of that name is one.
    constraint(&json!({"type": "object", "properties": {"schema": inner}})).unwrap();
}

#[test]
fn what_is_no_schema_is_refused_with_the_reason() {
    for (text, reason) in [
        ("{\"type\": ", "line 1 column 9"),
        ("[]", "an object"),
        ("7", "an object"),
        ("false", "no value"),
        (&"{\"items\":".repeat(7000), "recursion limit"),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.contains(reason), "{text:.40}: {refused}");
    }
}
