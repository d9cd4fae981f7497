//! Which tokens are dropped from a full context, and which are moved when a prompt lacks a part of
//! the one before.

use mynah_core::FinishReason;
use proptest::prelude::*;

use super::host::{Ask, Host, Reader, Setup};
use super::known::{self, Faults, answer};
use super::memory::{large, prompt, run};
use crate::decode::{TrimPolicy, Turns};

/// The answer to a prompt when the context shifts on the way.
pub(super) fn shifted(ask: &Ask, setup: &Setup, mut trim_policy: TrimPolicy) -> String {
    let mut tokens = ask.prompt.clone();
    let mut prompt = tokens.len();
    let mut text = String::new();
    loop {
        let left = ask.max_tokens - u32::try_from(text.len()).unwrap();
        let more = answer(&tokens, left, setup.context);
        tokens.extend(more.bytes().map(|letter| i32::from(letter - b'0')));
        text.push_str(&more);
        let len = u32::try_from(tokens.len()).unwrap();
        if text.len() == ask.max_tokens as usize || len <= setup.context {
            return text;
        }
        let Some(range) = trim_policy.next(u32::try_from(prompt).unwrap(), len, setup.context)
        else {
            return text;
        };
        prompt -= (range.end as usize)
            .min(prompt)
            .saturating_sub(range.start as usize);
        tokens.drain(range.start as usize..range.end as usize);
    }
}

#[test]
fn a_full_context_makes_room_and_goes_on() {
    let chat: fn() -> TrimPolicy = || {
        let turns = [(20, 2), (30, 4)].map(|(end, messages)| Turns { end, messages });
        TrimPolicy::chat(8, turns, std::sync::Arc::default())
    };
    let text: fn() -> TrimPolicy = || TrimPolicy::text(8);
    for memory in [
        known::Memory::Movable,
        known::Memory::Fixed,
        known::Memory::Whole,
    ] {
        for (split, trim_policy) in [(true, chat), (true, text), (false, chat), (false, text)] {
            let host = Host::start(Setup {
                split,
                faults: Faults::default().with_memory(memory),
                ..Setup::default()
            });
            let mut ask = Ask::new(&prompt(0, &[]), 300);
            ask.trim_policy = Some(trim_policy);
            let mut reader = host.submit(&ask);
            let outcome = reader.finish().unwrap();
            let whole = shifted(&ask, &host.setup, trim_policy());
            assert_eq!(reader.text, whole);
            let usage = outcome.usage;
            assert_eq!(usage.prompt_tokens, 48);
            assert_eq!(usage.generated_tokens as usize, whole.len());
            assert!(usage.forgotten_tokens >= 48 + usage.generated_tokens - 65);
            let status = host.settled();
            let again = status.cache.reevaluated == status.cache.shifts;
            assert_eq!(
                again,
                memory != known::Memory::Movable,
                "{:#?}",
                status.cache
            );
            assert!(status.cache.shifts > 0);
        }
    }
}

#[test]
fn a_context_with_nothing_that_may_go_is_full() {
    let host = Host::start(Setup::default());
    let mut ask = Ask::new(&prompt(0, &[]), 300);
    ask.trim_policy = Some(|| TrimPolicy::text(63));
    let mut reader = host.submit(&ask);
    assert_eq!(reader.finish().unwrap().reason, FinishReason::ContextFull);
    assert_eq!(reader.text, ask.answer(&host.setup));
}

#[test]
fn shared_cells_are_not_shifted_for_others() {
    // The small pool has no room for separate cells, so the kept tokens are computed again.
    for (cells, requests) in [(256, 3), (116, 2)] {
        let host = Host::start(Setup {
            split: false,
            cells,
            faults: Faults::slow(),
            ..Setup::default()
        });
        let asks: Vec<Ask> = (0..requests)
            .map(|n| {
                let mut ask = Ask::new(&prompt(0, &[n]), 60).session(n as u64);
                ask.trim_policy = Some(|| TrimPolicy::text(4));
                ask
            })
            .collect();
        let mut readers: Vec<Reader> = asks.iter().map(|ask| host.submit(ask)).collect();
        for (reader, ask) in readers.iter_mut().zip(&asks) {
            reader.finish().unwrap();
            assert_eq!(reader.text, shifted(ask, &host.setup, TrimPolicy::text(4)));
        }
        let cache = host.settled().cache;
        assert!(cache.shifts >= requests as u64);
        assert_eq!(cache.reevaluated > 0, requests == 2, "{cache:#?}");
    }
}

