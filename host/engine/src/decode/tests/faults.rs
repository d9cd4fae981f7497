//! The failures of the model with known answers, and the abilities of its memory.

/// The abilities of the model's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Memory {
    /// It can be cut anywhere, and tokens can be moved.
    #[default]
    Movable,
    /// It can be cut anywhere.
    Fixed,
    /// It can only be kept or cleared as a whole.
    Whole,
    /// As movable, but a saved state can only be used as a whole.
    Windowed,
}

/// The failures, and the abilities of the model's memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Each step takes a moment.
    pub(super) slow: bool,
    /// One step in this number of steps fails.
    pub(super) every: Option<u64>,
    /// Steps with this token fail.
    pub(super) poison: Option<i32>,
    /// All steps from this one on fail, until the next reset.
    pub(super) broken_from: Option<u64>,
    pub(super) memory: Memory,
}

impl Faults {
    pub(super) fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    pub(super) fn slow() -> Self {
        Self {
            slow: true,
            ..Self::default()
        }
    }

    pub(super) fn every(steps: u64) -> Self {
        Self {
            every: Some(steps),
            ..Self::default()
        }
    }

    pub(super) fn poison(token: i32) -> Self {
        Self {
            poison: Some(token),
            ..Self::default()
        }
    }

    pub(super) fn broken_until_reset(step: u64) -> Self {
        Self {
            broken_from: Some(step),
            ..Self::default()
        }
    }

    pub(super) fn has_failures(self) -> bool {
        self.every.is_some()
    }
}
