//! The cores that this process may use, and what limits them.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use sysinfo::System;

/// The load for each core from which threads wait for a core.
const BUSY: f64 = 0.75;

/// The cores of a process and the work on them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cores {
    /// Cores that the process may use: the default number of threads.
    usable: usize,
    /// Cores of the machine that are in use. `None` if unknown.
    machine: Option<usize>,
    /// Cores in the CPU affinity of the process. `None` if unknown.
    affinity: Option<usize>,
    /// Cores' worth of time that the control group allows. `None` without a quota.
    quota: Option<f64>,
    /// The average number of threads that ran or waited for a core in the last minute.
    load: f64,
}

impl Cores {
    /// Reads all of it.
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let online = fs::read_to_string("/sys/devices/system/cpu/online").ok();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self {
            usable: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            machine: online.and_then(|list| count(&list)),
            affinity: status
                .lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
                .and_then(count),
            quota: quota(&groups, |file| fs::read_to_string(file).ok()),
            load: System::load_average().map_or(0.0, |load| load.one),
        }
    }

    /// The lines about them: how many, the limits that are in force, and the load.
    pub(super) fn lines(&self) -> String {
        let (usable, load) = (self.usable, self.load);
        let mut text = format!("{usable}, load {load:.1} in the last minute");
        if let (Some(machine), Some(affinity)) = (self.machine, self.affinity)
            && affinity < machine
        {
            text.push_str(&format!(
                "\nthe CPU affinity of the process is {affinity} of {machine} cores"
            ));
        }
        if let Some(quota) = self.quota {
            text.push_str(&format!(
                "\nthe control group limits the process to the time of {quota:.1} cores (cpu.max)"
            ));
        }
        text
    }

    /// Advice if other programs use the cores: a thread that waits for a core holds all others up.
    pub(super) fn advice(&self) -> Option<String> {
        let (usable, load) = (self.usable, self.load);
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let share = load / usable as f64;
        (usable > 1 && share >= BUSY).then(|| {
            format!(
                "other programs use these cores (load {load:.1} of {usable}): a model computes \
                 faster with fewer threads then, such as --threads 1"
            )
        })
    }
}

/// The number of cores in a list of the kernel's, such as `0-3,8`.
fn count(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0_usize, |all, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        all.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// The smallest quota of the control group in `/proc/self/cgroup` and the groups above it, in
/// cores.
/// Knows control groups of version 2.
fn quota(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = PathBuf::from("/sys/fs/cgroup").join(group);
    let quotas = folder.ancestors().filter_map(|folder| {
        let text = read(&folder.join("cpu.max"))?;
        // Microseconds of each period, or `max`.
        let (quota, period) = text.trim().split_once(' ')?;
        let (quota, period) = (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?);
        (period > 0.0).then_some(quota / period)
    });
    quotas.min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Cores = Cores {
        usable: 2,
        machine: Some(2),
        affinity: Some(2),
        quota: None,
        load: 0.2,
    };

    /// Newcomer 2 and 27.
    #[test]
    fn cores_that_others_use_give_advice() {
        assert_eq!(IDLE.advice(), None);
        let busy = Cores { load: 1.9, ..IDLE };
        assert!(busy.advice().unwrap().contains("--threads 1"));
        // There can't be fewer threads.
        let alone = Cores {
            usable: 1,
            load: 9.0,
            ..IDLE
        };
        assert_eq!(alone.advice(), None);
    }

    /// Newcomer 27.
    #[test]
    fn what_limits_the_cores_is_told() {
        assert_eq!(IDLE.lines(), "2, load 0.2 in the last minute");
        let limited = Cores {
            machine: Some(8),
            affinity: Some(4),
            quota: Some(2.5),
            ..IDLE
        };
        let lines = limited.lines();
        assert!(lines.contains("\nthe CPU affinity of the process is 4 of 8 cores"));
        assert!(lines.contains("\nthe control group limits the process to the time of 2.5 cores"));
    }

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!(count("0-3,8\n"), Some(5));
        assert_eq!(count("\t7"), Some(1));
        for wrong in ["", "3-1", "a", "0-", "0-18446744073709551615"] {
            assert_eq!(count(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_smallest_quota_of_the_groups_above_counts() {
        let read = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/a/b/cpu.max" => "max 100000\n",
                "/sys/fs/cgroup/a/cpu.max" => "150000 100000\n",
                "/sys/fs/cgroup/cpu.max" => "400000 100000\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(quota("0::/a/b\n", read), Some(1.5));
        assert_eq!(quota("0::/\n", read), Some(4.0));
        assert_eq!(quota("0::/other\n", read), Some(4.0));
        // Version 1, and a damaged file.
        assert_eq!(quota("5:cpu:/a\n", read), None);
        assert_eq!(quota("0::/a\n", |_| Some("1 0".to_owned())), None);
    }
}
