//! The features of a backend for a model.

use std::sync::Arc;

use mynah_settings::{Effective, Level, SettingInForce, Settings};
use serde::{Deserialize, Serialize};

use crate::{Error, ModelInfo, Prompt, Result};

/// A feature that a backend may have.
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
    /// Generates text.
    Text,
    /// Computes vectors of texts.
    Vectors,
    /// Ranks documents for a query.
    Ranking,
    /// Restricts an answer to an output form (`json_schema`, `regex`, `lark`, `grammar`).
    OutputForms,
    /// Accepts prompts as token ids, and counts the tokens of a prompt.
    TokenIds,
    /// Reports log-probabilities of tokens (`n_probs`).
    LogProbabilities,
    /// Gives the same answer whatever else is running (`deterministic`).
    Deterministic,
    /// Removes the oldest part of a conversation that exceeds its context (`context_shifting`).
    ContextShifting,
}

impl Feature {
    /// All features.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name of the feature in JSON and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The paths of the settings that have no effect without the feature.
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

    /// What to do if the feature is missing: a sentence without its full stop.
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

/// The features of a backend for one model. Default none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    /// Whether the feature is available.
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

    /// Whether the features that a setting needs are available.
    #[must_use]
    pub fn have(&self, setting: &SettingInForce) -> bool {
        let path = setting.path.as_str();
        let mut all = Feature::ALL.iter();
        all.all(|feature| !feature.settings().contains(&path) || self.has(*feature))
    }

    /// The available features, in the order of [`Feature::ALL`].
    pub fn features(self) -> impl Iterator<Item = Feature> {
        let all = Feature::ALL.iter().copied();
        all.filter(move |feature| self.has(*feature))
    }
}

/// The description of a model, which is available whether the model is ready or not.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// The model itself.
    pub info: Arc<ModelInfo>,
    /// The name of its backend, such as `llama.cpp`, for errors and reports.
    pub backend: &'static str,
    /// The build of the backend: names and values for reports, such as a build number.
    pub build: Vec<(&'static str, serde_json::Value)>,
    /// What the backend can do with the model.
    pub capabilities: Capabilities,
    /// The operator's settings for requests, for those that neither request nor session sets.
    pub defaults: Settings,
    /// The settings that apply if the operator sets none either: the recommendation of the model's
    /// file, or of the engine that serves it.
    pub recommended: Settings,
}

impl About {
    /// The settings of a session and of all levels below it, in the order in which they count.
    #[must_use]
    pub fn levels<'a>(&'a self, session: &'a Settings) -> [(Level, &'a Settings); 3] {
        [
            (Level::Session, session),
            (Level::Model, &self.defaults),
            (Level::File, &self.recommended),
        ]
    }

    /// The settings of a request, with those of the other [`levels`](Self::levels) for the unset
    /// ones.
    #[must_use]
    pub fn merged(&self, request: Settings, session: &Settings) -> Settings {
        let levels = self.levels(session).into_iter();
        levels.fold(request, |settings, (_, base)| settings.or(base))
    }

    /// Checks that a feature is available.
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

    /// Checks that a request for text asks for text, and that the backend supports everything that
    /// it needs.
    ///
    /// # Errors
    ///
    /// [`Error::VectorsAsked`] if its settings ask for vectors; [`Error::Unsupported`] with the
    /// first missing feature.
    pub fn check_text(&self, prompt: &Prompt, settings: &Effective) -> Result<()> {
        if settings.embedding {
            return Err(Error::VectorsAsked);
        }
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

#[cfg(test)]
mod tests {
    use mynah_settings::{Sampling, Stopping, in_force};
    use proptest::prelude::*;

    use super::*;

    fn settings((temperature, max_tokens): (Option<u8>, Option<u32>)) -> Settings {
        Settings {
            sampling: Sampling {
                temperature: temperature.map(f32::from),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens,
                ..Stopping::default()
            },
            ..Settings::default()
        }
    }

    fn about(defaults: Settings, recommended: Settings) -> About {
        About {
            info: Arc::default(),
            backend: "test",
            build: Vec::new(),
            capabilities: Capabilities::default(),
            defaults,
            recommended,
        }
    }

    #[test]
    fn the_operator_outranks_the_models_file() {
        let about = about(settings((Some(1), None)), settings((Some(2), Some(3))));
        let none = Settings::default();
        let merged = about.merged(none.clone(), &none);
        assert_eq!(merged, settings((Some(1), Some(3))));
        let session = settings((Some(4), None));
        let merged = about.merged(settings((None, Some(5))), &session);
        assert_eq!(merged, settings((Some(4), Some(5))));
    }

    proptest! {
        /// What a session tells as in force is what applies to its requests.
        #[test]
        fn what_is_told_is_what_applies(
            session: (Option<u8>, Option<u32>),
            operator: (Option<u8>, Option<u32>),
            file: (Option<u8>, Option<u32>),
        ) {
            let (about, session) = (about(settings(operator), settings(file)), settings(session));
            let applied = about.merged(Settings::default(), &session).resolve(|| 1);
            let told = in_force(&about.levels(&session));
            let told = |path: &str| {
                let setting = told.iter().find(|setting| setting.path == path).unwrap();
                setting.value.as_f64().unwrap()
            };
            let difference = told("sampling.temperature") - f64::from(applied.sampling.temperature);
            prop_assert!(difference.abs() < 1e-6, "{difference}");
            prop_assert_eq!(told("stopping.max_tokens"), f64::from(applied.stopping.max_tokens));
        }
    }
}
