//! Checks a conversation before anything is made of it: its tools, and what its messages may have.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{Conversation, Message, Role, Tool, ToolChoice, Tools};

/// Longest name of a tool in characters, as in the Model Context Protocol.
const MAX_TOOL_NAME: usize = 128;

/// Maximum number of characters of a name that an error shows.
const MAX_SHOWN: usize = 64;

/// Why a conversation can't be sent to any model. Messages, tools and calls are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// Tools are given in both ways.
    #[error("the tools are given twice, as `tools` and as `template_tools`: leave one out")]
    ToolsTwice,
    /// A tool's name is empty or too long.
    #[error("the name of tool {tool} has {characters} characters: give it 1 to {MAX_TOOL_NAME}")]
    ToolNameLength {
        /// The number of the tool.
        tool: usize,
        /// The length of its name.
        characters: usize,
    },
    /// A tool's name has a character that not every format of calls takes.
    #[error(
        "the tool's name `{}` has {character:?}: use ASCII letters, digits, `_`, `-`, `.` and `/`",
        name.escape_debug()
    )]
    ToolNameCharacter {
        /// The name.
        name: String,
        /// The first such character.
        character: char,
    },
    /// Two tools have the same name.
    #[error("there are two tools `{name}`: give each its own name")]
    DuplicateTool {
        /// The name.
        name: String,
    },
    /// A tool's parameters are no schema of an object.
    #[error(
        "the parameters of the tool `{name}` are no JSON Schema of an object: {reason}. Give such \
         a schema, or leave the parameters out"
    )]
    Parameters {
        /// The tool.
        name: String,
        /// What they are.
        reason: String,
    },
    /// A call is required, and there is nothing to call.
    #[error("a call is required, and there are no tools: add tools, or choose `auto`")]
    NoTools,
    /// The tool that must be called is not there.
    #[error("there is no tool `{name}` to be called: choose one of the tools that are given")]
    UnknownTool {
        /// The name, shortened if it is long.
        name: String,
    },
    /// A message has what only messages of another role have.
    #[error(
        "message {message} ({}) has {what}, which only messages of the role `{}` have: leave it \
         out",
        role.name(), of.name()
    )]
    Misplaced {
        /// The number of the message.
        message: usize,
        /// Its role.
        role: Role,
        /// The field, such as `tool_calls`.
        what: &'static str,
        /// The role whose messages have it.
        of: Role,
    },
    /// An earlier call has no name.
    #[error("call {call} of message {message} has no name: give the name of the called tool")]
    CallName {
        /// The number of the message.
        message: usize,
        /// The number of the call in it.
        call: usize,
    },
    /// The arguments of an earlier call are no JSON object.
    #[error(
        "the arguments of call {call} of message {message} are no JSON object: {reason}. Give an \
         object (`{{}}` if there are none), or leave the call out"
    )]
    Arguments {
        /// The number of the message.
        message: usize,
        /// The number of the call in it.
        call: usize,
        /// What they are.
        reason: String,
    },
}

impl Conversation {
    /// Checks the tools, and that each message has only what its role may have. It takes time in
    /// proportion to the size.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn check(&self) -> Result<(), ConversationError> {
        if !self.tools.list.is_empty() && self.template_tools.is_some() {
            return Err(ConversationError::ToolsTwice);
        }
        self.tools.check()?;
        let mut messages = (1..).zip(&self.messages);
        messages.try_for_each(|(number, message)| message.check(number))
    }
}

impl Tools {
    fn check(&self) -> Result<(), ConversationError> {
        let mut names = HashSet::new();
        for (number, tool) in (1..).zip(&self.list) {
            tool.check(number)?;
            if !names.insert(tool.name.as_str()) {
                return Err(ConversationError::DuplicateTool {
                    name: tool.name.clone(),
                });
            }
        }
        match &self.choice {
            ToolChoice::Required if names.is_empty() => Err(ConversationError::NoTools),
            ToolChoice::Named(name) if !names.contains(name.as_str()) => {
                Err(ConversationError::UnknownTool {
                    name: name.chars().take(MAX_SHOWN).collect(),
                })
            }
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_) => {
                Ok(())
            }
        }
    }
}

impl Tool {
    fn check(&self, number: usize) -> Result<(), ConversationError> {
        let characters = self.name.chars().count();
        if characters == 0 || characters > MAX_TOOL_NAME {
            return Err(ConversationError::ToolNameLength {
                tool: number,
                characters,
            });
        }
        let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        if let Some(character) = self.name.chars().find(|&c| !is_taken(c)) {
            return Err(ConversationError::ToolNameCharacter {
                name: self.name.clone(),
                character,
            });
        }
        let Some(parameters) = &self.parameters else {
            return Ok(());
        };
        schema_of_object(parameters).map_err(|reason| ConversationError::Parameters {
            name: self.name.clone(),
            reason,
        })
    }
}

impl Message {
    fn check(&self, number: usize) -> Result<(), ConversationError> {
        let fields = [
            ("reasoning", self.reasoning.is_some(), Role::Assistant),
            ("tool_calls", !self.tool_calls.is_empty(), Role::Assistant),
            ("tool_call_id", self.tool_call_id.is_some(), Role::Tool),
        ];
        for (what, is_there, of) in fields {
            if is_there && self.role != of {
                return Err(ConversationError::Misplaced {
                    message: number,
                    role: self.role,
                    what,
                    of,
                });
            }
        }
        for (call, of) in (1..).zip(&self.tool_calls) {
            let message = number;
            if of.name.is_empty() {
                return Err(ConversationError::CallName { message, call });
            }
            object(&of.arguments).map_err(|reason| ConversationError::Arguments {
                message,
                call,
                reason,
            })?;
        }
        Ok(())
    }
}

/// Checks that a text is a JSON Schema of an object, as far as its type says so.
fn schema_of_object(text: &str) -> Result<(), String> {
    match object(text)?.get("type") {
        Some(Value::String(of)) if of != "object" => {
            let of: String = of.chars().take(MAX_SHOWN).collect();
            Err(format!("their `type` is `{}`", of.escape_debug()))
        }
        _ => Ok(()),
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    // serde_json refuses more than 128 levels.
    let kind = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => return Ok(object),
        Ok(Value::Null) => "null",
        Ok(Value::Bool(_)) => "a truth value",
        Ok(Value::Number(_)) => "a number",
        Ok(Value::String(_)) => "a text",
        Ok(Value::Array(_)) => "a list",
        Err(error) => return Err(error.to_string()),
    };
    Err(format!("they are {kind}"))
}

#[cfg(test)]
mod tests;
