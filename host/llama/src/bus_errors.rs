//! Survives models whose files are cut short while llama.cpp has them mapped.
//!
//! Reading a page of a mapping that its file no longer has raises SIGBUS, which ends the process.
//! The handler here replaces the rest of such a mapping by zeros and counts that. So the thread
//! goes on, and the engine looks at the count before it delivers a result
//! ([`MappedFiles::has_changed`](super::MappedFiles::has_changed)). All other bus errors go to the
//! handler that was there before, which is that of Rust's runtime in most programs.
//!
//! The handler only uses functions that are allowed in one (`signal-safety(7)`), atomics and its
//! stack. It finds out which file is mapped at the address when the error occurs. So nothing has
//! to know where llama.cpp maps files, and errors during a load are covered.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use super::areas::{Area, area_of};

/// Largest number of files that are watched at a time.
const MOST: usize = 1024;

/// A file that is mapped.
struct Slot {
    device: AtomicU64,
    inode: AtomicU64,
    /// How many watch it. 0: the slot is free.
    uses: AtomicUsize,
    /// Number of mappings that lost their pages since the slot was taken.
    faults: AtomicU32,
}

static SLOTS: [Slot; MOST] = [const {
    Slot {
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
        uses: AtomicUsize::new(0),
        faults: AtomicU32::new(0),
    }
}; MOST];

/// A part of a mapping that was replaced by zeros.
struct Replaced {
    begin: AtomicUsize,
    end: AtomicUsize,
}

/// How many replaced parts are remembered. A thread needs one only from the moment of its bus error
/// until its handler has looked.
const REMEMBERED: usize = 64;

/// The parts that were replaced last, the oldest of which is written over.
static REPLACED: [Replaced; REMEMBERED] = [const {
    Replaced {
        begin: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
    }
}; REMEMBERED];

/// How many parts have been replaced.
static REPLACEMENTS: AtomicUsize = AtomicUsize::new(0);

/// Held while slots are taken and given back. The handler reads them without it.
static CHANGES: Mutex<()> = Mutex::new(());

/// Whether the program handles bus errors itself.
static IS_LEFT: AtomicBool = AtomicBool::new(false);

static INSTALLED: Once = Once::new();

/// Leaves SIGBUS to the program: this crate then installs no handler, and a model's file that is
/// cut short while it is used ends the process, unless the program's handler prevents that. Call it
/// before the first model is loaded. Returns whether it was in time.
pub fn leave_bus_errors() -> bool {
    IS_LEFT.store(true, Ordering::SeqCst);
    !INSTALLED.is_completed()
}

/// The place of a file among those that are watched. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Watched {
    index: usize,
    /// Faults before this watch began.
    before: u32,
}

impl Watched {
    /// Watches the mappings of a file. `None`: there are too many, or the system doesn't show which
    /// file is mapped where.
    pub(super) fn new(file: &File) -> Option<Self> {
        if IS_LEFT.load(Ordering::SeqCst) {
            return None;
        }
        INSTALLED.call_once(install);
        let Area { device, inode, .. } = mapped_area(file)?;
        let _guard = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |slot: &Slot| {
            slot.device.load(Ordering::SeqCst) == device
                && slot.inode.load(Ordering::SeqCst) == inode
        };
        let used = |slot: &Slot| slot.uses.load(Ordering::SeqCst) > 0;
        let mut slots = SLOTS.iter();
        let index = slots
            .position(|slot| used(slot) && is_it(slot))
            .or_else(|| SLOTS.iter().position(|slot| !used(slot)))?;
        let slot = SLOTS.get(index)?;
        // Before it is in use, so that the handler sees all of it.
        slot.device.store(device, Ordering::SeqCst);
        slot.inode.store(inode, Ordering::SeqCst);
        slot.uses.fetch_add(1, Ordering::SeqCst);
        Some(Self {
            index,
            before: slot.faults.load(Ordering::SeqCst),
        })
    }

