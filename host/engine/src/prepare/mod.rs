//! Threads on which requests are prepared: templates rendered, prompts tokenised, output forms
//! compiled. The guest chooses how long that takes, and how much stack it needs.
//!
//! The caller waits in a future, so it holds no thread of the runtime. The time limit of the
//! request is in force meanwhile, and dropping the future gives the request up: a waiting one is
//! removed at once, and the result of one that is being prepared is discarded.

mod pool;
mod stack;
#[cfg(test)]
mod tests;

pub(crate) use pool::{Pool, Request};
pub(crate) use stack::with_stack;
