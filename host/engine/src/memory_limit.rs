//! The memory of this process and its limits.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use mynah_core::{MemoryUse, Result};
use mynah_gguf::ModelSize;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

use crate::EngineError;

/// Time between two measurements. One takes a few hundred microseconds.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The memory that this process may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// Bytes that it may still take: those that the machine has free or can reclaim at once,
    /// limited by its control group and its operator.
    pub(crate) available: u64,
    /// The limit in bytes for the process, or for all processes of its control group together, if
    /// there is one.
    pub(crate) limit: Option<u64>,
}

/// The result of one measurement.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Free and reclaimable bytes of the machine.
    free: u64,
    /// Total bytes of the machine.
    total: u64,
    /// Resident bytes of this process, including its share of mapped files.
    resident: u64,
    /// Memory of its control group, if that has a limit.
    group: Option<MemoryUse>,
}

impl Look {
    /// Queries the system. `None` if the system does not report it.
    fn take() -> Option<Self> {
        let memory = MemoryRefreshKind::nothing().with_ram();
        let mut system =
            System::new_with_specifics(RefreshKind::nothing().with_memory(memory)).ok()?;
        let pid = sysinfo::get_current_pid().ok()?;
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[pid]),
            false,
            ProcessRefreshKind::nothing().with_memory(),
        );
        let process = system.process(pid)?;
        // A group without a limit reports that of the machine.
        let group = process.cgroup_limits();
        let group = group.filter(|group| group.total_memory < system.total_memory());
        Some(Self {
            free: system.available_memory(),
            total: system.total_memory(),
            resident: process.memory(),
            // Its page cache counts as its own, but can be reclaimed.
            group: group.map(|group| MemoryUse {
                used: group.rss,
                limit: group.total_memory,
            }),
        })
        .filter(|look| look.total > 0)
    }

    /// The memory that is closest to its limit: that of this process, limited by the operator or
    /// the machine, or that of its control group.
    fn tightest(&self, bound: Option<u64>) -> MemoryUse {
        let process = MemoryUse {
            used: self.resident,
            limit: bound.map_or(self.total, |bound| bound.min(self.total)),
        };
        match self.group {
            Some(group) if group.share() > process.share() => group,
            _ => process,
        }
    }
}

impl MemoryLimit {
    /// Queries the system. `None` if the system does not report it. `bound` is the operator's limit
    /// for the process.
    pub(crate) fn read(bound: Option<u64>) -> Option<Self> {
        let look = Look::take()?;
        let process = bound.map(|limit| MemoryUse {
            used: look.resident,
            limit,
        });
        let bounds = look.group.into_iter().chain(process);
        let left = bounds.clone().map(|one| one.limit.saturating_sub(one.used));
        Some(Self {
            available: left.min().map_or(look.free, |left| left.min(look.free)),
            limit: bounds.map(|one| one.limit).min(),
        })
    }

    /// Checks that there is enough memory for the model in this file.
    ///
    /// # Errors
    ///
    /// [`EngineError::TooLittleMemory`] with the numbers.
    pub(crate) fn admit(&self, path: &Path, model: &ModelSize) -> Result<()> {
        if model.total() <= self.available {
            return Ok(());
        }
        Err(EngineError::TooLittleMemory {
            path: path.to_owned(),
            needed: ByteSize(model.total()),
            weights: ByteSize(model.weights),
            cells: ByteSize(model.cells),
            step: ByteSize(model.step),
            available: ByteSize(self.available),
            limit: self.limit.map(ByteSize),
        }
        .into())
    }
}

/// Memory in use, if the system reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemoryInUse {
    /// That of the process, or of its control group if that is closer to its limit.
    pub(crate) process: Option<MemoryUse>,
    /// That of all graphics cards together.
    pub(crate) device: Option<MemoryUse>,
}

/// Measures the memory in use, at most every [`BETWEEN_LOOKS`].
pub(crate) struct MemoryWatch {
    look: Box<dyn Fn() -> MemoryInUse + Send + Sync>,
    threshold: f32,
    last: Mutex<Option<(Instant, MemoryInUse)>>,
}

