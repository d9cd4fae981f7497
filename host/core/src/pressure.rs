//! Memory pressure, and the measures at each level.

/// A memory with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MemoryUse {
    /// Bytes in use.
    pub used: u64,
    /// The limit in bytes.
    pub limit: u64,
}

impl MemoryUse {
    /// The share in use. It starts at 0.0, and is above 1.0 beyond the limit.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a share, compared with a setting of two digits"
    )]
    #[must_use]
    pub fn share(self) -> f32 {
        (self.used as f64 / self.limit.max(1) as f64) as f32
    }
}

/// The level of memory pressure. Each level includes the measures of those below it.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PressureLevel {
    /// No pressure.
    #[default]
    None,
    /// Cached states in host memory that no open session continues are evicted, and none are added.
    Drop,
    /// Cached states of idle sessions leave host memory, and are written to disk if there is a
    /// state folder. Running sequences are parked if KV cells are short.
    Park,
    /// Sessions that were idle for `idle_timeout` are closed, even without `auto_cleanup`. A model
    /// that is only kept for later requests is unloaded.
    Close,
    /// New requests are refused.
    Refuse,
}

impl PressureLevel {
    /// All levels, the lowest first.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name of the level in JSON, logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The level of a memory of which this share is in use. The first level begins at `threshold`,
    /// and the others follow in equal steps up to three quarters of the remaining share. `most` is
    /// the highest level that helps against a shortage of this memory.
    fn of(share: f32, threshold: f32, most: Self) -> Self {
        let step = (1.0 - threshold) / 4.0;
        let begins = |(index, level): (u8, Self)| {
            (share >= threshold + step * f32::from(index)).then_some(level)
        };
        let levels = (0..).zip(Self::ALL.iter().copied().skip(1));
        levels
            .filter_map(begins)
            .max()
            .unwrap_or_default()
            .min(most)
    }
}

impl PressureLevel {
    /// The level of the process's memory.
    #[must_use]
    pub fn of_process(memory: Option<MemoryUse>, threshold: f32) -> Self {
        let share = memory.map_or(0.0, MemoryUse::share);
        Self::of(share, threshold, Self::Refuse)
    }
}

/// The pressure on each memory: the share in use that cannot be freed at once. A share starts at
/// 0.0, and is above 1.0 beyond the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pressure {
    /// The highest of the four levels.
    pub level: PressureLevel,
    /// KV cells of running sequences. The level is at most `Park`: a sequence without free cells
    /// waits.
    pub cells: f32,
    /// Host memory of parked sequences, as a share of `max_parked_bytes`. The level is at most
    /// `Drop`: a state that does not fit is computed again.
    pub parked: f32,
    /// Memory of the process, with the lowest of its limits (`max_process_bytes`, the control
    /// group's limit, the machine's memory). `None` if the system does not report it.
    pub process: Option<MemoryUse>,
    /// Memory of all graphics cards together, if there are any. The level is at most `Close`: a
    /// loaded model does not take more of it later.
    pub device: Option<MemoryUse>,
}

impl Pressure {
    /// Sets the level for these shares.
    #[must_use]
    pub fn with_level(mut self, threshold: f32) -> Self {
        use PressureLevel as Level;

        let level = |share, most| Level::of(share, threshold, most);
        self.level = level(self.cells, Level::Park)
            .max(level(self.parked, Level::Drop))
            .max(Level::of_process(self.process, threshold))
            .max(level(
                self.device.map_or(0.0, MemoryUse::share),
                Level::Close,
            ));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_begins_a_step_above_the_one_below() {
        let of = |share| PressureLevel::of(share, 0.8, PressureLevel::Refuse);
        let levels = [0.0, 0.79, 0.8, 0.86, 0.91, 0.96, 1.5].map(of);
        use PressureLevel as Level;
        let expected = [
            Level::None,
            Level::None,
            Level::Drop,
            Level::Park,
            Level::Close,
            Level::Refuse,
            Level::Refuse,
        ];
        assert_eq!(levels, expected);
        // A threshold of 1.0 leaves no room for steps.
        let all_or_nothing = |share| PressureLevel::of(share, 1.0, PressureLevel::Refuse);
        assert_eq!(all_or_nothing(0.99), PressureLevel::None);
        assert_eq!(all_or_nothing(1.0), PressureLevel::Refuse);
    }

    #[test]
    fn no_memory_asks_for_what_does_not_help_it() {
        let level = |pressure: Pressure| pressure.with_level(0.85).level;
        let none = Pressure::default();
        let full = Some(MemoryUse { used: 9, limit: 9 });
        assert_eq!(level(none), PressureLevel::None);
        let cells = Pressure { cells: 1.0, ..none };
        assert_eq!(level(cells), PressureLevel::Park);
        let parked = Pressure {
            parked: 1.0,
            ..none
        };
        assert_eq!(level(parked), PressureLevel::Drop);
        let device = Pressure {
            device: full,
            ..none
        };
        assert_eq!(level(device), PressureLevel::Close);
        let process = Pressure {
            process: full,
            ..device
        };
        assert_eq!(level(process), PressureLevel::Refuse);
    }
}
