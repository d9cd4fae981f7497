//! What a template lets be chosen of how a model thinks.
//!
//! Templates have variables for it, and don't say which. A variable that changes the prompt is one
//! that the template reads.

use std::fmt;

use mynah_settings::Thinking;

use super::data::{Data, Object};

/// What a chat template lets be chosen of how a model thinks before it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThinkingChoices {
    /// What can be asked for, each at most once, in the order of [`Thinking`].
    pub choices: Vec<ThinkingChoice>,
}

/// A wish that a chat template follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinkingChoice {
    /// The wish.
    pub thinking: Thinking,
    /// The variables of the template that express it, with their values as JSON. Without any, it
    /// is what the model does anyway.
    pub variables: Vec<(&'static str, &'static str)>,
}

/// Renders a question with these variables.
pub(super) type RenderWith<'a> = &'a dyn Fn(Object) -> Result<String, String>;

/// Variables that switch thinking on and off: of Qwen, GLM and SmolLM; of DeepSeek, Granite and
/// Kimi; of Command A.
const SWITCHES: [&str; 3] = ["enable_thinking", "thinking", "reasoning"];

/// The variable for how much is thought, of gpt-oss and others.
const EFFORT: &str = "reasoning_effort";

/// An effort that no template knows, as JSON. It shows what a template does with any text.
const UNKNOWN: &str = "\"mynaheffort\"";

const EFFORTS: [(Thinking, &str); 3] = [
    (Thinking::Low, "\"low\""),
    (Thinking::Medium, "\"medium\""),
    (Thinking::High, "\"high\""),
];

/// Efforts that mean none at all.
const NO_EFFORTS: [&str; 2] = ["\"none\"", "\"no_think\""];

/// All switches, on: some templates take the reasoning of earlier answers only then.
pub(super) fn switched_on() -> Object {
    object(&SWITCHES.map(|name| (name, "true")))
}

impl ThinkingChoices {
    /// Finds out what can be chosen. `knows_thoughts` says whether the template knows of thoughts
    /// in messages.
    pub(super) fn find(render: RenderWith<'_>, knows_thoughts: bool) -> Self {
        let mut choices = Vec::new();
        let mut add = |thinking, variables| {
            choices.push(ThinkingChoice {
                thinking,
                variables,
            });
        };
        let switch = SWITCHES.into_iter().find(|name| is_switch(render, name));
        let on: Vec<_> = switch.into_iter().map(|name| (name, "true")).collect();
        let efforts = Efforts::of(render, &on);
        let thinks = knows_thoughts || efforts.are_read() || opens_thought(render);
        match switch {
            Some(name) => add(Thinking::Off, vec![(name, "false")]),
            None => match efforts.none {
                Some(value) => add(Thinking::Off, vec![(EFFORT, value)]),
                None if !thinks => add(Thinking::Off, Vec::new()),
                None => {}
            },
        }
        if switch.is_some() {
            add(Thinking::On, on.clone());
        } else if efforts.none_is_default {
            let most = efforts.known.last();
            let most = most.map(|(_, value)| vec![(EFFORT, *value)]);
            most.into_iter().for_each(|most| add(Thinking::On, most));
        } else if thinks {
            add(Thinking::On, Vec::new());
        }
        for (thinking, value) in efforts.known {
            add(thinking, [on.as_slice(), &[(EFFORT, value)]].concat());
        }
        Self { choices }
    }

    /// The variables that express a wish, if the template follows it.
    pub(super) fn variables(&self, wish: Thinking) -> Option<Object> {
        let mut choices = self.choices.iter();
        let choice = choices.find(|choice| choice.thinking == wish)?;
        Some(object(&choice.variables))
    }

    /// All wishes that it follows.
    pub(super) fn wishes(&self) -> Vec<Thinking> {
        self.choices.iter().map(|choice| choice.thinking).collect()
    }
}

impl fmt::Display for ThinkingChoice {
    /// The wish and its variables, such as `off (enable_thinking = false)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.thinking.name())?;
        for (at, (variable, value)) in self.variables.iter().enumerate() {
            let before = if at == 0 { " (" } else { ", " };
            write!(f, "{before}{variable} = {value}")?;
        }
        match self.variables.is_empty() {
            true => Ok(()),
            false => f.write_str(")"),
        }
    }
}

/// The efforts that a template knows.
#[derive(Default)]
struct Efforts {
    /// With their values as JSON, the lowest first.
    known: Vec<(Thinking, &'static str)>,
    /// The one that means none at all, as JSON.
    none: Option<&'static str>,
    /// Whether that is what it does without an effort.
    none_is_default: bool,
}

impl Efforts {
    /// Finds them out, beside other variables.
    fn of(render: RenderWith<'_>, beside: &[(&'static str, &'static str)]) -> Self {
        let with = |value| render(object(&[beside, &[(EFFORT, value)]].concat()));
        let unknown = with(UNKNOWN);
        let differs = |text: &str| unknown.as_ref() != Ok(&text.to_owned());
        // A template that writes any text as the effort does not know what `none` means.
        let is_known = |value: &str, text: &str| {
            let written = unknown.as_ref().map(|text| {
                let [unknown, value] = [UNKNOWN, value].map(|json| json.trim_matches('"'));
                text.to_lowercase().replace(unknown, value)
            });
            written != Ok(text.to_lowercase())
        };
        let Ok(default) = render(object(beside)) else {
            return Self::default();
        };
        let texts = EFFORTS.map(|(thinking, value)| (thinking, value, with(value)));
        let known = |(thinking, value, text): &(Thinking, &'static str, Result<String, String>)| {
            let text = text.as_ref().ok()?;
            differs(text).then_some((*thinking, *value))
        };
        let mut known: Vec<_> = texts.iter().filter_map(known).collect();
        let none = NO_EFFORTS.into_iter().find_map(|value| {
            let text = with(value).ok()?;
            is_known(value, &text).then_some((value, text))
        });
        // Between two that it knows, what it does with any other text is the one in the middle.
        if let [(Thinking::Low, _), (Thinking::High, _)] = known.as_slice()
            && let [_, (thinking, value, Ok(text)), _] = &texts
            && *text == default
        {
            known.insert(1, (*thinking, *value));
        }
        Self {
            known,
            none_is_default: none.as_ref().is_some_and(|(_, text)| *text == default),
            none: none.map(|(value, _)| value),
        }
    }

    fn are_read(&self) -> bool {
        self.none.is_some() || !self.known.is_empty()
    }
}

/// Whether a variable switches something on and off.
fn is_switch(render: RenderWith<'_>, name: &'static str) -> bool {
    let with = |value| render(object(&[(name, value)]));
    match (with("true"), with("false")) {
        (Ok(on), Ok(off)) => on != off,
        _ => false,
    }
}

/// Whether the prompt ends with a tag such as `<think>`, which the model's thoughts follow.
fn opens_thought(render: RenderWith<'_>) -> bool {
    let Ok(prompt) = render(Object::new()) else {
        return false;
    };
    let end = prompt.trim_end().to_lowercase();
    let tag = end.rfind(['<', '[']).and_then(|from| end.get(from..));
    tag.is_some_and(|tag| {
        let is_closed = tag.ends_with(['>', ']']) && !tag.contains('/');
        is_closed && (tag.contains("think") || tag.contains("reason"))
    })
}

/// Variables with values that are given as JSON.
fn object(variables: &[(&str, &str)]) -> Object {
    let variables = variables.iter();
    let read = |(name, value): &(&str, &str)| {
        let value = Data::read(value).unwrap_or(Data::Null);
        ((*name).to_owned(), value)
    };
    variables.map(read).collect()
}
