//! On other systems than Linux: the same items, which say that models can't be isolated here.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use mynah_core::{DeviceClass, GuestLoader, Model, ModelFormat, Observer, ProgressFn, Result};
use mynah_settings::ModelConfig;

use crate::{Confinement, Identity, IsolateError};

/// The places for processes. There are none here.
#[derive(Debug, Clone)]
pub struct Processes {
    most: u32,
}

impl Processes {
    /// Default of the maximum number of processes.
    pub const DEFAULT_MAX: u32 = 8;

    /// Places for at most this number of processes at once, from 1.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most: most.max(1) }
    }

    /// Maximum number of processes.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.most
    }

    /// Number of processes that run now: none.
    #[must_use]
    pub fn used(&self) -> usize {
        0
    }
}

impl Default for Processes {
    fn default() -> Self {
        Self::new(Self::DEFAULT_MAX)
    }
}

/// Loads models in processes of their own, which needs Linux: there is no value of this type.
#[derive(Debug, Clone)]
pub struct IsolatedLoader(Infallible);

impl IsolatedLoader {
    /// Says that it needs Linux.
    ///
    /// # Errors
    ///
    /// [`IsolateError::NotHere`].
    pub fn new(
        _loader: Arc<dyn GuestLoader>,
        _config: ModelConfig,
        _processes: Processes,
        _backend: Identity,
    ) -> Result<Self, IsolateError> {
        Err(IsolateError::NotHere)
    }

    /// The same loader.
    #[must_use]
    pub fn with_observer(self, _observer: Option<Observer>) -> Self {
        match self.0 {}
    }
}

impl GuestLoader for IsolatedLoader {
    fn serves(&self, _format: ModelFormat) -> bool {
        match self.0 {}
    }

    fn wants(&self) -> &'static str {
        match self.0 {}
    }

    fn has_device(&self, _device: DeviceClass) -> bool {
        match self.0 {}
    }

    fn load(&self, _bytes: &[u8], _progress: ProgressFn) -> Result<Model> {
        match self.0 {}
    }
}

/// Does nothing: no process of this program is that of a model.
pub fn enter(_load: impl FnOnce(&Path, ModelConfig, ProgressFn) -> Result<Model>) {}

/// Says that it needs Linux.
///
/// # Errors
///
/// [`IsolateError::NotHere`].
pub fn probe() -> Result<Confinement, IsolateError> {
    Err(IsolateError::NotHere)
}
