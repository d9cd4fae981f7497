//! Assigns sequences of the context to requests and parked generations, and takes them back.
//! `schedule::decide` chooses which one gets a sequence.

use std::time::Instant;

use mynah_core::log::{MEMORY, TASK, log_request, millis};
use mynah_core::{Error, RequestOutcome};
use mynah_schedule::{
    Candidate, Decision, Holder, Need, Room, Want, class_of, decide, least_important,
};

use super::Scheduler;
use super::parked::Parked;
use crate::decode::Job;
use crate::decode::cache::{Admitted, Arrival, CacheManager, Reused, SequenceId};
use crate::decode::executor::Executor;
use crate::decode::job::Waits;
use crate::decode::sequence::Sequence;

/// Free cells for each running sequence that must remain when one more is admitted: those of a few
/// steps, so that a resumed sequence is not parked again at once.
const HEADROOM: u64 = 16;

impl Scheduler<'_> {
    /// Admits requests and resumes parked generations while there is room, and parks sequences if
    /// necessary. Returns whether anything changed.
    pub(in crate::decode) fn admit(
        &mut self,
        cache: &mut CacheManager<impl Executor>,
        now: Instant,
    ) -> bool {
        let mut changed = false;
        loop {
            let waiting = self.queue.head(now).map(|head| Candidate {
                priority: head.priority,
                class: head.class,
                cells: head.prompt_tokens.saturating_add(1),
            });
            let parked = self.next_parked(now);
            let candidate = parked.map(|(_, candidate)| candidate);
            let (ids, holders) = self.holders(now);
            let room = self.room(cache);
            match decide(waiting, candidate, &holders, room) {
                Decision::Wait => return changed,
                // Another request may have come in between and be taken instead. If it needs more
                // cells than are free, a sequence is parked, and nothing is lost.
                Decision::Admit => {
                    let Some(job) = self.queue.pop(now) else {
                        return changed;
                    };
                    self.begin(job, cache, now);
                }
                Decision::Resume => {
                    let Some((index, _)) = parked else {
                        return changed;
                    };
                    let state = self.parked.get(index).and_then(|one| one.state.as_ref());
                    let Some((id, computed)) = cache.resume(state) else {
                        return changed;
                    };
                    let parked = self.parked.remove(index);
                    self.resume(parked, id, computed, now);
                }
                Decision::Park(index) => {
                    let Some(&id) = ids.get(index) else {
                        return changed;
                    };
                    self.counters.preempted += 1;
                    self.park(id, cache, now);
                }
            }
            changed = true;
        }
    }

    /// Parks sequences until the next step can give every sequence a token, as far as cells go.
    pub(in crate::decode) fn make_room(&mut self, cache: &mut CacheManager<impl Executor>) {
        while let Some(id) = self.sequence_in_the_way(cache) {
            self.counters.exhausted += 1;
            self.park(id, cache, Instant::now());
        }
    }

    /// The sequence to park because there are too few cells for the next step.
    fn sequence_in_the_way(&self, cache: &mut CacheManager<impl Executor>) -> Option<SequenceId> {
        cache.free_cells()?;
        let wants = self.wants();
        let prompts = wants.iter().filter_map(|want| match want.need {
            Need::Prefill(tokens) => Some(u64::from(tokens)),
            Need::Decode | Need::Nothing => None,
        });
        let prompts: u64 = prompts.sum();
        let decodes = |want: &&Want| want.need == Need::Decode;
        let decoding = wants.iter().filter(decodes).count() as u64;
        // Entries of the prefix cache are evicted before a running sequence is parked.
        cache.evict_for((decoding + prompts).min(u64::from(self.context.batch)));
        let needed = decoding + u64::from(prompts > 0);
        if cache.free_cells().is_none_or(|free| free >= needed) {
            return None;
        }
        let (ids, holders) = self.holders(Instant::now());
        let index = least_important(&holders)?;
        ids.get(index).copied()
    }

    fn room(&self, cache: &CacheManager<impl Executor>) -> Room {
        // Running prompts were promised the cells that they still need.
        let promised: u64 = self
            .running
            .iter()
            .map(|sequence| u64::from(sequence.uncomputed()))
            .sum();
        let sequences = self.running.len() as u64 + 1;
        Room {
            sequences: cache.available_sequences(),
            cells: cache
                .available_cells()
                .map(|cells| cells.saturating_sub(promised)),
            headroom: (sequences * HEADROOM).min(u64::from(self.context.cells) / 8),
        }
    }

    /// The running sequences as `schedule` sees them, and their ids in the same order.
    fn holders(&self, now: Instant) -> (Vec<SequenceId>, Vec<Holder>) {
        let all = self.running.iter();
        all.map(|sequence| (sequence.id, sequence.holder(now, self.ageing)))
            .unzip()
    }

    /// The parked generation that is resumed first: the highest class, then the oldest request. One
    /// that waits for its reader is left out.
    fn next_parked(&self, now: Instant) -> Option<(usize, Candidate)> {
        let parked = self.parked.iter().enumerate();
        parked
            .filter(|(_, parked)| !parked.sequence.is_paused())
            .map(|(index, parked)| {
                let sequence = &parked.sequence;
                let candidate = Candidate {
                    priority: sequence.priority,
                    class: class_of(sequence.priority, parked.since, now, self.ageing),
                    cells: sequence.cells(),
                };
                (index, candidate, sequence.asked_at())
            })
            .max_by_key(|(_, candidate, asked_at)| (candidate.class, std::cmp::Reverse(*asked_at)))
            .map(|(index, candidate, _)| (index, candidate))
    }

    /// Makes a running sequence of a request.
    fn begin(&mut self, job: Job, cache: &mut CacheManager<impl Executor>, now: Instant) {
        let admitted = cache.admit(Arrival {
            owner: &job.owner,
            session: job.session,
            prompt: &job.prompt,
            uses_cache: job.settings.memory.remembers(),
            context_shifting: job.settings.memory.context_shifting,
            deterministic: job.settings.scheduling.deterministic,
        });
        let Some(Admitted {
            id,
            reused,
            cannot_shift,
        }) = admitted
        else {
            let outcome = RequestOutcome::Failed(Error::Unavailable);
            self.queue.ended(&job.owner, job.session, &outcome);
            job.end(outcome, now);
            return;
        };
        let mut sequence = Sequence::new(id, job);
        if let Some(kept) = cannot_shift {
            log_request!(
                INFO,
                MEMORY,
                sequence.log,
                tokens = sequence.len(),
                kept,
                "the prompt lacks a part of what came before, and the context can't be shifted: \
                 computing again what comes after"
            );
        }
        match reused {
            Reused::Nothing => {}
            Reused::Prefix(tokens) => sequence.found(tokens),
            Reused::Pieces(pieces) => sequence.found_pieces(pieces),
        }
        log_request!(
            DEBUG,
            TASK,
            sequence.log,
            prompt_tokens = sequence.len(),
            cached_tokens = sequence.computed(),
            queue_ms = millis(now.saturating_duration_since(sequence.asked_at())),
            "request started"
        );
        self.running.insert(sequence);
    }

    /// Takes a running sequence out of the context. Its state goes to host memory while there is
    /// room.
    fn park(&mut self, id: SequenceId, cache: &mut CacheManager<impl Executor>, now: Instant) {
        let Some(sequence) = self.running.remove(id) else {
            return;
        };
        let state = cache.park(id, sequence.computed());
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

    /// Resumes a parked generation with this id and this number of tokens in its cells.
    fn resume(&mut self, parked: Parked, id: SequenceId, computed: u32, now: Instant) {
        let Parked {
            mut sequence,
            since,
            ..
        } = parked;
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
        self.running.insert(sequence);
    }
}
