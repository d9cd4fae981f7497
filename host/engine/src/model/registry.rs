//! Models by name. One file under several names is loaded once.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, Model, ModelConfig, Result};

/// Models by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    models: BTreeMap<String, Model>,
}

impl Registry {
    /// A registry without models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a file under a name; a file that is there already, with the same configuration, is shared.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] when the name is taken, and whatever [`Model::load`] says.
    pub fn load(
        &mut self,
        name: &str,
        path: &Path,
        config: ModelConfig,
        progress: impl FnMut(f32) + Send + 'static,
    ) -> Result<Model> {
        self.check_free(name)?;
        let model = match self.loaded(path, &config) {
            Some(model) => model,
            None => Model::load(path, config, progress)?,
        };
        self.models.insert(name.to_owned(), model.clone());
        Ok(model)
    }

    /// Adds a loaded model under a name.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] when the name is taken.
    pub fn insert(&mut self, name: &str, model: Model) -> Result<()> {
        self.check_free(name)?;
        self.models.insert(name.to_owned(), model);
        Ok(())
    }

    /// The model of that name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`] when there is none.
    pub fn get(&self, name: &str) -> Result<&Model> {
        self.models.get(name).ok_or_else(|| Error::UnknownModel {
            name: name.to_owned(),
        })
    }

    /// All names with their models, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.models
            .iter()
            .map(|(name, model)| (name.as_str(), model))
    }

    fn check_free(&self, name: &str) -> Result<()> {
        if self.models.contains_key(name) {
            return Err(Error::DuplicateModel {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    fn loaded(&self, path: &Path, config: &ModelConfig) -> Option<Model> {
        let wanted = path.canonicalize().ok()?;
        self.models
            .values()
            .find(|model| {
                model.inner.config == *config
                    && model
                        .info()
                        .path
                        .canonicalize()
                        .is_ok_and(|path| path == wanted)
            })
            .cloned()
    }
}
