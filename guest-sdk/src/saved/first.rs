//! Conversations in form 1, which components of the contract 0.1 saved: the content of a message
//! was text, calls were further fields, and tools were a JSON list for the chat template.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Message, Role, Tool, ToolCall};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    messages: Vec<Said>,
    tools: Option<String>,
    variables: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: Role,
    content: String,
    fields: Option<String>,
}

/// A tool as OpenAI's API has it, which chat templates expect; some take the function alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Wrapped { function: Function },
    Alone(Function),
}

#[derive(Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    #[serde(default)]
    strict: bool,
}

/// A call as OpenAI's API has it.
#[derive(Deserialize)]
struct Called {
    id: Option<String>,
    function: CalledFunction,
}

#[derive(Deserialize)]
struct CalledFunction {
    name: String,
    arguments: Option<Value>,
}

impl Conversation {
    /// The same conversation as it is today.
    ///
    /// # Errors
    ///
    /// What it has that a conversation can't have today.
    pub(super) fn into_current(self) -> Result<crate::Conversation, String> {
        let messages: Vec<Message> = self.messages.into_iter().map(Message::from).collect();
        let mut conversation = crate::Conversation::new(messages);
        conversation.variables = self.variables;
        match self.tools {
            Some(tools) => Ok(conversation.tools(read_tools(&tools)?)),
            None => Ok(conversation),
        }
    }
}

fn read_tools(json: &str) -> Result<Vec<Tool>, String> {
    let listed: Vec<Listed> = serde_json::from_str(json)
        .map_err(|error| format!("tools that are no list of functions ({error})"))?;
    let tool = |listed| {
        let (Listed::Wrapped { function } | Listed::Alone(function)) = listed;
        Tool {
            name: function.name,
            description: function.description,
            parameters: function.parameters.map(|schema| schema.to_string()),
            strict: function.strict,
        }
    };
    Ok(listed.into_iter().map(tool).collect())
}

impl From<Said> for Message {
    fn from(said: Said) -> Self {
        let message = Self::new(said.role, said.content);
        match said.fields {
            Some(fields) => message.with_former_fields(fields),
            None => message,
        }
    }
}

impl Message {
    /// Takes from further fields what a message has by itself today. What is something else stays
    /// a further field, and the host says what is wrong with it.
    fn with_former_fields(mut self, json: String) -> Self {
        let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&json) else {
            return self.with_fields(json);
        };
        if self.role == Role::Assistant {
            self.reasoning = take(&mut fields, "reasoning_content", text);
            self.tool_calls = take(&mut fields, "tool_calls", calls).unwrap_or_default();
        }
        if self.role == Role::Tool {
            self.tool_call_id = take(&mut fields, "tool_call_id", text);
        }
        self.name = take(&mut fields, "name", text);
        if fields.is_empty() {
            return self;
        }
        self.with_fields(Value::from(fields).to_string())
    }
}

/// Takes a field out if it can be read.
fn take<T>(
    fields: &mut Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let value = read(fields.get(name)?)?;
    fields.remove(name);
    Some(value)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn calls(value: &Value) -> Option<Vec<ToolCall>> {
    let called: Vec<Called> = serde_json::from_value(value.clone()).ok()?;
    let call = |(index, called): (usize, Called)| ToolCall {
        // Some templates want none, so a call could lack it.
        id: called.id.unwrap_or_else(|| format!("call_{index}")),
        name: called.function.name,
        arguments: match called.function.arguments {
            Some(Value::String(json)) => json,
            Some(arguments) => arguments.to_string(),
            None => "{}".to_owned(),
        },
    };
    Some(called.into_iter().enumerate().map(call).collect())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::said::tests::call;

    /// As a component of the contract 0.1.1 wrote it.
    const OLDER: &str = r#"{"mynah_conversation":1,"conversation":{"messages":[
        {"role":"system","content":"Be \"brief\".\n"},
        {"role":"user","content":"é 😀"},
        {"role":"assistant","content":"","fields":"{\"tool_calls\": [{\"id\": \"1\", \"type\": \"function\", \"function\": {\"name\": \"add\", \"arguments\": {\"n\": 1}}}, {\"function\": {\"name\": \"now\"}}], \"reasoning_content\": \"Hm.\", \"mood\": 1}"},
        {"role":"tool","content":"7","fields":"{\"tool_call_id\": \"1\", \"name\": \"add\"}"}
    ],"tools":"[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"description\": \"Adds.\", \"parameters\": {\"type\": \"object\"}}}, {\"name\": \"now\"}]","variables":"{\"mood\": \"calm\"}"}}"#;

    #[test]
    fn what_an_older_version_saved_is_read() {
        let expected = crate::Conversation::new([
            Message::system("Be \"brief\".\n"),
            Message::user("é 😀"),
            Message::assistant("")
                .with_reasoning("Hm.")
                .with_tool_calls([call("1", "add", "{\"n\":1}"), call("call_1", "now", "{}")])
                .with_fields("{\"mood\":1}"),
            Message::tool_result(&call("1", "add", ""), "7"),
        ])
        .tools([
            Tool::new("add", "Adds.").parameters("{\"type\":\"object\"}"),
            Tool {
                description: None,
                ..Tool::new("now", "")
            },
        ])
        .variables(r#"{"mood": "calm"}"#);
        assert_eq!(read(OLDER).unwrap(), expected);
    }

    #[test]
    fn the_least_that_an_older_version_saved_is_read() {
        let text = r#"{"mynah_conversation":1,"conversation":{"messages":[{"role":"user","content":"hi"}]}}"#;
        let expected = crate::Conversation::new([Message::user("hi")]);
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn fields_that_are_something_else_stay_as_they_were() {
        for fields in ["nonsense", r#"{"tool_calls":[{}]}"#, r#"{"name":7}"#] {
            let message = Message::assistant("x").with_former_fields(fields.to_owned());
            assert_eq!(message, Message::assistant("x").with_fields(fields));
        }
    }

    #[test]
    fn tools_that_are_no_functions_are_told() {
        let text =
            r#"{"mynah_conversation":1,"conversation":{"messages":[],"tools":"[{\"x\": 1}]"}}"#;
        let told = read(text).unwrap_err().to_string();
        assert!(told.contains("no list of functions"), "{told}");
    }
}