impl MemoryWatch {
    /// Measures this process. `bound` is its limit in bytes; without one, the limits of the machine
    /// and the control group apply. `threshold`: see
    /// [`ModelConfig::pressure_threshold`](mynah_settings::ModelConfig::pressure_threshold).
    /// `device` returns the memory of all graphics cards together, if there are any.
    pub(crate) fn of_process(
        bound: Option<u64>,
        threshold: f32,
        device: impl Fn() -> Option<MemoryUse> + Send + Sync + 'static,
    ) -> Self {
        Self::new(threshold, move || MemoryInUse {
            process: Look::take().map(|look| look.tightest(bound)),
            device: device(),
        })
    }

    /// Uses the measurements of a test.
    pub(crate) fn new(
        threshold: f32,
        look: impl Fn() -> MemoryInUse + Send + Sync + 'static,
    ) -> Self {
        Self {
            look: Box::new(look),
            threshold,
            last: Mutex::new(None),
        }
    }

    /// The share in use at which pressure begins.
    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The memory in use, as measured at most [`BETWEEN_LOOKS`] ago.
    pub(crate) fn in_use(&self, now: Instant) -> MemoryInUse {
        // A panic of a measurement leaves the previous result.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, in_use)) if now.saturating_duration_since(at) < BETWEEN_LOOKS => in_use,
            _ => {
                let in_use = (self.look)();
                *last = Some((now, in_use));
                in_use
            }
        }
    }
}

impl fmt::Debug for MemoryWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryWatch")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn there_is_memory_for_a_test() {
        let memory = MemoryLimit::read(None).unwrap();
        assert!(memory.available > 10 << 20, "{memory:?}");
        assert!(
            memory.limit.is_none_or(|limit| limit >= memory.available),
            "{memory:?}"
        );
        let full = MemoryLimit::read(Some(1 << 20)).unwrap();
        assert_eq!((full.available, full.limit), (0, Some(1 << 20)));
        let process = MemoryWatch::of_process(Some(1 << 20), 0.8, || None)
            .in_use(Instant::now())
            .process
            .unwrap();
        assert!(
            process.limit == 1 << 20 && process.share() > 1.0,
            "{process:?}"
        );
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_the_numbers() {
        // 4096 cells of 23,040 bytes, and a step of 128 tokens with a vocabulary of 49,152.
        let size = ModelSize {
            weights: 0,
            cells: 4096 * 23_040,
            step: 128 * 49_152 * 4,
        };
        let memory = |available| MemoryLimit {
            available,
            limit: Some(256 << 20),
        };
        memory(size.total())
            .admit(Path::new("a.gguf"), &size)
            .unwrap();
        let error = memory(100 << 20)
            .admit(Path::new("a.gguf"), &size)
            .unwrap_err()
            .to_string();
        for words in [
            "a.gguf",
            "114.0 MiB",
            "90.0 MiB",
            "24.0 MiB",
            "100.0 MiB",
            "256.0 MiB",
            "ctx_size",
        ] {
            assert!(error.contains(words), "`{words}` in: {error}");
        }
    }

    #[test]
    fn what_is_nearest_to_its_limit_counts() {
        let look = Look {
            free: 600,
            total: 1000,
            resident: 100,
            group: None,
        };
        let tightest = |group, bound| {
            let MemoryUse { used, limit } = Look { group, ..look }.tightest(bound);
            (used, limit)
        };
        assert_eq!(tightest(None, None), (100, 1000));
        assert_eq!(tightest(None, Some(200)), (100, 200));
        assert_eq!(tightest(None, Some(2000)), (100, 1000));
        let group = |used| Some(MemoryUse { used, limit: 400 });
        assert_eq!(tightest(group(300), Some(200)), (300, 400));
        assert_eq!(tightest(group(30), Some(200)), (100, 200));
    }

    #[test]
    fn the_system_is_not_asked_again_and_again() {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let watch = MemoryWatch::new(0.8, || MemoryInUse {
            process: Some(MemoryUse {
                used: ASKED.fetch_add(1, Ordering::Relaxed),
                limit: 1,
            }),
            device: None,
        });
        let now = Instant::now();
        let first = watch.in_use(now);
        assert_eq!(watch.in_use(now + BETWEEN_LOOKS / 2), first);
        assert_ne!(watch.in_use(now + BETWEEN_LOOKS), first);
    }
}