    /// Whether a mapping of the file lost pages since.
    pub(super) fn has_fault(&self) -> bool {
        let slot = SLOTS.get(self.index);
        slot.is_some_and(|slot| slot.faults.load(Ordering::SeqCst) != self.before)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _guard = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = SLOTS.get(self.index) {
            slot.uses.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The device and inode of a file as the system shows them for mappings. On some file systems these
/// are not the ones of `fstat`, so a page is mapped for a moment.
fn mapped_area(file: &File) -> Option<Area> {
    // SAFETY: asks for a new mapping at an address that the system chooses, which nothing else uses
    // and nothing reads.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            1,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    let area = area_of(page.addr());
    // SAFETY: unmaps what was mapped above.
    unsafe { libc::munmap(page, 1) };
    area.filter(|area| area.inode != 0)
}

/// What handled the signal before.
struct Previous(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written once, before the handler is installed that reads it.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new(MaybeUninit::zeroed()));

fn install() {
    // SAFETY: this runs once (`INSTALLED`), and only the handler reads `PREVIOUS`, which isn't
    // installed yet. A zeroed `sigaction` is a valid one, and the handler has the type that
    // `SA_SIGINFO` asks for.
    unsafe {
        if libc::sigaction(libc::SIGBUS, std::ptr::null(), PREVIOUS.0.get().cast()) != 0 {
            return;
        }
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = handle;
        action.sa_sigaction = handler as *const () as usize;
        // Not on the alternate stack: with the state of large registers the system's part of it
        // may leave no room, and llama.cpp's threads have enough of their own.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system gives a valid `siginfo_t`, which has an address for this code. The
    // interrupted code may be about to read `errno`.
    let is_replaced = unsafe {
        let errno = *libc::__errno_location();
        let is_replaced = (*info).si_code == libc::BUS_ADRERR && replace((*info).si_addr().addr());
        *libc::__errno_location() = errno;
        is_replaced
    };
    if !is_replaced {
        chain(signal, info, context);
    }
}

/// Replaces the rest of a watched mapping from the page of an address on. Returns whether the
/// address can be read now.
fn replace(address: usize) -> bool {
    let Some(area) = area_of(address) else {
        return false;
    };
    if area.inode == 0 {
        return was_replaced(address);
    }
    let is_it = |slot: &&Slot| {
        slot.uses.load(Ordering::SeqCst) > 0
            && slot.device.load(Ordering::SeqCst) == area.device
            && slot.inode.load(Ordering::SeqCst) == area.inode
    };
    let Some(slot) = SLOTS.iter().find(is_it) else {
        return false;
    };
    // SAFETY: takes no memory and only reads a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page) = usize::try_from(page) else {
        return false;
    };
    let begin = address - address % page;
    // Counted before the thread goes on, and remembered before another thread can find the zeros.
    slot.faults.fetch_add(1, Ordering::SeqCst);
    let number = REPLACEMENTS.fetch_add(1, Ordering::SeqCst) % REMEMBERED;
    if let Some(replaced) = REPLACED.get(number) {
        replaced.begin.store(begin, Ordering::SeqCst);
        replaced.end.store(area.end, Ordering::SeqCst);
    }
    // SAFETY: the pages belong to a read-only mapping of a model's file, which llama.cpp is reading
    // and therefore not unmapping. Pages of zeros are valid for all of its types. The whole rest is
    // replaced because a signal for each page of a large model would take minutes.
    let mapped = unsafe {
        libc::mmap(
            std::ptr::with_exposed_provenance_mut(begin),
            area.end - begin,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// Whether another thread has just replaced the memory at an address: both had a bus error in the
/// same mapping, and this one came second.
fn was_replaced(address: usize) -> bool {
    REPLACED.iter().any(|replaced| {
        let (begin, end) = (&replaced.begin, &replaced.end);
        (begin.load(Ordering::SeqCst)..end.load(Ordering::SeqCst)).contains(&address)
    })
}

/// Does what would have happened without this handler.
fn chain(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: `install` has written `PREVIOUS`. A handler that isn't one of the two constants is a
    // function, of the type that its flags tell. Restoring the default action and raising the
    // signal are allowed in a handler.
    unsafe {
        let previous = &*PREVIOUS.0.get().cast::<libc::sigaction>();
        let is_fault = (*info).si_code > 0;
        match previous.sa_sigaction {
            libc::SIG_IGN if !is_fault => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                let mut default: libc::sigaction = MaybeUninit::zeroed().assume_init();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
                // A fault comes again by itself when this returns.
                if !is_fault {
                    libc::raise(signal);
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
