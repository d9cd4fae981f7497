//! Rendering messages with the model's own Jinja template, as Hugging Face's `apply_chat_template` does.

mod fallback;
mod json;
mod specials;
#[cfg(test)]
mod tests;

pub use fallback::ChatTemplateName;
pub(super) use specials::Part;

use std::io::{self, Write};
use std::sync::OnceLock;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use minijinja::{Environment, ErrorKind};
use serde_json::{Map, Value as Json, json};

use crate::{Conversation, Message};
use specials::{Specials, unused_mark};

/// Steps that a template may take. The template comes with the model file and the messages from the guest; this bounds
/// what both together cost. Real templates take some hundred steps a message.
const FUEL: u64 = 10_000_000;

/// Columns that `indent` may be asked for: it writes them for every line.
const MAX_INDENT: usize = 1000;

/// Variables that are the template's own, and no guest's to set.
const OWN: [&str; 5] = [
    "messages",
    "tools",
    "bos_token",
    "eos_token",
    "add_generation_prompt",
];

const NAME: &str = "chat";
const WITH_TOOLS: &str = "tool_use";

/// A model's chat template, compiled once.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    environment: Result<Environment<'static>, String>,
    has_tool_template: bool,
    bos: String,
    eos: String,
    // The tokenizer adds it, so a template that writes it too would double it.
    adds_bos: bool,
    // Looked for when the first message comes: a vocabulary is large.
    specials: OnceLock<Result<Specials, String>>,
}

/// A rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rendered {
    /// Text in which control tokens count: all of them are the template's.
    Text(String),
    /// What a guest said has control tokens' texts in it, so the parts are told apart.
    Parts(Vec<Part>),
}

