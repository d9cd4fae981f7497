//! The settings of one generation, on each level and in force.

use serde_json::Value as Json;

use super::block::{AnyBlock, Block};
use super::memory::{Memory, MemoryInForce};
use super::output::{Output, OutputForm};
use super::problem::{Check, Problem};
use super::reasoning::{Reasoning, ReasoningInForce};
use super::sampling::{Sampling, SamplingInForce, Seed};
use super::scheduling::{Scheduling, SchedulingInForce};
use super::stopping::{Stopping, StoppingInForce};
use crate::{Priority, Reading, Result};

/// The settings of a generation. The next [`Level`] decides those that are unset.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// When the answer ends.
    pub stopping: Stopping,
    /// The prefix cache and the context.
    pub memory: Memory,
    /// When the request runs.
    pub scheduling: Scheduling,
    /// How long the model thinks before it answers.
    pub reasoning: Reasoning,
    /// The form that the answer must have.
    pub output: Output,
}

/// The effective settings of one generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// How the next token is chosen.
    pub sampling: SamplingInForce,
    /// When the answer ends.
    pub stopping: StoppingInForce,
    /// The prefix cache and the context.
    pub memory: MemoryInForce,
    /// When the request runs.
    pub scheduling: SchedulingInForce,
    /// How long the model thinks before it answers.
    pub reasoning: ReasoningInForce,
    /// The form that the answer must have.
    pub output: Option<OutputForm>,
    /// Whether the answer is a vector instead of a text.
    pub embedding: bool,
    /// The seed, whether set or drawn.
    pub seed: u32,
}

/// The levels that can set a setting. The first level that sets it wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// The request itself.
    Request,
    /// The session, for all its requests.
    Session,
    /// The operator's settings for the model.
    Model,
    /// The model's file, which may recommend settings of sampling.
    File,
    /// The engine's default.
    Default,
}

impl Level {
    /// The level's name, as used everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The value in force of one setting, and the level that set it.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingInForce {
    /// The path, such as `sampling.top_p`.
    pub path: String,
    /// Its value as JSON; null if there is none, such as a limit that is not set.
    pub value: Json,
    /// The level that set it.
    pub level: Level,
}

impl Settings {
    /// Greedy sampling: the same prompt gives the same text.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            sampling: Sampling::greedy(),
            ..Self::default()
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        self.check_into(&mut check);
        check.done()
    }

    /// Like [`check`](Self::check), and refuses a priority above `max_priority`.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with every setting that is out of range, including
    /// the priority.
    pub fn check_up_to(&self, max_priority: Priority) -> Result<()> {
        let mut check = Check::default();
        self.check_into(&mut check);
        check.0.extend(self.scheduling.too_urgent(max_priority));
        check.done()
    }

    /// These settings with those of a guest's document, which are younger than the contract that it
    /// uses. [`Reading::for_guest`] reads it, in its strict way.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with every problem of the document, or with every
    /// setting that is set in both.
    pub fn with_further(self, document: &str, max_priority: Priority) -> Result<Self> {
        let reading = Reading::json(document.as_bytes()).with_max_priority(max_priority);
        let (further, _) = reading.for_guest(true)?;
        let mut check = Check::default();
        for (block, other) in self.blocks().iter().zip(further.blocks()) {
            let names = (0..block.len()).filter_map(|index| Some((index, block.info(index)?.name)));
            for (index, name) in names {
                let Some(value) = other.json(index) else {
                    continue;
                };
                check.that(block.json(index).is_none(), || {
                    let path = format!("{}.{name}", block.section());
                    Problem::new(path, value, "set once: it is set beside the document too")
                });
            }
        }
        check.that(!(self.output.is_set() && further.output.is_set()), || {
            Problem::new(
                Output::SECTION,
                "a form in the document",
                "set once: a form is set beside the document too",
            )
        });
        check.done()?;
        Ok(further.or(&self))
    }

    pub(crate) fn check_into(&self, check: &mut Check) {
        let Self {
            sampling,
            stopping,
            memory,
            scheduling,
            reasoning,
            output,
        } = self;
        sampling.check(check);
        stopping.check(check);
        memory.check(check);
        scheduling.check(check);
        reasoning.check(check);
        output.check(check);
        output.check_one(check);
    }

    /// These settings, with those of `base` for the unset ones.
    #[must_use]
    pub fn or(self, base: &Self) -> Self {
        Self {
            sampling: self.sampling.or(&base.sampling),
            stopping: self.stopping.or(&base.stopping),
            memory: self.memory.or(&base.memory),
            scheduling: self.scheduling.or(&base.scheduling),
            reasoning: self.reasoning.or(&base.reasoning),
            output: self.output.over(&base.output).clone(),
        }
    }

    /// The settings in force: these, and the engine's defaults for the unset ones. `draw_seed`
    /// draws a seed if none is set, and must not return [`u32::MAX`].
    #[must_use]
    pub fn resolve(self, draw_seed: impl FnOnce() -> u32) -> Effective {
        let sampling = self.sampling.in_force();
        Effective {
            seed: match sampling.seed {
                Seed::Fixed(seed) => seed,
                Seed::Random => draw_seed(),
            },
            sampling,
            stopping: self.stopping.in_force(),
            memory: self.memory.in_force(),
            scheduling: self.scheduling.in_force(),
            reasoning: self.reasoning.in_force(),
            embedding: self.output.embedding == Some(true),
            output: self.output.in_force(),
        }
    }

    /// All blocks.
    pub(crate) fn blocks(&self) -> [&dyn AnyBlock; 6] {
        [
            &self.sampling,
            &self.stopping,
            &self.memory,
            &self.scheduling,
            &self.reasoning,
            &self.output,
        ]
    }

    /// All blocks, mutable.
    pub(crate) fn blocks_mut(&mut self) -> [&mut dyn AnyBlock; 6] {
        [
            &mut self.sampling,
            &mut self.stopping,
            &mut self.memory,
            &mut self.scheduling,
            &mut self.reasoning,
            &mut self.output,
        ]
    }
}

/// The value in force of every setting, and the level that set it. The first of `levels` that sets
/// a setting wins.
#[must_use]
pub fn in_force(levels: &[(Level, &Settings)]) -> Vec<SettingInForce> {
    let mut all = Vec::new();
    for (block_index, block) in Settings::default().blocks().iter().enumerate() {
        for index in 0..block.len() {
            let Some(info) = block.info(index) else {
                continue;
            };
            let said = levels.iter().find_map(|(level, settings)| {
                let blocks = settings.blocks();
                let value = blocks.get(block_index)?.json(index);
                let is_form = block.section() == Output::SECTION;
                // Forms exclude each other: a level that sets one excludes the others.
                if is_form && settings.output.is_set() {
                    return Some((value.unwrap_or_default(), *level));
                }
                Some((value?, *level))
            });
            let default = || ((info.default)().unwrap_or_default(), Level::Default);
            let (value, level) = said.unwrap_or_else(default);
            all.push(SettingInForce {
                path: format!("{}.{}", block.section(), info.name),
                value,
                level,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests;
