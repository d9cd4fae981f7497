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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGEING: Duration = Duration::from_secs(5);

    fn ticket(owner: &str, priority: Priority, asked_at: Instant) -> Ticket {
        Ticket {
            owner: Owner::named(owner),
            priority,
            asked_at,
            deadline: asked_at + Duration::from_secs(30),
            prompt_tokens: 10,
        }
    }

    fn order(queue: &mut FairQueue<u32>, now: Instant, fairness: &Fairness) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop(now, fairness).map(|(_, request)| request)).collect()
    }

    #[test]
    fn higher_priorities_go_first_and_each_in_order() {
        let now = Instant::now();
        let mut queue = FairQueue::new(9, AGEING);
        for (number, priority) in (0..).zip([
            Priority::Normal,
            Priority::Low,
            Priority::Urgent,
            Priority::Normal,
            Priority::High,
            Priority::Urgent,
        ]) {
            queue.push(ticket("a", priority, now), number).unwrap();
        }
        assert_eq!(queue.by_priority(), [1, 2, 1, 2]);
        assert_eq!(
            order(&mut queue, now, &Fairness::default()),
            [2, 5, 4, 0, 3, 1]
        );
    }

    #[test]
    fn the_owner_that_was_served_less_goes_first_among_equals() {
        let now = Instant::now();
        let mut fairness = Fairness::default();
        let mut queue = FairQueue::new(9, AGEING);
        for (number, owner) in (0..).zip(["many", "many", "many", "one"]) {
            let ticket = ticket(owner, Priority::Normal, now);
            fairness.join(&ticket.owner);
            queue.push(ticket, number).unwrap();
        }
        let (first, request) = queue.pop(now, &fairness).unwrap();
        assert_eq!(request, 0);
        fairness.begin(&first.owner, 10);
        assert_eq!(order(&mut queue, now, &fairness), [3, 1, 2]);
    }

    #[test]
    fn a_request_that_waits_overtakes_higher_priorities_that_come_later() {
        let start = Instant::now();
        let later = start + 3 * AGEING + Duration::from_secs(1);
        let mut queue = FairQueue::new(9, AGEING);
        queue.push(ticket("low", Priority::Low, start), 0).unwrap();
        queue
            .push(ticket("urgent", Priority::Urgent, later), 1)
            .unwrap();
        assert_eq!(
            order(&mut queue, later, &Fairness::default()),
            [0, 1],
            "equal classes, and it came first"
        );
    }

    #[test]
    fn a_crowd_does_not_age_while_it_is_served() {
        let start = Instant::now();
        let mut fairness = Fairness::default();
        let mut queue = FairQueue::new(99, AGEING);
        for number in 0..10 {
            let ticket = ticket("crowd", Priority::Normal, start);
            fairness.join(&ticket.owner);
            queue.push(ticket, number).unwrap();
        }
        let mut now = start;
        for _ in 0..5 {
            now += Duration::from_secs(4);
            let (ticket, _) = queue.pop(now, &fairness).unwrap();
            fairness.begin(&ticket.owner, 10);
        }
        let single = ticket("single", Priority::Normal, now);
        fairness.join(&single.owner);
        queue.push(single, 100).unwrap();
        assert_eq!(queue.pop(now, &fairness).unwrap().1, 100);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Push(u8, usize),
        Pop,
        TakeOut(u8),
        Wait(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0u8..4, 0usize..4).prop_map(|(owner, level)| Op::Push(owner, level)),
            2 => Just(Op::Pop),
            1 => (0u8..4).prop_map(Op::TakeOut),
            1 => (0u64..20).prop_map(Op::Wait),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_overtaken_by_its_own(
            capacity in 1usize..12,
            ops in prop::collection::vec(op(), 0..120),
        ) {
            let mut now = Instant::now();
            let mut fairness = Fairness::default();
            let mut queue = FairQueue::new(capacity, AGEING);
            let mut waiting: Vec<(String, Priority, u32)> = Vec::new();
            for (number, op) in (0u32..).zip(ops) {
                match op {
                    Op::Push(owner, level) => {
                        let (owner, priority) = (owner.to_string(), Priority::ALL[level]);
                        match queue.push(ticket(&owner, priority, now), number) {
                            Ok(()) => {
                                fairness.join(&Owner::named(owner.as_str()));
                                waiting.push((owner, priority, number));
                            }
                            Err(QueueFull(held)) => {
                                prop_assert!(held == capacity && waiting.len() == capacity);
                            }
                        }
                    }
                    Op::Pop => {
                        let head = queue.head(now, &fairness);
                        let Some((ticket, request)) = queue.pop(now, &fairness) else {
                            prop_assert!(waiting.is_empty() && head.is_none());
                            continue;
                        };
                        prop_assert_eq!(head.unwrap().priority, ticket.priority);
                        fairness.begin(&ticket.owner, ticket.prompt_tokens);
                        let group = (ticket.owner.name().to_owned(), ticket.priority);
                        let is_of_group = |(o, p, _): &_| (o, p) == (&group.0, &group.1);
                        let first = waiting.iter().position(is_of_group);
                        // It is the first request of its owner in its priority, whatever the others
                        // do.
                        prop_assert_eq!(waiting.remove(first.unwrap()).2, request);
                    }
                    Op::TakeOut(owner) => {
                        let owner = owner.to_string();
                        let taken = queue.take_out(|ticket, _| ticket.owner.name() == owner);
                        let taken = taken.into_iter().map(|(_, request)| request);
                        let taken: Vec<u32> = taken.collect();
                        let gone = waiting.iter().filter(|one| one.0 == owner);
                        let gone: Vec<u32> = gone.map(|one| one.2).collect();
                        prop_assert_eq!(taken, gone);
                        waiting.retain(|one| one.0 != owner);
                    }
                    Op::Wait(seconds) => now += Duration::from_secs(seconds),
                }
                prop_assert_eq!(queue.len(), waiting.len());
                for owner in 0u8..4 {
                    let owner = Owner::named(owner.to_string());
                    let held = waiting.iter().filter(|one| one.0 == owner.name());
                    prop_assert_eq!(queue.of_owner(&owner), held.count());
                }
                prop_assert_eq!(queue.by_priority().iter().sum::<usize>(), waiting.len());
                prop_assert_eq!(queue.next_deadline().is_some(), !waiting.is_empty());
            }
        }

        /// With one sequence that serves a request per second, and an endless stream of urgent
        /// requests from other owners, every waiting request is served within the ageing of all
        /// four classes plus the requests that aged before it.
        #[test]
        fn nobody_starves(level in 0usize..4, others in 1u32..6, fresh_owner_each_time: bool) {
            let start = Instant::now();
            let mut now = start;
            let mut fairness = Fairness::default();
            let mut queue = FairQueue::new(1000, AGEING);
            let patient = ticket("patient", Priority::ALL[level], now);
            fairness.join(&patient.owner);
            queue.push(patient, 0).unwrap();
            let mut number = 1;
            loop {
                if queue.len() < 20 {
                    for other in 0..others {
                        let name = if fresh_owner_each_time { number } else { other };
                        let urgent = ticket(&format!("other-{name}"), Priority::Urgent, now);
                        fairness.join(&urgent.owner);
                        queue.push(urgent, number).unwrap();
                        number += 1;
                    }
                }
                let (ticket, request) = queue.pop(now, &fairness).unwrap();
                if request == 0 {
                    break;
                }
                fairness.begin(&ticket.owner, 100);
                fairness.leave(&ticket.owner);
                now += Duration::from_secs(1);
                prop_assert!(now - start < 4 * AGEING + Duration::from_secs(30), "still waiting");
            }
        }
    }
}
