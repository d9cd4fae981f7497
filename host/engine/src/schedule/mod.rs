//! Who goes next. Pure: no llama.cpp types and no clock, so every rule is tested without a model.

mod line;
mod plan;

pub(crate) use line::{Full, Line};
pub(crate) use plan::{Need, plan};
