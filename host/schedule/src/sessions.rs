//! The open sessions of a model, and the closing of idle ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Limits for the sessions of a model.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Maximum number of open sessions.
    pub most: u32,
    /// Maximum number of open sessions of one owner.
    pub most_of_owner: u32,
    /// Idle time after which a session may be closed.
    pub idle_timeout: Duration,
    /// Whether idle sessions are closed automatically; otherwise only when another session needs
    /// room.
    pub auto_cleanup: bool,
    /// Whether a closed session is opened again when it is used; otherwise it stays closed.
    pub resume_closed: bool,
}

/// The reason for which a session cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpen {
    /// The limit of open sessions is reached.
    TooMany,
    /// The owner's limit of open sessions is reached.
    TooManyOfOwner,
    /// The session was closed after it had been idle for this long.
    Closed(Duration),
}

/// The sessions of a model that have a handle.
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    open: HashMap<u64, Life>,
    // Number of open sessions of each owner that has one.
    of_owner: HashMap<Arc<str>, u32>,
    // The closed sessions, with the idle time after which each was closed.
    closed: HashMap<u64, Duration>,
    // Of these, those that no sweep has returned yet.
    unreported: Vec<u64>,
    closed_count: u64,
}

#[derive(Debug, Clone)]
struct Life {
    owner: Arc<str>,
    /// When it last became busy or idle.
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
            of_owner: HashMap::new(),
            closed: HashMap::new(),
            unreported: Vec::new(),
            closed_count: 0,
        }
    }

    /// Maximum number of open sessions.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.limits.most
    }

    /// Maximum number of open sessions of one owner.
    #[must_use]
    pub fn most_of_owner(&self) -> u32 {
        self.limits.most_of_owner
    }

    /// Number of open sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no session is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Number of open sessions with a request.
    #[must_use]
    pub fn busy(&self) -> usize {
        let open = self.open.values();
        open.filter(|life| life.requests > 0).count()
    }

    /// When a session last became busy or idle, and its number of requests; `None` if it is not
    /// open.
    pub fn life(&self, session: u64) -> Option<(Instant, u32)> {
        let life = self.open.get(&session)?;
        Some((life.since, life.requests))
    }

    /// Number of sessions that were closed while idle.
    pub fn closed_count(&self) -> u64 {
        self.closed_count
    }

    /// Opens a session. If a limit is reached, it closes the session that has been idle longest, if
    /// that one may be closed: one of the owner if the owner's limit is reached, else any.
    ///
    /// # Errors
    ///
    /// [`NotOpen::TooMany`] or [`NotOpen::TooManyOfOwner`] if no session may be closed.
    pub fn open(&mut self, session: u64, owner: &Arc<str>, now: Instant) -> Result<(), NotOpen> {
        let of_owner = self.of_owner.get(owner).copied().unwrap_or_default();
        if of_owner >= self.limits.most_of_owner {
            let idle = self.longest_idle(now, |life| life.owner == *owner);
            let (number, idle) =
                idle.ok_or(match self.limits.most_of_owner < self.limits.most {
                    true => NotOpen::TooManyOfOwner,
                    false => NotOpen::TooMany,
                })?;
            self.close(number, idle);
        } else if self.open.len() >= self.limits.most as usize {
            let idle = self.longest_idle(now, |_| true);
            let (number, idle) = idle.ok_or(NotOpen::TooMany)?;
            self.close(number, idle);
        }
        let life = Life {
            owner: Arc::clone(owner),
            since: now,
            requests: 0,
        };
        self.open.insert(session, life);
        *self.of_owner.entry(Arc::clone(owner)).or_default() += 1;
        Ok(())
    }

    /// The session that has been idle longest among some, and for how long, if it may be closed.
    fn longest_idle(&self, now: Instant, among: impl Fn(&Life) -> bool) -> Option<(u64, Duration)> {
        let idle = self.open.iter();
        let idle = idle.filter(|(_, life)| life.requests == 0 && among(life));
        let (number, life) = idle.min_by_key(|(number, life)| (life.since, **number))?;
        let idle = now.saturating_duration_since(life.since);
        (idle >= self.limits.idle_timeout).then_some((*number, idle))
    }

    /// Prepares a session for a request: opens it again if it was closed and that is allowed.
    ///
    /// # Errors
    ///
    /// [`NotOpen`] if the session was closed and stays closed, or there is no room for it.
    pub fn enter(&mut self, session: u64, owner: &Arc<str>, now: Instant) -> Result<(), NotOpen> {
        if let Some(idle) = self.closed.get(&session).copied() {
            if !self.limits.resume_closed {
                return Err(NotOpen::Closed(idle));
            }
            self.open(session, owner, now)?;
            self.closed.remove(&session);
        }
        if let Some(life) = self.open.get_mut(&session) {
            life.since = now;
        }
        Ok(())
    }

    /// Counts a request of this session.
    pub fn begin(&mut self, session: u64) {
        if let Some(life) = self.open.get_mut(&session) {
            life.requests += 1;
        }
    }

    /// Counts the end of a request of this session.
    pub fn end(&mut self, session: u64, now: Instant) {
        if let Some(life) = self.open.get_mut(&session) {
            life.requests = life.requests.saturating_sub(1);
            life.since = now;
        }
    }

    /// Removes a session whose handle was dropped.
    pub fn leave(&mut self, session: u64) {
        self.remove(session);
        self.closed.remove(&session);
    }

    /// Closes sessions that have been idle for too long, if that is automatic or memory `is_short`.
    /// Returns the sessions that were closed since the last call.
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

    /// When the next session will have been idle for too long, if that closes it.
    pub fn next_deadline(&self) -> Option<Instant> {
        let idle = self.open.values().filter(|life| life.requests == 0);
        let next = idle.map(|life| life.since).min();
        // A timeout is at most a day, so this is never out of range.
        next.filter(|_| self.limits.auto_cleanup)
            .map(|since| since + self.limits.idle_timeout)
    }

    fn remove(&mut self, session: u64) {
        let Some(life) = self.open.remove(&session) else {
            return;
        };
        if let Entry::Occupied(mut count) = self.of_owner.entry(life.owner) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn close(&mut self, session: u64, idle: Duration) {
        self.remove(session);
        self.closed.insert(session, idle);
        self.unreported.push(session);
        self.closed_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn owner(name: &str) -> Arc<str> {
        name.into()
    }

    fn sessions(auto_cleanup: bool, resume_closed: bool) -> Sessions {
        Sessions::new(SessionLimits {
            most: 2,
            most_of_owner: 2,
            idle_timeout: MINUTE,
            auto_cleanup,
            resume_closed,
        })
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_longest_idle_or_is_refused() {
        let now = Instant::now();
        let mut all = sessions(false, true);
        all.open(1, &owner("a"), now).unwrap();
        all.open(2, &owner("a"), now + MINUTE / 2).unwrap();
        assert_eq!(
            all.open(3, &owner("a"), now + MINUTE / 2),
            Err(NotOpen::TooMany)
        );
        assert_eq!(all.next_deadline(), None);
        assert!(all.sweep(now + 9 * MINUTE, false).is_empty());
        let mut short = sessions(false, true);
        short.open(1, &owner("a"), now).unwrap();
        assert!(short.sweep(now + MINUTE / 2, true).is_empty());
        assert_eq!(short.sweep(now + MINUTE, true), [1]);
        all.open(3, &owner("a"), now + MINUTE).unwrap();
        assert_eq!(all.sweep(now + MINUTE, false), [1]);
        assert_eq!((all.len(), all.closed_count()), (2, 1));
        // It is opened again when there is room.
        assert_eq!(
            all.enter(1, &owner("a"), now + MINUTE),
            Err(NotOpen::TooMany)
        );
        all.leave(3);
        all.enter(1, &owner("a"), now + MINUTE).unwrap();
    }

    #[test]
    fn idle_ones_are_closed_by_themselves_and_busy_ones_are_not() {
        let now = Instant::now();
        let mut all = sessions(true, false);
        all.open(1, &owner("a"), now).unwrap();
        all.open(2, &owner("a"), now).unwrap();
        all.enter(2, &owner("a"), now).unwrap();
        all.begin(2);
        assert_eq!(all.next_deadline(), Some(now + MINUTE));
        assert_eq!(all.sweep(now + MINUTE, false), [1]);
        assert_eq!(
            all.enter(1, &owner("a"), now + MINUTE),
            Err(NotOpen::Closed(MINUTE))
        );
        all.end(2, now + 5 * MINUTE);
        assert_eq!(all.next_deadline(), Some(now + 6 * MINUTE));
        assert!(all.sweep(now + 5 * MINUTE, false).is_empty());
        assert_eq!(all.sweep(now + 6 * MINUTE, false), [2]);
        all.leave(1);
        all.leave(2);
        assert!(all.closed.is_empty() && all.open.is_empty());
    }

    #[test]
    fn the_status_tells_what_is_open_and_busy_and_since_when() {
        let now = Instant::now();
        let mut all = sessions(true, true);
        assert_eq!((all.is_empty(), all.len()), (true, 0));
        assert_eq!((all.most(), all.most_of_owner()), (2, 2));
        all.open(1, &owner("a"), now).unwrap();
        all.open(2, &owner("b"), now).unwrap();
        assert!(!all.is_empty());
        all.begin(1);
        all.begin(1);
        assert_eq!((all.len(), all.busy()), (2, 1));
        assert_eq!(all.life(1), Some((now, 2)));
        all.end(1, now + MINUTE);
        assert_eq!(all.life(1), Some((now + MINUTE, 1)));
        assert_eq!(all.busy(), 1);
        all.end(1, now + 2 * MINUTE);
        assert_eq!((all.life(1), all.busy()), (Some((now + 2 * MINUTE, 0)), 0));
        assert_eq!(all.life(3), None);
        // Only the one that is used stays.
        all.enter(2, &owner("b"), now + 2 * MINUTE).unwrap();
        assert_eq!(all.life(2), Some((now + 2 * MINUTE, 0)));
        assert_eq!(all.closed_count(), 0);
    }

    #[test]
    fn limits_of_a_model_and_of_an_owner_are_told_apart_when_they_are_equal() {
        let now = Instant::now();
        let mut all = sessions(false, true);
        let [one, other] = ["one", "other"].map(owner);
        all.open(1, &one, now).unwrap();
        all.open(2, &other, now).unwrap();
        all.begin(1);
        // Another's idle session gives way as soon as it may, a busy one never does.
        assert_eq!(all.open(3, &one, now + MINUTE / 2), Err(NotOpen::TooMany));
        all.open(3, &one, now + MINUTE).unwrap();
        assert_eq!((all.life(2), all.closed_count()), (None, 1));
        // The owner holds two now, and that many are allowed.
        all.begin(3);
        assert_eq!(all.open(4, &one, now + 9 * MINUTE), Err(NotOpen::TooMany));
        assert_eq!(all.sweep(now + 9 * MINUTE, true), [2]);
        assert!(all.sweep(now + 9 * MINUTE, true).is_empty(), "told once");
    }

    #[test]
    fn a_closed_session_that_may_not_resume_is_refused_until_it_leaves() {
        let now = Instant::now();
        let mut all = sessions(true, false);
        all.open(1, &owner("a"), now).unwrap();
        all.sweep(now + 2 * MINUTE, false);
        for _ in 0..2 {
            let refused = all.enter(1, &owner("a"), now + 3 * MINUTE);
            assert_eq!(refused, Err(NotOpen::Closed(2 * MINUTE)));
        }
        all.leave(1);
        assert!(all.closed.is_empty());
    }

    #[test]
    fn one_owner_cannot_hold_all_sessions() {
        let now = Instant::now();
        let mut all = Sessions::new(SessionLimits {
            most: 4,
            most_of_owner: 3,
            idle_timeout: MINUTE,
            auto_cleanup: false,
            resume_closed: true,
        });
        let [one, other] = ["one", "other"].map(owner);
        for number in 1..=3 {
            all.open(number, &one, now).unwrap();
        }
        assert_eq!(all.open(4, &one, now), Err(NotOpen::TooManyOfOwner));
        all.open(5, &other, now).unwrap();
        assert_eq!(all.open(6, &other, now), Err(NotOpen::TooMany));
        // The owner's own idle session gives way, not that of another.
        all.enter(1, &one, now + MINUTE / 2).unwrap();
        all.open(4, &one, now + MINUTE).unwrap();
        assert_eq!(all.sweep(now + MINUTE, false), [2]);
        all.leave(1);
        all.open(7, &one, now + MINUTE).unwrap();
        (1..8).for_each(|number| all.leave(number));
        assert!(all.of_owner.is_empty() && all.is_empty());
    }
}
