//! Models by name. One file under several names is loaded once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{LoadOptions, Progress};
use crate::{Error, Model, Result};

/// Models by name. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    names: Mutex<BTreeMap<String, Named>>,
    /// A load has ended.
    settled: Condvar,
}

/// What a name stands for.
#[derive(Debug)]
enum Named {
    Loading {
        path: PathBuf,
        options: Box<LoadOptions>,
    },
    Loaded(Model),
}

impl Named {
    fn is_of(&self, wanted: &Path, wanted_options: &LoadOptions) -> bool {
        match self {
            Self::Loading { path, options } => {
                **options == *wanted_options && is_same_file(path, wanted)
            }
            Self::Loaded(model) => model.is_of(wanted, wanted_options),
        }
    }

    fn model(&self) -> Option<&Model> {
        match self {
            Self::Loading { .. } => None,
            Self::Loaded(model) => Some(model),
        }
    }
}

/// Whether both lead to the same file. One that has gone is the same only by its path.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl Registry {
    /// A registry without models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a file under a name. A file that is there already, with the same configuration, is
    /// shared, also under the same name; one that somebody is loading is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] when the name stands for something else, and whatever
    /// [`Model::load`] says.
    pub fn load<P: Progress>(
        &self,
        name: &str,
        path: &Path,
        options: impl Into<LoadOptions>,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<Model> {
        let options = options.into();
        let mut names = self.lock();
        loop {
            if let Some(named) = names.get(name) {
                if !named.is_of(path, &options) {
                    return Err(duplicate(name));
                }
                if let Some(model) = named.model() {
                    return Ok(model.clone());
                }
            } else {
                match names.values().find(|named| named.is_of(path, &options)) {
                    Some(Named::Loaded(model)) => {
                        let model = model.clone();
                        names.insert(name.to_owned(), Named::Loaded(model.clone()));
                        return Ok(model);
                    }
                    Some(Named::Loading { .. }) => {}
                    None => break,
                }
            }
            let settled = self.shared.settled.wait(names);
            names = settled.unwrap_or_else(PoisonError::into_inner);
        }
        let loading = Named::Loading {
            path: path.to_owned(),
            options: Box::new(options.clone()),
        };
        names.insert(name.to_owned(), loading);
        drop(names);
        let mut load = Load {
            registry: self,
            name,
            model: None,
        };
        let model = Model::load(path, options, progress)?;
        load.model = Some(model.clone());
        Ok(model)
    }

    /// Adds a loaded model under a name.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] when the name is taken.
    pub fn insert(&self, name: &str, model: Model) -> Result<()> {
        let mut names = self.lock();
        if names.contains_key(name) {
            return Err(duplicate(name));
        }
        names.insert(name.to_owned(), Named::Loaded(model));
        Ok(())
    }

    /// The model of that name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`] when there is none, or it is still being loaded.
    pub fn get(&self, name: &str) -> Result<Model> {
        let names = self.lock();
        let model = names.get(name).and_then(Named::model);
        model.cloned().ok_or_else(|| Error::UnknownModel {
            name: name.to_owned(),
        })
    }

    /// Takes a name away. The model stays in memory while anybody else has it.
    pub fn remove(&self, name: &str) -> Option<Model> {
        let mut names = self.lock();
        names.get(name)?.model()?;
        match names.remove(name)? {
            Named::Loaded(model) => Some(model),
            Named::Loading { .. } => None,
        }
    }

    /// All models with their names, in the order of the names.
    #[must_use]
    pub fn models(&self) -> Vec<(String, Model)> {
        let names = self.lock();
        let loaded = names
            .iter()
            .filter_map(|(name, named)| Some((name.clone(), named.model()?.clone())));
        loaded.collect()
    }

    /// A panic while the lock was held leaves the names whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Named>> {
        let names = self.shared.names.lock();
        names.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load; its end, however it comes, is told to those who wait for it.
struct Load<'a> {
    registry: &'a Registry,
    name: &'a str,
    model: Option<Model>,
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        let mut names = self.registry.lock();
        match self.model.take() {
            Some(model) => names.insert(self.name.to_owned(), Named::Loaded(model)),
            None => names.remove(self.name),
        };
        drop(names);
        self.registry.shared.settled.notify_all();
    }
}

fn duplicate(name: &str) -> Error {
    Error::DuplicateModel {
        name: name.to_owned(),
    }
}
