//! The form that an answer must have.

#[cfg(feature = "json")]
use schemars::generate::SchemaSettings;

use crate::bindings::mynah::llm::settings as wit;

/// The form that an answer must have. An answer that ends by itself always has it. An answer that
/// was cut short may not; its [`FinishReason`](crate::FinishReason) says why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputForm {
    /// No form, even if the session or the operator set one.
    Free,
    /// A JSON value that matches this JSON Schema. It has no white space between its parts but one
    /// space after a comma or a colon; `"x-whitespace": "any"` at the root of the schema allows
    /// any, and `"none"` none. No object has a property twice. If the schema of an object says
    /// nothing about further properties, the model may add some.
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
/// `#[schemars(extend("additionalProperties" = true))]`, with a flattened map, or with
/// [`JsonForm::open_objects`]. A model that may add properties often does so until the answer is
/// cut short.
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
///
/// # Panics
///
/// If [`json_schema_with`] refuses the type.
#[cfg(feature = "json")]
#[must_use]
pub fn json_schema<T: schemars::JsonSchema>() -> OutputForm {
    OutputForm::JsonSchema(schema_or_panic::<T>(SchemaSettings::default()).to_string())
}

/// What [`json_schema_with`] allows in an answer beside the values of a type. By default nothing.
#[cfg(feature = "json")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonForm {
    open_objects: bool,
    white_space: bool,
}

#[cfg(feature = "json")]
impl JsonForm {
    /// Objects may have properties that their type does not have, which serde ignores.
    #[must_use]
    pub fn open_objects(self) -> Self {
        Self {
            open_objects: true,
            ..self
        }
    }

    /// The answer may have any white space between its parts.
    #[must_use]
    pub fn white_space(self) -> Self {
        Self {
            white_space: true,
            ..self
        }
    }
}

/// The output form of a Rust type, as [`json_schema`], with more that an answer may have.
///
/// ```
/// use mynah_guest::{JsonForm, json_schema_with};
///
/// # fn main() -> mynah_guest::Result<()> {
/// let form = json_schema_with::<Vec<String>>(JsonForm::default().white_space())?;
/// # let _ = form;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Unsupported`](crate::Error::Unsupported): no schema says what serde reads as `T`. That
/// is so for maps whose keys are integers, unless a `propertyNames` says which. Keys of other maps
/// should be `String` or enums without data: schemars says nothing about what other types read.
#[cfg(feature = "json")]
pub fn json_schema_with<T: schemars::JsonSchema>(form: JsonForm) -> crate::Result<OutputForm> {
    let mut schema = schema_of::<T>(SchemaSettings::default(), form.open_objects)?;
    if form.white_space {
        match &mut schema {
            serde_json::Value::Object(schema) => {
                schema.insert("x-whitespace".to_owned(), "any".into());
            }
            // Any value.
            other => *other = serde_json::json!({"allOf": [other], "x-whitespace": "any"}),
        }
    }
    Ok(OutputForm::JsonSchema(schema.to_string()))
}

/// The schema of a tool's arguments. The model reads it, so it has no keys that say nothing about
/// them. Chat templates read the type of each argument, so it has no references, unless the type
/// refers to itself.
///
/// # Panics
///
/// If [`json_schema_with`] refuses the type.
#[cfg(feature = "json")]
pub(crate) fn arguments_schema<T: schemars::JsonSchema>() -> String {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let mut schema = schema_or_panic::<T>(settings);
    if let serde_json::Value::Object(schema) = &mut schema {
        schema.remove("$schema");
        schema.remove("title");
    }
    schema.to_string()
}

#[cfg(feature = "json")]
#[expect(
    clippy::panic,
    reason = "a type for which there is no schema is a mistake in the program"
)]
fn schema_or_panic<T: schemars::JsonSchema>(settings: SchemaSettings) -> serde_json::Value {
    match schema_of::<T>(settings, false) {
        Ok(schema) => schema,
        Err(error) => panic!("{error}"),
    }
}

/// The schema of a type, which says exactly what serde reads as the type.
#[cfg(feature = "json")]
fn schema_of<T: schemars::JsonSchema>(
    settings: SchemaSettings,
    open_objects: bool,
) -> crate::Result<serde_json::Value> {
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    super::readable::make_readable(&mut schema).map_err(|reason| {
        let name = T::schema_name();
        crate::Error::Unsupported(format!("`{name}` has no JSON Schema: {reason}"))
    })?;
    if !open_objects {
        super::closed::close(&mut schema);
    }
    Ok(schema)
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
