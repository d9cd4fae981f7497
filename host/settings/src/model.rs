//! How a model is served: what the operator chooses when it is loaded.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::{Any, Millis, Number, Whole, named};
use super::problem::{Check, Problem};
use super::served::served;
use super::{
    ChatTemplateName, KvType, MAX_SEQUENCES, MemoryInForce, Optimize, Result, Settings, Target,
};

served! {
    /// How a model is served: what the operator chooses when it is loaded.
    ///
    /// Where a setting has a range, [`check`](Self::check) holds it to that;
    /// `docs/configuration.md` has the ranges and defaults as a table.
    pub struct ModelConfig with {
        /// Whether the weights are converted to what is fast on this CPU when the model is loaded,
        /// and where the result is kept. Default none: the file is loaded as it is.
        pub optimize: Option<Optimize>,
        /// The folder in which sessions' states are kept on disk too, so that a later process finds
        /// them; `None`, the default: nowhere. Each model has a folder of its own in it, which one
        /// process uses at a time. The files hold what the sessions were about, and only their user
        /// can read them. The state of an owner without a name is removed with the owner.
        pub state_dir: Option<PathBuf>,
        /// How text is made where the request doesn't say.
        pub defaults: Settings,
    }

    /// How a model is served.
    pub struct ModelSettings in "model" {
        /// Tokens that one session holds, prompt and answer together. More than the model was
        /// trained on is allowed, and usually gives bad text.
        ctx_size: u32, else "2048, or what the model was trained on where that is less", "ctx_size",
            ["n_ctx"], Whole::new(16, u32::MAX),
            flag("ctx-size", "TOKENS",
                "Tokens that one session holds, prompt and answer together [default: 2048, or what \
                 the model was trained on]");
        /// Tokens that one decode step computes at most: one for each running generation, so at
        /// least `backend.max_concurrent`, and the rest from prompts. A larger one reads prompts
        /// faster; a smaller one disturbs running generations less, and cancels sooner.
        batch_size: u32 = ModelConfig::DEFAULT_BATCH_SIZE, "batch_size", ["n_batch"],
            Whole::new(1, ModelConfig::MAX_BATCH_SIZE),
            flag("batch-size", "TOKENS", "Tokens that one decode step computes at most");
        /// Threads that compute. More threads than cores are slower by an order of magnitude.
        threads: u32, else "all cores", "threads", ["n_threads"],
            Whole::new(1, ModelConfig::MAX_THREADS),
            flag("threads", "COUNT", "Threads that compute [default: all cores]");
        /// Layers that an accelerator computes, where this build and this machine have one. More
        /// than the model has are all.
        n_gpu_layers: u32, else "what the free memory of the graphics cards holds", "n_gpu_layers",
            ["ngl", "gpu_layers"], Whole::new(0, u32::MAX).minus_one(u32::MAX).note("-1: all"),
            flag("n-gpu-layers", "COUNT",
                "Layers of the models that graphics cards compute, where there are any; -1 is all \
                 [default: as many as their free memory holds]");
        /// Time after which a model that nobody uses leaves memory; the next request loads it
        /// again. At 0 it leaves as soon as it has nothing to do.
        keep_alive: Duration, else "it stays", "keep_alive_ms", ["keep_alive"], Millis::UP_TO_A_DAY,
            flag("keep-alive", "DURATION",
                "Take a model out of memory when nobody has used it for this long; the next \
                 request loads it again [default: it stays]");
        /// KV cells for all sequences together, one a token. From `ctx_size` to `ctx_size` (rounded
        /// up to 256) for each of `max_concurrent`. With fewer than that they may run out; then
        /// sequences are parked in host memory, and resumed.
        kv_cells: u32, else "enough for all sequences", "kv_cells", [], Whole::new(1, u32::MAX),
            flag("kv-cells", "COUNT",
                "KV cells for all sequences together, one for each token [default: enough for \
                 all]. With fewer, sequences are parked in host memory when they run out, and \
                 resumed");
        /// How the KV cells are laid out: each sequence has its own, or all share one pool. `auto`
        /// is split where every sequence can have all its cells.
        kv_layout: KvLayout = KvLayout::Auto, "kv_layout", [], Any,
            flag("kv-layout", "LAYOUT",
                "How the KV cells are laid out: auto, split (each sequence its own) or unified \
                 (one pool)");
        /// The type of keys and values in the KV cells: `q8_0` takes a little more than half the
        /// memory of `f16`.
        kv_type: KvType = KvType::F16, "kv_type", ["cache_type"], Any,
            flag("kv-type", "TYPE",
                "What keys and values are kept as: f16, or q8_0 (a little more than half the \
                 memory)");
        /// Whether layers with a sliding window keep all cells too, so that conversations can be
        /// shifted, cut and shared anywhere. Without, they keep what the window needs: that takes
        /// less memory, and only whole sequences are remembered. Other models have no such layers.
        swa_full: bool = true, "swa_full", [], Any;
        /// Whether a model is refused that takes more memory than there is: its weights, KV cells
        /// and a decode step, against what the machine and the process's control group have. Not
        /// checked where there is a graphics card.
        check_memory: bool = true, "check_memory", [], Any;
        /// A built-in chat template in place of the model's own.
        chat_template: ChatTemplateName, else "the model's own, or what goes with its vocabulary",
            "chat_template", [], Any,
            flag("chat-template", "NAME",
                "Use a built-in chat template in place of the model's own: chatml, llama3, gemma, \
                 mistral, zephyr or plain");
    } beside {
        /// What the weights are converted to when the model is loaded; the result is kept in the
        /// cache. `auto` converts only what has no fast kernel on this CPU. A component's own
        /// models are never converted.
        optimize: Target, else "the weights as they are", "optimize", [], Any,
            flag("optimize", "TARGET" = "auto",
                "Convert the models' weights first, to what is fast on this CPU or to TARGET (see \
                 `mynah models optimize`), and keep the result in the cache [default: run them as \
                 they are; auto without TARGET]");
    }

    /// How many are served at once, and what bounds them.
    pub struct BackendSettings in "backend" {
        /// Generations that run at once; the others wait. Each has memory for `ctx_size` tokens,
        /// unless `kv_cells` says less.
        max_concurrent: u32 = 8, "max_concurrent", ["n_parallel", "parallel"],
            Whole::new(1, MAX_SEQUENCES),
            flag("max-concurrent", "COUNT", "Generations that run at once");
        /// Requests that wait at most; one more is refused with `busy`.
        queue_size: u32 = 50, "queue_size", [], Whole::new(1, 100_000),
            flag("queue-size", "COUNT", "Requests that wait at most");
        /// Sessions that are open at once, whether they generate or not; one more is refused.
        max_sessions: u32 = 100, "max_sessions", [], Whole::new(1, 100_000),
            flag("max-sessions", "COUNT", "Sessions that are open at once");
        /// Time that a request waits at most where it doesn't say; then it fails without any model
        /// work.
        default_task_timeout: Duration = Duration::from_secs(30), "default_task_timeout_ms", [],
            Millis::TO_A_DAY,
            flag("queue-timeout", "DURATION", "Time that a request waits at most");
        /// Time after which a request that waits counts as one priority higher, and again after
        /// each further one, so that every priority is served in the end.
        ageing: Duration = Duration::from_secs(5), "ageing_ms", [], Millis::TO_A_DAY,
            flag("ageing", "DURATION",
                "Time after which a request that waits counts as one priority higher, again and \
                 again");
        /// Bytes of host memory for the states of sequences that had to leave their KV cells. Those
        /// that are parked while they run come first; those that are remembered after their end
        /// make way. What has no room is computed again; 0 keeps none.
        max_parked_bytes: u64 = 1 << 30, "max_parked_bytes", [], Whole::new(0, u64::MAX),
            flag("max-parked-bytes", "SIZE",
                "Host memory for sequences that had to leave their KV cells; what has no room is \
                 computed again");
        /// Bytes of memory that the whole process may have, weights included. Near them less is
        /// remembered, then sessions that nobody uses are closed, and at last requests are refused.
        max_process_bytes: u64, else "what the control group or the machine has",
            "max_process_bytes", ["max_memory_bytes"], Whole::new(1, u64::MAX),
            flag("max-process-bytes", "SIZE",
                "Memory that the whole process may have, weights included. Near it less is \
                 remembered, then idle sessions are closed, and at last requests are refused \
                 [default: what the control group or the machine has]");
        /// Share of the memory in use at which the first of these begins; the others follow in
        /// equal steps.
        pressure_threshold: f32 = 0.85, "pressure_threshold", ["memory_pressure_threshold"],
            Number::new(0.1, 1.0, "");
        /// Whether the states in host memory, and with them those on disk, are compressed (zstd,
        /// its fastest level): they take less room, and longer to be put aside and taken back.
        compress_parked: bool = false, "compress_parked", [], Any,
            flag("compress-parked", "BOOL",
                "Pack what is there, and with it what is on disk: less memory, and more time to \
                 put it aside and take it back");
        /// Bytes of the model's files in the state folder, where there is one (`mynah run
        /// --state-dir`), and of those of models that nobody uses, which make way first. Then the
        /// least recently used goes.
        max_state_bytes: u64 = 4 << 30, "max_state_bytes", [], Whole::new(0, u64::MAX),
            flag("max-state-bytes", "SIZE",
                "Disk space for that; what has been of no use for longest makes way");
        /// Time after which a session's state is written to the state folder if nobody asks for it.
        /// What is in memory when the model goes is written then.
        store_after: Duration = Duration::from_secs(10), "store_after_ms", [], Millis::TO_A_DAY,
            flag("store-after", "DURATION",
                "Time after which a session's state is written there if nobody asks for it");
        /// Whether owners use what was computed for others. An owner can then learn, from the time
        /// to the first token and from the usage, whether another has sent a prompt that begins the
        /// same.
        share_prefixes: bool = false, "share_prefixes", [], Any,
            flag("share-prefixes", "BOOL",
                "Let owners use what was computed for others: one may then learn what another has \
                 sent");
        /// Bytes of a prompt at most, or of all messages of a conversation together.
        max_prompt_bytes: u32 = 1 << 20, "max_prompt_bytes", [], Whole::new(1, u32::MAX),
            flag("max-prompt-bytes", "BYTES",
                "Bytes of a prompt at most, or of all messages together");
        /// Bytes of text that wait unread; then the generation pauses.
        max_unread_bytes: u32 = 64 << 10, "max_unread_bytes", [], Whole::new(1024, u32::MAX),
            flag("max-unread-bytes", "BYTES",
                "Bytes of text that wait unread; then the generation pauses");
        /// Time after which a session that does nothing may be closed, and what was remembered for
        /// it forgotten: when another one needs its place, or by itself.
        idle_timeout: Duration = Duration::from_secs(300), "idle_timeout_ms", [], Millis::TO_A_DAY,
            flag("idle-timeout", "DURATION",
                "Time after which a session that does nothing may be closed");
        /// Whether idle sessions are closed by themselves.
        auto_cleanup: bool = false, "auto_cleanup",
            ["auto_cleanup_enabled", "auto_cleanup_sessions"], Any;
        /// Whether a session that was closed opens anew when its component comes back; else that is
        /// an error.
        resume_closed: bool = true, "resume_closed", [], Any;
    }
}

