//! Stack for the work of a preparing thread.

use mynah_core::{Error, Result};

/// Stack of each preparing thread, in bytes. Only the pages that are used take memory.
pub(super) const STACK: usize = 16 << 20;

/// Stack that the work may use there. The pages stay in memory as long as the thread lives.
const INLINE: usize = 4 << 20;

/// Stack for everything around the work.
const AROUND: usize = 1 << 20;

/// Does some work with at least `bytes` of stack. If that is much, the work is done on a thread of
/// its own, whose stack is freed at the end. Only preparing threads may call this.
///
/// # Errors
///
/// [`Error::Thread`] if the system has no such thread.
pub(crate) fn with_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Result<T> {
    if bytes <= INLINE {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("mynah-tokenise".to_owned())
            .stack_size(bytes.saturating_add(AROUND))
            .spawn_scoped(scope, work)
            .map_err(Error::Thread)?;
        match thread.join() {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
