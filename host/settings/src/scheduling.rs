//! When a request runs, and together with which others.

use std::time::Duration;

use super::block::block;
use super::kind::{Any, Millis};
use super::problem::Problem;
use crate::Priority;

block! {
    /// When a request runs, and together with which others.
    pub struct Scheduling => SchedulingInForce in "scheduling" {
        /// The request's priority.
        priority: Priority = Priority::Normal, "priority", ["default_priority"], Any,
            flag("priority", "PRIORITY",
                "Priority of requests, if the component does not set it: low, normal, high or \
                 urgent");
        /// Maximum time that the request waits in the queue. After it, the request fails without
        /// any model work.
        queue_timeout: Duration, else "`backend.default_task_timeout_ms`", "queue_timeout_ms", [],
            Millis::TO_A_DAY;
        /// Whether the sequence is computed separately from all others, in batches whose shape
        /// depends on nothing else. Its text then depends on nothing else either. Needs the split
        /// KV layout. All requests become slower.
        deterministic: bool = false, "deterministic", [], Any,
            flag("deterministic", "BOOL",
                "Compute each sequence separately, so that its text depends on nothing else, if \
                 the component does not set this. Slower");
    }
}

impl Scheduling {
    /// The problem with a priority above `most`, the highest that the component may ask for.
    pub(crate) fn too_urgent(&self, most: Priority) -> Option<Problem> {
        let asked = self.priority.filter(|asked| *asked > most)?;
        let allowed = format!(
            "{most} at most for this component: ask for less, or have the operator raise \
             `max_priority`"
        );
        Some(Problem::new("scheduling.priority", asked, allowed))
    }
}
