//! What confines the process of a model.

use serde::{Deserialize, Serialize};

/// What confines the process of a guest's model, from before it reads the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Landlock: the process can open no file but those with its own memory use, and no TCP
    /// connection, and can't send signals to others.
    pub landlock: bool,
    /// Whether the kernel knows all parts of that.
    pub landlock_is_full: bool,
    /// Seccomp: only the system calls that computing needs; no socket, no new process, no code that
    /// was not in the program. Without Landlock, no file is opened after the load.
    pub seccomp: bool,
    /// Limits on its memory and on files: those of `max_process_bytes`, or what the machine has.
    pub limits: bool,
}

impl Confinement {
    /// What this system lacks, in words.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let landlock = match (self.landlock, self.landlock_is_full) {
            (true, true) => None,
            (true, false) => Some("parts of Landlock"),
            (false, _) => Some("Landlock"),
        };
        let seccomp = (!self.seccomp).then_some("seccomp");
        let limits = (!self.limits).then_some("limits");
        [landlock, seccomp, limits].into_iter().flatten().collect()
    }

    /// What is in force, in words.
    #[must_use]
    pub fn in_force(&self) -> Vec<&'static str> {
        let all = [
            (self.landlock, "Landlock"),
            (self.seccomp, "seccomp"),
            (self.limits, "limits on memory"),
        ];
        let in_force = all.into_iter().filter(|(is_in_force, _)| *is_in_force);
        in_force.map(|(_, name)| name).collect()
    }
}
