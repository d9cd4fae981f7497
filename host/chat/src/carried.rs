//! Checks that every part of a conversation reaches the prompt.
//!
//! A template can leave out anything without a word, and a short text can be in a prompt by chance.
//! Therefore the conversation is rendered a second time, with a mark instead of each text. What
//! has no mark in the result is lost.

use super::adapt::{function_mut, has_calls, has_role, joined_parts, texts_mut};
use super::data::{Data, Object};
use super::jinja;

/// A conversation with marks instead of texts.
#[derive(Debug)]
pub(super) struct Skeleton {
    pub(super) messages: Vec<Data>,
    pub(super) tools: Data,
    pieces: Vec<Piece>,
}

/// A text that must reach the prompt.
#[derive(Debug)]
struct Piece {
    /// The marks in its place. One that arrives is enough.
    marks: Vec<String>,
    /// The text itself.
    text: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Content {
        message: usize,
        role: String,
    },
    Tool,
    /// A call, by its name and its arguments.
    Call {
        message: usize,
    },
}

impl Skeleton {
    pub(super) fn of(messages: &[Data], tools: &Data) -> Self {
        let mut pieces = Pieces::default();
        let mut tools = tools.clone();
        for tool in tools.as_list_mut().into_iter().flatten() {
            pieces.tool(tool);
        }
        let mut messages = messages.to_vec();
        for (at, message) in (1..).zip(&mut messages) {
            pieces.message(at, message);
        }
        Self {
            messages,
            tools,
            pieces: pieces.all,
        }
    }

    /// Maximum size of the marks in bytes.
    pub(super) fn bytes(&self) -> usize {
        let marks = self.pieces.iter().flat_map(|piece| &piece.marks);
        // Each may be a key and its value, with the signs around them.
        marks.map(|mark| 2 * mark.len() + 8).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Checks the prompt. `rendered` is the skeleton's own, if the template takes it.
    ///
    /// # Errors
    ///
    /// What is lost, and what to do.
    pub(super) fn check(&self, rendered: Option<&str>, prompt: &str) -> Result<(), String> {
        let is_lost = |piece: &&Piece| match rendered {
            Some(rendered) => !piece.marks.iter().any(|mark| rendered.contains(mark)),
            None => !is_in(prompt, &piece.text),
        };
        let lost: Vec<&Piece> = self.pieces.iter().filter(is_lost).collect();
        let Some(first) = lost.first() else {
            return Ok(());
        };
        let name = |piece: &Piece| format!("`{}`", piece.text);
        Err(match &first.what {
            What::Tool => {
                let tools = lost.iter().filter(|piece| matches!(piece.what, What::Tool));
                let names: Vec<String> = tools.map(|piece| name(piece)).collect();
                format!(
                    "it leaves out the tools {}: describe them in a system message, or use a model \
                     whose template takes tools",
                    names.join(", ")
                )
            }
            What::Content { message, role } => format!(
                "it leaves out the content of message {message} ({role}): leave that message out, \
                 or say it in a message that the template takes"
            ),
            What::Call { message } => format!(
                "it leaves out the call of {} in message {message}: give the call as the content \
                 of the message",
                name(first)
            ),
        })
    }
}

/// Whether a text is in a prompt, as it is or within JSON.
fn is_in(prompt: &str, text: &str) -> bool {
    let text = text.trim();
    let json = || jinja::json_text(&Data::text(text));
    let is_in_json = |json: &str| prompt.contains(json.trim_matches('"'));
    prompt.contains(text) || json().is_some_and(|json| is_in_json(&json))
}

/// The pieces so far.
#[derive(Default)]
struct Pieces {
    all: Vec<Piece>,
    marks: usize,
}

impl Pieces {
    /// A mark that was not used yet.
    fn next(&mut self) -> String {
        self.marks += 1;
        format!("mynahpart{}end", self.marks)
    }

    /// Puts a mark in the place of a text.
    fn mark(&mut self, text: &mut String, what: What) {
        let mark = self.next();
        let text = std::mem::replace(text, mark.clone());
        let marks = vec![mark];
        self.all.push(Piece { marks, text, what });
    }

    fn tool(&mut self, tool: &mut Data) {
        if let Data::Text(text) = tool {
            self.mark(text, What::Tool);
            return;
        }
        let Some(function) = function_mut(tool) else {
            return;
        };
        if let Some(Data::Text(name)) = function.get_mut("name") {
            self.mark(name, What::Tool);
        } else {
            // The tool's form is not known. A template that takes any tools shows this.
            let mut name = "(without a name)".to_owned();
            self.mark(&mut name, What::Tool);
            function.insert("name".to_owned(), Data::Text(name));
        }
    }

    fn message(&mut self, message: usize, of: &mut Data) {
        let role = of.get("role").and_then(Data::as_text);
        let role = role.unwrap_or_default().to_owned();
        let Some(of) = of.as_object_mut() else {
            return;
        };
        for text in of.get_mut("content").into_iter().flat_map(texts_mut) {
            if !text.trim().is_empty() {
                let role = role.clone();
                self.mark(text, What::Content { message, role });
            }
        }
        let Some(Data::List(calls)) = of.get_mut("tool_calls") else {
            return;
        };
        for call in calls.iter_mut().filter_map(function_mut) {
            self.call(message, call);
        }
    }

    fn call(&mut self, message: usize, call: &mut Object) {
        let mut marks = Vec::new();
        let mut text = String::new();
        if let Some(Data::Text(name)) = call.get_mut("name") {
            let mark = self.next();
            text = std::mem::replace(name, mark.clone());
            marks.push(mark);
        }
        match call.get_mut("arguments") {
            Some(Data::Text(written)) => {
                let mut arguments = Data::read(written).unwrap_or(Data::Null);
                self.arguments(&mut arguments, &mut marks);
                match jinja::json_text(&arguments) {
                    Some(changed) if arguments.as_object().is_some() => *written = changed,
                    _ => {}
                }
            }
            Some(arguments) => self.arguments(arguments, &mut marks),
            None => {}
        }
        if !marks.is_empty() {
            let what = What::Call { message };
            self.all.push(Piece { marks, text, what });
        }
    }

    /// Puts marks in the place of the texts of an object, and one more in addition.
    fn arguments(&mut self, arguments: &mut Data, marks: &mut Vec<String>) {
        let Some(of) = arguments.as_object_mut() else {
            return;
        };
        for value in of.values_mut() {
            if let Data::Text(text) = value {
                *text = self.next();
                marks.push(text.clone());
            }
        }
        let mark = self.next();
        of.insert(mark.clone(), Data::text(mark.as_str()));
        marks.push(mark);
    }
}

/// Whether the answer continues the last message: one of the assistant, with a text and no calls.
pub(super) fn is_continued(messages: &[Data]) -> bool {
    messages.last().is_some_and(|last| {
        let has_text = last
            .get("content")
            .is_some_and(|of| !joined_parts(of).trim().is_empty());
        has_role(last, "assistant") && has_text && !has_calls(last)
    })
}
