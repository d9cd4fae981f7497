//! Tools with the functions that run them.

use std::fmt;

use crate::{Message, Tool, ToolCall};

/// What the function of a tool returns: the result for the model, or an error, which the model gets
/// as the result.
pub type ToolOutput = std::result::Result<String, Box<dyn std::error::Error>>;

/// Tools with the functions that run them, for [`Session::run`](crate::Session::run).
///
/// ```
/// use mynah_guest::{ToolCall, Toolbox};
///
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct Sum {
///     numbers: Vec<i32>,
/// }
///
/// let mut tools = Toolbox::new().with("add", "Adds numbers.", |sum: Sum| {
///     Ok(sum.numbers.iter().sum::<i32>().to_string())
/// });
/// let result = tools.call(&ToolCall {
///     id: "1".to_owned(),
///     name: "add".to_owned(),
///     arguments: r#"{"numbers": [1, 2, 4]}"#.to_owned(),
/// });
/// assert_eq!(result.content, "7");
/// ```
#[derive(Default)]
pub struct Toolbox<'tools> {
    tools: Vec<(Tool, Function<'tools>)>,
}

type Function<'tools> = Box<dyn FnMut(&str) -> ToolOutput + 'tools>;

impl fmt::Debug for Toolbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tools()).finish()
    }
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolResult {
    /// The call.
    pub call: ToolCall,
    /// The content for the model.
    pub content: String,
    /// Whether the content says what went wrong: the function returned an error, there is no such
    /// tool, or the arguments are not what the tool takes.
    pub failed: bool,
}

impl ToolResult {
    /// The message that gives the result to the model.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::tool_result(&self.call, self.content.as_str())
    }
}

impl<'tools> Toolbox<'tools> {
    /// No tools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool whose arguments are a Rust type, as `Tool::of`, with its function. Arguments
    /// that do not parse as the type are an error result, which tells the model the schema of the
    /// type.
    ///
    /// # Panics
    ///
    /// If [`json_schema_with`](crate::json_schema_with) refuses the type.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn with<T>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        mut function: impl FnMut(T) -> ToolOutput + 'tools,
    ) -> Self
    where
        T: schemars::JsonSchema + serde::de::DeserializeOwned,
    {
        let tool = Tool::of::<T>(name, description);
        let schema = tool.parameters.clone().unwrap_or_default();
        self.with_tool(tool, move |arguments| {
            let arguments = serde_json::from_str(arguments)
                .map_err(|error| format!("the arguments are wrong ({error}): give {schema}"))?;
            function(arguments)
        })
    }

    /// Adds any tool with its function, which gets the arguments as JSON. A tool of the same name
    /// is replaced.
    #[must_use]
    pub fn with_tool(
        mut self,
        tool: Tool,
        function: impl FnMut(&str) -> ToolOutput + 'tools,
    ) -> Self {
        self.tools.retain(|(other, _)| other.name != tool.name);
        self.tools.push((tool, Box::new(function)));
        self
    }

    /// The tools, in the order in which they were added.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().map(|(tool, _)| tool)
    }

    /// Runs a call. A call of an unknown tool has an error result that names the tools.
    pub fn call(&mut self, call: &ToolCall) -> ToolResult {
        let found = self
            .tools
            .iter_mut()
            .find(|(tool, _)| tool.name == call.name);
        let output = match found {
            Some((_, function)) => function(&call.arguments),
            None => Err(self.unknown(&call.name).into()),
        };
        ToolResult {
            call: call.clone(),
            failed: output.is_err(),
            content: output.unwrap_or_else(|error| format!("Error: {error}")),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<String> = self
            .tools()
            .map(|tool| format!("`{}`", tool.name))
            .collect();
        format!(
            "there is no tool `{name}`. The tools are: {}",
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::tests::call;

    #[test]
    fn a_tool_runs_with_its_arguments_and_keeps_what_it_changes() {
        let mut seen = Vec::new();
        let mut tools = Toolbox::new().with_tool(Tool::new("note", "Notes."), |arguments| {
            seen.push(arguments.to_owned());
            Ok("noted".to_owned())
        });
        let result = tools.call(&call("7", "note", "{\"a\": 1}"));
        assert_eq!((result.content.as_str(), result.failed), ("noted", false));
        let expected = Message::tool("noted").with_name("note");
        let message = result.message();
        assert_eq!(message.tool_call_id.as_deref(), Some("7"));
        assert_eq!(
            (message.content, message.name),
            (expected.content, expected.name)
        );
        drop(tools);
        assert_eq!(seen, ["{\"a\": 1}"]);
    }

    #[test]
    fn the_error_of_a_tool_is_its_result() {
        let mut tools =
            Toolbox::new().with_tool(Tool::new("open", "Opens."), |_| Err("no such door".into()));
        let result = tools.call(&call("1", "open", "{}"));
        assert_eq!(
            (result.content.as_str(), result.failed),
            ("Error: no such door", true)
        );
    }

    #[test]
    fn a_call_of_an_unknown_tool_names_those_that_there_are() {
        let tool = |name| Tool::new(name, "x");
        let mut tools = Toolbox::new()
            .with_tool(tool("list"), |_| Ok(String::new()))
            .with_tool(tool("read"), |_| Ok(String::new()));
        let result = tools.call(&call("1", "write", "{}"));
        assert_eq!(
            result.content,
            "Error: there is no tool `write`. The tools are: `list`, `read`"
        );
        assert!(result.failed);
    }

    #[test]
    fn a_second_tool_of_a_name_replaces_the_first() {
        let tool = || Tool::new("now", "x");
        let mut tools = Toolbox::new()
            .with_tool(tool(), |_| Ok("first".to_owned()))
            .with_tool(tool(), |_| Ok("second".to_owned()));
        assert_eq!(tools.tools().count(), 1);
        assert_eq!(tools.call(&call("1", "now", "{}")).content, "second");
    }

    #[cfg(feature = "json")]
    #[test]
    fn arguments_that_are_not_the_type_are_told_what_it_is() {
        #[derive(schemars::JsonSchema, serde::Deserialize)]
        struct Lines {
            first: u32,
        }

        let mut tools = Toolbox::new().with("read", "Reads.", |lines: Lines| {
            Ok(format!("line {}", lines.first))
        });
        let good = tools.call(&call("1", "read", "{\"first\": 3}"));
        assert_eq!((good.content.as_str(), good.failed), ("line 3", false));
        for (arguments, words) in [
            ("{\"first\": \"x\"}", "invalid type"),
            ("{}", "missing field `first`"),
            ("{\"first", "EOF"),
            ("", "EOF"),
        ] {
            let bad = tools.call(&call("1", "read", arguments));
            assert!(bad.failed, "{arguments}");
            for part in [words, "\"first\":{"] {
                assert!(bad.content.contains(part), "{arguments}: {}", bad.content);
            }
        }
    }
}
