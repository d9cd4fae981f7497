//! Settings for how a model reasons before it answers.

use super::builder::builder;
use crate::bindings::mynah::llm::settings as wit;

builder! {
    /// Whether, and how long, a model reasons before it answers. It has an effect on conversations
    /// only: the host does not know where the reasoning of another prompt ends.
    pub struct Reasoning {
        /// How much the model reasons. If the model's chat template has no such choice, a value
        /// that differs from what the model does anyway fails with
        /// [`Error::Unsupported`](crate::Error::Unsupported). Default as the template has it.
        thinking: Thinking;
        /// Maximum number of tokens of the reasoning; 0 is none. When it is reached, the host ends
        /// the reasoning with the model's own closing tokens, and the model answers. Default no
        /// limit.
        budget: u32;
        /// Where the [`OutputForm`](crate::OutputForm) begins. Default
        /// [`FormStart::AfterReasoning`].
        form_start: FormStart;
    }
}

/// How much a model reasons before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Thinking {
    /// Not at all.
    Off,
    /// As much as the model does by itself.
    On,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

/// Where in an answer its form begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormStart {
    /// With the first token, so the model does not reason.
    FirstToken,
    /// After the reasoning; with the first token if the model does not reason.
    AfterReasoning,
}

impl From<Reasoning> for wit::Reasoning {
    fn from(reasoning: Reasoning) -> Self {
        Self {
            thinking: reasoning.thinking.map(wit::Thinking::from),
            budget: reasoning.budget,
            form_start: reasoning.form_start.map(wit::FormStart::from),
        }
    }
}

impl From<Thinking> for wit::Thinking {
    fn from(thinking: Thinking) -> Self {
        match thinking {
            Thinking::Off => Self::Off,
            Thinking::On => Self::On,
            Thinking::Low => Self::Low,
            Thinking::Medium => Self::Medium,
            Thinking::High => Self::High,
        }
    }
}

impl From<FormStart> for wit::FormStart {
    fn from(start: FormStart) -> Self {
        match start {
            FormStart::FirstToken => Self::FirstToken,
            FormStart::AfterReasoning => Self::AfterReasoning,
        }
    }
}
