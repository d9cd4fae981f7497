//! The request queue of one model: which request goes next, and when one is refused.
//!
//! Higher priorities go first. A waiting request gains one priority level after each `ageing`,
//! unless its owner was served in that priority meanwhile. Thus every priority is served in the
//! end, and an owner gains nothing by sending many requests. Among equals, the owner that was
//! served least goes first, and requests of one owner go in order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_core::Owner;
use mynah_settings::Priority;

use super::Fairness;

/// What the queue knows of a request.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Its owner.
    pub owner: Owner,
    /// Its priority, without age.
    pub priority: Priority,
    /// When it arrived.
    pub asked_at: Instant,
    /// When its queue timeout expires.
    pub deadline: Instant,
    /// KV cells that its prompt needs.
    pub prompt_tokens: u32,
}

/// The request that goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its priority, without age.
    pub priority: Priority,
    /// Its priority with age; see [`class_of`].
    pub class: u64,
    /// KV cells that its prompt needs.
    pub prompt_tokens: u32,
}

/// The queue is full. Contains its capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull(pub usize);

/// A priority with age: one higher for each `ageing` since `since`.
#[must_use]
pub fn class_of(priority: Priority, since: Instant, now: Instant, ageing: Duration) -> u64 {
    let waited = now.saturating_duration_since(since).as_nanos();
    let steps = waited.checked_div(ageing.as_nanos()).unwrap_or_default();
    let steps = u64::try_from(steps).unwrap_or(u64::MAX);
    steps.saturating_add(priority.level() as u64)
}

/// The request queue of one model.
#[derive(Debug)]
pub struct FairQueue<T> {
    groups: HashMap<(Arc<str>, Priority), Group<T>>,
    length: usize,
    capacity: usize,
    ageing: Duration,
    arrivals: u64,
}

/// The requests of one owner in one priority, in order.
#[derive(Debug)]
struct Group<T> {
    waiting: VecDeque<Waiting<T>>,
    last_served: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) ticket: Ticket,
    arrival: u64,
    request: T,
}

impl<T> Group<T> {
    /// The time from which its first request ages.
    fn since(&self, first: &Ticket) -> Instant {
        let served = self.last_served.unwrap_or(first.asked_at);
        served.max(first.asked_at)
    }
}

impl<T> FairQueue<T> {
    /// An empty queue for `capacity` requests.
    #[must_use]
    pub fn new(capacity: usize, ageing: Duration) -> Self {
        Self {
            groups: HashMap::new(),
            length: 0,
            capacity,
            ageing,
            arrivals: 0,
        }
    }

    /// Adds a request.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] if the maximum number of requests is waiting.
    pub fn push(&mut self, ticket: Ticket, request: T) -> Result<(), QueueFull> {
        if self.length >= self.capacity {
            return Err(QueueFull(self.length));
        }
        let key = (Arc::clone(ticket.owner.key()), ticket.priority);
        let group = self.groups.entry(key).or_insert_with(|| Group {
            waiting: VecDeque::new(),
            last_served: None,
        });
        group.waiting.push_back(Waiting {
            ticket,
            arrival: self.arrivals,
            request,
        });
        self.arrivals += 1;
        self.length += 1;
        Ok(())
    }

    /// The request that goes next.
    pub fn head(&self, now: Instant, fairness: &Fairness) -> Option<Head> {
        let (_, first, class) = self.next(now, fairness)?;
        Some(Head {
            priority: first.ticket.priority,
            class,
            prompt_tokens: first.ticket.prompt_tokens,
        })
    }

    /// Removes and returns the request that goes next.
    pub fn pop(&mut self, now: Instant, fairness: &Fairness) -> Option<(Ticket, T)> {
        let key = self.next(now, fairness)?.0.clone();
        let group = self.groups.get_mut(&key)?;
        let first = group.waiting.pop_front()?;
        group.last_served = Some(now);
        if group.waiting.is_empty() {
            self.groups.remove(&key);
        }
        self.length -= 1;
        Some((first.ticket, first.request))
    }

    #[expect(
        clippy::type_complexity,
        reason = "not public, and each part has its name where it is used"
    )]
    pub(crate) fn next(
        &self,
        now: Instant,
        fairness: &Fairness,
    ) -> Option<(&(Arc<str>, Priority), &Waiting<T>, u64)> {
        let heads = self.groups.iter().filter_map(|(key, group)| {
            let first = group.waiting.front()?;
            let since = group.since(&first.ticket);
            let class = class_of(first.ticket.priority, since, now, self.ageing);
            let served = fairness.virtual_time(&first.ticket.owner);
            Some((key, first, class, served))
        });
        heads
            .min_by(|a, b| {
                // Higher classes first, then the owner that was served less, then the earlier
                // request.
                let class = b.2.cmp(&a.2);
                class
                    .then(a.3.total_cmp(&b.3))
                    .then(a.1.arrival.cmp(&b.1.arrival))
            })
            .map(|(key, first, class, _)| (key, first, class))
    }

    /// Removes all requests for which `gone` is true, and returns them in the order in which they
    /// came.
    pub fn take_out(&mut self, gone: impl Fn(&Ticket, &T) -> bool) -> Vec<(Ticket, T)> {
        let gone = |one: &Waiting<T>| gone(&one.ticket, &one.request);
        let mut taken = Vec::new();
        for group in self.groups.values_mut() {
            if group.waiting.iter().any(gone) {
                let (out, kept) = std::mem::take(&mut group.waiting)
                    .into_iter()
                    .partition::<VecDeque<_>, _>(gone);
                group.waiting = kept;
                taken.extend(out);
            }
        }
        self.groups.retain(|_, group| !group.waiting.is_empty());
        self.length -= taken.len();
        taken.sort_by_key(|one| one.arrival);
        taken
            .into_iter()
            .map(|one| (one.ticket, one.request))
            .collect()
    }

    /// Number of waiting requests of an owner.
    #[must_use]
    pub fn of_owner(&self, owner: &Owner) -> usize {
        let group = |priority| self.groups.get(&(Arc::clone(owner.key()), priority));
        let groups = Priority::ALL.into_iter().filter_map(group);
        groups.map(|group| group.waiting.len()).sum()
    }

    /// The next deadline of a waiting request.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.tickets().map(|ticket| ticket.deadline).min()
    }

    /// The arrival time of the request that has waited longest.
    pub fn oldest(&self) -> Option<Instant> {
        self.tickets().map(|ticket| ticket.asked_at).min()
    }

    /// Number of waiting requests for each priority of [`Priority::ALL`].
    pub fn by_priority(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for ((_, priority), group) in &self.groups {
            if let Some(count) = counts.get_mut(priority.level()) {
                *count += group.waiting.len();
            }
        }
        counts
    }

    fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        let groups = self.groups.values();
        groups.flat_map(|group| group.waiting.iter().map(|one| &one.ticket))
    }

    /// Number of waiting requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no request waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Maximum number of waiting requests.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests;
