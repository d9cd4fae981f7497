//! How a model is served: what the operator chooses when it is loaded.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::block::Block;
use super::problem::{Check, Problem};
use super::{MemoryInForce, Settings, by_name};
use crate::{ChatTemplateName, KvType, Optimize, Result};

/// How a model is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Tokens that one session holds, prompt and answer together. 16 or more; default 2,048, or
    /// what the model was trained on where that is less. More than the model was trained on is
    /// allowed, and usually bad.
    pub ctx_size: Option<u32>,
    /// Tokens that are computed at most from one token of the generations that run to the next: one
    /// for each of them, and the rest from prompts. A larger one reads prompts faster, a smaller
    /// one disturbs running generations less and cancels sooner. From `max_concurrent` to 4,096;
    /// default 256.
    pub batch_size: u32,
    /// Generations that run at once; the others wait. 1 to 256; default 8. Memory for `ctx_size`
    /// tokens is set aside for each.
    pub max_concurrent: u32,
    /// Time after which a session that does nothing may be closed: when another one needs its
    /// place, or by itself. What was remembered for it is forgotten. 1 millisecond to a day;
    /// default 5 minutes. Spelled `idle_timeout_ms` where the type carries no unit.
    pub idle_timeout: Duration,
    /// Whether idle sessions are closed by themselves. Default false.
    pub auto_cleanup: bool,
    /// Whether a session that was closed opens anew when it is used; else that is an error
    /// (`session-closed`). Default true.
    pub resume_closed: bool,
    /// Requests that wait at most; one more is refused. 1 to 100,000; default 50.
    pub queue_size: u32,
    /// Sessions that are open at once, whether they generate or not; one more is refused. 1 to
    /// 100,000; default 100.
    pub max_sessions: u32,
    /// Time that a request waits at most where it doesn't say; then it fails without any model
    /// work. 1 millisecond to a day; default 30 seconds. Spelled `default_task_timeout_ms` where
    /// the type carries no unit.
    pub default_task_timeout: Duration,
    /// Time after which a request that waits counts as one priority higher, and again after each
    /// further one, so that every priority is served in the end. 1 millisecond to a day; default 5
    /// seconds. Spelled `ageing_ms` where the type carries no unit.
    pub ageing: Duration,
    /// KV cells for all sequences together, one for each token. From `ctx_size`; default `ctx_size`
    /// for each of `max_concurrent`, which can't run out. With fewer, sequences are parked in host
    /// memory when they do.
    pub kv_cells: Option<u32>,
    /// How the KV cells are laid out; default: chosen by a rule.
    pub kv_layout: KvLayout,
    /// What keys and values are kept as in the KV cells. Default `F16`.
    pub kv_type: KvType,
    /// Whether the layers of a model with a sliding window keep all cells too, so that a
    /// conversation can be shifted, cut and shared anywhere. Without, they keep what the window
    /// needs: less memory, and only whole sequences are remembered. Default true; nothing changes
    /// for other models.
    pub swa_full: bool,
    /// Whether a model is refused that takes more memory than there is
    /// (`too-little-memory`): what its header tells of weights, KV cells and a step, against what the
    /// machine and the process's control group have.
    /// Not looked at where there is a graphics card, whose memory counts then. Default true.
    pub check_memory: bool,
    /// Bytes of host memory for sequences that had to leave their KV cells: those that are parked
    /// while they run go first, and what is remembered of those that have ended makes way. Beyond
    /// it, it is computed again. Default 1 GiB; 0 keeps none.
    pub max_parked_bytes: u64,
    /// Bytes of memory that the whole process may have, weights included; `None`, the default: what
    /// its control group or the machine has. Near them less is remembered, then sessions that
    /// nobody uses are closed, and at last requests are refused (`memory-short`).
    pub max_process_bytes: Option<u64>,
    /// Share of the memory in use at which the first of these begins; the others follow in equal
    /// steps. 0.1 to 1.0; default 0.85.
    pub pressure_threshold: f32,
    /// Whether states in host memory, and with them those on disk, are packed (zstd, its fastest
    /// level): they take less room, and longer to be put aside and to be taken back. Default false.
    pub compress_parked: bool,
    /// Where states are kept on disk too, so that they are still there when the process has ended;
    /// `None`, the default: nowhere. Each model has a folder of its own in it, which only one
    /// process uses at a time. What is written holds what the sessions were about, and is its
    /// user's alone to read. What serves only an owner without a name of its own is removed with
    /// it.
    pub state_dir: Option<PathBuf>,
    /// Bytes of this model's files there, and of those of models that nobody uses, which make way
    /// first; then goes what has been of no use for longest. Default 4 GiB.
    pub max_state_bytes: u64,
    /// Time after which a session's state is written there if nobody asks for it. What is in memory
    /// when the model goes is written then. 1 millisecond to a day; default 10 seconds. Spelled
    /// `store_after_ms` where the type carries no unit.
    pub store_after: Duration,
    /// Whether owners use what was computed for others. One can then learn from the time to the
    /// first token, and from the usage, whether another has sent a prompt that begins the same.
    /// Default false.
    pub share_prefixes: bool,
    /// Layers of the model that graphics cards compute, where there are any; default: as many as
    /// their free memory holds, with their KV cells, when the model is loaded. More than the model
    /// has are all of them.
    pub n_gpu_layers: Option<u32>,
    /// Time after which a model that nobody uses leaves memory; the next request loads it again.
    /// `None`, the default: it stays. Up to a day; at 0 it goes as soon as it has nothing to do.
    /// Spelled `keep_alive_ms` where the type carries no unit.
    pub keep_alive: Option<Duration>,
    /// Threads that compute. 1 to 512; default: the machine's available cores. More threads than
    /// cores are slower by an order of magnitude.
    pub threads: Option<u32>,
    /// Bytes of a prompt, or of all messages of a conversation together. 1 or more; default 1 MiB.
    pub max_prompt_bytes: u32,
    /// Bytes of text that wait unread for a reader; then its generation pauses. 1 KiB or more;
    /// default 64 KiB.
    pub max_unread_bytes: u32,
    /// Whether the weights are converted to what is fast on this CPU when the model is loaded, and
    /// where the result is kept. Default none: the file is loaded as it is.
    pub optimize: Option<Optimize>,
    /// A built-in chat template in place of the model's own; default: the model's own, or where its
    /// file has none, the one that goes with its vocabulary.
    pub chat_template: Option<ChatTemplateName>,
    /// How text is made where the request doesn't say.
    pub defaults: Settings,
}

