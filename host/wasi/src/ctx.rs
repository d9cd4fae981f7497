//! The grants and limits of one store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mynah_core::{GuestLoader, Model, Owner, Registry};
use mynah_settings::Priority;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::cli::StdoutStream;

use crate::held::{CoreModules, Held, Stdout};

/// Limits for what a guest holds and sends. Exceeding one gives an error that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Total size in bytes of all tensors that a guest holds at once, including their shapes. It
    /// includes the prompts that core modules have set and the answer of one of their contexts. In
    /// the older snapshots of `wasi:nn` it also includes what contexts keep, and errors that the
    /// guest creates. Default 64 MiB. Beyond it `compute` fails with `too-large`, as do `set_input`
    /// and `compute` of core modules.
    pub max_tensor_bytes: u64,
    /// Maximum number of graphs that a guest holds at once. Default 64.
    pub max_graphs: u32,
    /// Maximum number of execution contexts that a guest holds at once. Default 256.
    pub max_contexts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_tensor_bytes: 64 << 20,
            max_graphs: 64,
            max_contexts: 256,
        }
    }
}

/// Limits for models that a guest loads itself, as bytes (`wasi:nn` `load`).
#[derive(Debug, Clone)]
pub struct GuestModels {
    /// Maximum size of one model in bytes. Default 64 MiB. Beyond it `load` fails with `too-large`.
    pub max_bytes: u64,
    /// Maximum number of own models that a guest holds at once. Each has its own memory and
    /// threads. Default 1.
    pub max_models: u32,
    /// Loads the models. Its creator decides how they are served.
    pub loader: Arc<dyn GuestLoader>,
}

impl GuestModels {
    /// Models from this loader, with the default limits.
    #[must_use]
    pub fn new(loader: Arc<dyn GuestLoader>) -> Self {
        Self {
            max_bytes: 64 << 20,
            max_models: 1,
            loader,
        }
    }
}

/// The grants and limits of one store.
#[derive(Debug)]
pub struct LlmCtx {
    pub(crate) models: BTreeMap<String, Model>,
    pub(crate) guest_models: Option<GuestModels>,
    pub(crate) limits: Limits,
    pub(crate) owner: Owner,
    pub(crate) max_priority: Priority,
    pub(crate) host_status: bool,
    pub(crate) held: Held,
    pub(crate) core_modules: CoreModules,
    pub(crate) unknown_models: AtomicU64,
}

impl LlmCtx {
    /// Creates a builder for a context without grants.
    #[must_use]
    pub fn builder() -> LlmCtxBuilder {
        LlmCtxBuilder::new()
    }

    /// How often the guest asked for a model by a name that it was not granted.
    #[must_use]
    pub fn unknown_models(&self) -> u64 {
        self.unknown_models.load(Ordering::Relaxed)
    }
}

/// Builds an [`LlmCtx`]. Without any call, the guest cannot load a model.
#[derive(Debug, Default)]
pub struct LlmCtxBuilder {
    models: BTreeMap<String, Model>,
    guest_models: Option<GuestModels>,
    limits: Limits,
    owner: Option<Owner>,
    max_priority: Option<Priority>,
    host_status: bool,
    core_modules: CoreModules,
}

impl LlmCtxBuilder {
    /// Creates a builder without grants.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants a model under a name. If a name is granted twice, the later model wins.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>, model: Model) -> Self {
        self.models.insert(name.into(), model);
        self
    }

    /// Grants all models of a registry under their names there.
    #[must_use]
    pub fn models(mut self, registry: &Registry) -> Self {
        self.models.extend(registry.models());
        self
    }

    /// Allows the guest to load its own models from bytes. A backend may parse them with native
    /// code: give a loader that isolates them (`mynah_isolate::IsolatedLoader`), or allow it only
    /// for guests that you trust as much as a library that you link.
    #[must_use]
    pub fn guest_models(mut self, allowed: GuestModels) -> Self {
        self.guest_models = Some(allowed);
        self
    }

    /// Sets the guest's limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the guest's owner for fair scheduling. Guests with the same owner share one share of
    /// the model. By default each guest is its own owner.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Sets the highest priority that the guest may use; beyond it `start` fails with
    /// `invalid-argument`. Default urgent, which allows any.
    #[must_use]
    pub fn max_priority(mut self, priority: Priority) -> Self {
        self.max_priority = Some(priority);
        self
    }

    /// Allows the guest to see figures that cover all guests (`mynah:llm/backend-status`): queue,
    /// memory and performance of the models that it was granted. By default it only sees those
    /// models and its own sessions.
    #[must_use]
    pub fn host_status(mut self, allowed: bool) -> Self {
        self.host_status = allowed;
        self
    }

    /// Sets the stream for the setting `stream-stdout` of core modules
    /// ([`add_to_core_linker`](crate::add_to_core_linker)): pass the same stream as to WASI. By
    /// default there is none, and the setting is reported as having no effect.
    #[must_use]
    pub fn stdout(mut self, stream: impl StdoutStream + Sync + 'static) -> Self {
        self.core_modules.stdout = Some(Stdout::new(stream));
        self
    }

    /// In `get_output` and `get_output_single` of core modules, treats a buffer of length 0 as
    /// being as long as the answer: some guests pass the length of an empty vector with a large
    /// capacity. The write is then only limited by the end of the guest's memory, so a guest that
    /// means 0 loses the data behind its buffer. By default such a buffer is too small.
    #[must_use]
    pub fn lenient_output_size(mut self, lenient: bool) -> Self {
        self.core_modules.lenient_output_size = lenient;
        self
    }

    /// Builds the context.
    #[must_use]
    pub fn build(self) -> LlmCtx {
        LlmCtx {
            models: self.models,
            guest_models: self.guest_models,
            limits: self.limits,
            owner: self.owner.unwrap_or_else(Owner::unique),
            max_priority: self.max_priority.unwrap_or(Priority::Urgent),
            host_status: self.host_status,
            held: Held::default(),
            core_modules: self.core_modules,
            unknown_models: AtomicU64::new(0),
        }
    }
}

/// A borrowed [`LlmCtx`] with the store's resource table.
#[derive(Debug)]
pub struct LlmCtxView<'a> {
    /// Grants and limits.
    pub ctx: &'a mut LlmCtx,
    /// The table with the guest's handles.
    pub table: &'a mut ResourceTable,
}

/// The data of a store with an [`LlmCtx`].
pub trait LlmView: Send {
    /// The context and the table.
    fn llm(&mut self) -> LlmCtxView<'_>;
}

/// Gives the bindings access to an [`LlmCtxView`] in a store, for embedders that link single
/// interfaces.
#[derive(Debug)]
pub struct Llm;

impl HasData for Llm {
    type Data<'a> = LlmCtxView<'a>;
}
