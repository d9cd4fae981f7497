//! What an operator's document says: his settings, each of which may be left out, those of the log
//! and those of requests.

use super::block::{AnyBlock, Block};
use super::logging::LoggingSettings;
use super::model::{BackendSettings, ModelConfig, ModelSettings};
use super::problem::Check;
use super::{Result, Settings};

/// All that an operator may set for a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operator {
    /// How text is made where neither request nor session says.
    pub settings: Settings,
    /// How the model is served.
    pub model: ModelSettings,
    /// How many are served at once.
    pub backend: BackendSettings,
    /// What is logged: the program's to do, which has nothing to do with a model.
    pub logging: LoggingSettings,
}

impl Operator {
    /// Checks the ranges, each by itself.
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

    /// These settings, and where they say nothing, those of `base`.
    #[must_use]
    pub fn or(self, base: &Self) -> Self {
        Self {
            settings: self.settings.or(&base.settings),
            model: self.model.or(&base.model),
            backend: self.backend.or(&base.backend),
            logging: self.logging.or(&base.logging),
        }
    }

    /// The model's configuration: these settings, and where they say nothing, the defaults.
    /// `optimize` is left out: where converted models are kept is the program's to say.
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

    /// All blocks, in the order in which documents and their tables have them.
    pub(crate) fn blocks(&self) -> Vec<&dyn AnyBlock> {
        let mut blocks: Vec<&dyn AnyBlock> = self.settings.blocks().into_iter().collect();
        blocks.extend([&self.model as &dyn AnyBlock, &self.backend, &self.logging]);
        blocks
    }

    /// All blocks, to write.
    pub(crate) fn blocks_mut(&mut self) -> Vec<&mut dyn AnyBlock> {
        let mut blocks: Vec<&mut dyn AnyBlock> = self.settings.blocks_mut().into_iter().collect();
        blocks.push(&mut self.model);
        blocks.push(&mut self.backend);
        blocks.push(&mut self.logging);
        blocks
    }
}
