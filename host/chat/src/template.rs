//! A chat template, which converts a conversation to a prompt.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mynah_core::{Conversation, TokenId};
use mynah_settings::Thinking;

use super::adapt::{
    Moved, form_all_calls, form_all_parts, form_contents, form_developers, move_parts,
};
use super::carried::{self, Skeleton};
use super::control_tokens::{ControlTokens, Part};
use super::data::{Data, Object};
use super::probe::Abilities;
use super::thinking::{ThinkingChoices, switched_on};
use super::typed::Reasoning;
use super::{ChatError, Vocabulary, context, jinja, typed};

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
    told: AtomicU16,
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

    /// The template of a file whose vocabulary is not read, for questions about it.
    #[must_use]
    pub fn of_file(source: &str, with_tools: Option<&str>) -> Self {
        Self::with_names(source, with_tools, TokenNames::default(), false)
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
            told: AtomicU16::new(0),
        }
    }

    /// The prompt of a conversation, with a maximum size of `most` bytes.
    ///
    /// If the last message is the assistant's, with a text and without calls, the prompt ends with
    /// its text, which the answer continues. `thinking` is given to the template in its own
    /// variables, except for those that the conversation sets.
    ///
    /// # Errors
    ///
    /// [`ChatError`]: the mistake in the conversation; a part or a wish that can't be followed; the
    /// message of the template engine or of the template itself (`raise_exception`); or the part of
    /// the conversation that does not reach the prompt.
    pub fn render(
        &self,
        conversation: &Conversation,
        thinking: Option<Thinking>,
        most: usize,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Rendering, ChatError> {
        let control_tokens = self
            .control_tokens
            .get_or_init(|| ControlTokens::of(vocabulary));
        let control_tokens = control_tokens.as_ref();
        let control_tokens = control_tokens.map_err(|told| ChatError::Template(told.clone()))?;
        self.render_with(control_tokens, conversation, thinking, most)
    }

    /// What the template lets be chosen of how the model thinks. The first call renders small
    /// conversations.
    #[must_use]
    pub fn thinking(&self) -> &ThinkingChoices {
        self.thinking_of(&self.own)
    }

    pub(super) fn render_with(
        &self,
        control_tokens: &ControlTokens,
        conversation: &Conversation,
        thinking: Option<Thinking>,
        most: usize,
    ) -> Result<Rendering, ChatError> {
        conversation.check()?;
        typed::check_parts(conversation)?;
        let source = self.source_of(conversation);
        let mut variables = context::variables(conversation).map_err(ChatError::Template)?;
        if let Some(wish) = thinking {
            self.choose_thinking(source, wish, &mut variables)?;
        }
        let render = |reasoning| {
            let messages = typed::messages(conversation, reasoning)?;
            let asked = Asked::new(self, source, control_tokens, most, &variables, messages);
            asked.first_of_both()
        };
        let rendering = match typed::has_reasoning(conversation) {
            true => self.with_reasoning(source, &render),
            false => render(None),
        };
        rendering.map_err(ChatError::Template)
    }

    /// The template that the conversation is for.
    fn source_of(&self, conversation: &Conversation) -> &Source {
        let has_tools =
            !conversation.tools.list.is_empty() || conversation.template_tools.is_some();
        let with_tools = self.with_tools.as_ref().filter(|_| has_tools);
        with_tools.unwrap_or(&self.own)
    }

    /// Sets the variables that express a wish, unless the guest set them.
    fn choose_thinking(
        &self,
        source: &Source,
        wish: Thinking,
        variables: &mut Object,
    ) -> Result<(), ChatError> {
        let choices = self.thinking_of(source);
        let Some(set) = choices.variables(wish) else {
            let choices = choices.wishes();
            return Err(ChatError::UnsupportedThinking { wish, choices });
        };
        for (name, value) in set {
            variables.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// The prompt with the reasoning where the template takes it. If it takes none there, or none
    /// of these messages, it is left out.
    fn with_reasoning(
        &self,
        source: &Source,
        render: &dyn Fn(Option<Reasoning>) -> Result<Rendering, String>,
    ) -> Result<Rendering, String> {
        let without = || {
            let mut rendering = render(None)?;
            if self.is_first(Moved::Reasoning) {
                rendering.moved.push(Moved::Reasoning);
            }
            Ok(rendering)
        };
        match self.reasoning_of(source) {
            Some(place) => {
                render(Some(place)).or_else(|refused| without().map_err(|_: String| refused))
            }
            None => without(),
        }
    }

    fn reasoning_of(&self, source: &Source) -> Option<Reasoning> {
        let probe = |messages, tools| self.probe(source, messages, tools, Object::new());
        let probe_on = |messages, tools| self.probe(source, messages, tools, switched_on());
        source.abilities.reasoning(&probe, &probe_on)
    }

    fn thinking_of<'a>(&self, source: &'a Source) -> &'a ThinkingChoices {
        let probe = |messages, tools| self.probe(source, messages, tools, Object::new());
        let abilities = &source.abilities;
        let question = |set| self.probe(source, abilities.question(&probe), None, set);
        let reads_reasoning = self.reasoning_of(source).is_some();
        abilities.thinking(&probe, &question, reads_reasoning)
    }

    /// Renders a small conversation, to find out what the template does with it.
    fn probe(
        &self,
        source: &Source,
        messages: Vec<Data>,
        tools: Option<Data>,
        set: Object,
    ) -> Result<String, String> {
        let mut variables = context::defaults();
        variables.extend(set);
        if let Some(tools) = tools {
            context::set_tools(&mut variables, tools);
        }
        variables.insert("messages".to_owned(), Data::List(messages));
        self.names.add_to(&mut variables);
        let (steps, text) = PROBE;
        let bounds = jinja::Bounds {
            text,
            mark: None,
            // Two answers differ only if the questions do.
            now: Some(Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC)),
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
        let set = Data::object([("add_generation_prompt", Data::Bool(opens))]);
        let set = set.as_object().cloned().unwrap_or_default();
        self.template.probe(self.source, messages, tools, set)
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

impl<'a> Asked<'a> {
    fn new(
        template: &'a ChatTemplate,
        source: &'a Source,
        control_tokens: &'a ControlTokens,
        most: usize,
        variables: &Object,
        messages: Vec<Data>,
    ) -> Self {
        let is_continued = carried::is_continued(&messages);
        let mut variables = variables.clone();
        let opens = Data::Bool(!is_continued);
        variables.insert("add_generation_prompt".to_owned(), opens);
        let tools = variables.get("tools").cloned().unwrap_or(Data::Null);
        Self {
            template,
            source,
            control_tokens,
            most,
            skeleton: Skeleton::of(&messages, &tools),
            variables,
            messages,
            tools,
            is_continued,
        }
    }

    /// The prompt as transformers renders it, if that carries everything, or else with what the
    /// template lacks moved.
    fn first_of_both(&self) -> Result<Rendering, String> {
        let moved = |refused| self.render(true).map_err(|_| refused);
        self.render(false).or_else(moved)
    }

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
        let mut moved = Vec::new();
        if form_developers(&mut messages, moves, abilities, &probe) {
            moved.push(Moved::Developer);
        }
        form_all_parts(&mut messages, moves, abilities, &probe);
        if moves {
            move_parts(&mut messages, &mut tools, abilities, &probe, &mut moved);
        }
        form_all_calls(&mut messages, abilities, &probe);
        let mut variables = self.variables.clone();
        variables.insert("messages".to_owned(), Data::List(messages));
        context::set_tools(&mut variables, tools);
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
        self.template
            .probe(self.source, messages, tools, Object::new())
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
