//! Admission: which request gets a sequence of the context next, and which one is parked for it.
//!
//! A request needs a sequence and KV cells. A request never fails for lack of them: one that is
//! preempted is parked, and competes for a sequence again with its current age.

use std::time::Instant;

use mynah_settings::Priority;

/// What is free in the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free sequences.
    pub sequences: usize,
    /// Free KV cells that no running prompt will need. `None` if every sequence has its own.
    pub cells: Option<u64>,
    /// KV cells that should stay free for the running requests when one more is admitted.
    pub headroom: u64,
}

/// A request that waits for a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its priority, without age.
    pub priority: Priority,
    /// Its priority with age.
    pub class: u64,
    /// KV cells that it needs to start or continue.
    pub cells: u32,
}

/// A request that has a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its priority, without age.
    pub priority: Priority,
    /// When it arrived.
    pub asked_at: Instant,
    /// Since when it waits for its reader, if it does.
    pub paused_at: Option<Instant>,
    /// Whether it was parked and has just been resumed. An urgent request does not park it again at
    /// once: otherwise it would make no progress while urgent requests arrive.
    pub just_resumed: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Admit the first request of the queue.
    Admit,
    /// Resume the first parked request.
    Resume,
    /// Park the holder at this index, then decide again.
    Park(usize),
    /// Nothing can be admitted now.
    Wait,
}

/// Which request gets the next sequence. A parked request goes before a waiting one of the same
/// class, because it has already started.
///
/// A smaller request of a lower class does not overtake one that does not fit: otherwise the larger
/// one might never fit.
#[must_use]
pub fn decide(
    waiting: Option<Candidate>,
    parked: Option<Candidate>,
    holders: &[Holder],
    room: Room,
) -> Decision {
    let (candidate, decision) = match (waiting, parked) {
        (None, None) => return Decision::Wait,
        (Some(waiting), None) => (waiting, Decision::Admit),
        (Some(waiting), Some(parked)) if waiting.class > parked.class => (waiting, Decision::Admit),
        (_, Some(parked)) => (parked, Decision::Resume),
    };
    let has_cells = room.cells.is_none_or(|free| {
        // A request that does not fit even alone was refused on arrival, so alone it always fits.
        let headroom = if holders.is_empty() { 0 } else { room.headroom };
        u64::from(candidate.cells) + headroom <= free
    });
    if room.sequences > 0 && has_cells {
        return decision;
    }
    let urgent = decision == Decision::Admit && candidate.priority == Priority::Urgent;
    paused_longest(holders)
        .or_else(|| urgent.then(|| urgent_victim(holders)).flatten())
        .map_or(Decision::Wait, Decision::Park)
}

/// The holder that has waited longest for its reader. Parking it delays no other request.
fn paused_longest(holders: &[Holder]) -> Option<usize> {
    let paused = holders.iter().enumerate();
    paused
        .filter_map(|(index, holder)| Some((holder.paused_at?, index)))
        .min()
        .map(|(_, index)| index)
}

/// The sequence to park for an urgent request: the youngest of low priority.
fn urgent_victim(holders: &[Holder]) -> Option<usize> {
    let low = holders.iter().enumerate();
    low.filter(|(_, holder)| holder.priority == Priority::Low && !holder.just_resumed)
        .max_by_key(|(_, holder)| holder.asked_at)
        .map(|(index, _)| index)
}

