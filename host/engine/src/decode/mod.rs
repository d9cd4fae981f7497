//! The worker of a model: its thread, and the steps that it computes. Start at `Engine::step`,
//! which schedules, executes and updates.
//!
//! | file or folder | subject |
//! |---|---|
//! | `worker` | the thread, which runs the text loop and the embedder in turns |
//! | `engine` | the text loop's step, and recovery after steps that fail |
//! | `scheduler/` | which sequences run: admission, parking, prefix reuse, the plan of a step |
//! | `cache/` | KV cells, the prefix cache in them, in host memory and on disk |
//! | `sequence/` | one generation: its progress, its next token, its answer |
//! | `sample`, `sampler/` | how tokens are chosen from logits |
//! | `embed/` | vectors of texts |
//! | `request_queue/` | waiting requests, sessions, what the worker has published |
//! | `job` | a request that is ready to run |
//! | `executor` | what the loop needs of a model: llama.cpp, or a known one in tests |
//! | `perf_log` | log lines about speed |

mod cache;
mod embed;
mod engine;
mod executor;
mod job;
mod log_name;
mod params;
mod perf_log;
mod request_queue;
mod sample;
mod sampler;
mod scheduler;
mod sequence;
mod slowdown;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use cache::DiskCacheParams;
pub(crate) use embed::{EmbedJob, Pooling, Vectors};
pub(crate) use job::{Job, QueueLimit};
pub(crate) use params::WorkerParams;
pub(crate) use request_queue::{QueueLimits, RequestQueue};
pub(crate) use sampler::{Sampler, SamplerParts};
pub(crate) use sequence::{AnswerReader, BeforeForm, TrimPolicy, Turns};
pub(crate) use worker::Worker;
