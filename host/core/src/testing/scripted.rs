//! The script of a model, and what the model can do.

use std::fmt;
use std::path::PathBuf;

use mynah_settings::Settings;

use super::step::Step;
use crate::{Capabilities, Error, ModelInfo, Part, Prompt};

/// Returns the steps of the answer to a prompt.
type Script = dyn Fn(&Prompt) -> Vec<Step> + Send + Sync;

/// A backend that runs a script.
///
/// It has every feature, counts each word as a token, and returns the vector `[1, 0, 0]` for each
/// text.
pub struct Scripted {
    pub(super) script: Box<Script>,
    pub(super) info: ModelInfo,
    pub(super) capabilities: Capabilities,
    pub(super) defaults: Settings,
    pub(super) refusal: Option<Box<dyn Fn() -> Error + Send + Sync>>,
    pub(super) max_sessions: usize,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("info", &self.info)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

impl Scripted {
    /// The name of this backend in errors and reports.
    pub const NAME: &'static str = "scripted";

    /// A model that answers each prompt with these steps.
    pub fn new(script: impl Fn(&Prompt) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            info: ModelInfo {
                name: "scripted".to_owned(),
                path: PathBuf::new(),
                architecture: "scripted".to_owned(),
                parameters: 0,
                quantisation: "none".to_owned(),
                optimized_from: None,
                file_bytes: 0,
                context_trained: 2048,
                context_size: 2048,
                layers: 0,
                layers_on_device: 0,
                vocabulary: 1 << 16,
                vectors_only: false,
                chat_template: None,
            },
            capabilities: Capabilities {
                text: true,
                vectors: true,
                ranking: true,
                output_forms: true,
                token_ids: true,
                log_probabilities: true,
                deterministic: true,
                context_shifting: true,
            },
            defaults: Settings::default(),
            refusal: None,
            max_sessions: usize::MAX,
        }
    }

    /// A model that answers every prompt with this text.
    #[must_use]
    pub fn saying(text: &str) -> Self {
        let text = text.to_owned();
        Self::new(move |_| vec![Step::Text(text.clone())])
    }

    /// A model that answers a text with the same text, and a conversation with its last message.
    #[must_use]
    pub fn echo() -> Self {
        Self::new(|prompt| vec![Step::Text(words_of(prompt).join(" "))])
    }

    /// Sets the features of the backend.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self.info.vectors_only = !capabilities.text && capabilities.vectors;
        self
    }

    /// Sets the operator's settings for requests, for those that neither request nor session sets.
    #[must_use]
    pub fn with_defaults(mut self, defaults: Settings) -> Self {
        self.defaults = defaults;
        self
    }

    /// Refuses every request with this error.
    #[must_use]
    pub fn refusing(mut self, error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        self.refusal = Some(Box::new(error));
        self
    }

    /// Sets the maximum number of open sessions. Further ones are refused.
    #[must_use]
    pub fn with_max_sessions(mut self, most: usize) -> Self {
        self.max_sessions = most;
        self
    }
}

/// The words of a prompt, each of which counts as a token.
pub(super) fn words_of(prompt: &Prompt) -> Vec<String> {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    match prompt {
        Prompt::Text(text) => words(text),
        Prompt::Messages(conversation) => {
            let last = conversation.messages.last();
            let parts = last.into_iter().flat_map(|message| &message.content);
            let words = parts.flat_map(|part| match part {
                Part::Text(text) => words(text),
                Part::Image(_) | Part::Audio(_) => Vec::new(),
            });
            words.collect()
        }
        Prompt::Tokens(ids) => ids.iter().map(ToString::to_string).collect(),
    }
}
