//! What a guest's document may set: how text is made, and nothing of how a model is served.

use super::Reading;
use crate::block::AnyBlock;
use crate::problem::{Fault, Problem};
use crate::settings::Settings;
use crate::{Priority, Result};

/// Why what stands in `model` and `backend` isn't in force for a guest.
const OPERATORS: &str = "how a model is served is the operator's to set";

impl Reading {
    /// Takes a value that isn't allowed for one that is merely not in force, where `is_harmless`
    /// says so: how a model is served is the operator's to set in any case.
    #[must_use]
    pub fn tolerating(mut self, is_harmless: impl Fn(&Problem) -> bool) -> Self {
        for problem in &mut self.problems {
            if matches!(problem.fault, Fault::Value { .. }) && is_harmless(problem) {
                problem.fault = Fault::NoEffect {
                    reason: OPERATORS.to_owned(),
                };
            }
        }
        self
    }

    /// Refuses a priority above `most`, with all else that is out of range.
    #[must_use]
    pub fn with_max_priority(mut self, most: Priority) -> Self {
        if let Some(mut problem) = self.operator.settings.scheduling.too_urgent(most) {
            if let Some(written) = self.set.get(&problem.path) {
                problem.place = Some(written.place);
                problem.path.clone_from(&written.path);
            }
            self.problems.push(problem);
        }
        self
    }

    /// The settings for a guest that sent the document, and the warnings about it. What is an
    /// operator's to set is checked, and left out with a warning.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with all problems; where it is `strict`,
    /// warnings are problems.
    pub fn for_guest(mut self, strict: bool) -> Result<(Settings, Vec<Problem>)> {
        const LOGGED: &str = "what is logged is the operator's to set";

        let operator = self.operator.clone();
        for (block, why) in [
            (&operator.model as &dyn AnyBlock, OPERATORS),
            (&operator.backend, OPERATORS),
            (&operator.logging, LOGGED),
        ] {
            for index in 0..block.len() {
                if let (Some(_), Some(info)) = (block.json(index), block.info(index)) {
                    self.no_effect(&format!("{}.{}", block.section(), info.name), why);
                }
            }
        }
        self.problems.sort_by_key(|problem| problem.place);
        self.check(|problem| strict || !problem.is_warning())?;
        Ok((self.operator.settings, self.problems))
    }
}
