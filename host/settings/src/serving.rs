//! An operator's settings: those of models, of the log, and the defaults of requests.

use super::block::{AnyBlock, Block};
use super::logging::LoggingSettings;
use super::model::{BackendSettings, ModelConfig, ModelSettings};
use super::problem::Check;
use super::{Result, Settings};

/// All settings of an operator.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operator {
    /// The settings of a generation that neither the request nor the session sets.
    pub settings: Settings,
    /// How the model is served.
    pub model: ModelSettings,
    /// How many requests are served at once, and the limits.
    pub backend: BackendSettings,
    /// What is logged. The command writes the log; models don't depend on it.
    pub logging: LoggingSettings,
}

impl Operator {
    /// Checks the range of each setting by itself.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        self.settings.check_into(&mut check);
        self.model.check(&mut check);
        self.backend.check(&mut check);
        self.logging.check(&mut check);
        check.done()
    }

    /// These settings, with those of `base` for the unset ones.
    #[must_use]
    pub fn or(self, base: &Self) -> Self {
        Self {
            settings: self.settings.or(&base.settings),
            model: self.model.or(&base.model),
            backend: self.backend.or(&base.backend),
            logging: self.logging.or(&base.logging),
        }
    }

    /// The model's configuration: these settings, and the defaults for the unset ones. `optimize`
    /// is left out, because the command decides where converted models are kept.
    #[must_use]
    pub fn config(&self) -> ModelConfig {
        let mut config = ModelConfig {
            defaults: self.settings.clone(),
            ..ModelConfig::default()
        };
        self.model.apply(&mut config);
        self.backend.apply(&mut config);
        config
    }

    /// All blocks, in the order of the documentation.
    pub(crate) fn blocks(&self) -> Vec<&dyn AnyBlock> {
        let mut blocks: Vec<&dyn AnyBlock> = self.settings.blocks().into_iter().collect();
        blocks.extend([&self.model as &dyn AnyBlock, &self.backend, &self.logging]);
        blocks
    }

    /// All blocks, mutable.
    pub(crate) fn blocks_mut(&mut self) -> Vec<&mut dyn AnyBlock> {
        let mut blocks: Vec<&mut dyn AnyBlock> = self.settings.blocks_mut().into_iter().collect();
        blocks.push(&mut self.model);
        blocks.push(&mut self.backend);
        blocks.push(&mut self.logging);
        blocks
    }
}
