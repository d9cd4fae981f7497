//! How much memory this process may still take.

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// How much memory this process may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// Bytes that it may still take: what the machine has free or can take back at once, and no more than what its control
    /// group leaves it.
    pub(crate) available: u64,
    /// Bytes that all processes of its control group may have together, where there is such a limit.
    pub(crate) limit: Option<u64>,
}

impl MemoryLimit {
    /// Asks the system; `None` where it doesn't tell.
    pub(crate) fn read() -> Option<Self> {
        let memory = MemoryRefreshKind::nothing().with_ram();
        let mut system =
            System::new_with_specifics(RefreshKind::nothing().with_memory(memory)).ok()?;
        let pid = sysinfo::get_current_pid().ok()?;
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[pid]),
            false,
            ProcessRefreshKind::nothing(),
        );
        let free = system.available_memory();
        let group = system
            .process(pid)
            .and_then(|process| process.cgroup_limits());
        // A group without a limit has the machine's.
        let group = group.filter(|group| group.total_memory < system.total_memory());
        Some(Self {
            // Its page cache counts as its own, and can be taken back.
            available: group.as_ref().map_or(free, |group| {
                free.min(group.total_memory.saturating_sub(group.rss))
            }),
            limit: group.map(|group| group.total_memory),
        })
        .filter(|_| free > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn there_is_memory_for_a_test() {
        let memory = MemoryLimit::read().unwrap();
        assert!(memory.available > 10 << 20, "{memory:?}");
        assert!(
            memory.limit.is_none_or(|limit| limit >= memory.available),
            "{memory:?}"
        );
    }
}
