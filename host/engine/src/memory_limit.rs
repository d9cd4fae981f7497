//! How much memory this process has, and how much it may have.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use mynah_gguf::ModelSize;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

use crate::{EngineError, MemoryUse, Result};

/// Time between two looks at the system: one takes some 100 microseconds.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// How much memory this process may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// Bytes that it may still take: what the machine has free or can take back at once, and no
    /// more than what its control group and its operator leave it.
    pub(crate) available: u64,
    /// Bytes that it may have in all, or that all processes of its control group may have together,
    /// where there is such a limit.
    pub(crate) limit: Option<u64>,
}

/// What one look at the system found.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Bytes that the machine has free or can take back at once.
    free: u64,
    /// Bytes that the machine has.
    total: u64,
    /// Bytes of this process that are in memory, its share of mapped files included.
    resident: u64,
    /// Of its control group, where that is bounded.
    group: Option<MemoryUse>,
}

impl Look {
    /// Asks the system; `None` where it doesn't tell.
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
        // A group without a limit has the machine's.
        let group = process.cgroup_limits();
        let group = group.filter(|group| group.total_memory < system.total_memory());
        Some(Self {
            free: system.available_memory(),
            total: system.total_memory(),
            resident: process.memory(),
            // Its page cache counts as its own, and can be taken back.
            group: group.map(|group| MemoryUse {
                used: group.rss,
                limit: group.total_memory,
            }),
        })
        .filter(|look| look.total > 0)
    }

    /// The memory that is nearest to its limit: this process's, by what the operator allows it or
    /// the machine has, or its control group's.
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
    /// Asks the system; `None` where it doesn't tell. `bound`: what the operator allows the
    /// process.
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

    /// Checks that there is as much memory as the model in this file takes.
    ///
    /// # Errors
    ///
    /// [`EngineError::TooLittleMemory`], with the numbers.
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

/// Memory in use, where the system tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemoryInUse {
    /// Of the process, or of its control group where that is nearer to its limit.
    pub(crate) process: Option<MemoryUse>,
    /// Of all graphics cards together.
    pub(crate) device: Option<MemoryUse>,
}

/// Looks at the memory in use, and not more often than it is worth.
pub(crate) struct MemoryWatch {
    look: Box<dyn Fn() -> MemoryInUse + Send + Sync>,
    threshold: f32,
    last: Mutex<Option<(Instant, MemoryInUse)>>,
}

impl MemoryWatch {
    /// Looks at this process, which may have `bound` bytes; where that isn't given, what the
    /// machine and the control group have. `threshold`: see
    /// [`ModelConfig::pressure_threshold`](crate::ModelConfig::pressure_threshold). `device` tells
    /// the memory of all graphics cards together, where there is one.
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

    /// Looks wherever a test wants.
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

    /// What is in use, as it was at most [`BETWEEN_LOOKS`] ago.
    pub(crate) fn in_use(&self, now: Instant) -> MemoryInUse {
        // A panic of the look leaves what was seen before.
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
