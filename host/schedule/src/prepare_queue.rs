//! The preparation queue: which request is prepared next, before it enters the request queue of its
//! model.
//!
//! Preparing means rendering, tokenising and compiling. Some threads prepare one request each, and
//! none can be interrupted. Large requests therefore leave one thread free, on which a small one
//! never waits for a large one. Among the requests of one size, the order is that of the
//! [`FairQueue`]: by priority and age, then the owner whose requests took the least so far.

use std::time::{Duration, Instant};

use super::{FairQueue, Fairness, Ticket};

/// Whether preparing a request may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Milliseconds.
    Small,
    /// It may take seconds.
    Large,
}

/// The requests that wait to be prepared. [`Ticket::prompt_tokens`] is a request's size in bytes,
/// for which its owner is charged.
#[derive(Debug)]
pub struct PrepareQueue<T> {
    small: FairQueue<T>,
    large: FairQueue<T>,
    fairness: Fairness,
    running_large: usize,
    max_large: usize,
}

impl<T> PrepareQueue<T> {
    /// An empty queue for this number of threads. With one thread, small requests wait for large
    /// ones.
    #[must_use]
    pub fn new(threads: usize, ageing: Duration) -> Self {
        Self {
            // The caller limits the number of requests.
            small: FairQueue::new(usize::MAX, ageing),
            large: FairQueue::new(usize::MAX, ageing),
            fairness: Fairness::default(),
            running_large: 0,
            max_large: threads.saturating_sub(1).max(1),
        }
    }

    /// Adds a request.
    pub fn push(&mut self, ticket: Ticket, size: Size, request: T) {
        self.fairness.join(&ticket.owner);
        // It has no capacity that could be reached.
        let _ = match size {
            Size::Small => self.small.push(ticket, request),
            Size::Large => self.large.push(ticket, request),
        };
    }