/// How KV cells are laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

impl KvLayout {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Split, Self::Unified];

    /// The layout's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Split => "split",
            Self::Unified => "unified",
        }
    }
}

impl fmt::Display for KvLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KvLayout {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        by_name(&Self::ALL, "KV layout", text)
    }
}

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

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            ctx_size: None,
            batch_size: Self::DEFAULT_BATCH_SIZE,
            max_concurrent: 8,
            queue_size: 50,
            max_sessions: 100,
            idle_timeout: Duration::from_secs(300),
            auto_cleanup: false,
            resume_closed: true,
            default_task_timeout: Duration::from_secs(30),
            ageing: Duration::from_secs(5),
            kv_cells: None,
            kv_layout: KvLayout::Auto,
            kv_type: KvType::F16,
            swa_full: true,
            check_memory: true,
            max_parked_bytes: 1 << 30,
            max_process_bytes: None,
            pressure_threshold: 0.85,
            compress_parked: false,
            state_dir: None,
            max_state_bytes: 4 << 30,
            store_after: Duration::from_secs(10),
            share_prefixes: false,
            n_gpu_layers: None,
            keep_alive: None,
            threads: None,
            max_prompt_bytes: 1 << 20,
            max_unread_bytes: 64 << 10,
            optimize: None,
            chat_template: None,
            defaults: Settings::default(),
        }
    }
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
        let (model, backend) = self.blocks();
        model.check(&mut check);
        backend.check(&mut check);
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
                        "{full} for the split layout, `ctx_size` (rounded up to 256) for each of `max_concurrent`, \
                         or `kv_layout` be auto or unified"
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
            auto_cleanup: true,
            resume_closed: false,
            default_task_timeout: Duration::ZERO,
            ageing: Duration::ZERO,
            kv_cells: None,
            kv_layout: KvLayout::Auto,
            kv_type: KvType::Q8_0,
            swa_full: false,
            check_memory: false,
            max_parked_bytes: 0,
            max_process_bytes: Some(0),
            pressure_threshold: 0.0,
            compress_parked: true,
            state_dir: None,
            max_state_bytes: 0,
            store_after: Duration::ZERO,
            share_prefixes: true,
            n_gpu_layers: None,
            keep_alive: Some(Duration::from_secs(86_401)),
            threads: Some(0),
            max_prompt_bytes: 0,
            max_unread_bytes: 0,
            optimize: None,
            chat_template: None,
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
