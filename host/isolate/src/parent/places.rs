//! How many processes there may be at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mynah_core::{BackendError, BackendErrorKind, Result};

use super::process::GRACE;

/// The places for processes, shared by all guests of a host. Clones share them.
#[derive(Debug, Clone)]
pub struct Processes {
    most: u32,
    used: Arc<(Mutex<usize>, Condvar)>,
}

impl Processes {
    /// Default of the maximum number of processes.
    pub const DEFAULT_MAX: u32 = 8;

    /// Places for at most this number of processes at once, from 1.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self {
            most: most.max(1),
            used: Arc::default(),
        }
    }

    /// Maximum number of processes.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.most
    }

    /// Number of processes that run now.
    #[must_use]
    pub fn used(&self) -> usize {
        *self.lock()
    }

    /// Takes a place. Waits a moment for one, because a process that is not needed any more may
    /// still have to end.
    pub(super) fn take(&self) -> Result<Place> {
        let most = self.most as usize;
        let all_taken = |used: &mut usize| *used >= most;
        let waited = self
            .used
            .1
            .wait_timeout_while(self.lock(), GRACE, all_taken);
        let (mut used, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if all_taken(&mut used) {
            let text = format!(
                "{most} models of guests have a process of their own, the maximum: try again when \
                 one is dropped, or raise `max_guest_processes`"
            );
            return Err(BackendError::new(BackendErrorKind::TooLarge, text).into());
        }
        *used += 1;
        Ok(Place(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.used.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Processes {
    fn default() -> Self {
        Self::new(Self::DEFAULT_MAX)
    }
}

/// The place of a process. It is free after the process was reaped.
#[derive(Debug)]
pub(super) struct Place(Processes);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.used.1.notify_one();
    }
}