/// The holder to park when KV cells run out: one that waits for its reader, or else the youngest of
/// the lowest priority. `None` if there is at most one, which has all cells.
#[must_use]
pub fn least_important(holders: &[Holder]) -> Option<usize> {
    if holders.len() < 2 {
        return None;
    }
    paused_longest(holders).or_else(|| {
        let all = holders.iter().enumerate();
        all.min_by_key(|(_, holder)| (holder.priority, std::cmp::Reverse(holder.asked_at)))
            .map(|(index, _)| index)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn candidate(priority: Priority, class: u64, cells: u32) -> Candidate {
        Candidate {
            priority,
            class,
            cells,
        }
    }

    fn holder(priority: Priority, asked_at: Instant) -> Holder {
        Holder {
            priority,
            asked_at,
            paused_at: None,
            just_resumed: false,
        }
    }

    const FULL: Room = Room {
        sequences: 0,
        cells: None,
        headroom: 0,
    };
    const FREE: Room = Room {
        sequences: 1,
        ..FULL
    };

    #[test]
    fn the_parked_go_before_equals_that_wait() {
        let normal = Some(candidate(Priority::Normal, 1, 1));
        let high = Some(candidate(Priority::High, 2, 1));
        assert_eq!(decide(normal, normal, &[], FREE), Decision::Resume);
        assert_eq!(decide(high, normal, &[], FREE), Decision::Admit);
        assert_eq!(decide(normal, None, &[], FREE), Decision::Admit);
        assert_eq!(decide(None, None, &[], FREE), Decision::Wait);
    }

    #[test]
    fn only_urgent_requests_park_and_only_low_ones_are_parked() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let urgent = Some(candidate(Priority::Urgent, 3, 1));
        let holders = [
            holder(Priority::Low, now),
            holder(Priority::Low, later),
            holder(Priority::Normal, later),
        ];
        assert_eq!(decide(urgent, None, &holders, FULL), Decision::Park(1));
        assert_eq!(decide(urgent, None, &holders[2..], FULL), Decision::Wait);
        let mut resumed = holders[0];
        resumed.just_resumed = true;
        assert_eq!(decide(urgent, None, &[resumed], FULL), Decision::Wait);
        let aged = Some(candidate(Priority::High, 9, 1));
        assert_eq!(decide(aged, None, &holders, FULL), Decision::Wait);
    }

    #[test]
    fn who_waits_for_its_reader_makes_way_for_anybody() {
        let now = Instant::now();
        let mut paused = holder(Priority::Urgent, now);
        paused.paused_at = Some(now);
        let holders = [holder(Priority::Low, now), paused];
        let low = Some(candidate(Priority::Low, 0, 1));
        assert_eq!(decide(low, None, &holders, FULL), Decision::Park(1));
        assert_eq!(least_important(&holders), Some(1));
    }

    #[test]
    fn cells_run_out_for_the_youngest_of_the_lowest_priority() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let holders = [
            holder(Priority::Normal, later),
            holder(Priority::Low, now),
            holder(Priority::Low, later),
        ];
        assert_eq!(least_important(&holders), Some(2));
        assert_eq!(least_important(&holders[..1]), None);
    }

    #[test]
    fn who_does_not_fit_waits_unless_it_would_be_alone() {
        let large = Some(candidate(Priority::Normal, 1, 90));
        let room = Room {
            sequences: 1,
            cells: Some(100),
            headroom: 20,
        };
        let holders = [holder(Priority::Normal, Instant::now())];
        assert_eq!(decide(large, None, &holders, room), Decision::Wait);
        assert_eq!(decide(large, None, &[], room), Decision::Admit);
    }

    #[test]
    fn a_request_is_admitted_when_its_cells_and_the_headroom_just_fit() {
        let holders = [holder(Priority::Normal, Instant::now())];
        let room = Room {
            sequences: 1,
            cells: Some(100),
            headroom: 20,
        };
        let of = |cells| Some(candidate(Priority::Normal, 1, cells));
        assert_eq!(decide(of(80), None, &holders, room), Decision::Admit);
        assert_eq!(decide(of(81), None, &holders, room), Decision::Wait);
        // Alone, it needs no headroom.
        assert_eq!(decide(of(100), None, &[], room), Decision::Admit);
        assert_eq!(decide(of(101), None, &[], room), Decision::Wait);
    }

    #[test]
    fn who_has_waited_longest_for_its_reader_makes_way_first() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let paused = |seconds| Holder {
            paused_at: Some(at(seconds)),
            ..holder(Priority::High, now)
        };
        let holders = [
            holder(Priority::Low, now),
            paused(9),
            paused(3),
            paused(3),
            paused(5),
        ];
        let low = Some(candidate(Priority::Low, 0, 1));
        assert_eq!(decide(low, None, &holders, FULL), Decision::Park(2));
        assert_eq!(least_important(&holders), Some(2));
        // Of two, one can make way for the other.
        assert_eq!(least_important(&holders[..2]), Some(1));
    }

    #[test]
    fn an_urgent_request_waits_for_a_place_if_it_was_parked_before() {
        let urgent = Some(candidate(Priority::Urgent, 3, 1));
        let holders = [holder(Priority::Low, Instant::now())];
        assert_eq!(decide(None, urgent, &holders, FULL), Decision::Wait);
        assert_eq!(decide(urgent, None, &holders, FULL), Decision::Park(0));
    }

    proptest! {
        /// For any requests and running sequences: only a free sequence is assigned, nothing is
        /// parked in vain, and if everything is free some request always continues.
        #[test]
        fn decisions_are_possible_and_never_stuck(
            waiting in prop::option::of((0usize..4, 0u64..9, 1u32..100)),
            parked in prop::option::of((0usize..4, 0u64..9, 1u32..100)),
            holders in prop::collection::vec((0usize..4, any::<bool>()), 0..6),
            sequences in 0usize..3,
            cells in prop::option::of(0u64..100),
        ) {
            let now = Instant::now();
            let of = |(level, class, cells): (usize, u64, u32)| {
                candidate(Priority::ALL[level], class, cells)
            };
            let holders: Vec<Holder> = holders
                .into_iter()
                .map(|(level, paused)| Holder {
                    paused_at: paused.then_some(now),
                    ..holder(Priority::ALL[level], now)
                })
                .collect();
            let (waiting, parked) = (waiting.map(of), parked.map(of));
            let room = Room { sequences, cells, headroom: 8 };
            let fits = |one: Candidate| {
                sequences > 0 && cells.is_none_or(|free| u64::from(one.cells) <= free)
            };
            match decide(waiting, parked, &holders, room) {
                Decision::Admit => prop_assert!(waiting.is_some_and(fits)),
                Decision::Resume => prop_assert!(parked.is_some_and(fits)),
                Decision::Park(index) => {
                    let victim = holders[index];
                    prop_assert!(victim.paused_at.is_some() || victim.priority == Priority::Low);
                }
                Decision::Wait => {
                    let room = Room { sequences: 1, cells: Some(100), headroom: 8 };
                    let alone = decide(waiting, parked, &[], room);
                    prop_assert_eq!(alone == Decision::Wait, waiting.is_none() && parked.is_none());
                }
            }
        }
    }
}
