//! Renders conversations with calls, and takes what the model would have written from the result.

use std::borrow::Cow;

use super::compare::{common_start, first_tag, last_tag, turn_end};
use super::format::{Around, MAX_MARKER};
use crate::data::Data;
use crate::probe::{ANSWER, ArgumentForm, Content, THOUGHT, USER, content, message, tool};
use crate::template::Probing;
use crate::typed::{REASONING, calling, function_call};

/// Markers of reasoning that templates use without rendering reasoning themselves.
const KNOWN_REASONING: [[&str; 2]; 4] = [
    ["<think>", "</think>"],
    ["[THINK]", "[/THINK]"],
    ["<|START_THINKING|>", "<|END_THINKING|>"],
    ["<seed:think>", "</seed:think>"],
];

/// A call in a conversation that is rendered.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) name: &'static str,
    pub(super) id: Cow<'static, str>,
    /// A JSON object.
    pub(super) arguments: &'static str,
}

/// A template that is asked how it writes answers.
#[derive(Debug)]
pub(super) struct Rendered<'a> {
    probing: Probing<'a>,
    content: Content,
    tools: Option<Data>,
    /// The prompt for an answer, and the same with an answer in place of its beginning.
    prompt: String,
    answered: String,
    pub(super) reasoning: Option<Around>,
}

impl<'a> Rendered<'a> {
    /// With tools of these names, if the template takes tools.
    ///
    /// # Errors
    ///
    /// Why a conversation cannot be rendered.
    pub(super) fn new(probing: Probing<'a>, names: &[&str]) -> Result<Self, String> {
        let render = |messages, tools| probing.render(messages, tools, true);
        let abilities = probing.abilities();
        let content = abilities.content(&render);
        let tools = names.iter().map(|name| tool(name));
        let tools = abilities
            .tools(&render)
            .then(|| Data::List(tools.collect()));
        let mut rendered = Self {
            probing,
            content,
            tools,
            prompt: String::new(),
            answered: String::new(),
            reasoning: None,
        };
        let answer = message("assistant", rendered.text(ANSWER));
        rendered.prompt = rendered.render(None, true)?;
        rendered.answered = rendered.render(Some(answer), false)?;
        rendered.reasoning = rendered.find_reasoning();
        Ok(rendered)
    }

    fn text(&self, text: &str) -> Data {
        content(text, self.content)
    }

    /// A question, and perhaps an answer.
    fn render(&self, answer: Option<Data>, opens: bool) -> Result<String, String> {
        let user = message("user", self.text(USER));
        let messages = [user].into_iter().chain(answer).collect();
        self.probing.render(messages, self.tools.clone(), opens)
    }

    /// What the model writes for these calls, with a text before them or without.
    ///
    /// # Errors
    ///
    /// Why they cannot be rendered.
    pub(super) fn calls(&self, beside: &str, calls: &[Called]) -> Result<String, String> {
        let render = |messages, tools| self.probing.render(messages, tools, true);
        let carried = self.probing.abilities().calls(&render);
        let form = carried.arguments(ArgumentForm::Object);
        let beside = match beside.is_empty() && carried.need_none(form) {
            true => Data::Null,
            false => self.text(beside),
        };
        let calls: Vec<Data> = calls.iter().map(|call| call.data(form)).collect();
        let whole = self.render(Some(calling(beside, calls)), false)?;
        let tail = turn_end(&whole, &self.answered);
        let without_tail = whole.get(..whole.len() - tail).unwrap_or_default();
        let without_tail = self.probing.without_eos(without_tail);
        let head = common_start(&whole, &self.prompt).min(without_tail.len());
        let written = without_tail.get(head..).unwrap_or_default();
        let written = without_opening(written, &self.prompt);
        Ok(self.without_reasoning(written).to_owned())
    }

    /// Without the empty reasoning that some templates put before an answer.
    fn without_reasoning<'t>(&self, text: &'t str) -> &'t str {
        let Some(Around { begin, end }) = &self.reasoning else {
            return text;
        };
        let rest = text.trim_start();
        let rest = rest.strip_prefix(begin.trim()).unwrap_or(rest).trim_start();
        rest.strip_prefix(end.trim()).map_or(text, str::trim_start)
    }

    fn find_reasoning(&self) -> Option<Around> {
        let mut shown = REASONING.into_iter().filter_map(|key| {
            let answer = Data::object([
                ("role", Data::text("assistant")),
                ("content", self.text(ANSWER)),
                (key, Data::text(THOUGHT)),
            ]);
            let whole = self.render(Some(answer), false).ok()?;
            let (before, after) = whole.split_once(THOUGHT)?;
            let (after, _) = after.split_once(ANSWER)?;
            let (begin, end) = (last_tag(before)?, first_tag(after)?);
            let is_short = begin.len().max(end.len()) <= MAX_MARKER;
            let is_pair = is_short && has_common_word(begin, end) && end.len() == after.len();
            is_pair.then(|| Around::new(begin, end))
        });
        shown.next().or_else(|| self.known_reasoning())
    }

    fn known_reasoning(&self) -> Option<Around> {
        let source = self.probing.source();
        let has_end = |[_, end]: &[&str; 2]| source.contains(end);
        let [begin, end] = KNOWN_REASONING.into_iter().find(has_end)?;
        Some(match begin {
            "<think>" => Around::new("<think>\n", "\n</think>\n\n"),
            _ => Around::new(begin, end),
        })
    }
}

impl Called {
    fn data(&self, form: ArgumentForm) -> Data {
        let arguments = match form {
            ArgumentForm::Object => Data::read(self.arguments).unwrap_or(Data::Null),
            ArgumentForm::Text => Data::text(self.arguments),
        };
        function_call(&self.id, self.name, arguments)
    }
}

/// Without the tags with which a prompt opens an answer. Some templates have more in the prompt
/// before them than in a conversation that goes on.
fn without_opening<'t>(text: &'t str, prompt: &str) -> &'t str {
    let prompt = prompt.trim_end();
    let tags = prompt.rmatch_indices('<').take(MAX_TAGS);
    let openings = tags.filter_map(|(at, _)| text.strip_prefix(prompt.get(at..)?));
    openings.last().unwrap_or(text)
}

/// Largest number of tags with which a prompt opens an answer.
const MAX_TAGS: usize = 4;

/// Whether two tags are of one thing: they have four letters in common.
fn has_common_word(one: &str, other: &str) -> bool {
    let letters =
        |text: &str| -> Vec<char> { text.chars().filter(|c| c.is_alphabetic()).collect() };
    let (one, other) = (letters(one), letters(other));
    one.windows(4)
        .any(|word| other.windows(4).any(|same| same == word))
}
