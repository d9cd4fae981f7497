//! What was computed before, found for the sequences that begin: in the cells of others, in host
//! memory, or soon in those of one that computes it right now.

use std::time::Instant;

use super::retain::CacheEntry;
use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::decode::sequence::{Sequence, Start};
use crate::llama::{ContextParams, SavedSequence};
use crate::memory::{Place, common};

/// Tokens that a copy must save, or a file, and that are worth waiting for: fewer are computed in
/// about the time that it takes to copy a sequence or to wait for a step.
pub(in crate::decode) const LEAST_GAIN: u32 = 32;

/// Cells that are copied in less time than a token is computed: that reads all weights, of SmolLM2
/// four thousand times the bytes of a cell.
const CELLS_FOR_A_TOKEN: u32 = 64;

/// Where the beginning of a sequence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// An entry of the shelf.
    Entry(usize),
    /// The sequence of this number, which runs.
    Running(u32),
}

/// The last state that was copied to host memory to be copied on: those that begin alike often come
/// together.
type Copied = Option<(u32, SavedSequence)>;

impl<C: Executor> Engine<'_, C> {
    /// How many of the tokens that both begin with may be used.
    pub(in crate::decode) fn reusable_tokens(
        &self,
        deterministic: bool,
        common: u32,
        exact: u32,
    ) -> u32 {
        if !deterministic {
            return common;
        }
        // Computed as they would be now, and up to where a step would begin.
        let chunk = self.planner.chunk();
        common.min(exact) / chunk * chunk
    }

    /// Gives the sequences that begin what was computed before. One that would compute what another
    /// is computing waits for it.
    pub(in crate::decode) fn recall(&mut self, now: Instant) {
        let mut copied = None;
        for index in 0..self.running.len() {
            let Some(sequence) = self.running.get(index) else {
                return;
            };
            if sequence.start() == Start::Begun {
                continue;
            }
            let mut start = Start::Begun;
            if sequence.uses_cache() {
                let (source, there) = self.best_source(sequence);
                if self.is_coming(index, there) || self.comes_from_disk(index, there) {
                    start = Start::Waits;
                } else if let Some(source) = source {
                    self.take(source, index, there, now, &mut copied);
                }
            }
            let Some(sequence) = self.running.get_mut(index) else {
                return;
            };
            sequence.set_start(start);
            if start == Start::Begun && sequence.uses_cache() && sequence.is_first_look() {
                self.counters.cache.asked(sequence.computed());
                let charged = sequence.computed().min(sequence.prompt_tokens());
                self.queue.refund(&sequence.owner, charged);
            }
        }
    }

    /// Where most of a sequence is that it hasn't got, if that is worth copying, and how many
    /// tokens it has then.
    fn best_source(&self, sequence: &Sequence) -> (Option<Source>, u32) {
        let wanted = all_but_last(sequence.tokens());
        let deterministic = sequence.is_deterministic();
        let usable = |id: u32, tokens: u32| self.kv.compute.usable(id, tokens);
        let left = self.shelf.best(&sequence.owner, wanted, |entry, common| {
            let tokens = self.reusable_tokens(deterministic, common, entry.exact);
            match &entry.place {
                Place::Resident(id) => usable(*id, tokens),
                Place::Saved(state) => state.usable(tokens),
            }
        });
        let left = left.map(|(index, tokens)| (Source::Entry(index), tokens));
        // Of those that have as much, what was left serves, then whoever began first: of the one,
        // several are given a copy.
        let running = self.running.iter().rev().filter(|other| {
            other.id != sequence.id
                && other.uses_cache()
                && self.shelf.may_use(&sequence.owner, other.owner.name())
        });
        let running = running.map(|other| {
            let common = common(other.computed_tokens(), wanted);
            let exact = other.exact(self.planner.chunk());
            let tokens = self.reusable_tokens(deterministic, common, exact);
            (Source::Running(other.id), usable(other.id, tokens))
        });
        let best = running.chain(left).max_by_key(|(_, tokens)| *tokens);
        let has = sequence.available();
        match best {
            Some((source, tokens)) if tokens >= has.saturating_add(self.least_gain(source)) => {
                (Some(source), tokens)
            }
            _ => (None, has),
        }
    }

    /// Tokens that a source must save.
    fn least_gain(&self, source: Source) -> u32 {
        match self.resident(source) {
            // Sharing costs nothing.
            Some(_) if self.kv.shares() => 1,
            // llama.cpp copies all the cells that a sequence could hold, in the next step, while
            // everybody waits.
            Some(id) if !self.kv.compute.saves_all(id) => {
                let ContextParams {
                    cells, sequences, ..
                } = self.params.context;
                LEAST_GAIN.max(cells / sequences / CELLS_FOR_A_TOKEN)
            }
            _ => LEAST_GAIN,
        }
    }

    /// The sequence whose cells a source is in; `None` where it is in host memory.
    fn resident(&self, source: Source) -> Option<u32> {
        match source {
            Source::Running(id) => Some(id),
            Source::Entry(index) => self.shelf.get(index).and_then(CacheEntry::resident),
        }
    }

    /// Whether another sequence is computing much more of this one than is there.
    fn is_coming(&self, index: usize, there: u32) -> bool {
        let Some(sequence) = self.running.get(index) else {
            return false;
        };
        if !self.kv.compute.cuts_anywhere() {
            // When it has got there, it may be past what can be used.
            return false;
        }
        let wanted = all_but_last(sequence.tokens());
        let deterministic = sequence.is_deterministic();
        // Who waits already waits for all of it.
        let waits = sequence.start() == Start::Waits;
        let least = if waits { 1 } else { LEAST_GAIN };
        self.running.iter().any(|other| {
            // One that waits for its reader may do so for ever.
            let may_wait = other.leads()
                && !other.is_paused()
                && (other.is_deterministic() || !deterministic)
                && self.shelf.may_use(&sequence.owner, other.owner.name());
            if !may_wait {
                return false;
            }
            let alike = common(other.tokens(), wanted);
            let coming = self.reusable_tokens(deterministic, alike, alike);
            other.computed() < coming && coming >= there.saturating_add(least)
        })
    }

    /// Puts the first `tokens` of a source into the cells of a running sequence.
    fn take(
        &mut self,
        source: Source,
        index: usize,
        tokens: u32,
        now: Instant,
        copied: &mut Copied,
    ) {
        let Some((id, session)) = self.running.get(index).map(|one| (one.id, one.session)) else {
            return;
        };
        if let Source::Entry(left) = source {
            self.shelf.touch(left, now);
        }
        let there = match (self.resident(source), source) {
            (Some(from), _) if self.kv.shares() || !self.kv.compute.saves_all(from) => {
                let shared = self.kv.share(from, id, tokens);
                if shared { tokens } else { 0 }
            }
            (Some(from), _) => self.copy(from, id, tokens, copied),
            (None, Source::Entry(left)) => self.restore_left(left, id, session, tokens),
            (None, Source::Running(_)) => 0,
        };
        if let Some(sequence) = self.running.get_mut(index) {
            sequence.found(there);
        }
    }

    /// Copies the beginning of a sequence that has cells of its own through host memory: that takes
    /// time for what it holds, while llama.cpp by itself copies all the cells that it could hold.
    fn copy(&mut self, from: u32, to: u32, tokens: u32, copied: &mut Copied) -> u32 {
        let is_there = |(id, state): &(u32, SavedSequence)| *id == from && state.tokens() >= tokens;
        if !copied.as_ref().is_some_and(is_there) {
            *copied = self.kv.save(from).map(|state| (from, state));
        }
        match copied {
            Some((_, state)) => self.kv.restore(to, state, tokens),
            None => {
                self.kv.clear(to);
                0
            }
        }
    }

    /// Puts a state back that was left in host memory. It stays there for others, unless it is the
    /// session's own.
    pub(in crate::decode) fn restore_left(
        &mut self,
        left: usize,
        id: u32,
        session: u64,
        tokens: u32,
    ) -> u32 {
        let Some(entry) = self.shelf.get(left) else {
            return 0;
        };
        let (is_own, state) = (entry.session == Some(session), entry.saved().cloned());
        let Some(state) = state else {
            return 0;
        };
        // What the sequence has there goes first: its cells may be needed. The state is still
        // counted where it is meanwhile.
        self.kv.clear(id);
        self.reclaim(u64::from(state.tokens()));
        let there = self.kv.restore(id, &state, tokens);
        if is_own && there > 0 {
            let is_it =
                |entry: &CacheEntry| entry.saved().is_some_and(|saved| saved.is_same(&state));
            self.shelf.take_all(is_it);
        }
        there
    }
}

/// What of a sequence may come from elsewhere: its last token must be computed, for what comes
/// after it.
pub(in crate::decode) fn all_but_last<T>(tokens: &[T]) -> &[T] {
    tokens.split_last().map_or(&[], |(_, rest)| rest)
}