/// How KV cells are laid out.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum KvLayout {
    /// `Split` where every sequence can have all cells that it may need, else `Unified`: split is
    /// faster for sequences that share nothing (`docs/performance.md`).
    #[default]
    Auto,
    /// Each sequence has cells of its own, as many as its context holds. Attention looks at its own
    /// cells only, and requests may ask to be `deterministic`.
    Split,
    /// All sequences take cells from one pool, which may be smaller than what they could need
    /// together.
    Unified,
}

named!(KvLayout, "KV layout");

/// The KV cells of a model that is about to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvCells {
    /// Cells in all.
    pub total: u32,
    /// Each sequence has its own.
    pub split: bool,
}

impl KvCells {
    /// Those of a model that remembers nothing of what it read.
    pub const NONE: Self = Self {
        total: 0,
        split: true,
    };
}

impl ModelConfig {
    /// Default of [`ctx_size`](Self::ctx_size) where the model was trained on at least as much.
    pub const DEFAULT_CTX_SIZE: u32 = 2048;
    /// Default of [`batch_size`](Self::batch_size).
    pub const DEFAULT_BATCH_SIZE: u32 = 256;
    /// Upper end of [`batch_size`](Self::batch_size): compute buffers grow with it.
    pub const MAX_BATCH_SIZE: u32 = 4096;
    /// Upper end of [`threads`](Self::threads) (`GGML_MAX_N_THREADS`, which llama.cpp asserts).
    pub const MAX_THREADS: u32 = 512;

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        self.check_each(&mut check);
        // Every running generation gets its token in every step.
        let least = self.max_concurrent;
        check.that(least <= self.batch_size, || {
            let range = format!("at least `backend.max_concurrent` ({least})");
            Problem::new("model.batch_size", self.batch_size, range)
        });
        self.defaults.check_into(&mut check);
        check.done()
    }

    /// Tokens that one session of a model holds that was trained on `trained` tokens, and has so
    /// many `positions` where their number is fixed.
    #[must_use]
    pub fn context_for(&self, trained: u32, positions: Option<u32>) -> u32 {
        let asked = self
            .ctx_size
            .unwrap_or_else(|| Self::DEFAULT_CTX_SIZE.min(trained.max(16)));
        positions.map_or(asked, |most| asked.min(most))
    }

    /// The KV cells for sessions of `context` tokens.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) when `kv_cells` can't hold one session, or don't
    /// go with the layout.
    pub fn kv_cells_for(&self, context: u32) -> Result<KvCells> {
        let mut check = Check::default();
        // llama.cpp rounds each stream's cells up (`GGML_PAD` in `llama-context.cpp`).
        let stream = u64::from(context).next_multiple_of(256);
        let full = stream * u64::from(self.max_concurrent);
        let total = self.kv_cells.map_or(full, u64::from);
        check.that(total >= u64::from(context), || {
            Problem::new(
                "model.kv_cells",
                total,
                format!("{context} or more, the tokens of one session (`ctx_size`)"),
            )
        });
        check.that(total <= full.max(u64::from(context)), || {
            let range = format!(
                "at most {full}, `ctx_size` (rounded up to 256) for each of `max_concurrent`"
            );
            Problem::new("model.kv_cells", total, range)
        });
        let split = match self.kv_layout {
            KvLayout::Auto => total >= full,
            KvLayout::Unified => false,
            KvLayout::Split => {
                check.that(total >= full, || {
                    let range = format!(
                        "{full} for the split layout, `ctx_size` (rounded up to 256) for each of \
                         `max_concurrent`, or `kv_layout` be auto or unified"
                    );
                    Problem::new("model.kv_cells", total, range)
                });
                true
            }
        };
        check.that(i32::try_from(total).is_ok(), || {
            let range = format!("at most {}: lower `ctx_size` or `max_concurrent`", i32::MAX);
            Problem::new("model.kv_cells", total, range)
        });
        check.done()?;
        Ok(KvCells {
            total: u32::try_from(total).unwrap_or(u32::MAX),
            split,
        })
    }

    /// Checks that a request lets no more be remembered than the operator allows.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError).
    pub fn check_cache_tokens(&self, memory: &MemoryInForce) -> Result<()> {
        let mut check = Check::default();
        let most = self.defaults.memory.clone().in_force().max_cache_tokens;
        check.that(memory.max_cache_tokens <= most, || {
            let range = format!("at most {most}, as the operator has it");
            Problem::new("memory.max_cache_tokens", memory.max_cache_tokens, range)
        });
        check.done()
    }

    /// Threads that compute.
    #[must_use]
    pub fn threads_here(&self) -> u32 {
        self.threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            u32::try_from(cores).map_or(Self::MAX_THREADS, |cores| cores.min(Self::MAX_THREADS))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sampling, Stopping};

    #[test]
    fn the_defaults_are_in_range() {
        ModelConfig::default().check().unwrap();
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        let config = ModelConfig {
            ctx_size: Some(0),
            batch_size: 0,
            max_concurrent: 0,
            queue_size: 0,
            max_sessions: 0,
            idle_timeout: Duration::ZERO,
            default_task_timeout: Duration::ZERO,
            ageing: Duration::ZERO,
            kv_type: KvType::Q8_0,
            swa_full: false,
            check_memory: false,
            max_process_bytes: Some(0),
            pressure_threshold: 0.0,
            store_after: Duration::ZERO,
            keep_alive: Some(Duration::from_secs(86_401)),
            threads: Some(0),
            max_prompt_bytes: 0,
            max_unread_bytes: 0,
            defaults: Settings {
                sampling: Sampling {
                    temperature: Some(f32::NAN),
                    ..Sampling::default()
                },
                stopping: Stopping {
                    max_tokens: Some(0),
                    max_time: Some(Duration::ZERO),
                    ..Stopping::default()
                },
                ..Settings::default()
            },
            ..ModelConfig::default()
        };
        let text = config.check().unwrap_err().to_string();
        for key in [
            "model.ctx_size",
            "model.batch_size",
            "backend.max_concurrent",
            "backend.queue_size",
            "backend.max_sessions",
            "backend.default_task_timeout_ms",
            "backend.ageing_ms",
            "backend.idle_timeout_ms",
            "backend.store_after_ms",
            "backend.max_process_bytes",
            "backend.pressure_threshold",
            "model.keep_alive_ms",
            "stopping.max_time_ms",
            "model.threads",
            "backend.max_prompt_bytes",
            "backend.max_unread_bytes",
            "stopping.max_tokens",
            "sampling.temperature",
        ] {
            assert!(
                text.contains(&format!("`{key}`")),
                "{key} is missing in: {text}"
            );
        }
    }

    #[test]
    fn cells_are_split_where_there_are_enough_for_all() {
        let config = ModelConfig {
            max_concurrent: 4,
            ..ModelConfig::default()
        };
        let cells = |kv_cells, kv_layout| {
            let config = ModelConfig {
                kv_cells,
                kv_layout,
                ..config.clone()
            };
            config.kv_cells_for(500)
        };
        let full = cells(None, KvLayout::Auto).unwrap();
        assert_eq!((full.total, full.split), (2048, true));
        let pool = cells(Some(1000), KvLayout::Auto).unwrap();
        assert_eq!((pool.total, pool.split), (1000, false));
        assert!(!cells(None, KvLayout::Unified).unwrap().split);
        for (kv_cells, layout, words) in [
            (499, KvLayout::Auto, "500 or more"),
            (2049, KvLayout::Auto, "at most 2048"),
            (1000, KvLayout::Split, "2048 for the split layout"),
        ] {
            let error = cells(Some(kv_cells), layout).unwrap_err().to_string();
            assert!(
                error.contains("`model.kv_cells`") && error.contains(words),
                "{error}"
            );
        }
    }

    #[test]
    fn the_context_is_what_was_asked_for_else_bounded_by_training() {
        let config = ModelConfig::default();
        assert_eq!(config.context_for(512, None), 512);
        assert_eq!(config.context_for(131_072, Some(4096)), 2048);
        let asked = ModelConfig {
            ctx_size: Some(4096),
            ..config
        };
        assert_eq!(asked.context_for(512, None), 4096);
        assert_eq!(asked.context_for(512, Some(512)), 512);
    }
}