/// A prompt, and the same one without ten tokens of its middle and with one more at its end.
fn edited() -> (Vec<i32>, Vec<i32>) {
    let tail: Vec<i32> = (0..80).map(|n| n * 7 % 39).collect();
    let old = prompt(0, &[&[38; 10], &tail[..]].concat());
    (old, prompt(0, &[&tail[..], &[5]].concat()))
}

fn shifting(prompt: &[i32], session: u64) -> Ask {
    let mut ask = Ask::new(prompt, 4).session(session);
    ask.memory.context_shifting = Some(true);
    ask
}

#[test]
fn what_comes_after_an_edit_is_moved() {
    let (old, new) = edited();
    for (split, is_parked) in [(true, false), (true, true), (false, false), (false, true)] {
        let host = Host::start(Setup { split, ..large() });
        run(&host, &shifting(&old, 1));
        if is_parked {
            // As many others as there are sequences.
            for n in 2..6 {
                run(&host, &shifting(&prompt(4 * n, &[1]), n as u64));
            }
            assert_eq!(host.settled().cache.saved_tokens, 141);
        }
        let usage = run(&host, &shifting(&new, 1));
        assert_eq!(usage.cached_tokens, 128);
        let cache = host.settled().cache;
        assert_eq!((cache.shifts, cache.reevaluated), (1, 0));
    }
}

#[test]
fn what_comes_after_an_edit_is_computed_again_where_it_can_not_move_and_that_is_counted() {
    let (old, new) = edited();
    let fixed = |memory| Faults::default().with_memory(memory);
    for (memory, deterministic, prefix) in [
        (known::Memory::Fixed, false, 48),
        (known::Memory::Whole, false, 0),
        (known::Memory::Movable, true, 48),
    ] {
        let host = Host::start(Setup {
            faults: fixed(memory),
            ..large()
        });
        let ask = |prompt| Ask {
            deterministic,
            ..shifting(prompt, 1)
        };
        run(&host, &ask(&old));
        assert_eq!(run(&host, &ask(&new)).cached_tokens, prefix);
        let cache = host.settled().cache;
        assert_eq!((cache.shifts, cache.reevaluated), (1, 1));
    }
}

proptest! {
    /// Whatever is taken out of conversations that go on, wherever their entries are meanwhile:
    /// each reader gets the text that the prompt has alone.
    #[test]
    fn nobodys_text_changes_by_what_is_moved(
        turns in prop::collection::vec((0u64..4, 0usize..200, 0usize..80, any::<bool>()), 1..16),
        sequences in 1u32..4,
        split in any::<bool>(),
        max_parked_bytes in prop_oneof![Just(0u64), Just(1 << 20)],
        memory in prop_oneof![
            3 => Just(known::Memory::Movable),
            1 => Just(known::Memory::Fixed),
            1 => Just(known::Memory::Whole),
            1 => Just(known::Memory::Windowed),
        ],
        every in prop::option::of(40u64..90),
    ) {
        let host = Host::start(Setup {
            sequences,
            split,
            max_parked_bytes,
            // A step that fails leaves what it was to move in an unknown state.
            faults: Faults { every, ..Faults::default() }.with_memory(memory),
            context: 1000,
            cells: 4096,
            ..Setup::default()
        });
        let mut conversations: Vec<Vec<i32>> =
            (0..4).map(|kind| (0..150).map(|n| n * (kind + 3) % 39).collect()).collect();
        let mut running = Vec::new();
        for (session, begin, length, waits) in turns {
            let tokens = &mut conversations[session as usize];
            let begin = begin.min(tokens.len() - 1);
            let end = (begin + length).min(tokens.len() - 1);
            tokens.drain(begin..end);
            tokens.extend((0..30).map(|n| n * (end as i32 + 1) % 37));
            let ask = shifting(tokens, session);
            running.push((host.submit(&ask), ask));
            if waits {
                let (reader, ask) = running.last_mut().unwrap();
                reader.finish().unwrap();
                prop_assert_eq!(&reader.text, &ask.answer(&host.setup));
                running.pop();
            }
        }
        for (reader, ask) in &mut running {
            reader.finish().unwrap();
            prop_assert_eq!(&reader.text, &ask.answer(&host.setup));
        }
        let cache = host.settled().cache;
        let moves = matches!(memory, known::Memory::Movable | known::Memory::Windowed);
        prop_assert!(moves || cache.shifts == cache.reevaluated);
    }
}
