//! A chat template, which converts a conversation to a prompt.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use mynah_core::{Conversation, TokenId};

use super::adapt::{Moved, form_all_calls, form_contents, move_parts};
use super::carried::{self, Skeleton};
use super::control_tokens::{ControlTokens, Part};
use super::data::{Data, Object};
use super::probe::Abilities;
use super::{ChatError, Vocabulary, context, jinja};

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    own: Source,
    /// The template for conversations with tools, if the file has a separate one.
    with_tools: Option<Source>,
    names: TokenNames,
    // The tokenizer adds it, so a template that also writes it would double it.
    adds_bos: bool,
    // Built for the first message, because a vocabulary is large.
    control_tokens: OnceLock<Result<ControlTokens, String>>,
    /// A bit for each kind of move that was returned once.
    told: AtomicU8,
}

/// A template's text, and what it can carry.
#[derive(Debug, Default)]
struct Source {
    text: String,
    abilities: Abilities,
}

/// Texts of the tokens that templates know by name; empty if the vocabulary has none.
#[derive(Debug, Default)]
pub(super) struct TokenNames {
    pub(super) bos: String,
    pub(super) eos: String,
    pub(super) pad: String,
    pub(super) sep: String,
}

/// What a template makes of a conversation.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendering {
    /// The prompt.
    pub prompt: Rendered,
    /// What was moved because the template does not carry it in its place, each the first time that
    /// this happens with the template.
    pub moved: Vec<Moved>,
}

/// A rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub enum Rendered {
    /// Text in which control tokens are recognised, because all of them are from the template.
    Text(String),
    /// The guest's text could be read as control tokens, so the parts are separate.
    Parts(Vec<Part>),
}

/// Budget of steps for a question about the template, and maximum size of the answer in bytes.
const PROBE: (u64, usize) = (200_000, 64 << 10);

