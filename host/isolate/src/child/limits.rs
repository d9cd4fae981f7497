//! Limits of the system on what the process may take.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Maximum number of open files. The process opens a handful.
const MAX_FILES: u64 = 64;

/// Sets the limits. `max_bytes` is the memory that the process may write to; `None`: what the
/// machine has. Returns whether all were set.
pub(super) fn set(max_bytes: Option<u64>) -> bool {
    let memory = max_bytes.or_else(machine_memory);
    let limits = [
        (Resource::Data, memory),
        (Resource::Nofile, Some(MAX_FILES)),
        // It would contain what was said to the model.
        (Resource::Core, Some(0)),
    ];
    let set = limits.map(|(resource, limit)| {
        let limit = Rlimit {
            current: limit,
            maximum: limit,
        };
        limit.current.is_some() && setrlimit(resource, limit).is_ok()
    });
    set.iter().all(|is_set| *is_set)
}

/// Memory of the machine in bytes.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}
