//! Typed settings: what an operator chooses for a model and what a request chooses for itself.
//!
//! Each setting is declared once, in a [`block`], with its spellings, its range, its default and
//! its help; everything else follows from there.
//!
//! | file | subject |
//! |---|---|
//! | `block` | the declaration of a block of settings, and what follows from it |
//! | `kind` | the kinds of values: numbers, times, names, lists |
//! | `sampling`, `stopping`, `memory`, `scheduling`, `output` | what a request may set |
//! | `settings` | these five together; the levels, and what is in force |
//! | `model`, `serving` | what the operator sets for a model, as the engine has it and as documents do |
//! | `logging` | what the operator has logged |
//! | `dialect/` | settings from documents, JSON and TOML, in all spellings |
//! | `reference` | what there is to set, as a table and as a JSON Schema |
//! | `problem` | what is wrong with a setting |

mod block;
mod dialect;
mod kind;
mod logging;
mod memory;
mod model;
mod output;
mod problem;
mod reference;
mod sampling;
mod scheduling;
mod serving;
mod settings;
mod stopping;
#[cfg(test)]
mod tests;
mod value;

pub use dialect::{OperatorDocument, OtherSection, Reading};
pub(crate) use kind::Named;
pub use logging::{LogColors, LogFormat, LogLevel, LoggingInForce, LoggingSettings};
pub use memory::{Memory, MemoryInForce};
pub(crate) use model::KvCells;
pub use model::{KvLayout, ModelConfig};
pub use output::{FormText, Output, OutputForm};
pub use problem::{Fault, Place, Problem};
pub use reference::{settings_schema, settings_table};
pub(crate) use sampling::read_sampling;
pub use sampling::{BiasTarget, LogitBias, SamplerName, Sampling, SamplingInForce, Seed};
pub use scheduling::{Scheduling, SchedulingInForce};
pub use serving::{BackendSettings, ModelSettings, Operator};
pub(crate) use settings::in_force;
pub use settings::{Effective, Level, SettingInForce, Settings};
pub use stopping::{Stopping, StoppingInForce};
pub(crate) use value::Value as Document;

use std::fmt;

/// The one of `all` that `text` names; `what` says what they are, in the error.
pub(crate) fn by_name<T: Copy + fmt::Display>(
    all: &[T],
    what: &str,
    text: &str,
) -> Result<T, String> {
    let named = all.iter().find(|one| one.to_string() == text);
    named.copied().ok_or_else(|| {
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("`{text}` is no {what}: give one of {}", names.join(", "))
    })
}
