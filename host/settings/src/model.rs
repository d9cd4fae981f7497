//! How a model is served: the settings that the operator chooses for loading it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::{Any, Millis, Number, Whole, named};
use super::problem::{Check, Problem};
use super::served::served;
use super::{
    AnswerFormatName, ChatTemplateName, KvType, MemoryInForce, Optimize, Result, Settings, Target,
};

/// Maximum number of sequences in one context of llama.cpp (`LLAMA_MAX_SEQ` in its
/// `llama-cparams.h`).
pub const MAX_SEQUENCES: u32 = 256;

served! {
    /// How a model is served: what the operator chooses when it is loaded.
    ///
    /// Where a setting has a range, [`check`](Self::check) holds it to that;
    /// `docs/configuration.md` has the ranges and defaults as a table.
    pub struct ModelConfig with {
        /// The conversion of the weights when the model is loaded, and where the result is kept.
        /// Default none: the file is loaded as it is.
        pub optimize: Option<Optimize>,
        /// The folder in which states of sessions are also stored on disk, so that a later process
        /// can use them. Default `None`: they are not stored. Each model has its own subfolder,
        /// which one process uses at a time. The files contain the content of the sessions, and
        /// only their user can read them. The state of an anonymous owner is deleted with the
        /// owner.
        pub state_dir: Option<PathBuf>,
        /// The settings of a generation that the request does not set.
        pub defaults: Settings,
    }

    /// How a model is served.
    pub struct ModelSettings in "model" {
        /// Maximum number of tokens of one session, prompt and answer together. More than the model
        /// was trained on is allowed, but usually gives poor text.
        ctx_size: u32, else "2048, or what the model was trained on where that is less", "ctx_size",
            ["n_ctx"], Whole::new(16, u32::MAX),
            flag("ctx-size", "TOKENS",
                "Tokens that one session holds, prompt and answer together [default: 2048, or what \
                 the model was trained on]");
        /// Maximum number of tokens of one decode step: one for each running generation, so at
        /// least `backend.max_concurrent`, and the rest from prompts. A higher value reads prompts
        /// faster. A lower value disturbs running generations less, and cancels sooner.
        batch_size: u32 = ModelConfig::DEFAULT_BATCH_SIZE, "batch_size", ["n_batch"],
            Whole::new(1, ModelConfig::MAX_BATCH_SIZE),
            flag("batch-size", "TOKENS", "Maximum number of tokens of one decode step");
        /// Number of compute threads. More threads than cores are slower by an order of magnitude.
        threads: u32, else "all cores", "threads", ["n_threads"],
            Whole::new(1, ModelConfig::MAX_THREADS),
            flag("threads", "COUNT", "Threads that compute [default: all cores]");
        /// Number of layers that a graphics card computes, if this build and this machine support
        /// one. A number above the model's layers means all of them.
        n_gpu_layers: u32, else "what the free memory of the graphics cards holds", "n_gpu_layers",
            ["ngl", "gpu_layers"], Whole::new(0, u32::MAX).minus_one(u32::MAX).note("-1: all"),
            flag("n-gpu-layers", "COUNT",
                "Number of layers that graphics cards compute, if there are any; -1 is all \
                 [default: as many as their free memory holds]");
        /// Time after which a model that is not in use is unloaded. The next request loads it
        /// again. At 0 it is unloaded as soon as it has nothing to do.
        keep_alive: Duration, else "it stays", "keep_alive_ms", ["keep_alive"], Millis::UP_TO_A_DAY,
            flag("keep-alive", "DURATION",
                "Unload a model that has not been used for this long; the next request loads it \
                 again [default: it stays]");
        /// KV cells for all sequences together, one for each token. At least `ctx_size`, and at
        /// most `ctx_size` (rounded up to 256) for each of `max_concurrent`. Below that maximum the
        /// cells can run out; then sequences are parked in host memory, and resumed later.
        kv_cells: u32, else "enough for all sequences", "kv_cells", [], Whole::new(1, u32::MAX),
            flag("kv-cells", "COUNT",
                "KV cells for all sequences together, one for each token [default: enough for \
                 all]. If they run out, sequences are parked in host memory, and resumed later");
        /// Layout of the KV cells: each sequence has its own cells (`split`), or all share one pool
        /// (`unified`). `auto` is split if there are enough cells for every sequence.
        kv_layout: KvLayout = KvLayout::Auto, "kv_layout", [], Any,
            flag("kv-layout", "LAYOUT",
                "Layout of the KV cells: auto, split (each sequence its own) or unified (one \
                 pool)");
        /// Number type of keys and values in the KV cells. `q8_0` takes a little more than half the
        /// memory of `f16`.
        kv_type: KvType = KvType::F16, "kv_type", ["cache_type"], Any,
            flag("kv-type", "TYPE",
                "Type of keys and values in the KV cells: f16, or q8_0 (a little more than half \
                 the memory)");
        /// Whether layers with a sliding window keep all cells too, so that conversations can be
        /// shifted, cut and shared anywhere. If false, these layers only keep the cells of the
        /// window: that takes less memory, and the prefix cache can only reuse whole sequences. It
        /// changes nothing for models without such layers.
        swa_full: bool = true, "swa_full", [], Any;
        /// Whether a model is refused if its weights, its KV cells and a decode step take more
        /// memory than the machine and the process's control group have. Not checked if there is a
        /// graphics card.
        check_memory: bool = true, "check_memory", [], Any;
        /// Built-in chat template to use instead of the model's own.
        chat_template: ChatTemplateName, else "the model's own, or what goes with its vocabulary",
            "chat_template", [], Any,
            flag("chat-template", "NAME",
                "Use a built-in chat template in place of the model's own: chatml, llama3, gemma, \
                 mistral, zephyr or plain");
        /// Format in which the model writes calls of tools, if what its chat template shows is not
        /// what it writes. `mynah models inspect` tells what is found.
        answer_format: AnswerFormatName, else "found in the chat template",
            "answer_format", [], Any,
            flag("answer-format", "NAME",
                "Read calls of tools in this format, in place of the one that the model's chat \
                 template shows: hermes, llama-3, mistral-named and others (docs/tools.md)");
    } beside {
        /// Type to convert the weights to when the model is loaded. The result is kept in the
        /// cache. `auto` only converts weights without a fast kernel on this CPU. A component's own
        /// models are never converted.
        optimize: Target, else "the weights as they are", "optimize", [], Any,
            flag("optimize", "TARGET" = "auto",
                "Convert the models' weights when they are loaded, to a type that is fast on this \
                 CPU or to TARGET (see `mynah models optimize`), and keep the result in the cache \
                 [default: no conversion; auto without TARGET]");
    }

    /// How many requests are served at once, and the limits.
    pub struct BackendSettings in "backend" {
        /// Number of generations that run at once; the others wait. Each has memory for `ctx_size`
        /// tokens, unless `kv_cells` is set lower.
        max_concurrent: u32 = 8, "max_concurrent", ["n_parallel", "parallel"],
            Whole::new(1, MAX_SEQUENCES),
            flag("max-concurrent", "COUNT", "Number of generations that run at once");
        /// Maximum number of waiting requests. Another one is refused with `busy`.
        queue_size: u32 = 50, "queue_size", [], Whole::new(1, 100_000),
            flag("queue-size", "COUNT", "Maximum number of waiting requests");
        /// Maximum number of waiting requests of one owner, so that others find room in the queue.
        /// At `queue_size` or more, one owner may fill the queue.
        max_owner_queue: u32, else "three quarters of `queue_size`, rounded up",
            "max_owner_queue", [], Whole::new(1, 100_000),
            flag("max-owner-queue", "COUNT",
                "Maximum number of waiting requests of one owner [default: three quarters of the \
                 queue]");
        /// Maximum number of open sessions, whether they generate or not. Another one is refused.
        max_sessions: u32 = 100, "max_sessions", [], Whole::new(1, 100_000),
            flag("max-sessions", "COUNT", "Maximum number of open sessions");
        /// Maximum number of open sessions of one owner, so that others find room. At
        /// `max_sessions` or more, one owner may hold all sessions.
        max_owner_sessions: u32, else "three quarters of `max_sessions`, rounded up",
            "max_owner_sessions", [], Whole::new(1, 100_000),
            flag("max-owner-sessions", "COUNT",
                "Maximum number of open sessions of one owner [default: three quarters of all]");
        /// Maximum time that a request waits, if it does not set `queue_timeout_ms`. After it, the
        /// request fails without any model work.
        default_task_timeout: Duration = Duration::from_secs(30), "default_task_timeout_ms", [],
            Millis::TO_A_DAY,
            flag("queue-timeout", "DURATION", "Maximum time that a request waits");
        /// Time after which a waiting request counts as one priority higher. It rises again after
        /// each further period, so that every priority is served in the end.
        ageing: Duration = Duration::from_secs(5), "ageing_ms", [], Millis::TO_A_DAY,
            flag("ageing", "DURATION",
                "Time after which a waiting request counts as one priority higher, again and \
                 again");
        /// Bytes of host memory for the states of sequences without KV cells. Parked sequences take
        /// precedence over the prefix cache. A state without room is computed again. 0 keeps none.
        max_parked_bytes: u64 = 1 << 30, "max_parked_bytes", [], Whole::new(0, u64::MAX),
            flag("max-parked-bytes", "SIZE",
                "Host memory for the states of sequences without KV cells; a state without room is \
                 computed again");
        /// Bytes of memory that the whole process may use, weights included. Near this limit the
        /// host shrinks the prefix cache, then closes idle sessions, and finally refuses requests.
        max_process_bytes: u64, else "what the control group or the machine has",
            "max_process_bytes", ["max_memory_bytes"], Whole::new(1, u64::MAX),
            flag("max-process-bytes", "SIZE",
                "Memory that the whole process may use, weights included. Near this limit the host \
                 shrinks the prefix cache, then closes idle sessions, and finally refuses requests \
                 [default: what the control group or the machine has]");
        /// Share of the memory in use at which the first of these measures begins
        /// (`max_process_bytes`). The others follow in equal steps.
        pressure_threshold: f32 = 0.85, "pressure_threshold", ["memory_pressure_threshold"],
            Number::new(0.1, 1.0, "");
        /// Whether states in host memory and on disk are compressed (zstd, its fastest level). They
        /// take less room, and parking and resuming take longer.
        compress_parked: bool = false, "compress_parked", [], Any,
            flag("compress-parked", "BOOL",
                "Compress states in host memory and on disk: they take less room, and parking and \
                 resuming take longer");
        /// Maximum number of bytes in the state folder (`mynah run --state-dir`), for this model
        /// and for models that are not in use. Files of the latter are deleted first, then the
        /// least recently used files.
        max_state_bytes: u64 = 4 << 30, "max_state_bytes", [], Whole::new(0, u64::MAX),
            flag("max-state-bytes", "SIZE",
                "Disk space for the state folder; the least recently used files are deleted");
        /// Time after which an unused state of a session is written to the state folder. The host
        /// writes the states that are still in memory when it unloads the model.
        store_after: Duration = Duration::from_secs(10), "store_after_ms", [], Millis::TO_A_DAY,
            flag("store-after", "DURATION",
                "Time after which an unused state of a session is written to the state folder");
        /// Whether owners share the prefix cache. An owner can then learn, from the time to the
        /// first token and from the usage, whether another owner has sent a prompt with the same
        /// beginning.
        share_prefixes: bool = false, "share_prefixes", [], Any,
            flag("share-prefixes", "BOOL",
                "Share the prefix cache between owners: an owner can then learn what another has \
                 sent");
        /// Maximum number of bytes of a prompt, or of all messages of a conversation together.
        max_prompt_bytes: u32 = 1 << 20, "max_prompt_bytes", [], Whole::new(1, u32::MAX),
            flag("max-prompt-bytes", "BYTES",
                "Maximum number of bytes of a prompt, or of all messages together");
        /// Maximum number of bytes of unread text. Above it the generation pauses.
        max_unread_bytes: u32 = 64 << 10, "max_unread_bytes", [], Whole::new(1024, u32::MAX),
            flag("max-unread-bytes", "BYTES",
                "Maximum number of bytes of unread text; above it the generation pauses");
        /// Time after which an idle session may be closed, and its part of the prefix cache
        /// dropped. That happens when another session needs its place, or by itself with
        /// `auto_cleanup`.
        idle_timeout: Duration = Duration::from_secs(300), "idle_timeout_ms", [], Millis::TO_A_DAY,
            flag("idle-timeout", "DURATION", "Time after which an idle session may be closed");
        /// Whether the host closes idle sessions without being asked for their place.
        auto_cleanup: bool = false, "auto_cleanup",
            ["auto_cleanup_enabled", "auto_cleanup_sessions"], Any;
        /// Whether a closed session opens again when its component uses it. If false, that is an
        /// error.
        resume_closed: bool = true, "resume_closed", [], Any;
    }
}

