//! The description of how a model writes its reasoning and its calls.
//!
//! Texts are as the model writes them, with their white space. The parser is lenient about white
//! space between markers; the grammar of a [`Shape`](mynah_core::Shape) is not.

use serde::Serialize;

/// How a model writes its reasoning and its calls. The parser, the grammar and what an operator
/// sees come from this one description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerFormat {
    /// The name of a hand-made description, or `found`.
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) reasoning: Option<Around>,
    /// What stands around text. Empty in most formats.
    pub(crate) text: Around,
    pub(crate) calls: Calls,
    /// Whether an answer is a sequence of messages, each with a header that names its channel.
    pub(crate) has_channels: bool,
}

impl AnswerFormat {
    /// The name of the format, or `found`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the description comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What begins and what ends reasoning, without white space around it. `None`: the model is
    /// not known to reason. The end is what a host writes to end reasoning early.
    #[must_use]
    pub fn reasoning(&self) -> Option<(&str, &str)> {
        let around = self.reasoning.as_ref()?;
        Some((around.begin.trim(), around.end.trim()))
    }

    /// What ends reasoning, with the white space that follows it.
    #[must_use]
    pub fn reasoning_end(&self) -> Option<&str> {
        Some(self.reasoning.as_ref()?.end.as_str())
    }

    /// Whether a prompt ends within reasoning. Its end is enough, with the control tokens spelled
    /// out.
    #[must_use]
    pub fn opens_reasoning(&self, prompt: &str) -> bool {
        let begin = self.reasoning().map(|(begin, _)| begin);
        begin.is_some_and(|begin| prompt.trim_end().ends_with(begin))
    }
}

/// Where a description comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The template was rendered with small conversations, and the results were compared.
    Compared,
    /// The template contains the markers of a format that Mynah knows.
    Recognised,
    /// An operator chose it by its name.
    Chosen,
    /// The template has no place for tools: they are described in the system message, with the
    /// format of calls.
    Fallback,
    /// The template takes tools, but does not show how the model calls them. The format is the one
    /// of the fallback, which the model was not asked for, so an operator should choose one.
    Assumed,
}

/// What stands before and after something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Around {
    pub(crate) begin: String,
    pub(crate) end: String,
}

impl Around {
    pub(crate) fn new(begin: &str, end: &str) -> Self {
        Self {
            begin: begin.to_owned(),
            end: end.to_owned(),
        }
    }
}

/// How calls are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Calls {
    /// Around all calls of an answer. Empty if each call stands alone.
    pub(crate) section: Around,
    /// Around each call.
    pub(crate) each: Around,
    /// Between two calls.
    pub(crate) separator: String,
    pub(crate) body: Body,
    /// Whether an answer has one call at most.
    pub(crate) is_single: bool,
}

/// How one call is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Body {
    /// A JSON object.
    Object(Keys),
    /// The name, then the arguments.
    Named(Named),
    /// The name, then each argument between tags.
    Tagged(Tagged),
}

/// The keys of a call that is a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Keys {
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) id: Option<IdKey>,
}

/// The key of a call's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct IdKey {
    pub(crate) key: String,
    /// Whether it comes before the arguments. If not, the model's id comes too late for the event
    /// that starts the call, and the id is generated.
    pub(crate) is_first: bool,
}

/// A call that is a name, then arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Named {
    pub(crate) id: NamedId,
    /// Between the name, or the id, and the arguments.
    pub(crate) between: String,
    pub(crate) notation: Notation,
}

/// Where the id of a named call is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NamedId {
    /// The model writes none.
    Absent,
    /// Before this marker and the name.
    Before(String),
    /// After the name and this marker.
    After(String),
    /// In place of the name, which it contains: `functions.name:0`.
    WithName,
}

/// How the arguments of a named call are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Notation {
    /// A JSON object.
    Json,
    /// Python's keyword arguments, in parentheses.
    Python,
    /// An object whose keys have no quotes, and whose texts stand between two of this marker.
    Marked(String),
}

/// A call whose arguments stand between tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tagged {
    /// After the name.
    pub(crate) name_end: String,
    /// Around the name of an argument.
    pub(crate) key: Around,
    /// Around its value. With `typed`, `begin` is what follows a text.
    pub(crate) value: Around,
    /// In place of the begin of the value if the value is no text, where the format tells.
    pub(crate) json_begin: Option<String>,
}

/// A marker without white space at its ends, cut at white space and behind brackets. White space
/// may stand between the pieces.
pub(crate) fn atoms(marker: &str) -> Vec<String> {
    let mut atoms = Vec::new();
    for word in marker.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['>', ']']) {
            let (atom, behind) = rest.split_at(at + 1);
            atoms.push(atom.to_owned());
            rest = behind;
        }
        if !rest.is_empty() {
            atoms.push(rest.to_owned());
        }
    }
    atoms
}

/// Largest length of a marker in bytes. Each character of an answer may be compared with all of it.
pub(crate) const MAX_MARKER: usize = 256;

impl Calls {
    /// Whether no marker is too long.
    pub(crate) fn is_short(&self) -> bool {
        let around = |around: &Around| [around.begin.clone(), around.end.clone()];
        let mut markers = self.body.markers();
        markers.extend([&self.section, &self.each].into_iter().flat_map(around));
        markers.push(self.separator.clone());
        if let Body::Object(keys) = &self.body {
            markers.extend([keys.name.clone(), keys.arguments.clone()]);
        }
        markers.iter().all(|marker| marker.len() <= MAX_MARKER)
    }

    /// The texts that begin calls, and that no other text should have. Empty: a JSON object at the
    /// beginning of a line is a call. A first tag is enough; words need all that follows them.
    pub(crate) fn triggers(&self) -> Vec<String> {
        let begins = [&self.section.begin, &self.each.begin];
        let triggers = begins.into_iter().filter_map(|begin| {
            let first = atoms(begin).into_iter().next()?;
            Some(match first.starts_with(['<', '[']) {
                true => first,
                false => begin.trim().to_owned(),
            })
        });
        let mut triggers: Vec<String> = triggers.collect();
        triggers.dedup();
        triggers
    }
}

impl Body {
    /// The texts between the parts of a call.
    pub(crate) fn markers(&self) -> Vec<String> {
        match self {
            Self::Object(_) => Vec::new(),
            Self::Named(named) => {
                let id = match &named.id {
                    NamedId::Before(marker) | NamedId::After(marker) => Some(marker),
                    NamedId::Absent | NamedId::WithName => None,
                };
                let quote = match &named.notation {
                    Notation::Marked(quote) => Some(quote),
                    Notation::Json | Notation::Python => None,
                };
                let markers = [id, quote, Some(&named.between)].into_iter().flatten();
                markers.cloned().collect()
            }
            Self::Tagged(tagged) => {
                let Tagged {
                    name_end,
                    key,
                    value,
                    json_begin,
                } = tagged;
                let markers = [name_end, &key.begin, &key.end, &value.begin, &value.end];
                markers.into_iter().chain(json_begin).cloned().collect()
            }
        }
    }
}