impl ChatTemplate {
    /// Creates a template, with a separate one for conversations with tools if the file has one.
    /// Templates are parsed when they are used, so a model with a malformed template still accepts
    /// text.
    #[must_use]
    pub fn new(source: &str, with_tools: Option<&str>, vocabulary: &dyn Vocabulary) -> Self {
        let text = |token: Option<TokenId>| {
            let text = token.and_then(|token| vocabulary.written(token));
            text.map_or_else(String::new, |text| {
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        let names = TokenNames {
            bos: text(vocabulary.bos()),
            eos: text(vocabulary.eos()),
            pad: text(vocabulary.pad()),
            sep: text(vocabulary.sep()),
        };
        Self::with_names(source, with_tools, names, vocabulary.adds_bos())
    }

    pub(super) fn with_names(
        source: &str,
        with_tools: Option<&str>,
        names: TokenNames,
        adds_bos: bool,
    ) -> Self {
        let to_source = |text: &str| Source {
            text: text.to_owned(),
            abilities: Abilities::default(),
        };
        Self {
            own: to_source(source),
            with_tools: with_tools.map(to_source),
            names,
            adds_bos,
            control_tokens: OnceLock::new(),
            told: AtomicU8::new(0),
        }
    }

    /// The prompt of a conversation, with a maximum size of `most` bytes.
    ///
    /// If the last message is the assistant's, the prompt ends with its text, which the answer
    /// continues.
    ///
    /// # Errors
    ///
    /// [`ChatError`], with the message of the template engine or of the template itself
    /// (`raise_exception`), with the mistake in the guest's JSON, or with the part of the
    /// conversation that does not reach the prompt.
    pub fn render(
        &self,
        conversation: &Conversation,
        most: usize,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Rendering, ChatError> {
        let control_tokens = self
            .control_tokens
            .get_or_init(|| ControlTokens::of(vocabulary));
        let control_tokens = control_tokens.as_ref().map_err(ChatError::new)?;
        self.render_with(control_tokens, conversation, most)
            .map_err(ChatError::new)
    }

    pub(super) fn render_with(
        &self,
        control_tokens: &ControlTokens,
        conversation: &Conversation,
        most: usize,
    ) -> Result<Rendering, String> {
        let mut variables = context::variables(conversation)?;
        let source = match &self.with_tools {
            Some(with_tools) if conversation.template_tools.is_some() => with_tools,
            _ => &self.own,
        };
        let messages = context::take_messages(&mut variables);
        let is_continued = carried::is_continued(&messages);
        let opens = Data::Bool(!is_continued);
        variables.insert("add_generation_prompt".to_owned(), opens);
        let tools = variables.get("tools").cloned().unwrap_or(Data::Null);
        let asked = Asked {
            template: self,
            source,
            control_tokens,
            most,
            skeleton: Skeleton::of(&messages, &tools),
            variables,
            messages,
            tools,
            is_continued,
        };
        // As transformers renders it, if that carries everything.
        let refused = match asked.render(false) {
            Ok(rendering) => return Ok(rendering),
            Err(refused) => refused,
        };
        match asked.render(true) {
            Ok(rendering) => Ok(rendering),
            Err(_) => Err(refused),
        }
    }

    /// Renders a small conversation, to find out what the template does with it.
    fn probe(
        &self,
        source: &Source,
        messages: Vec<Data>,
        tools: Option<Data>,
    ) -> Result<String, String> {
        self.probe_with(source, messages, tools, true)
    }

    /// The same with or without the beginning of an answer.
    fn probe_with(
        &self,
        source: &Source,
        messages: Vec<Data>,
        tools: Option<Data>,
        opens: bool,
    ) -> Result<String, String> {
        let mut variables = context::defaults();
        if let Some(tools) = tools {
            variables.insert("tools".to_owned(), tools);
        }
        variables.insert("add_generation_prompt".to_owned(), Data::Bool(opens));
        variables.insert("messages".to_owned(), Data::List(messages));
        self.names.add_to(&mut variables);
        let (steps, text) = PROBE;
        let bounds = jinja::Bounds {
            text,
            mark: None,
            now: None,
            steps,
        };
        jinja::render(&source.text, &variables, &bounds)
    }

    /// Whether this is the first time that it is moved.
    fn is_first(&self, moved: Moved) -> bool {
        let bit = 1 << moved as u8;
        self.told.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// The template for conversations with tools, to ask questions about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probing<'a> {
    template: &'a ChatTemplate,
    source: &'a Source,
}

impl<'a> Probing<'a> {
    pub(super) fn of(template: &'a ChatTemplate) -> Self {
        let source = template.with_tools.as_ref().unwrap_or(&template.own);
        Self { template, source }
    }

    pub(super) fn source(&self) -> &'a str {
        &self.source.text
    }

    /// A text without the token that ends a text, if it ends with it.
    pub(super) fn without_eos<'t>(&self, text: &'t str) -> &'t str {
        let eos = &self.template.names.eos;
        let rest = text.trim_end().strip_suffix(eos.as_str());
        rest.filter(|_| !eos.is_empty()).unwrap_or(text)
    }

    pub(super) fn abilities(&self) -> &'a Abilities {
        &self.source.abilities
    }

    /// Renders a small conversation, with the beginning of an answer if `opens`.
    pub(super) fn render(
        &self,
        messages: Vec<Data>,
        tools: Option<Data>,
        opens: bool,
    ) -> Result<String, String> {
        self.template
            .probe_with(self.source, messages, tools, opens)
    }
}

/// A conversation to render.
struct Asked<'a> {
    template: &'a ChatTemplate,
    source: &'a Source,
    control_tokens: &'a ControlTokens,
    most: usize,
    skeleton: Skeleton,
    /// All variables but these two.
    variables: Object,
    messages: Vec<Data>,
    tools: Data,
    /// Whether the answer continues the last message.
    is_continued: bool,
}

