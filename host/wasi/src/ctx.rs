//! What one store grants its guest, and what the guest may use at most.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use mynah_core::{GuestLoader, Model, Owner, Registry};
use mynah_settings::Priority;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::StdoutStream;

use crate::ephemeral::{Core, Stdout};

/// What a guest may hold and send at most. Each bound answers with an error that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all tensors that a guest holds at once, shapes included; prompts that core modules
    /// have set, and the answer of one of their contexts; in the older snapshots of `wasi:nn` also
    /// what contexts keep, and errors that the guest makes. Default 64 MiB. Beyond it `compute`
    /// answers `too-large`, as do `set_input` and `compute` of core modules.
    pub max_tensor_bytes: u64,
    /// Graphs that a guest holds at once. Default 64.
    pub max_graphs: u32,
    /// Execution contexts that a guest holds at once. Default 256.
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

/// Models that a guest may bring itself, as bytes (`wasi:nn` `load`).
#[derive(Debug, Clone)]
pub struct GuestModels {
    /// Bytes of one model. Default 64 MiB. Beyond it `load` answers `too-large`.
    pub max_bytes: u64,
    /// Models of its own that a guest holds at once: each has memory and threads of its own. Default
    /// 1.
    pub max_models: u32,
    /// What loads them. How they are served is decided where it is made.
    pub loader: Arc<dyn GuestLoader>,
}

impl GuestModels {
    /// Models that this loader loads, with the default limits.
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
    pub(crate) core: Core,
    pub(crate) stdout: Option<Stdout>,
    pub(crate) lenient_output_size: bool,
}

/// What the guest holds now.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) tensor_bytes: u64,
    pub(crate) graphs: u32,
    /// Its execution contexts, by their place in the table.
    pub(crate) contexts: BTreeSet<u32>,
    /// Models that the guest brought and that are in memory.
    pub(crate) guest_models: Arc<AtomicU32>,
}

impl LlmCtx {
    /// Begins a context that grants nothing.
    #[must_use]
    pub fn builder() -> LlmCtxBuilder {
        LlmCtxBuilder::new()
    }
}

/// Builds an [`LlmCtx`]. Without any call, the guest may load no model.
#[derive(Debug, Default)]
pub struct LlmCtxBuilder {
    models: BTreeMap<String, Model>,
    guest_models: Option<GuestModels>,
    limits: Limits,
    owner: Option<Owner>,
    max_priority: Option<Priority>,
    host_status: bool,
    stdout: Option<Stdout>,
    lenient_output_size: bool,
}

impl LlmCtxBuilder {
    /// A builder that grants nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants a model under a name. A name that is granted twice stands for the later model.
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

    /// Lets the guest bring models of its own as bytes. A model file is parsed by llama.cpp, which
    /// is C++ code: allow it only to guests that you trust as much as a library that you link.
    #[must_use]
    pub fn guest_models(mut self, allowed: GuestModels) -> Self {
        self.guest_models = Some(allowed);
        self
    }

    /// Sets what the guest may hold at most.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Says who the guest is to the models' fairness: guests of one owner share one owner's part.
    /// Default: each guest is an owner of its own.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Sets the highest priority that the guest may ask for; beyond it `start` answers
    /// `invalid-argument`. Default urgent: any.
    #[must_use]
    pub fn max_priority(mut self, priority: Priority) -> Self {
        self.max_priority = Some(priority);
        self
    }

    /// Lets the guest see figures that count what all guests do (`mynah:llm/backend-status`):
    /// queue, memory and performance of the models that it was granted. Default false: it sees
    /// those models and its own sessions.
    #[must_use]
    pub fn host_status(mut self, allowed: bool) -> Self {
        self.host_status = allowed;
        self
    }

    /// Says where the guest's stdout goes, for the setting `stream-stdout` of core modules
    /// ([`add_to_core_linker`](crate::add_to_core_linker)): give what WASI was given. Default:
    /// nowhere, and the setting is reported as one without effect.
    #[must_use]
    pub fn stdout(mut self, stream: impl StdoutStream + Sync + 'static) -> Self {
        self.stdout = Some(Stdout::new(stream));
        self
    }

    /// Takes a buffer of length 0 for one that is as long as the answer, in `get_output` and
    /// `get_output_single` of core modules: some guests pass the length of an empty vector with a
    /// large capacity. Only the end of the guest's memory bounds what is written then, so a guest
    /// that means 0 loses what lies behind its buffer. Default false: such a buffer is too small.
    #[must_use]
    pub fn lenient_output_size(mut self, lenient: bool) -> Self {
        self.lenient_output_size = lenient;
        self
    }

    /// The context.
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
            core: Core::default(),
            stdout: self.stdout,
            lenient_output_size: self.lenient_output_size,
        }
    }
}

/// A borrowed [`LlmCtx`] with the store's resource table.
#[derive(Debug)]
pub struct LlmCtxView<'a> {
    /// Grants and limits.
    pub ctx: &'a mut LlmCtx,
    /// Where the guest's handles live.
    pub table: &'a mut ResourceTable,
}

/// A store's data that has an [`LlmCtx`].
pub trait LlmView: Send {
    /// The context and the table.
    fn llm(&mut self) -> LlmCtxView<'_>;
}
