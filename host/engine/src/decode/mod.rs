//! The worker thread of a model and its step: admit, plan, decode, sample, emit.

mod awaited;
mod begin;
mod choose;
mod compute;
mod constraint;
mod droppable;
mod ease;
mod embed;
mod engine;
mod inbox;
mod job;
mod kv;
mod outlet;
mod places;
mod recall;
mod remember;
mod sampler;
mod sequence;
mod shift;
mod stop;
mod stored;
mod text;
mod watch;
mod worker;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use constraint::fuzz::read as fuzz_form;
pub(crate) use constraint::{Constraint, Grammars};
pub(crate) use droppable::{Droppable, Turns};
pub(crate) use embed::{EmbedJob, Pooling, Vectors};
pub(crate) use inbox::Inbox;
pub(crate) use job::{Job, QueueLimit};
pub(crate) use outlet::{Outlet, Writer};
pub(crate) use sampler::{Sampler, SamplerParts};
pub(crate) use stored::StoreParams;
pub(crate) use worker::{Worker, WorkerParams};
