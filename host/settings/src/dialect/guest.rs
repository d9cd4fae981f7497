//! A guest's document may set the settings of a generation, and none of how a model is served.

use super::Reading;
use crate::block::AnyBlock;
use crate::problem::{Fault, Problem};
use crate::settings::Settings;
use crate::{Priority, Result};

/// Why a guest's settings in `model` and `backend` have no effect.
const OPERATORS: &str = "only the operator sets how a model is served";

impl Reading {
    /// Treats a value that is not allowed as a setting without effect, if `is_harmless` returns
    /// true: the operator sets how a model is served in any case.
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

    /// Refuses a priority above `most`, together with all other problems.
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

    /// The settings of a guest's document, and the warnings. Settings that only the operator may
    /// set are checked, and left out with a warning.
    ///
    /// # Errors
    ///
    /// [`SettingsError`](crate::SettingsError) with all problems. If `strict`, warnings are errors
    /// too.
    pub fn for_guest(mut self, strict: bool) -> Result<(Settings, Vec<Problem>)> {
        const LOGGED: &str = "only the operator sets what is logged";

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
