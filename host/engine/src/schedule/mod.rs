//! Who goes next. Pure: no llama.cpp types and no clock (time is an argument), so every rule is
//! tested without a model.

mod fairness;
mod line;
mod pace;
mod place;
mod plan;
mod rounds;
mod sessions;

/// Tokens of a sequence that llama.cpp's attention computes together on a CPU (`GGML_FA_TILE_Q` in
/// `ggml-cpu/common.h`). Fewer cost several times as much each.
const TILE: u32 = 64;

pub(crate) use fairness::Fairness;
pub(crate) use line::{Full, Head, Line, Ticket, class_of};
pub(crate) use pace::{Pace, StepBudget};
pub(crate) use place::{Candidate, Decision, Holder, Room, decide, least_important};
pub(crate) use plan::{Need, Planner, Turn, Want};
pub(crate) use sessions::{NotOpen, SessionLimits, Sessions};
