//! Places in the context, given and taken: beginning, parking and resuming sequences. Who gets one
//! is `schedule::decide`'s business.

use std::time::Instant;

use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::decode::sequence::Sequence;
use crate::llama::SavedSequence;
use crate::log::{MEMORY, log_request, millis};
use crate::schedule::{
    Candidate, Decision, Holder, Need, Room, Want, class_of, decide, least_important,
};

/// Free cells that each running sequence should find when one more comes: a few steps' worth, so
/// that a sequence which is resumed isn't parked again at once.
const HEADROOM: u64 = 16;

/// A sequence without a place. It resumes by itself.
pub(in crate::decode) struct Parked {
    pub(in crate::decode) sequence: Sequence,
    // `None`: it wasn't kept, and is computed again.
    state: Option<SavedSequence>,
    since: Instant,
}

impl<C: Executor> Engine<'_, C> {
    /// Begins and resumes what has room, and parks what makes way. Says whether anything changed.
    pub(in crate::decode) fn give_places(&mut self, now: Instant) -> bool {
        let mut changed = false;
        loop {
            let waiting = self.queue.head(now).map(|head| Candidate {
                priority: head.priority,
                class: head.class,
                cells: head.prompt_tokens.saturating_add(1),
            });
            let parked = self.next_parked(now);
            let holders = self.holders(now);
            let candidate = parked.map(|(_, candidate)| candidate);
            match decide(waiting, candidate, &holders, self.room()) {
                Decision::Wait => return changed,
                // One that came in between may be taken in its stead; should it need more cells
                // than are free, somebody is parked, and nothing is lost.
                Decision::Admit => {
                    let Some(job) = self.queue.pop(now) else {
                        return changed;
                    };
                    self.begin(job, now);
                }
                Decision::Resume => {
                    let Some((index, _)) = parked else {
                        return changed;
                    };
                    let Some(id) = self.number() else {
                        return changed;
                    };
                    self.resume(id, index, now);
                }
                Decision::Park(index) => {
                    self.counters.preempted += 1;
                    self.park(index, now);
                }
            }
            changed = true;
        }
    }

    /// Parks one sequence if the next step could not give everybody a token for lack of cells. Says
    /// whether it did; then who needs what has to be looked at again.
    pub(in crate::decode) fn make_room(&mut self, wants: &[Want]) -> bool {
        if self.params.context.split {
            return false;
        }
        let prompts = wants.iter().filter_map(|want| match want.need {
            Need::Prefill(tokens) => Some(u64::from(tokens)),
            Need::Decode | Need::Nothing => None,
        });
        let prompts: u64 = prompts.sum();
        let decodes = |want: &&Want| want.need == Need::Decode;
        let decoding = wants.iter().filter(decodes).count() as u64;
        // What nobody uses makes way before anybody who runs has to.
        let wanted = (decoding + prompts).min(u64::from(self.params.context.batch));
        self.reclaim(wanted);
        if self.kv.free() >= decoding + u64::from(prompts > 0) {
            return false;
        }
        let now = Instant::now();
        let Some(index) = least_important(&self.holders(now)) else {
            return false;
        };
        self.counters.exhausted += 1;
        self.park(index, now);
        true
    }

    /// KV cells that nobody uses; `None` where every sequence has its own.
    pub(in crate::decode) fn free_cells(&self) -> Option<u64> {
        if self.params.context.split {
            return None;
        }
        Some(self.kv.free())
    }

    fn room(&self) -> Room {
        // What prompts still need was promised to them when they began.
        let promised: u64 = self
            .running
            .iter()
            .map(|sequence| u64::from(sequence.left()))
            .sum();
        let sequences = self.running.len() as u64 + 1;
        Room {
            // What was left behind makes way.
            sequences: self.free.len() + self.idle().count(),
            cells: self
                .free_cells()
                .map(|free| (free + self.idle_cells()).saturating_sub(promised)),
            headroom: (sequences * HEADROOM).min(u64::from(self.params.context.cells) / 8),
        }
    }

    fn holders(&self, now: Instant) -> Vec<Holder> {
        let all = self.running.iter();
        all.map(|sequence| sequence.holder(now, self.params.config.ageing))
            .collect()
    }

    /// The parked sequence that goes first: the highest class, then the one that was asked first.
    /// One that waits for its reader doesn't need a place.
    fn next_parked(&self, now: Instant) -> Option<(usize, Candidate)> {
        let parked = self.parked.iter().enumerate();
        parked
            .filter(|(_, parked)| !parked.sequence.is_paused())
            .map(|(index, parked)| {
                let sequence = &parked.sequence;
                let candidate = Candidate {
                    priority: sequence.priority,
                    class: class_of(
                        sequence.priority,
                        parked.since,
                        now,
                        self.params.config.ageing,
                    ),
                    cells: sequence.cells(),
                };
                (index, candidate, sequence.asked_at())
            })
            .max_by_key(|(_, candidate, asked_at)| (candidate.class, std::cmp::Reverse(*asked_at)))
            .map(|(index, candidate, _)| (index, candidate))
    }

    pub(in crate::decode) fn parked_bytes(&self) -> u64 {
        let states = self
            .parked
            .iter()
            .filter_map(|parked| parked.state.as_ref());
        states.map(SavedSequence::size).sum()
    }

    /// Takes the place of a running sequence; its state goes to host memory while there is room for
    /// it.
    fn park(&mut self, index: usize, now: Instant) {
        let Some(sequence) = self.running.get(index) else {
            return;
        };
        let (id, computed) = (sequence.id, sequence.computed());
        // What its cells hold beyond is not its own.
        self.kv.truncate(id, computed);
        let state = self.put_aside(id);
        let sequence = self.running.remove(index);
        self.release(id);
        log_request!(
            DEBUG,
            MEMORY,
            sequence.log,
            tokens = sequence.computed(),
            kept = state.is_some(),
            "parked"
        );
        self.parked.push(Parked {
            sequence,
            state,
            since: now,
        });
    }

    fn resume(&mut self, id: u32, index: usize, now: Instant) {
        let state = self.parked.get(index).and_then(|one| one.state.as_ref());
        // Its state is still counted meanwhile.
        self.reclaim(state.map_or(0, |state| u64::from(state.tokens())));
        let Parked {
            mut sequence,
            state,
            since,
        } = self.parked.remove(index);
        let computed = match &state {
            Some(state) => self.kv.restore(id, state, state.tokens()),
            None => 0,
        };
        if computed == 0 && sequence.computed() > 0 {
            self.counters.recomputed += 1;
        }
        self.counters.resumed += 1;
        sequence.resume(id, computed, now);
        log_request!(
            DEBUG,
            MEMORY,
            sequence.log,
            tokens = sequence.len(),
            there = computed,
            parked_ms = millis(now.saturating_duration_since(since)),
            "resumed"
        );
        self.running.push(sequence);
    }
}
