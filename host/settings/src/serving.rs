//! What an operator's document says about how a model is served: the same settings as
//! [`ModelConfig`], each of which may be left out.

use std::time::Duration;

use super::Settings;
use super::block::{Block, block};
use super::kind::{Any, Millis, Named, Number, Whole};
use super::logging::LoggingSettings;
use super::model::{KvLayout, ModelConfig};
use super::problem::Check;
use crate::{ChatTemplateName, KvType, MAX_SEQUENCES, Result, Target};

impl Named for KvLayout {
    const ALL: &'static [Self] = &Self::ALL;
}

impl Named for KvType {
    const ALL: &'static [Self] = &Self::ALL;
}

impl Named for Target {
    const ALL: &'static [Self] = &Self::ALL;
}

block! {
    /// How a model is served.
    pub struct ModelSettings in "model" {
        /// Tokens that one session holds, prompt and answer together.
        ctx_size: u32, else "2048, or what the model was trained on where that is less", "ctx_size", ["n_ctx"],
            Whole::new(16, u32::MAX);
        /// Tokens that are computed at most from one token of running generations to the next: one
        /// for each of them, so at least `backend.max_concurrent`, and the rest from prompts.
        batch_size: u32 = ModelConfig::default().batch_size, "batch_size", ["n_batch"],
            Whole::new(1, ModelConfig::MAX_BATCH_SIZE);
        /// Threads that compute. More threads than cores are slower by an order of magnitude.
        threads: u32, else "all cores", "threads", ["n_threads"], Whole::new(1, ModelConfig::MAX_THREADS);
        /// Layers that an accelerator computes, where this build and this machine have one. More
        /// than the model has are all.
        n_gpu_layers: u32, else "what the free memory of the graphics cards holds", "n_gpu_layers", ["ngl", "gpu_layers"],
            Whole::new(0, u32::MAX).minus_one(u32::MAX).note("-1: all");
        /// Time after which a model that nobody uses leaves memory; the next request loads it
        /// again.
        keep_alive: Duration, else "it stays", "keep_alive_ms", ["keep_alive"], Millis::UP_TO_A_DAY;
        /// KV cells for all sequences together, one a token. From `ctx_size` to `ctx_size` (rounded
        /// up to 256) for each of `max_concurrent`; with fewer than that, sequences are parked when
        /// they run out.
        kv_cells: u32, else "enough for all sequences", "kv_cells", [], Whole::new(1, u32::MAX);
        /// How the KV cells are laid out: for each sequence its own, or one pool. `auto` is split
        /// where all sequences can have all their cells.
        kv_layout: KvLayout = ModelConfig::default().kv_layout, "kv_layout", [], Any;
        /// What keys and values are kept as: `q8_0` takes a little more than half the memory of
        /// `f16`.
        kv_type: KvType = ModelConfig::default().kv_type, "kv_type", ["cache_type"], Any;
        /// Whether layers with a sliding window keep all cells too, so that conversations can be
        /// shifted, cut and shared anywhere.
        swa_full: bool = ModelConfig::default().swa_full, "swa_full", [], Any;
        /// Whether a model is refused that takes more memory than there is.
        check_memory: bool = ModelConfig::default().check_memory, "check_memory", [], Any;
        /// A built-in chat template in place of the model's own.
        chat_template: ChatTemplateName, else "the model's own, or what goes with its vocabulary", "chat_template", [], Any;
        /// What the weights are converted to when the model is loaded; the result is kept in the
        /// cache. `auto` converts only what has no fast kernel on this CPU. A component's own
        /// models are never converted.
        optimize: Target, else "the weights as they are", "optimize", [], Any;
    }
}

