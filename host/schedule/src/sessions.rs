//! Which sessions are open, and which have been idle for so long that they are closed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What bounds the sessions of a model.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Sessions that are open at once.
    pub most: u32,
    /// Time after which one that does nothing may be closed.
    pub idle_timeout: Duration,
    /// Such are closed by themselves; else when another one needs their place.
    pub auto_cleanup: bool,
    /// One that was closed opens anew when it is used; else it stays closed.
    pub resume_closed: bool,
}

/// Why a session can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpen {
    /// As many are open as may be.
    TooMany,
    /// It was closed after it had done nothing for this long.
    Closed(Duration),
}

/// The sessions of a model that have a handle.
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    open: HashMap<u64, Life>,
    // After what time they were closed.
    closed: HashMap<u64, Duration>,
    // Of these, those that no sweep has returned yet.
    unreported: Vec<u64>,
    closed_count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    /// Since when it does what it does.
    since: Instant,
    requests: u32,
}

impl Sessions {
    /// No sessions yet, within these limits.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            open: HashMap::new(),
            closed: HashMap::new(),
            unreported: Vec::new(),
            closed_count: 0,
        }
    }

    /// Sessions that may be open.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.limits.most
    }

    /// Sessions that are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no session is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sessions that are open and have a request.
    #[must_use]
    pub fn busy(&self) -> usize {
        let open = self.open.values();
        open.filter(|life| life.requests > 0).count()
    }

    /// Since when a session does what it does, and how many requests it has; `None` if it isn't
    /// open.
    pub fn life(&self, session: u64) -> Option<(Instant, u32)> {
        let life = self.open.get(&session)?;
        Some((life.since, life.requests))
    }

    /// Sessions that were closed for doing nothing.
    pub fn closed_count(&self) -> u64 {
        self.closed_count
    }

    /// Opens a session, in the place of the one that has done nothing for longest where that may be
    /// closed.
    ///
    /// # Errors
    ///
    /// [`NotOpen::TooMany`].
    pub fn open(&mut self, session: u64, now: Instant) -> Result<(), NotOpen> {
        if self.open.len() >= self.limits.most as usize {
            let idle = self.open.iter().filter(|(_, life)| life.requests == 0);
            let longest = idle.min_by_key(|(number, life)| (life.since, **number));
            let closed =
                longest.map(|(number, life)| (*number, now.saturating_duration_since(life.since)));
            match closed {
                Some((number, idle)) if idle >= self.limits.idle_timeout => {
                    self.close(number, idle)
                }
                _ => return Err(NotOpen::TooMany),
            }
        }
        let life = Life {
            since: now,
            requests: 0,
        };
        self.open.insert(session, life);
        Ok(())
    }

    /// A session is about to ask: opens one that was closed, where that may be.
    ///
    /// # Errors
    ///
    /// [`NotOpen`].
    pub fn enter(&mut self, session: u64, now: Instant) -> Result<(), NotOpen> {
        if let Some(idle) = self.closed.get(&session).copied() {
            if !self.limits.resume_closed {
                return Err(NotOpen::Closed(idle));
            }
            self.open(session, now)?;
            self.closed.remove(&session);
        }
        if let Some(life) = self.open.get_mut(&session) {
            life.since = now;
        }
        Ok(())
    }

    /// A request of this session was taken.
    pub fn begin(&mut self, session: u64) {
        if let Some(life) = self.open.get_mut(&session) {
            life.requests += 1;
        }
    }

    /// A request of this session has ended.
    pub fn end(&mut self, session: u64, now: Instant) {
        if let Some(life) = self.open.get_mut(&session) {
            life.requests = life.requests.saturating_sub(1);
            life.since = now;
        }
    }

    /// The handle of a session is gone.
    pub fn leave(&mut self, session: u64) {
        self.open.remove(&session);
        self.closed.remove(&session);
    }

    /// Closes those that have done nothing for too long, where that is done by itself or memory
    /// `is_short`. Returns what was closed since the last call.
    pub fn sweep(&mut self, now: Instant, is_short: bool) -> Vec<u64> {
        if self.limits.auto_cleanup || is_short {
            let idle: Vec<(u64, Duration)> = self
                .open
                .iter()
                .filter(|(_, life)| life.requests == 0)
                .map(|(number, life)| (*number, now.saturating_duration_since(life.since)))
                .filter(|(_, idle)| *idle >= self.limits.idle_timeout)
                .collect();
            for (number, idle) in idle {
                self.close(number, idle);
            }
        }
        std::mem::take(&mut self.unreported)
    }

    /// When the next one will have done nothing for too long, where that closes it.
    pub fn next_deadline(&self) -> Option<Instant> {
        let idle = self.open.values().filter(|life| life.requests == 0);
        let next = idle.map(|life| life.since).min();
        // A timeout is a day at most, so this is never out of range.
        next.filter(|_| self.limits.auto_cleanup)
            .map(|since| since + self.limits.idle_timeout)
    }

    fn close(&mut self, session: u64, idle: Duration) {
        self.open.remove(&session);
        self.closed.insert(session, idle);
        self.unreported.push(session);
        self.closed_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions(auto_cleanup: bool, resume_closed: bool) -> Sessions {
        Sessions::new(SessionLimits {
            most: 2,
            idle_timeout: MINUTE,
            auto_cleanup,
            resume_closed,
        })
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_longest_idle_or_is_refused() {
        let now = Instant::now();
        let mut all = sessions(false, true);
        all.open(1, now).unwrap();
        all.open(2, now + MINUTE / 2).unwrap();
        assert_eq!(all.open(3, now + MINUTE / 2), Err(NotOpen::TooMany));
        assert_eq!(all.next_deadline(), None);
        assert!(all.sweep(now + 9 * MINUTE, false).is_empty());
        let mut short = sessions(false, true);
        short.open(1, now).unwrap();
        assert!(short.sweep(now + MINUTE / 2, true).is_empty());
        assert_eq!(short.sweep(now + MINUTE, true), [1]);
        all.open(3, now + MINUTE).unwrap();
        assert_eq!(all.sweep(now + MINUTE, false), [1]);
        assert_eq!((all.len(), all.closed_count()), (2, 1));
        // It comes back when there is room.
        assert_eq!(all.enter(1, now + MINUTE), Err(NotOpen::TooMany));
        all.leave(3);
        all.enter(1, now + MINUTE).unwrap();
    }

    #[test]
    fn idle_ones_are_closed_by_themselves_and_busy_ones_are_not() {
        let now = Instant::now();
        let mut all = sessions(true, false);
        all.open(1, now).unwrap();
        all.open(2, now).unwrap();
        all.enter(2, now).unwrap();
        all.begin(2);
        assert_eq!(all.next_deadline(), Some(now + MINUTE));
        assert_eq!(all.sweep(now + MINUTE, false), [1]);
        assert_eq!(all.enter(1, now + MINUTE), Err(NotOpen::Closed(MINUTE)));
        all.end(2, now + 5 * MINUTE);
        assert_eq!(all.next_deadline(), Some(now + 6 * MINUTE));
        assert!(all.sweep(now + 5 * MINUTE, false).is_empty());
        assert_eq!(all.sweep(now + 6 * MINUTE, false), [2]);
        all.leave(1);
        all.leave(2);
        assert!(all.closed.is_empty() && all.open.is_empty());
    }
}
