//! Confines the process: no files, connections, processes or signals to others.
//!
//! Landlock and seccomp overlap on purpose. Landlock knows paths, so the model's bytes can be
//! opened while nothing else can. Seccomp knows everything that is not a path.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::limits;
use crate::Confinement;

/// The newest version of Landlock with something that this process must not do.
const LANDLOCK: ABI = ABI::V6;

/// A confined process.
#[derive(Debug)]
pub(super) struct Sandbox {
    has_landlock: bool,
    /// The folders of the rules. The kernel forgets a rule for `/proc` if nobody has it open.
    _open: Vec<File>,
}

impl Sandbox {
    /// Confines this process as far as the system allows it. There must be no other thread.
    pub(super) fn enter(max_bytes: Option<u64>) -> (Self, Confinement) {
        let limits = limits::set(max_bytes);
        let mut open = Vec::new();
        let status = landlock(&mut open).unwrap_or(RulesetStatus::NotEnforced);
        let seccomp = seccomp();
        let landlock = status != RulesetStatus::NotEnforced;
        let sandbox = Self {
            has_landlock: landlock,
            _open: open,
        };
        let confinement = Confinement {
            landlock,
            landlock_is_full: status == RulesetStatus::FullyEnforced,
            seccomp,
            limits,
        };
        (sandbox, confinement)
    }

    /// Forbids opening files to all threads from here on, where Landlock doesn't.
    pub(super) fn close(&self) {
        if self.has_landlock {
            return;
        }
        let opening = names::OPENING
            .iter()
            .map(|call| (*call, Vec::new()))
            .collect();
        if let Some(filter) = filter(opening, SeccompAction::Allow, refuse()) {
            // Without seccomp there is nothing left that could forbid it, as the host was told.
            let _ = seccompiler::apply_filter_all_threads(&filter);
        }
    }
}

/// Forbids all files but those in which the process reads how much memory it uses, TCP, and signals
/// and abstract sockets of others.
fn landlock(open: &mut Vec<File>) -> Option<RulesetStatus> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .ok()?
        .handle_access(AccessNet::from_all(LANDLOCK))
        .ok()?
        .scope(Scope::from_all(LANDLOCK))
        .ok()?
        .create()
        .ok()?;
    for path in readable() {
        let Ok(file) = File::open(&path) else {
            continue;
        };
        let access = match path.is_dir() {
            true => AccessFs::ReadFile | AccessFs::ReadDir,
            false => AccessFs::ReadFile.into(),
        };
        let kept = file.try_clone();
        rules = rules.add_rule(PathBeneath::new(file, access)).ok()?;
        open.extend(kept.ok());
    }
    Some(rules.restrict_self().ok()?.ruleset)
}

/// What the process may read: the memory of itself, its control group and the machine.
fn readable() -> Vec<PathBuf> {
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let groups = std::fs::read_to_string(own.join("cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let folder = match controllers {
            "" => "",
            controllers if controllers.split(',').any(|one| one == "memory") => "memory",
            _ => return None,
        };
        let root = PathBuf::from("/sys/fs/cgroup").join(folder);
        Some(root.join(path.trim_start_matches('/')))
    });
    let others = ["/proc/meminfo", "/sys/devices/system/cpu"].map(PathBuf::from);
    std::iter::once(own.clone())
        .chain(others)
        .chain(groups)
        .collect()
}

/// Allows the system calls that loading and computing need, and refuses all others. Returns whether
/// that is in force.
fn seccomp() -> bool {
    let Some(allowed) = allowed() else {
        return false;
    };
    let Some(allowed) = filter(allowed, refuse(), SeccompAction::Allow) else {
        return false;
    };
    // The C library falls back to `clone`, whose flags a filter can see. The other filter allows
    // this call, so that this one says with which error it is refused.
    let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let calls = [(libc::SYS_clone3, Vec::new())].into_iter().collect();
    let Some(no_clone3) = filter(calls, SeccompAction::Allow, unknown) else {
        return false;
    };
    [no_clone3, allowed]
        .iter()
        .all(|filter| seccompiler::apply_filter(filter).is_ok())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What a refused system call does.
fn refuse() -> SeccompAction {
    SeccompAction::Errno(libc::EPERM.cast_unsigned())
}

fn filter(rules: Rules, others: SeccompAction, matching: SeccompAction) -> Option<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    SeccompFilter::new(rules, others, matching, arch)
        .ok()?
        .try_into()
        .ok()
}

/// The allowed system calls.
fn allowed() -> Option<Rules> {
    use SeccompCmpOp::{Eq, MaskedEq};

    let mut rules: Rules = names::ALLOWED
        .iter()
        .map(|call| (*call, Vec::new()))
        .collect();
    let thread = u64::try_from(libc::CLONE_THREAD).ok()?;
    let executable = u64::try_from(libc::PROT_EXEC).ok()?;
    let own = u64::from(std::process::id());
    let set_name = u64::try_from(libc::PR_SET_NAME).ok()?;
    let no_new_privileges = u64::try_from(libc::PR_SET_NO_NEW_PRIVS).ok()?;
    let only = [
        // Threads, no processes.
        (libc::SYS_clone, 0, MaskedEq(thread), thread),
        // No code that was not in the program.
        (libc::SYS_mmap, 2, MaskedEq(executable), 0),
        (libc::SYS_mprotect, 2, MaskedEq(executable), 0),
        // Signals to itself, such as that of `abort`.
        (libc::SYS_tgkill, 0, Eq, own),
        (libc::SYS_kill, 0, Eq, own),
        (libc::SYS_prctl, 0, Eq, set_name),
        // Before a stricter filter.
        (libc::SYS_prctl, 0, Eq, no_new_privileges),
        // Reading limits, which the library does for the stacks of threads.
        (libc::SYS_prlimit64, 2, Eq, 0),
        // To the host, which is the only connection.
        (libc::SYS_sendto, 4, Eq, 0),
    ];
    for (call, argument, operator, value) in only {
        let condition =
            SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value).ok()?;
        let rule = SeccompRule::new(vec![condition]).ok()?;
        rules.entry(call).or_default().push(rule);
    }
    Some(rules)
}

/// System calls by number.
mod names {
    /// Those that open files.
    pub(super) const OPENING: &[i64] = &[
        libc::SYS_openat,
        libc::SYS_openat2,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
    ];

    /// Those that are allowed with any argument.
    pub(super) const ALLOWED: &[i64] = &[
        // Memory.
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_mincore,
        libc::SYS_membarrier,
        libc::SYS_get_mempolicy,
        // Open files, and those that Landlock lets it open.
        libc::SYS_openat,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_lseek,
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_readlinkat,
        libc::SYS_getdents64,
        libc::SYS_getcwd,
        libc::SYS_fadvise64,
        libc::SYS_shutdown,
        // Threads. Another filter refuses `clone3` as unknown.
        libc::SYS_clone3,
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_get_robust_list,
        libc::SYS_set_tid_address,
        libc::SYS_rseq,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_getparam,
        libc::SYS_sched_getscheduler,
        libc::SYS_sched_get_priority_max,
        libc::SYS_sched_get_priority_min,
        libc::SYS_getcpu,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_getppid,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_restart_syscall,
        // Signals.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        // Time and chance.
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_times,
        libc::SYS_getrusage,
        libc::SYS_getrandom,
        libc::SYS_uname,
        libc::SYS_sysinfo,
        // A stricter filter after this one.
        libc::SYS_seccomp,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lstat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_access,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_readlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_time,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_getrlimit,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_arch_prctl,
    ];
}
