//! The form that an answer must have.

use serde_json::{Value as Json, json};

use super::block::{Block, block};
use super::kind::{Any, Kind};
use super::problem::{Check, Problem};
use super::value::Value;

/// The form that an answer must have. The sender of the request chooses its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputForm {
    /// A JSON value that matches this JSON Schema.
    JsonSchema(String),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// A text of this grammar, in llguidance's variant of Lark.
    Lark(String),
    /// A text of this grammar, in llama.cpp's GBNF.
    Gbnf(String),
}

impl OutputForm {
    /// Maximum number of bytes of a form.
    pub const MAX_BYTES: usize = 64 << 10;
}

block! {
    /// The form that an answer must have. There is at most one. An empty text removes the form that
    /// the next level sets.
    pub struct Output in "output" {
        /// JSON Schema of the answer, as a text or, in documents, as an object. The answer has no
        /// white space between its parts but one space after a comma or a colon.
        json_schema: FormText, else "none", "json_schema", [], Form { is_json: true };
        /// Regular expression that must match the whole answer.
        regex: FormText, else "none", "regex", [], Form { is_json: false };
        /// Grammar of the answer, in llguidance's variant of Lark.
        lark: FormText, else "none", "lark", ["lark_grammar"], Form { is_json: false };
        /// Grammar of the answer, in llama.cpp's GBNF.
        grammar: FormText, else "none", "grammar", ["gbnf"], Form { is_json: false };
        /// Whether the answer is the prompt's vector instead of a text. This holds for `compute` of
        /// wasi:nn only: other calls have one kind of answer. A model that cannot generate text
        /// gives a vector, unless this is false.
        embedding: bool, else "false", "embedding", ["embeddings"], Any;
    }
}

impl Output {
    /// No form, even if the next level sets one.
    #[must_use]
    pub fn free() -> Self {
        Self {
            grammar: Some(FormText::default()),
            ..Self::default()
        }
    }

    /// The form in force where this level is above `base`. Forms exclude each other, so a level
    /// that sets one hides those of `base`.
    #[must_use]
    pub fn over<'a>(&'a self, base: &'a Self) -> &'a Self {
        if self.is_set() { self } else { base }
    }

    /// Whether anything is set.
    pub(crate) fn is_set(&self) -> bool {
        Self::KEYS.iter().any(|key| (key.json)(self).is_some())
    }

    /// Reports more than one form.
    pub(crate) fn check_one(&self, check: &mut Check) {
        let is_given = |text: &&FormText| !text.0.is_empty();
        let texts = [&self.json_schema, &self.regex, &self.lark, &self.grammar];
        let given = texts.into_iter().flatten().filter(is_given).count()
            + usize::from(self.embedding == Some(true));
        check.that(given <= 1, || {
            Problem::new(
                Self::SECTION,
                format_args!("{given} forms"),
                "at most one of them",
            )
        });
    }

    /// The form, if there is one.
    pub(crate) fn in_force(self) -> Option<OutputForm> {
        let of = |text: Option<FormText>, form: fn(String) -> OutputForm| {
            text.filter(|text| !text.0.is_empty())
                .map(|text| form(text.0))
        };
        of(self.json_schema, OutputForm::JsonSchema)
            .or_else(|| of(self.regex, OutputForm::Regex))
            .or_else(|| of(self.lark, OutputForm::Lark))
            .or_else(|| of(self.grammar, OutputForm::Gbnf))
    }
}

impl From<OutputForm> for Output {
    fn from(form: OutputForm) -> Self {
        let mut output = Self::default();
        let (field, text) = match form {
            OutputForm::JsonSchema(text) => (&mut output.json_schema, text),
            OutputForm::Regex(text) => (&mut output.regex, text),
            OutputForm::Lark(text) => (&mut output.lark, text),
            OutputForm::Gbnf(text) => (&mut output.grammar, text),
        };
        *field = Some(FormText(text));
        output
    }
}

/// The text of a form. Empty means none.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FormText(pub String);

/// The rule for the text of a form.
#[derive(Debug)]
pub(crate) struct Form {
    /// Whether a document may contain a JSON value instead of a text.
    is_json: bool,
}

impl Kind for FormText {
    type Rule = Form;

    fn read(value: &Value, rule: &Form) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self(text.clone())),
            Value::Table(_) | Value::Bool(_) if rule.is_json => {
                Some(Self(value.to_json()?.to_string()))
            }
            _ => None,
        }
    }

    fn refuse(&self, _: &Form) -> Option<String> {
        let bytes = self.0.len();
        (bytes > OutputForm::MAX_BYTES).then(|| format!("a text of {bytes} bytes"))
    }

    fn allowed(rule: &Form) -> String {
        let most = OutputForm::MAX_BYTES;
        let also = if rule.is_json { " or an object" } else { "" };
        format!("a text{also} of at most {most} bytes (empty: none)")
    }

    fn json(&self) -> Json {
        json!(self.0)
    }

    fn schema(rule: &Form) -> Json {
        let text = json!({"type": "string", "maxLength": OutputForm::MAX_BYTES});
        if rule.is_json {
            json!({"anyOf": [text, {"type": ["object", "boolean"]}]})
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests;
