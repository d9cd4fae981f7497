//! Models by name. A source that is given under several names is loaded once.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Error, Model, Observer, Progress, Result, Source, progress_fn};

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
    /// Called for every request to the models that are loaded here.
    observer: Option<Observer>,
}

/// What a name stands for.
#[derive(Debug)]
enum Named {
    Loading(Arc<dyn Source>),
    Loaded(Model),
}

impl Named {
    fn is_of(&self, wanted: &dyn Source) -> bool {
        match self {
            Self::Loading(source) => source.is_same(wanted),
            Self::Loaded(model) => model.is_from(wanted),
        }
    }

    fn model(&self) -> Option<&Model> {
        match self {
            Self::Loading(_) => None,
            Self::Loaded(model) => Some(model),
        }
    }
}

impl Registry {
    /// A registry without models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A registry without models, whose observer is called for every request to the models that it
    /// loads.
    #[must_use]
    pub fn observed(observer: Option<Observer>) -> Self {
        Self {
            shared: Arc::new(Shared {
                observer,
                ..Shared::default()
            }),
        }
    }

    /// Loads a model under a name. A model of the same source that is there already is shared, also
    /// under the same name; a load of it that is under way is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] when the name stands for something else, and those of
    /// [`Source::load`].
    pub fn load<P: Progress>(
        &self,
        name: &str,
        source: Arc<dyn Source>,
        progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<Model> {
        let mut names = self.lock();
        loop {
            if let Some(named) = names.get(name) {
                if !named.is_of(&*source) {
                    return Err(duplicate(name));
                }
                if let Some(model) = named.model() {
                    return Ok(model.clone());
                }
            } else {
                match names.values().find(|named| named.is_of(&*source)) {
                    Some(Named::Loaded(model)) => {
                        let model = model.clone();
                        names.insert(name.to_owned(), Named::Loaded(model.clone()));
                        return Ok(model);
                    }
                    Some(Named::Loading(_)) => {}
                    None => break,
                }
            }
            let settled = self.shared.settled.wait(names);
            names = settled.unwrap_or_else(PoisonError::into_inner);
        }
        names.insert(name.to_owned(), Named::Loading(Arc::clone(&source)));
        drop(names);
        let mut load = Load {
            registry: self,
            name,
            model: None,
        };
        let mut model = source.load(progress_fn(progress))?;
        if let Some(observer) = &self.shared.observer {
            model = model.with_observer(observer.clone());
        }
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
