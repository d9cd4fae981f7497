//! Typed settings: what an operator chooses for a model and what a request chooses for itself.
//!
//! Each setting is declared once, in a `block!`: its spellings, range, default, help and flag. The
//! macros derive everything else from the declaration. To add a setting, declare it and use it; the
//! test `every_setting_is_used` reports a setting that is not used.
//!
//! | file | subject |
//! |---|---|
//! | `block` | the macro that declares a block of settings |
//! | `kind` | the types of values: numbers, times, names, lists |
//! | `sampling`, `stopping`, `memory`, `scheduling`, `reasoning`, `output` | the settings of a request |
//! | `settings` | these six blocks together; the levels, and the settings in force |
//! | `model`, `served` | the operator's settings of a model, and the macro that declares them |
//! | `logging` | the operator's settings of the log |
//! | `serving` | all settings of an operator together |
//! | `flag`, `flag_value` | the flags of the command line, and their values |
//! | `priority`, `kv_type`, `chat_template`, `answer_format`, `optimize` | the types of single settings |
//! | `dialect/` | reading settings from JSON and TOML, in all spellings |
//! | `reference` | the table of all settings, and their JSON Schema |
//! | `problem`, `error` | the problems of settings |
//! | `similar` | the name that was probably meant |
//! | `supported` | lists of what is supported of other languages, for the documentation |

#![forbid(unsafe_code)]

mod answer_format;
mod block;
mod chat_template;
mod dialect;
mod error;
mod flag;
mod flag_value;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod kind;
mod kv_type;
mod logging;
mod memory;
mod model;
mod optimize;
mod output;
mod priority;
mod problem;
mod reasoning;
mod reference;
mod sampling;
mod scheduling;
mod served;
mod serving;
mod settings;
mod similar;
mod stopping;
pub mod supported;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod used;
mod value;

pub use answer_format::AnswerFormatName;
pub use chat_template::ChatTemplateName;
pub use dialect::{OperatorDocument, OtherKey, OtherSection, Reading};
pub use error::{Result, SettingsError};
pub use flag::Flag;
pub use flag_value::{FlagForm, FlagValue};
pub use kv_type::KvType;
pub use logging::{LogColors, LogFormat, LogLevel, LoggingInForce, LoggingSettings};
pub use memory::{Memory, MemoryInForce};
pub use model::{BackendSettings, KvCells, KvLayout, MAX_SEQUENCES, ModelConfig, ModelSettings};
pub use optimize::{Optimize, Quantisation, Target, UnknownTarget};
pub use output::{FormText, Output, OutputForm};
pub use priority::Priority;
pub use problem::{Fault, Place, Problem};
pub use reasoning::{FormStart, Reasoning, ReasoningInForce, Thinking};
pub use reference::{settings_schema, settings_table};
pub use sampling::{
    BiasTarget, LogitBias, SamplerName, Sampling, SamplingInForce, Seed, read_sampling,
};
pub use scheduling::{Scheduling, SchedulingInForce};
pub use serving::Operator;
pub use settings::{Effective, Level, SettingInForce, Settings, in_force};
pub use similar::closest;
pub use stopping::{Stopping, StoppingInForce};
pub use value::Value as Document;
