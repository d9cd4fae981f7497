//! What a model is loaded with.

use crate::{ModelConfig, Observer};

/// What a model is loaded with: how it is served, and who is told of its requests.
///
/// Made from a [`ModelConfig`], which everything that loads a model takes in its place where nobody
/// is told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// How the model is served.
    pub config: ModelConfig,
    /// Who is told of every request that has ended; default: nobody.
    pub observer: Option<Observer>,
}

impl LoadOptions {
    /// The same, with somebody who is told of every request that has ended.
    #[must_use]
    pub fn observed_by(self, observer: impl Into<Option<Observer>>) -> Self {
        Self {
            observer: observer.into(),
            ..self
        }
    }
}

impl From<ModelConfig> for LoadOptions {
    fn from(config: ModelConfig) -> Self {
        Self {
            config,
            observer: None,
        }
    }
}
