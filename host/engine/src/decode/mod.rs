//! The worker thread of a model and its step: admit, plan, decode, sample, emit.

mod cache;
mod embed;
mod engine;
mod executor;
mod job;
mod params;
mod perf_log;
mod request_queue;
mod sample;
mod sampler;
mod scheduler;
mod sequence;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use cache::DiskCacheParams;
pub(crate) use embed::{EmbedJob, Pooling, Vectors};
pub(crate) use job::{Job, QueueLimit};
pub(crate) use params::WorkerParams;
pub(crate) use request_queue::RequestQueue;
pub(crate) use sampler::{Sampler, SamplerParts};
pub(crate) use sequence::{TrimPolicy, Turns};
pub(crate) use worker::Worker;
