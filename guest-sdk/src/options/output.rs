//! The form that an answer must have.

use crate::bindings::mynah::llm::settings as wit;

/// The form that an answer must have. An answer that ends by itself always has it. An answer that
/// was cut short may not; its [`FinishReason`](crate::FinishReason) says why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputForm {
    /// No form, even if the session or the operator set one.
    Free,
    /// A JSON value that matches this JSON Schema. It has no white space between its parts but one
    /// space after a comma or a colon. If the schema of an object says nothing about further
    /// properties, the model may add some.
    JsonSchema(String),
    /// Text that this regular expression matches as a whole.
    Regex(String),
    /// Text of this grammar, in llguidance's variant of Lark.
    Lark(String),
    /// Text of this grammar, in llama.cpp's GBNF.
    Gbnf(String),
}

/// The output form of a Rust type: JSON that [`Answer::json`](crate::Answer::json) reads as `T`.
///
/// Objects have the properties of their type and no others. A type may allow others with
/// `#[schemars(extend("additionalProperties" = true))]`, or with a flattened map. A model that may
/// add properties often does so until the answer is cut short.
///
/// ```
/// use mynah_guest::{Options, json_schema};
///
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct Person {
///     name: String,
///     age: u8,
/// }
///
/// let options = Options::from(json_schema::<Person>()).max_tokens(200);
/// # let _ = options;
/// ```
#[cfg(feature = "json")]
#[must_use]
pub fn json_schema<T: schemars::JsonSchema>() -> OutputForm {
    let mut schema = schemars::schema_for!(T).to_value();
    super::closed::close(&mut schema);
    OutputForm::JsonSchema(schema.to_string())
}

impl From<OutputForm> for wit::OutputForm {
    fn from(form: OutputForm) -> Self {
        match form {
            OutputForm::Free => Self::Free,
            OutputForm::JsonSchema(text) => Self::JsonSchema(text),
            OutputForm::Regex(text) => Self::Regex(text),
            OutputForm::Lark(text) => Self::Lark(text),
            OutputForm::Gbnf(text) => Self::Gbnf(text),
        }
    }
}