    /// Removes the request that a free thread prepares next. [`done`](Self::done) follows. `None`:
    /// none waits, or only large ones for which no thread is free.
    pub fn pop(&mut self, now: Instant) -> Option<(Ticket, Size, T)> {
        let size = self.next(now)?;
        let queue = match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        };
        let (ticket, request) = queue.pop(now, &self.fairness)?;
        self.fairness.begin(&ticket.owner, ticket.prompt_tokens);
        self.running_large += usize::from(size == Size::Large);
        Some((ticket, size, request))
    }

    fn next(&self, now: Instant) -> Option<Size> {
        let small = self.small.next(now, &self.fairness);
        let large = self.large.next(now, &self.fairness);
        let large = large.filter(|_| self.running_large < self.max_large);
        let ((_, small, small_class), (_, large, large_class)) = match (small, large) {
            (Some(small), Some(large)) => (small, large),
            (Some(_), None) => return Some(Size::Small),
            (None, Some(_)) => return Some(Size::Large),
            (None, None) => return None,
        };
        let served = |ticket: &Ticket| self.fairness.virtual_time(&ticket.owner);
        let order = large_class
            .cmp(&small_class)
            .then_with(|| served(&small.ticket).total_cmp(&served(&large.ticket)));
        Some(match order.is_le() {
            true => Size::Small,
            false => Size::Large,
        })
    }

    /// Notes that a thread is done with a request, or gave it up.
    pub fn done(&mut self, ticket: &Ticket, size: Size) {
        self.fairness.leave(&ticket.owner);
        self.running_large -= usize::from(size == Size::Large);
    }

    /// Removes all waiting requests for which `gone` is true.
    pub fn take_out(&mut self, gone: impl Fn(&Ticket, &T) -> bool) -> Vec<(Ticket, T)> {
        let mut taken = self.small.take_out(&gone);
        taken.extend(self.large.take_out(&gone));
        for (ticket, _) in &taken {
            self.fairness.leave(&ticket.owner);
        }
        taken
    }

    /// The next deadline of a waiting request.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.small.next_deadline(), self.large.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Number of waiting requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Whether no request waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use mynah_core::Owner;
    use mynah_settings::Priority;
    use proptest::prelude::*;

    use super::*;

    const AGEING: Duration = Duration::from_secs(5);

    fn ticket(owner: &str, bytes: u32, now: Instant) -> Ticket {
        Ticket {
            owner: Owner::named(owner),
            priority: Priority::Normal,
            asked_at: now,
            deadline: now + Duration::from_secs(30),
            prompt_tokens: bytes,
        }
    }

    /// Case S1.
    #[test]
    fn a_flood_of_one_owner_costs_another_one_turn() {
        let now = Instant::now();
        let mut queue = PrepareQueue::new(2, AGEING);
        for _ in 0..1000 {
            queue.push(ticket("flood", 1_000_000, now), Size::Large, "flood");
        }
        let (running, size, _) = queue.pop(now).unwrap();
        queue.push(ticket("large", 1_000_000, now), Size::Large, "large");
        queue.push(ticket("small", 100, now), Size::Small, "small");
        // The flood does not take the second thread.
        let (small, small_size, request) = queue.pop(now).unwrap();
        assert_eq!((request, small_size), ("small", Size::Small));
        queue.done(&small, small_size);
        assert!(queue.pop(now).is_none());
        // The next large turn is that of the other owner.
        queue.done(&running, size);
        assert_eq!(queue.pop(now).unwrap().2, "large");
    }

    #[test]
    fn many_small_requests_do_not_starve_a_large_one() {
        let now = Instant::now();
        let mut queue = PrepareQueue::new(2, AGEING);
        queue.push(ticket("large", 100_000, now), Size::Large, 0);
        for number in 1..100 {
            queue.push(ticket("small", 1000, now), Size::Small, number);
        }
        let order: Vec<i32> = std::iter::from_fn(|| {
            let (ticket, size, request) = queue.pop(now)?;
            queue.done(&ticket, size);
            Some(request)
        })
        .collect();
        let turn = order.iter().position(|request| *request == 0).unwrap();
        assert!(turn <= 1, "{order:?}");
    }

    #[test]
    fn of_a_small_and_a_large_request_the_higher_class_goes_first() {
        let now = Instant::now();
        let mut queue = PrepareQueue::new(2, AGEING);
        assert!(queue.is_empty() && queue.next_deadline().is_none());
        let with = |owner, priority, asked_at| Ticket {
            priority,
            ..ticket(owner, 100, asked_at)
        };
        queue.push(with("a", Priority::Normal, now), Size::Small, "small");
        queue.push(with("b", Priority::High, now), Size::Large, "large");
        let late = now + AGEING;
        queue.push(with("c", Priority::Normal, late), Size::Large, "late");
        assert!(!queue.is_empty());
        assert_eq!(queue.next_deadline(), Some(now + Duration::from_secs(30)));
        let mut next = || {
            let (ticket, size, request) = queue.pop(late)?;
            queue.done(&ticket, size);
            Some(request)
        };
        assert_eq!(
            [next(), next(), next(), next()],
            [Some("large"), Some("small"), Some("late"), None]
        );
    }

    #[test]
    fn among_equals_the_owner_with_fewer_prepared_bytes_goes_first_whatever_the_size() {
        for (small_owner, first) in [("served", "large"), ("new", "small")] {
            let large_owner = if small_owner == "new" {
                "served"
            } else {
                "new"
            };
            let now = Instant::now();
            let mut queue = PrepareQueue::new(2, AGEING);
            queue.push(ticket("served", 1000, now), Size::Small, "begun");
            let (_begun, _, _) = queue.pop(now).unwrap();
            queue.push(ticket(small_owner, 10, now), Size::Small, "small");
            queue.push(ticket(large_owner, 10, now), Size::Large, "large");
            assert_eq!(queue.pop(now).unwrap().2, first);
        }
    }

    #[test]
    fn an_owner_without_requests_left_neither_owes_nor_is_owed() {
        let now = Instant::now();
        let mut queue = PrepareQueue::new(2, AGEING);
        queue.push(ticket("a", 1000, now), Size::Small, 0);
        queue.push(ticket("b", 1000, now), Size::Small, 1);
        let (ticket_of_a, size, _) = queue.pop(now).unwrap();
        queue.done(&ticket_of_a, size);
        assert_eq!(queue.take_out(|_, _| true).len(), 1);
        // Nobody competes any more, so the charge for the first request is forgotten.
        queue.push(ticket("a", 10, now), Size::Small, 2);
        queue.push(ticket("b", 10, now), Size::Small, 3);
        assert_eq!(queue.pop(now).unwrap().2, 2);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Push { owner: u8, bytes: u32, large: bool },
        Pop,
        Done(usize),
        TakeOut(u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0u8..4, 1u32..1000, any::<bool>())
                .prop_map(|(owner, bytes, large)| Op::Push { owner, bytes, large }),
            3 => Just(Op::Pop),
            2 => (0usize..4).prop_map(Op::Done),
            1 => (0u8..4).prop_map(Op::TakeOut),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_and_a_small_one_finds_a_thread(
            threads in 1usize..5,
            ops in prop::collection::vec(op(), 0..200),
        ) {
            let now = Instant::now();
            let mut queue = PrepareQueue::new(threads, AGEING);
            let mut waiting: Vec<(String, Size, u32)> = Vec::new();
            let mut running: Vec<(Ticket, Size)> = Vec::new();
            for (number, op) in (0u32..).zip(ops) {
                match op {
                    Op::Push { owner, bytes, large } => {
                        let size = if large { Size::Large } else { Size::Small };
                        queue.push(ticket(&owner.to_string(), bytes, now), size, number);
                        waiting.push((owner.to_string(), size, number));
                    }
                    Op::Pop if running.len() >= threads => {}
                    Op::Pop => match queue.pop(now) {
                        Some((ticket, size, request)) => {
                            let at = waiting.iter().position(|one| {
                                (one.0.as_str(), one.1) == (ticket.owner.name(), size)
                            });
                            // The requests of an owner of one size go in order.
                            prop_assert_eq!(waiting.remove(at.unwrap()).2, request);
                            running.push((ticket, size));
                        }
                        None => prop_assert!(waiting.iter().all(|one| one.1 == Size::Large)),
                    },
                    Op::Done(index) if !running.is_empty() => {
                        let (ticket, size) = running.remove(index % running.len());
                        queue.done(&ticket, size);
                    }
                    Op::Done(_) => {}
                    Op::TakeOut(owner) => {
                        let owner = owner.to_string();
                        let taken = queue.take_out(|ticket, _| ticket.owner.name() == owner);
                        let mut taken: Vec<u32> = taken.into_iter().map(|one| one.1).collect();
                        taken.sort_unstable();
                        let gone = waiting.iter().filter(|one| one.0 == owner);
                        prop_assert_eq!(taken, gone.map(|one| one.2).collect::<Vec<_>>());
                        waiting.retain(|one| one.0 != owner);
                    }
                }
                let large = running.iter().filter(|one| one.1 == Size::Large).count();
                prop_assert!(large <= threads.saturating_sub(1).max(1));
                prop_assert_eq!(queue.len(), waiting.len());
                prop_assert_eq!(queue.next_deadline().is_some(), !waiting.is_empty());
            }
        }

        /// While all owners have requests waiting, no owner has had more prepared than another by
        /// more than its largest request.
        #[test]
        fn no_owner_gets_ahead_by_more_than_one_request(
            sizes in prop::collection::vec(prop::collection::vec(1u32..1000, 40), 2..5),
        ) {
            let now = Instant::now();
            let mut queue = PrepareQueue::new(2, AGEING);
            for (owner, sizes) in sizes.iter().enumerate() {
                for bytes in sizes {
                    queue.push(ticket(&owner.to_string(), *bytes, now), Size::Large, owner);
                }
            }
            let mut taken = vec![(0_usize, 0_u32); sizes.len()];
            while taken.iter().all(|one| one.0 < 40) {
                let (ticket, size, owner) = queue.pop(now).unwrap();
                taken[owner].0 += 1;
                taken[owner].1 += ticket.prompt_tokens;
                queue.done(&ticket, size);
                let bytes = taken.iter().map(|one| one.1);
                let (most, least) = (bytes.clone().max().unwrap(), bytes.min().unwrap());
                prop_assert!(most - least <= 1000, "{taken:?}");
            }
        }
    }
}
