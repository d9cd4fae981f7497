//! Which requests run: admission, parking and the plan of each step.

mod admission;
mod context_shift;

pub(super) use admission::Parked;