block! {
    /// How many are served at once, and what bounds them.
    pub struct BackendSettings in "backend" {
        /// Generations that run at once; the others wait. Each has memory for `ctx_size` tokens,
        /// unless `kv_cells` says less.
        max_concurrent: u32 = ModelConfig::default().max_concurrent, "max_concurrent", ["n_parallel", "parallel"],
            Whole::new(1, MAX_SEQUENCES);
        /// Requests that wait at most; one more is refused with `busy`.
        queue_size: u32 = ModelConfig::default().queue_size, "queue_size", [], Whole::new(1, 100_000);
        /// Sessions that are open at once, whether they generate or not; one more is refused.
        max_sessions: u32 = ModelConfig::default().max_sessions, "max_sessions", [], Whole::new(1, 100_000);
        /// Time that a request waits at most where it doesn't say; then it fails without any model
        /// work.
        default_task_timeout: Duration = ModelConfig::default().default_task_timeout, "default_task_timeout_ms", [],
            Millis::TO_A_DAY;
        /// Time after which a request that waits counts as one priority higher, again and again.
        ageing: Duration = ModelConfig::default().ageing, "ageing_ms", [], Millis::TO_A_DAY;
        /// Host memory for sequences that had to leave their KV cells, parked or remembered; what
        /// has no room is computed again.
        max_parked_bytes: u64 = ModelConfig::default().max_parked_bytes, "max_parked_bytes", [], Whole::new(0, u64::MAX);
        /// Bytes of memory that the whole process may have. Near them less is remembered, then
        /// sessions that nobody uses are closed, and at last requests are refused.
        max_process_bytes: u64, else "what the control group or the machine has", "max_process_bytes", ["max_memory_bytes"],
            Whole::new(1, u64::MAX);
        /// Share of the memory in use at which the first of these begins; the others follow in
        /// equal steps.
        pressure_threshold: f32 = ModelConfig::default().pressure_threshold, "pressure_threshold", ["memory_pressure_threshold"],
            Number::new(0.1, 1.0, "");
        /// Whether these, and with them those on disk, are packed: they take less room, and longer
        /// to be put aside and taken back.
        compress_parked: bool = ModelConfig::default().compress_parked, "compress_parked", [], Any;
        /// Bytes of the model's files in the state folder, where there is one (`mynah run
        /// --state-dir`), and of those of models that nobody uses; what was of no use for longest
        /// makes way.
        max_state_bytes: u64 = ModelConfig::default().max_state_bytes, "max_state_bytes", [], Whole::new(0, u64::MAX);
        /// Time after which a session's state is written to the state folder if nobody asks for it.
        store_after: Duration = ModelConfig::default().store_after, "store_after_ms", [], Millis::TO_A_DAY;
        /// Whether owners use what was computed for others: one may then learn what another has
        /// sent.
        share_prefixes: bool = ModelConfig::default().share_prefixes, "share_prefixes", [], Any;
        /// Bytes of a prompt at most, or of all messages together.
        max_prompt_bytes: u32 = ModelConfig::default().max_prompt_bytes, "max_prompt_bytes", [], Whole::new(1, u32::MAX);
        /// Bytes of text that wait unread; then the generation pauses.
        max_unread_bytes: u32 = ModelConfig::default().max_unread_bytes, "max_unread_bytes", [], Whole::new(1024, u32::MAX);
        /// Time after which a session that does nothing may be closed, and what was remembered for
        /// it forgotten: when another one needs its place, or by itself.
        idle_timeout: Duration = ModelConfig::default().idle_timeout, "idle_timeout_ms", [], Millis::TO_A_DAY;
        /// Whether idle sessions are closed by themselves.
        auto_cleanup: bool = ModelConfig::default().auto_cleanup, "auto_cleanup", ["auto_cleanup_enabled", "auto_cleanup_sessions"], Any;
        /// Whether a session that was closed opens anew when its component comes back; else that is
        /// an error.
        resume_closed: bool = ModelConfig::default().resume_closed, "resume_closed", [], Any;
    }
}

/// Writes what is set in a block into the fields of the same names.
macro_rules! apply {
    ($from:expr => $to:expr; $($field:ident),* $(,)?) => {$(
        if let Some(value) = $from.$field.clone() {
            $to.$field = value.into();
        }
    )*};
}

impl ModelSettings {
    /// Sets in `config` what is set here, but for `optimize`: where converted models are kept is
    /// the program's to say.
    fn apply(&self, config: &mut ModelConfig) {
        apply!(self => config; ctx_size, batch_size, threads, n_gpu_layers, keep_alive, kv_cells, kv_layout, kv_type, swa_full, check_memory, chat_template);
    }
}

impl BackendSettings {
    /// Sets in `config` what is set here.
    fn apply(&self, config: &mut ModelConfig) {
        apply!(
            self => config;
            max_concurrent, queue_size, max_sessions, default_task_timeout, ageing, max_parked_bytes,
            max_process_bytes, pressure_threshold,
            compress_parked, max_state_bytes, store_after, share_prefixes,
            max_prompt_bytes, max_unread_bytes, idle_timeout, auto_cleanup, resume_closed,
        );
    }
}

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
        let mut config = ModelConfig::default();
        self.model.apply(&mut config);
        self.backend.apply(&mut config);
        config.defaults = self.settings.clone();
        config
    }
}

impl ModelConfig {
    /// What is in force, as the blocks have it.
    pub(crate) fn blocks(&self) -> (ModelSettings, BackendSettings) {
        let model = ModelSettings {
            ctx_size: self.ctx_size,
            batch_size: Some(self.batch_size),
            threads: self.threads,
            n_gpu_layers: self.n_gpu_layers,
            keep_alive: self.keep_alive,
            kv_cells: self.kv_cells,
            kv_layout: Some(self.kv_layout),
            kv_type: Some(self.kv_type),
            swa_full: Some(self.swa_full),
            check_memory: Some(self.check_memory),
            chat_template: self.chat_template,
            optimize: self.optimize.as_ref().map(|optimize| optimize.target),
        };
        let backend = BackendSettings {
            max_concurrent: Some(self.max_concurrent),
            queue_size: Some(self.queue_size),
            max_sessions: Some(self.max_sessions),
            default_task_timeout: Some(self.default_task_timeout),
            ageing: Some(self.ageing),
            max_parked_bytes: Some(self.max_parked_bytes),
            max_process_bytes: self.max_process_bytes,
            pressure_threshold: Some(self.pressure_threshold),
            compress_parked: Some(self.compress_parked),
            max_state_bytes: Some(self.max_state_bytes),
            store_after: Some(self.store_after),
            share_prefixes: Some(self.share_prefixes),
            max_prompt_bytes: Some(self.max_prompt_bytes),
            max_unread_bytes: Some(self.max_unread_bytes),
            idle_timeout: Some(self.idle_timeout),
            auto_cleanup: Some(self.auto_cleanup),
            resume_closed: Some(self.resume_closed),
        };
        (model, backend)
    }
}
