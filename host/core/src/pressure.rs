//! How short memory is, and what is to be done about that.

/// Memory that is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MemoryUse {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that there may be.
    pub limit: u64,
}

impl MemoryUse {
    /// The share that is in use, from 0.0; more than 1.0 is beyond the limit.
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

/// How short memory is. At each level is done what it is named for, and all that the levels below
/// it do.
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
    /// Nothing is short.
    #[default]
    None,
    /// What is remembered in host memory that no open session goes on from is forgotten, and
    /// nothing is added to it.
    Drop,
    /// What is remembered for idle sessions leaves host memory: for the disk, where there is a
    /// state folder. What runs is parked where KV cells are what is short.
    Park,
    /// Sessions that nobody has used for `idle_timeout` are closed, also without `auto_cleanup`; a
    /// model that is only kept for later is unloaded.
    Close,
    /// New requests are refused.
    Refuse,
}

impl PressureLevel {
    /// All of them, the lowest first.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The level's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The level of a memory of which this share is in use. The first begins at `threshold`, the
    /// others follow in equal steps up to three quarters of what is left; `most` is the last that
    /// helps against this memory's shortage.
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

/// How short each memory is: what of it is in use and can't be had back at once. A share is from
/// 0.0; more than 1.0 is beyond the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    /// The highest level of the four.
    pub level: PressureLevel,
    /// KV cells of sequences that run. Their level is `Park` at most: who finds none waits.
    pub cells: f32,
    /// Host memory of parked sequences, of `max_parked_bytes`. Its level is `Drop` at most: what
    /// has no room is computed again.
    pub parked: f32,
    /// Memory of the process, of what it may have (`max_process_bytes`, its control group's limit,
    /// the machine's memory: the nearest); `None` where the system doesn't tell.
    pub process: Option<MemoryUse>,
    /// Memory of all graphics cards together, where there is one. Its level is `Close` at most:
    /// what a loaded model has there doesn't grow.
    pub device: Option<MemoryUse>,
}

impl Pressure {
    /// Sets the level that goes with the shares.
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
        // A threshold of 1.0 has no room for steps.
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
