//! A request is given its place, with what its own session left.

use std::time::Instant;

use super::lookup::all_but_last;
use super::retain::CacheEntry;
use crate::decode::Job;
use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::decode::job::Waits;
use crate::decode::sequence::Sequence;
use crate::log::{MEMORY, TASK, log_request, millis};
use crate::memory::{Alignment, Place, align, common};
use crate::{Error, RequestOutcome};

/// Tokens of a piece that is worth moving: each costs a turn of its keys, and shorter ones are
/// alike by chance.
const LEAST_PIECE: usize = 64;

/// What the session of a request left, and how much of that serves it.
#[derive(Debug)]
struct Own {
    /// Its place on the shelf.
    index: usize,
    /// The number whose cells hold it; `None` where it is in host memory.
    resident: Option<u32>,
    found: Alignment,
    /// More than half of it serves.
    is_most: bool,
    /// More of it would serve if it could be moved.
    is_stuck: bool,
}

impl Own {
    /// Whether pieces of it are to be moved.
    fn moves(&self) -> bool {
        !self.found.gaps.is_empty()
    }

    /// Whether it is in host memory, to be brought back as a whole so that pieces can be moved.
    /// What it begins with needs no more than any other state does.
    fn is_worth_it(&self) -> bool {
        self.resident.is_none() && self.is_most && self.moves()
    }
}

impl<C: Executor> Engine<'_, C> {
    /// Gives a request its place: the cells that its session left, if they serve, else a free
    /// number.
    pub(in crate::decode) fn begin(&mut self, job: Job, now: Instant) {
        let own = self.own(&job);
        let cells = own.as_ref().and_then(|own| self.take_cells(own));
        let Some(id) = cells.or_else(|| self.number()) else {
            // Not reached: a place was there when the request was taken.
            tracing::error!("no sequence number for a request that was given a place");
            let outcome = RequestOutcome::Failed(Error::Unavailable);
            self.queue.ended(&job.owner, job.session, &outcome);
            job.end(outcome, now);
            return;
        };
        let mut sequence = Sequence::new(id, job);
        if let Some(own) = own {
            if own.is_stuck {
                log_request!(
                    INFO,
                    MEMORY,
                    sequence.log,
                    tokens = sequence.len(),
                    kept = own.found.kept,
                    "the prompt lacks a part of what came before, and the context can't be shifted: computing again what comes after"
                );
                self.counters.cache.shifts += 1;
                self.counters.cache.reevaluated += 1;
            }
            let is_there = cells.is_some() || (own.is_worth_it() && self.bring_back(id, &sequence));
            if is_there && own.moves() {
                sequence.found_pieces(own.found);
            } else if is_there {
                let kept = self.kv.truncate(id, own.found.prefix);
                sequence.found(kept);
            }
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
        self.running.push(sequence);
    }

    /// What the session of a request left.
    fn own(&self, job: &Job) -> Option<Own> {
        let memory = &job.settings.memory;
        if !memory.remembers() {
            return None;
        }
        let index = self.shelf.of_session(job.session)?;
        let entry = self.shelf.get(index)?;
        let wanted = all_but_last(&job.prompt);
        let deterministic = job.settings.scheduling.deterministic;
        let prefix =
            self.reusable_tokens(deterministic, common(&entry.tokens, wanted), entry.exact);
        let usable = match &entry.place {
            Place::Resident(id) => self.kv.compute.usable(*id, prefix),
            Place::Saved(state) => state.usable(prefix),
        };
        let mut found = Alignment::prefix(usable);
        let mut is_stuck = false;
        let pieces = memory
            .context_shifting
            .then(|| align(&entry.tokens, wanted, LEAST_PIECE));
        if let Some(pieces) = pieces
            && let Some((first, last)) = pieces.gaps.first().zip(pieces.last_piece())
        {
            let compute = &self.kv.compute;
            let may_move = match &entry.place {
                Place::Resident(id) => {
                    compute.may_move(*id, last) && !self.kv.is_shared(*id, first.start)
                }
                Place::Saved(state) => compute.can_shift() && state.may_move(last),
            };
            if may_move && !deterministic && compute.cuts_anywhere() {
                found = pieces;
            } else {
                is_stuck = true;
            }
        }
        Some(Own {
            index,
            resident: entry.resident(),
            is_most: u64::from(found.kept) * 2 > u64::from(entry.len()),
            found,
            is_stuck,
        })
    }

    /// Takes cells off the shelf where more than half of them serve. Else they stay: what they hold
    /// may be asked for again.
    fn take_cells(&mut self, own: &Own) -> Option<u32> {
        let id = own.resident?;
        if own.is_most || (self.free.is_empty() && own.found.kept > 0) {
            self.shelf.take(own.index);
            return Some(id);
        }
        None
    }
    /// Puts all that the session of a sequence has in host memory into the cells of this number.
    /// Says whether it could.
    fn bring_back(&mut self, id: u32, sequence: &Sequence) -> bool {
        // Finding the number may have moved what is on the shelf, and taken some of it.
        let Some(left) = self.shelf.of_session(sequence.session) else {
            return false;
        };
        let tokens = self.shelf.get(left).map_or(0, CacheEntry::len);
        // In one pool nobody has to make way for what is taken out again before the next step.
        let others = self.running.len() as u64 + 1;
        let has_room =
            !self.kv.shares() || self.kv.free() + self.idle_cells() >= u64::from(tokens) + others;
        has_room && tokens > 0 && self.restore_left(left, id, sequence.session, tokens) == tokens
    }
}