impl ChatTemplate {
    /// Compiles `source`, and the template for conversations with tools if the file has one. A template that doesn't compile is
    /// reported when it is used: the model can still be given text.
    pub(super) fn new(source: &str, with_tools: Option<&str>, model: &LlamaModel) -> Self {
        let vocabulary = model.vocab();
        let text = |token: LlamaToken| {
            let bytes = if token.0 < 0 {
                Vec::new()
            } else {
                vocabulary.token_to_piece(token, true, None)
            };
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self {
            environment: compile(source, with_tools),
            has_tool_template: with_tools.is_some(),
            bos: text(vocabulary.bos()),
            eos: text(vocabulary.eos()),
            adds_bos: vocabulary.should_add_bos(),
            specials: OnceLock::new(),
        }
    }

    /// The prompt of a conversation, of `most` bytes at most.
    ///
    /// # Errors
    ///
    /// What the template engine said, or the template itself (`raise_exception`), or what is wrong with the guest's JSON.
    pub(super) fn render(
        &self,
        conversation: &Conversation,
        most: usize,
        model: &LlamaModel,
    ) -> Result<Rendered, String> {
        let specials = self.specials.get_or_init(|| Specials::of(model));
        let specials = specials.as_ref().map_err(Clone::clone)?;
        self.render_with(specials, conversation, most)
    }

    fn render_with(
        &self,
        specials: &Specials,
        conversation: &Conversation,
        most: usize,
    ) -> Result<Rendered, String> {
        let mut context = context(conversation)?;
        let mut is_special = false;
        each_text(&mut context, &mut |text| is_special |= specials.is_in(text));
        if !is_special {
            return self
                .render_text(context, conversation, most)
                .map(Rendered::Text);
        }
        let mut used = Vec::new();
        each_text(&mut context, &mut |text| {
            used.extend(
                text.chars()
                    .filter(|c| ('\u{FDD0}'..='\u{FDEF}').contains(c)),
            );
        });
        let mark = unused_mark(|mark| used.contains(&mark)).ok_or(
            "the messages use every noncharacter from U+FDD0 to U+FDEF beside the text of a control token: leave one out",
        )?;
        each_text(&mut context, &mut |text| {
            *text = specials.mark(text, mark).into_owned();
        });
        // Marks take room, and go again.
        let text = self.render_text(context, conversation, most.saturating_mul(2))?;
        Ok(Rendered::Parts(specials.parts(&text, mark)))
    }

    fn render_text(
        &self,
        mut context: Map<String, Json>,
        conversation: &Conversation,
        most: usize,
    ) -> Result<String, String> {
        let environment = self.environment.as_ref().map_err(Clone::clone)?;
        context.insert("bos_token".to_owned(), json!(self.bos));
        context.insert("eos_token".to_owned(), json!(self.eos));
        context.insert("add_generation_prompt".to_owned(), json!(true));
        let name = if conversation.tools.is_some() && self.has_tool_template {
            WITH_TOOLS
        } else {
            NAME
        };
        let mut text = Bounded {
            bytes: Vec::new(),
            most,
        };
        let rendered = environment
            .get_template(name)
            .and_then(|template| template.render_captured_to(&context, &mut text).map(drop));
        if text.bytes.len() >= most {
            return Err(format!(
                "it makes more than {most} bytes of these messages: shorten them, or raise `max_prompt_bytes`"
            ));
        }
        rendered.map_err(|error| describe(&error))?;
        let text = String::from_utf8_lossy(&text.bytes).into_owned();
        Ok(match text.strip_prefix(&self.bos) {
            Some(rest) if self.adds_bos && !self.bos.is_empty() => rest.to_owned(),
            _ => text,
        })
    }
}

/// A text that refuses to grow beyond its bound.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most.saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
        if bytes.len() > room {
            return Err(io::Error::other("the prompt is too long"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a template sees of a conversation.
fn context(conversation: &Conversation) -> Result<Map<String, Json>, String> {
    let messages: Result<Vec<Json>, String> = conversation.messages.iter().map(message).collect();
    let mut context = match &conversation.variables {
        Some(text) => object("the variables", text)?,
        None => Map::new(),
    };
    if let Some(own) = OWN.iter().find(|own| context.contains_key(**own)) {
        return Err(format!(
            "the variables set `{own}`, which is the template's own: name it otherwise"
        ));
    }
    context.insert("messages".to_owned(), Json::Array(messages?));
    if let Some(text) = &conversation.tools {
        match serde_json::from_str(text) {
            Ok(tools @ Json::Array(_)) => context.insert("tools".to_owned(), tools),
            Ok(_) => return Err("the tools are no JSON list: give a list of tools".to_owned()),
            Err(error) => return Err(format!("the tools are no JSON list: {error}")),
        };
    }
    Ok(context)
}

fn message(message: &Message) -> Result<Json, String> {
    let mut fields = match &message.fields {
        Some(text) => object("the fields of a message", text)?,
        None => Map::new(),
    };
    for own in ["role", "content"] {
        if fields.contains_key(own) {
            return Err(format!(
                "the fields of a message set `{own}`, which the message itself says"
            ));
        }
    }
    fields.insert("role".to_owned(), json!(message.role));
    fields.insert("content".to_owned(), json!(message.content));
    Ok(Json::Object(fields))
}

fn object(what: &str, text: &str) -> Result<Map<String, Json>, String> {
    // serde_json refuses more than 128 levels.
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(format!("{what} are no JSON object")),
        Err(error) => Err(format!("{what} are no JSON object: {error}")),
    }
}

/// Shows each text of a context to `with`, but for keys and roles, which the template compares.
fn each_text(context: &mut Map<String, Json>, with: &mut dyn FnMut(&mut String)) {
    fn walk(value: &mut Json, with: &mut dyn FnMut(&mut String)) {
        match value {
            Json::String(text) => with(text),
            Json::Array(list) => list.iter_mut().for_each(|value| walk(value, with)),
            Json::Object(object) => object.values_mut().for_each(|value| walk(value, with)),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
    context.values_mut().for_each(|value| walk(value, with));
}

fn compile(source: &str, with_tools: Option<&str>) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    // As transformers sets them; templates are written for it.
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| {
        Err::<String, _>(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("indent", indent);
    // It pads to any width that it is asked for.
    environment.remove_filter("format");
    let templates = [(NAME, Some(source)), (WITH_TOOLS, with_tools)];
    for (name, source) in templates {
        if let Some(source) = source {
            let added = environment.add_template_owned(name, source.to_owned());
            added.map_err(|error| describe(&error))?;
        }
    }
    Ok(environment)
}

/// Jinja's `indent`, within bounds.
fn indent(
    text: String,
    width: Option<usize>,
    first: Option<bool>,
) -> Result<String, minijinja::Error> {
    let width = width.unwrap_or(4);
    if width > MAX_INDENT {
        let told = format!("indent is asked for {width} columns, {MAX_INDENT} at most are made");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, told));
    }
    let spaces = " ".repeat(width);
    let lines = text.split('\n').enumerate().map(|(index, line)| {
        let is_indented = (index > 0 || first == Some(true)) && !line.is_empty();
        [if is_indented { spaces.as_str() } else { "" }, line].concat()
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The error's own words: the long form would quote the messages, which are the guest's.
fn describe(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" (line {line})"));
    let detail = error.detail().map(str::to_owned);
    let detail = detail.unwrap_or_else(|| error.kind().to_string());
    format!("{detail}{}", line.unwrap_or_default())
}
