//! How a model is served: what the operator chooses when it is loaded.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{Check, Problem, Settings};
use crate::llama::MAX_SEQUENCES;
use crate::{Error, Result};

/// How a model is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Tokens that one session holds, prompt and answer together. 16 or more; default 2,048, or what the model was
    /// trained on where that is less. More than the model was trained on is allowed, and usually bad.
    pub ctx_size: Option<u32>,
    /// Tokens that one decode step computes at most: one for each generation that runs, and the rest from prompts. A
    /// larger one reads long prompts faster, a smaller one disturbs running generations less and cancels sooner.
    /// From `max_concurrent` to 4,096; default 128.
    pub batch_size: u32,
    /// Generations that run at once; the others wait. 1 to 256; default 8. Memory for `ctx_size` tokens is set aside for
    /// each.
    pub max_concurrent: u32,
    /// Requests that wait at most; one more is refused. 1 to 100,000; default 50.
    pub queue_size: u32,
    /// Time that a request waits at most; then it fails without any model work. 1 millisecond or more; default 30
    /// seconds. Spelled `queue_timeout_ms` where the type carries no unit.
    pub queue_timeout: Duration,
    /// Threads that compute. 1 to 512; default: the machine's available cores. More threads than cores are slower by
    /// an order of magnitude.
    pub threads: Option<u32>,
    /// Bytes of a prompt, or of all messages of a conversation together. 1 or more; default 1 MiB.
    pub max_prompt_bytes: u32,
    /// Bytes of text that wait unread for a reader; then its generation pauses. 1 KiB or more; default 64 KiB.
    pub max_unread_bytes: u32,
    /// How text is made where the request doesn't say.
    pub defaults: Settings,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            ctx_size: None,
            batch_size: 128,
            max_concurrent: 8,
            queue_size: 50,
            queue_timeout: Duration::from_secs(30),
            threads: None,
            max_prompt_bytes: 1 << 20,
            max_unread_bytes: 64 << 10,
            defaults: Settings::default(),
        }
    }
}

impl ModelConfig {
    /// Default of [`ctx_size`](Self::ctx_size) where the model was trained on at least as much.
    pub const DEFAULT_CTX_SIZE: u32 = 2048;
    /// Upper end of [`batch_size`](Self::batch_size): compute buffers grow with it.
    const MAX_BATCH_SIZE: u32 = 4096;
    /// Upper end of [`threads`](Self::threads) (`GGML_MAX_N_THREADS`, which llama.cpp asserts).
    const MAX_THREADS: u32 = 512;

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        if let Some(tokens) = self.ctx_size {
            check.that(tokens >= 16, || {
                Problem::new("ctx_size", tokens, "16 or more")
            });
        }
        check.that((1..=MAX_SEQUENCES).contains(&self.max_concurrent), || {
            let range = format!("from 1 to {MAX_SEQUENCES}");
            Problem::new("max_concurrent", self.max_concurrent, range)
        });
        // Every running generation gets its token in every step.
        let least = self.max_concurrent.max(1);
        check.that(
            (least..=Self::MAX_BATCH_SIZE).contains(&self.batch_size),
            || {
                let range = format!(
                    "from `max_concurrent` ({least}) to {}",
                    Self::MAX_BATCH_SIZE
                );
                Problem::new("batch_size", self.batch_size, range)
            },
        );
        check.that((1..=100_000).contains(&self.queue_size), || {
            Problem::new("queue_size", self.queue_size, "from 1 to 100000")
        });
        let queue_timeout_ms = self.queue_timeout.as_millis();
        check.that(queue_timeout_ms > 0, || {
            Problem::new("queue_timeout_ms", queue_timeout_ms, "1 or more")
        });
        if let Some(threads) = self.threads {
            check.that((1..=Self::MAX_THREADS).contains(&threads), || {
                Problem::new(
                    "threads",
                    threads,
                    format!("from 1 to {}", Self::MAX_THREADS),
                )
            });
        }
        check.that(self.max_prompt_bytes > 0, || {
            Problem::new("max_prompt_bytes", self.max_prompt_bytes, "1 or more")
        });
        check.that(self.max_unread_bytes >= 1024, || {
            Problem::new("max_unread_bytes", self.max_unread_bytes, "1024 or more")
        });
        let defaults = self.defaults.check();
        if let Err(Error::Settings { problems }) = defaults {
            check.0.extend(problems);
        }
        check.done()
    }

    /// Tokens that one session of a model holds that was trained on `trained` tokens.
    pub(crate) fn context_for(&self, trained: u32) -> u32 {
        self.ctx_size
            .unwrap_or_else(|| Self::DEFAULT_CTX_SIZE.min(trained.max(16)))
    }

    /// Threads that compute.
    pub(crate) fn threads_here(&self) -> u32 {
        self.threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            u32::try_from(cores).map_or(Self::MAX_THREADS, |cores| cores.min(Self::MAX_THREADS))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            queue_timeout: Duration::ZERO,
            threads: Some(0),
            max_prompt_bytes: 0,
            max_unread_bytes: 0,
            defaults: Settings {
                max_tokens: Some(0),
                temperature: Some(f32::NAN),
                seed: None,
            },
        };
        let text = config.check().unwrap_err().to_string();
        for key in [
            "ctx_size",
            "batch_size",
            "max_concurrent",
            "queue_size",
            "queue_timeout_ms",
            "threads",
            "max_prompt_bytes",
            "max_unread_bytes",
            "max_tokens",
            "temperature",
        ] {
            assert!(
                text.contains(&format!("`{key}`")),
                "{key} is missing in: {text}"
            );
        }
    }

    #[test]
    fn the_context_is_what_was_asked_for_else_bounded_by_training() {
        let config = ModelConfig::default();
        assert_eq!(config.context_for(512), 512);
        assert_eq!(config.context_for(131_072), 2048);
        let asked = ModelConfig {
            ctx_size: Some(4096),
            ..config
        };
        assert_eq!(asked.context_for(512), 4096);
    }
}