impl Asked<'_> {
    /// The prompt, which carries everything. What the template does not carry in its place may be
    /// moved.
    fn render(&self, moves: bool) -> Result<Rendering, String> {
        let (mut variables, moved) = self.formed(&self.messages, &self.tools, moves);
        if moves && moved.is_empty() {
            return Err("nothing can be moved".to_owned());
        }
        let (mark, end) = context::mark(&mut variables, self.control_tokens)?;
        if self.is_continued {
            context::mark_end(&mut variables, end)?;
        }
        self.form_contents(&mut variables);
        self.template.names.add_to(&mut variables);
        let bounds = jinja::Bounds {
            text: self.most,
            mark,
            now: None,
            steps: jinja::FUEL,
        };
        let mut text = jinja::render(&self.source.text, &variables, &bounds)?;
        drop(variables);
        if self.is_continued {
            text = context::cut(&text, end)?;
        }
        let plain = mark.map(|mark| text.replace(mark, ""));
        self.check(moves, plain.as_deref().unwrap_or(&text))?;
        let template = self.template;
        let bos = &template.names.bos;
        let text = match text.strip_prefix(bos) {
            Some(rest) if template.adds_bos && !bos.is_empty() => rest.to_owned(),
            _ => text,
        };
        Ok(Rendering {
            prompt: match mark {
                Some(mark) => Rendered::Parts(self.control_tokens.parts(&text, mark)),
                None => Rendered::Text(text),
            },
            moved: moved
                .into_iter()
                .filter(|moved| template.is_first(*moved))
                .collect(),
        })
    }

    /// Checks that everything is in the prompt.
    fn check(&self, moves: bool, prompt: &str) -> Result<(), String> {
        let Self {
            skeleton, source, ..
        } = self;
        if skeleton.is_empty() {
            return Ok(());
        }
        let (mut variables, _) = self.formed(&skeleton.messages, &skeleton.tools, moves);
        self.form_contents(&mut variables);
        self.template.names.add_to(&mut variables);
        let bounds = jinja::Bounds {
            text: self.most.saturating_add(skeleton.bytes()),
            mark: None,
            now: None,
            steps: jinja::FUEL,
        };
        let rendered = jinja::render(&source.text, &variables, &bounds).ok();
        skeleton.check(rendered.as_deref(), prompt)
    }

    /// The variables with these messages and tools, calls in the form that the template takes.
    fn formed(&self, messages: &[Data], tools: &Data, moves: bool) -> (Object, Vec<Moved>) {
        let probe = |messages: Vec<Data>, tools: Option<Data>| self.probe(messages, tools);
        let (mut messages, mut tools) = (messages.to_vec(), tools.clone());
        let abilities = &self.source.abilities;
        let moved = match moves {
            true => move_parts(&mut messages, &mut tools, abilities, &probe),
            false => Vec::new(),
        };
        form_all_calls(&mut messages, abilities, &probe);
        let mut variables = self.variables.clone();
        variables.insert("messages".to_owned(), Data::List(messages));
        variables.insert("tools".to_owned(), tools);
        (variables, moved)
    }

    /// Gives contents the form that the template reads.
    fn form_contents(&self, variables: &mut Object) {
        let abilities = &self.source.abilities;
        let form = abilities.content(&|messages, tools| self.probe(messages, tools));
        let messages = variables.get_mut("messages").and_then(Data::as_list_mut);
        form_contents(messages.map_or(&mut [], Vec::as_mut_slice), form);
    }

    fn probe(&self, messages: Vec<Data>, tools: Option<Data>) -> Result<String, String> {
        self.template.probe(self.source, messages, tools)
    }
}

impl TokenNames {
    fn add_to(&self, variables: &mut Object) {
        for (name, text) in [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("sep_token", &self.sep),
        ] {
            variables.insert(name.to_owned(), Data::text(text.as_str()));
        }
    }
}
