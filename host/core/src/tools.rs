//! Tools that a model may call, and its calls.

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tool {
    /// Its name, which the model writes in a call.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// Its arguments: a JSON Schema of an object. `None`: it takes none.
    pub parameters: Option<String>,
    /// Whether the arguments of every call must fit the schema. Without, this holds where the
    /// request requires a call.
    pub strict: bool,
}

/// Whether, and what, a model calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// It calls nothing. It still reads what tools there are.
    None,
    /// It calls at least one tool.
    Required,
    /// It calls the tool of this name.
    Named(String),
}

/// The tools of a request, and how they may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tools {
    /// The tools, each name once.
    pub list: Vec<Tool>,
    /// Whether, and what, the model calls.
    pub choice: ToolChoice,
    /// Whether an answer may have several calls.
    pub parallel: bool,
}

impl Tools {
    /// Size in bytes, for memory limits.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let choice = match &self.choice {
            ToolChoice::Named(name) => name.len(),
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => 0,
        };
        let of_tool = |tool: &Tool| {
            let texts = [&tool.description, &tool.parameters].into_iter().flatten();
            TOOL_BYTES + (tool.name.len() + texts.map(String::len).sum::<usize>()) as u64
        };
        choice as u64 + self.list.iter().map(of_tool).sum::<u64>()
    }
}

/// Size of a tool or a call in addition to its texts. It counts because a guest could send millions
/// of empty ones.
const TOOL_BYTES: u64 = 16;

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ToolCall {
    /// What the result of the call refers to.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: a JSON object.
    pub arguments: String,
}

impl ToolCall {
    /// Size in bytes, for memory limits.
    pub(crate) fn bytes(&self) -> u64 {
        let texts = [&self.id, &self.name, &self.arguments];
        TOOL_BYTES + texts.map(|text| text.len() as u64).iter().sum::<u64>()
    }
}