/// The layout of the KV cells.
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
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum KvLayout {
    /// `Split` if there are enough cells for every sequence, else `Unified`. Split is faster for
    /// sequences that share nothing (`docs/performance.md`).
    #[default]
    Auto,
    /// Each sequence has its own cells, as many as its context holds. Attention looks at these
    /// cells only, and requests may ask to be `deterministic`.
    Split,
    /// All sequences take cells from one pool, which may be smaller than the sum of their needs.
    Unified,
}

named!(KvLayout, "KV layout");

/// The KV cells of a model before it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvCells {
    /// Total number of cells.
    pub total: u32,
    /// Whether each sequence has its own.
    pub split: bool,
}

impl KvCells {
    /// The cells of a model without a KV cache.
    pub const NONE: Self = Self {
        total: 0,
        split: true,
    };
}

impl ModelConfig {
    /// Default of [`ctx_size`](Self::ctx_size), unless the model was trained on less.
    pub const DEFAULT_CTX_SIZE: u32 = 2048;
    /// Default of [`batch_size`](Self::batch_size).
    pub const DEFAULT_BATCH_SIZE: u32 = 256;
    /// Maximum of [`batch_size`](Self::batch_size). Compute buffers grow with it.
    pub const MAX_BATCH_SIZE: u32 = 4096;
    /// Maximum of [`threads`](Self::threads) (`GGML_MAX_N_THREADS`, which llama.cpp asserts).
    pub const MAX_THREADS: u32 = 512;

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        self.check_each(&mut check);
        // Every step computes a token of every running generation.
        let least = self.max_concurrent;
        check.that(least <= self.batch_size, || {
            let range = format!("at least `backend.max_concurrent` ({least})");
            Problem::new("model.batch_size", self.batch_size, range)
        });
        self.defaults.check_into(&mut check);
        check.done()
    }

    /// Maximum number of waiting requests of one owner.
    #[must_use]
    pub fn owner_queue(&self) -> u32 {
        self.max_owner_queue
            .unwrap_or_else(|| three_quarters(self.queue_size))
    }

    /// Maximum number of open sessions of one owner.
    #[must_use]
    pub fn owner_sessions(&self) -> u32 {
        self.max_owner_sessions
            .unwrap_or_else(|| three_quarters(self.max_sessions))
    }

    /// The tokens that one session holds, for a model that was trained on `trained` tokens.
    /// `positions` is the number of positions, if the model has a fixed number.
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
    /// [`SettingsError`](crate::SettingsError) if `kv_cells` is too small for one session, or does
    /// not match the layout.
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

    /// Checks that a request asks for no more cached tokens than the operator allows.
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

    /// Number of compute threads on this machine.
    #[must_use]
    pub fn threads_here(&self) -> u32 {
        self.threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            u32::try_from(cores).map_or(Self::MAX_THREADS, |cores| cores.min(Self::MAX_THREADS))
        })
    }
}

/// Three quarters, rounded up: 1 of 1, 3 of 3, 3 of 4, 75 of 100.
fn three_quarters(whole: u32) -> u32 {
    whole - whole / 4
}

#[cfg(test)]
mod tests;
