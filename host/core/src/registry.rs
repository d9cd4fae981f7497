//! Models by name. A source with several names is loaded once.

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
    /// Notified when a load has ended.
    settled: Condvar,
    /// Called for every request to the models that the registry loads.
    observer: Option<Observer>,
}

/// The state of a name.
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
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty registry with an observer that is called for every request to the models that it
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

    /// Loads a model under a name. If a model with the same source exists, it is shared, also under
    /// the same name. If it is being loaded, this waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] if the name has another model, and the errors of [`Source::load`].
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
                    return Ok(model.clone().granted_as(name));
                }
            } else {
                match names.values().find(|named| named.is_of(&*source)) {
                    Some(Named::Loaded(model)) => {
                        let model = model.clone().granted_as(name);
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
        model = model.granted_as(name);
        load.model = Some(model.clone());
        Ok(model)
    }

    /// Adds a loaded model under a name.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateModel`] if the name is in use.
    pub fn insert(&self, name: &str, model: Model) -> Result<()> {
        let mut names = self.lock();
        if names.contains_key(name) {
            return Err(duplicate(name));
        }
        names.insert(name.to_owned(), Named::Loaded(model.granted_as(name)));
        Ok(())
    }

    /// The model with this name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`] if there is none, or it is still being loaded.
    pub fn get(&self, name: &str) -> Result<Model> {
        let names = self.lock();
        let model = names.get(name).and_then(Named::model);
        model.cloned().ok_or_else(|| Error::UnknownModel {
            name: name.to_owned(),
        })
    }

    /// Removes a name. The model stays in memory as long as it is used elsewhere.
    pub fn remove(&self, name: &str) -> Option<Model> {
        let mut names = self.lock();
        names.get(name)?.model()?;
        match names.remove(name)? {
            Named::Loaded(model) => Some(model),
            Named::Loading { .. } => None,
        }
    }

    /// All models with their names, ordered by name.
    #[must_use]
    pub fn models(&self) -> Vec<(String, Model)> {
        let names = self.lock();
        let loaded = names
            .iter()
            .filter_map(|(name, named)| Some((name.clone(), named.model()?.clone())));
        loaded.collect()
    }

    /// A panic while the lock was held leaves the names consistent, because each change is one
    /// call.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Named>> {
        let names = self.shared.names.lock();
        names.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load. Waiting threads are notified however it ends.
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
