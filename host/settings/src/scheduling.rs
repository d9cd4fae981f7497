//! When a request runs, and beside what.

use std::time::Duration;

use super::block::block;
use super::kind::{Any, Millis};
use super::problem::Problem;
use crate::Priority;

block! {
    /// When a request runs, and beside what.
    pub struct Scheduling => SchedulingInForce in "scheduling" {
        /// How urgent the request is.
        priority: Priority = Priority::Normal, "priority", ["default_priority"], Any,
            flag("priority", "PRIORITY",
                "Priority where the component doesn't say: low, normal, high or urgent");
        /// Time that the request waits in the queue at most; then it fails without any model work.
        queue_timeout: Duration, else "`backend.default_task_timeout_ms`", "queue_timeout_ms", [],
            Millis::TO_A_DAY;
        /// Whether the sequence is computed apart from all others, in batches whose shape depends
        /// on nothing else, so that its text doesn't either. Needs split KV streams. Slower, for
        /// everybody.
        deterministic: bool = false, "deterministic", [], Any,
            flag("deterministic", "BOOL",
                "Compute each sequence apart from all others where the component doesn't say, so \
                 that its text depends on nothing else. Slower");
    }
}

impl Scheduling {
    /// Why the priority can't be, for one who may ask for `most` at most.
    pub(crate) fn too_urgent(&self, most: Priority) -> Option<Problem> {
        let asked = self.priority.filter(|asked| *asked > most)?;
        let allowed = format!(
            "{most} at most for this component: ask for less, or have the operator raise \
             `max_priority`"
        );
        Some(Problem::new("scheduling.priority", asked, allowed))
    }
}
