//! Decides which request computes next, and which computations are kept.
//!
//! The preparation queue, the request queue, fairness, admission, the plan of each step, and the
//! policy of the prefix cache. Pure: no llama.cpp and no clock (the time is an argument), so every
//! rule is tested without a model.

#![forbid(unsafe_code)]

mod admission;
mod align;
mod cells;
mod fairness;
mod pace;
mod plan;
mod prefix_cache;
mod prepare_queue;
mod queue;
mod rounds;
mod sessions;

pub use admission::{Candidate, Decision, Holder, Room, decide, least_important};
pub use align::{Alignment, align, common};
pub use cells::Cells;
pub use fairness::Fairness;
pub use pace::{Pace, StepBudget};
pub use plan::{Need, Planner, Turn, Want};
pub use prefix_cache::{CacheEntry, Location, PrefixCache};
pub use prepare_queue::{PrepareQueue, Size};
pub use queue::{FairQueue, Head, QueueFull, Ticket, class_of};
pub use sessions::{NotOpen, SessionLimits, Sessions};
