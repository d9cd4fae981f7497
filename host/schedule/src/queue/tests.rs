//! Tests of the order of requests, and of what a queue says about itself.

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

#[test]
fn a_class_is_one_higher_for_each_whole_ageing() {
    let start = Instant::now();
    let class = |priority, waited| class_of(priority, start, start + waited, AGEING);
    let instant = Duration::from_nanos(1);
    assert_eq!(class(Priority::Low, AGEING - instant), 0);
    assert_eq!(class(Priority::Low, AGEING), 1);
    assert_eq!(class(Priority::Urgent, 2 * AGEING), 5);
    // Without ageing, only the priority counts.
    let never = class_of(Priority::High, start, start + AGEING, Duration::ZERO);
    assert_eq!(never, 2);
}

#[test]
fn the_head_is_the_request_that_is_removed_next() {
    let now = Instant::now();
    let mut queue = FairQueue::new(9, AGEING);
    let fairness = Fairness::default();
    assert_eq!(queue.head(now, &fairness), None);
    queue.push(ticket("a", Priority::Low, now), 0).unwrap();
    let mut high = ticket("b", Priority::High, now);
    high.prompt_tokens = 77;
    queue.push(high, 1).unwrap();
    let head = Head {
        priority: Priority::High,
        class: 3,
        prompt_tokens: 77,
    };
    assert_eq!(queue.head(now + AGEING, &fairness), Some(head));
    assert_eq!(order(&mut queue, now + AGEING, &fairness), [1, 0]);
}

#[test]
fn the_oldest_arrival_and_the_next_deadline_are_those_of_all_requests() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let mut queue = FairQueue::new(2, AGEING);
    assert_eq!((queue.oldest(), queue.next_deadline()), (None, None));
    assert!(queue.is_empty() && queue.capacity() == 2);
    let mut patient = ticket("a", Priority::High, now);
    patient.deadline = now + 60 * second;
    queue.push(patient, 0).unwrap();
    queue
        .push(ticket("b", Priority::Low, now + second), 1)
        .unwrap();
    assert_eq!(queue.oldest(), Some(now));
    assert_eq!(queue.next_deadline(), Some(now + 31 * second));
    assert!(!queue.is_empty());
    let one_more = queue.push(ticket("c", Priority::Low, now), 2);
    assert_eq!(one_more, Err(QueueFull(2)));
}

#[test]
fn what_is_taken_out_comes_in_the_order_of_arrival_across_owners_and_priorities() {
    let now = Instant::now();
    let mut queue = FairQueue::new(99, AGEING);
    for number in 0..40 {
        let owner = ["a", "b", "c"][number % 3];
        let priority = Priority::ALL[number % 4];
        queue.push(ticket(owner, priority, now), number).unwrap();
    }
    let taken = queue.take_out(|_, number| number % 5 != 0);
    let taken: Vec<usize> = taken.into_iter().map(|(_, number)| number).collect();
    let wanted: Vec<usize> = (0..40).filter(|number| number % 5 != 0).collect();
    assert_eq!(taken, wanted);
    assert_eq!(queue.len(), 8);
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
