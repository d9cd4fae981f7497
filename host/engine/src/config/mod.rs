//! Typed settings: what an operator chooses for a model and what a request chooses for itself.
//!
//! Every setting has one name, spelled the same in messages, flags and documents, one range and one default, here.

mod model;
mod settings;

pub(crate) use model::KvCells;
pub use model::{KvLayout, ModelConfig};
pub use settings::{Effective, Settings};

use std::fmt;
use std::time::Duration;

/// A setting that is out of range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's name.
    pub key: &'static str,
    /// The value that was given.
    pub value: String,
    /// What it may be.
    pub range: String,
}

impl Problem {
    pub(crate) fn new(
        key: &'static str,
        value: impl fmt::Display,
        range: impl Into<String>,
    ) -> Self {
        Self {
            key,
            value: value.to_string(),
            range: range.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, range } = self;
        write!(f, "`{key}` is {value}, it must be {range}")
    }
}

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

/// Collects the problems of one check, so that all are reported at once.
#[derive(Debug, Default)]
struct Check(Vec<Problem>);

impl Check {
    fn that(&mut self, holds: bool, problem: impl FnOnce() -> Problem) {
        if !holds {
            self.0.push(problem());
        }
    }

    /// From a millisecond to a day.
    fn time(&mut self, key: &'static str, time: Duration) {
        let range = Duration::from_millis(1)..=Settings::MAX_TIME;
        self.that(range.contains(&time), || {
            let most = Settings::MAX_TIME.as_millis();
            Problem::new(key, time.as_millis(), format!("from 1 to {most} (a day)"))
        });
    }

    fn done(self) -> crate::Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(crate::Error::Settings { problems: self.0 })
        }
    }
}
