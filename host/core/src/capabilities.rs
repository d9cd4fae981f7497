//! What a backend can do with a model.

use std::sync::Arc;

use mynah_settings::{Effective, SettingInForce, Settings};
use serde::{Deserialize, Serialize};

use crate::{Error, ModelInfo, Prompt, Result};

/// Something that a backend may or may not be able to do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Feature {
    /// Continue a text or a conversation.
    Text,
    /// Compute vectors of texts.
    Vectors,
    /// Rank documents for a query.
    Ranking,
    /// Hold an answer to an output form (`json_schema`, `regex`, `lark`, `grammar`).
    OutputForms,
    /// Take a prompt as token ids, and count the tokens of one.
    TokenIds,
    /// Report how likely tokens were (`n_probs`).
    LogProbabilities,
    /// Give the same answer whatever else is running (`deterministic`).
    Deterministic,
    /// Leave out the oldest part of a conversation that outgrows its context (`context_shifting`).
    ContextShifting,
}

impl Feature {
    /// All of them.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The feature's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The paths of the settings that mean nothing without it.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::OutputForms => &[
                "output.json_schema",
                "output.regex",
                "output.lark",
                "output.grammar",
            ],
            Self::LogProbabilities => &["sampling.n_probs"],
            Self::Deterministic => &["scheduling.deterministic"],
            Self::ContextShifting => &["memory.context_shifting", "memory.n_keep"],
            Self::Text | Self::Vectors | Self::Ranking | Self::TokenIds => &[],
        }
    }

    /// What to do where it is lacking: a sentence without its full stop.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::OutputForms => "Leave out the output form, or use a model of another backend",
            Self::TokenIds => "Send text or messages, or use a model of another backend",
            Self::LogProbabilities => "Leave out `n_probs`, or use a model of another backend",
            Self::Deterministic => "Leave out `deterministic`, or use a model of another backend",
            Self::ContextShifting => {
                "Leave out `context_shifting`, or use a model of another backend"
            }
            Self::Text | Self::Vectors | Self::Ranking => "Use a model of another backend",
        }
    }
}

/// What a backend can do with one model. The default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the feature of that name")]
pub struct Capabilities {
    pub text: bool,
    pub vectors: bool,
    pub ranking: bool,
    pub output_forms: bool,
    pub token_ids: bool,
    pub log_probabilities: bool,
    pub deterministic: bool,
    pub context_shifting: bool,
}

impl Capabilities {
    /// Whether this is among them.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::Text => self.text,
            Feature::Vectors => self.vectors,
            Feature::Ranking => self.ranking,
            Feature::OutputForms => self.output_forms,
            Feature::TokenIds => self.token_ids,
            Feature::LogProbabilities => self.log_probabilities,
            Feature::Deterministic => self.deterministic,
            Feature::ContextShifting => self.context_shifting,
        }
    }

    /// Whether the backend has what a setting is about.
    #[must_use]
    pub fn have(&self, setting: &SettingInForce) -> bool {
        let path = setting.path.as_str();
        let mut all = Feature::ALL.iter();
        all.all(|feature| !feature.settings().contains(&path) || self.has(*feature))
    }

    /// Those that are there, in the order of [`Feature::ALL`].
    pub fn features(self) -> impl Iterator<Item = Feature> {
        let all = Feature::ALL.iter().copied();
        all.filter(move |feature| self.has(*feature))
    }
}

/// What is known of a model whether it is ready or not.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// What it is.
    pub info: Arc<ModelInfo>,
    /// The name of its backend, such as `llama.cpp`, for errors and reports.
    pub backend: &'static str,
    /// What its backend was built from: names and values for reports, such as a build number.
    pub build: Vec<(&'static str, serde_json::Value)>,
    /// What the backend can do with it.
    pub capabilities: Capabilities,
    /// How answers are made where neither request nor session says: the operator's choice.
    pub defaults: Settings,
    /// The same where the operator says nothing either: the recommendation of the model's file, or
    /// of the engine that serves it.
    pub recommended: Settings,
}

impl About {
    /// The error for a feature that is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the backend lacks it.
    pub fn require(&self, feature: Feature) -> Result<()> {
        if self.capabilities.has(feature) {
            return Ok(());
        }
        Err(Error::Unsupported {
            feature,
            model: self.info.name.clone(),
            backend: self.backend,
        })
    }

    /// Checks that the backend can do all that a request for text asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] with the first feature that it lacks.
    pub fn check_text(&self, prompt: &Prompt, settings: &Effective) -> Result<()> {
        let asked = [
            (Feature::Text, true),
            (Feature::TokenIds, matches!(prompt, Prompt::Tokens(_))),
            (Feature::OutputForms, settings.output.is_some()),
            (Feature::LogProbabilities, settings.sampling.n_probs > 0),
            (Feature::Deterministic, settings.scheduling.deterministic),
            (Feature::ContextShifting, settings.memory.context_shifting),
        ];
        for (feature, is_asked) in asked {
            if is_asked {
                self.require(feature)?;
            }
        }
        Ok(())
    }
}
