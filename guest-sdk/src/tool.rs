//! Tools that a model may call.

use crate::bindings::mynah::llm::conversation as wit;

/// A tool that a model may call: its name, its purpose, and its arguments.
///
/// With the feature `json`, `Tool::of` makes one of a Rust type, and
/// [`Toolbox`](crate::Toolbox) also runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Tool {
    /// The name: 1 to 128 letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What the tool does, for the model.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub description: Option<String>,
    /// The arguments: a JSON Schema of an object. `None` if the tool takes none.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub parameters: Option<String>,
    /// Whether the host makes the arguments of each call fit the schema. Without, they fit it if a
    /// call is required ([`ToolChoice`](crate::ToolChoice)), and are otherwise any JSON object.
    #[cfg_attr(feature = "json", serde(default))]
    pub strict: bool,
}

impl Tool {
    /// A tool without arguments that is not strict.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: Some(description.into()),
            parameters: None,
            strict: false,
        }
    }

    /// A strict tool whose arguments are a Rust type. The comments of the type and of its fields
    /// tell the model what they mean.
    ///
    /// ```
    /// use mynah_guest::Tool;
    ///
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Lines {
    ///     /// The first line, from 1.
    ///     first: u32,
    ///     last: u32,
    /// }
    ///
    /// let read = Tool::of::<Lines>("read", "Reads lines of the file.");
    /// assert!(read.strict);
    /// assert!(read.parameters.unwrap().contains("The first line, from 1."));
    /// ```
    ///
    /// # Panics
    ///
    /// If [`json_schema_with`](crate::json_schema_with) refuses the type.
    #[cfg(feature = "json")]
    pub fn of<T: schemars::JsonSchema>(
        name: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self::new(name, description)
            .parameters(crate::options::arguments_schema::<T>())
            .strict(true)
    }

    /// Sets the arguments: a JSON Schema of an object.
    #[must_use]
    pub fn parameters(mut self, schema: impl Into<String>) -> Self {
        self.parameters = Some(schema.into());
        self
    }

    /// Sets whether the host makes the arguments of each call fit the schema.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

impl From<Tool> for wit::Tool {
    fn from(tool: Tool) -> Self {
        Self {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
            strict: tool.strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_crosses_as_it_is() {
        let tool = Tool::new("add", "Adds.")
            .parameters(r#"{"type": "object"}"#)
            .strict(true);
        let crossed = wit::Tool::from(tool);
        assert_eq!(
            (crossed.name.as_str(), crossed.description.as_deref()),
            ("add", Some("Adds."))
        );
        assert_eq!(crossed.parameters.as_deref(), Some(r#"{"type": "object"}"#));
        assert!(crossed.strict);
    }

    #[cfg(feature = "json")]
    #[test]
    fn the_arguments_of_a_type_are_an_object_that_takes_nothing_else() {
        #[derive(schemars::JsonSchema)]
        #[serde(rename_all = "lowercase")]
        #[expect(dead_code, reason = "the type is only described")]
        enum Unit {
            Metres,
        }

        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "the type is only described")]
        struct Sum {
            /// What is added.
            numbers: Vec<f64>,
            unit: Unit,
        }

        let parameters = Tool::of::<Sum>("add", "Adds.").parameters.unwrap();
        let schema: serde_json::Value = serde_json::from_str(&parameters).unwrap();
        assert_eq!(
            schema,
            serde_json::json!({
                "type": "object",
                "properties": {
                    "numbers": {
                        "type": "array",
                        "items": {"type": "number", "format": "double"},
                        "description": "What is added.",
                    },
                    "unit": {"type": "string", "enum": ["metres"]},
                },
                "required": ["numbers", "unit"],
                "additionalProperties": false,
            })
        );
    }
}
