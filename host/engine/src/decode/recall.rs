//! What was computed before, found for the sequences that begin: in the cells of others, in host memory, or soon in those of one
//! that computes it right now.

use std::time::Instant;

use super::Job;
use super::compute::Compute;
use super::engine::Engine;
use super::job::Ending;
use super::remember::Left;
use super::sequence::{Sequence, Start};
use crate::Error;
use crate::llama::SavedSequence;
use crate::log::{TASK, millis, told};
use crate::memory::{Alignment, Place, align, common};

/// Tokens that a copy must save, or a file, and that are worth waiting for: fewer are computed in about the time that it takes to copy a
/// sequence or to wait for a step.
pub(super) const LEAST_GAIN: u32 = 32;

/// Tokens of a piece that is worth moving: each costs a turn of its keys, and shorter ones are alike by chance.
const LEAST_PIECE: usize = 64;

/// Where the beginning of a sequence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// An entry of the shelf.
    Left(usize),
    /// The sequence of this number, which runs.
    Running(u32),
}

/// The last state that was copied to host memory to be copied on: those that begin alike often come together.
type Copied = Option<(u32, SavedSequence)>;

impl<C: Compute> Engine<'_, C> {
    /// Gives a request its place: the cells that its session left, if they serve, else a free number.
    pub(super) fn begin(&mut self, job: Job, now: Instant) {
        let own = self.own_cells(&job);
        let Some(id) = own.as_ref().map(|(id, _)| *id).or_else(|| self.number()) else {
            // Not reached: a place was there when the request was taken.
            tracing::error!("no sequence number for a request that was given a place");
            self.inbox.ended(&job.owner, job.session, Ending::Failed);
            job.outlet.finish(Err(Error::Unavailable));
            return;
        };
        let mut sequence = Sequence::new(id, job);
        match own.map(|(_, found)| found) {
            None => {}
            Some(found) if found.gaps.is_empty() => {
                let kept = self.kv.truncate(id, found.prefix);
                sequence.found(kept);
            }
            Some(found) => sequence.found_pieces(found),
        }
        told!(
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

    /// The cells that the session of a request left, taken off the shelf, where more than half of them serve it. Else they stay: what
    /// they hold may be asked for again.
    fn own_cells(&mut self, job: &Job) -> Option<(u32, Alignment)> {
        let memory = &job.settings.memory;
        if !memory.remembers() {
            return None;
        }
        let index = self.shelf.of_session(job.session)?;
        let entry = self.shelf.get(index)?;
        let id = entry.resident()?;
        let wanted = all_but_last(&job.prompt);
        let deterministic = job.settings.scheduling.deterministic;
        let prefix = self.serves(deterministic, common(&entry.tokens, wanted), entry.exact);
        let mut found = Alignment::prefix(self.kv.compute.usable(id, prefix));
        let may_move = memory.context_shifting
            && !deterministic
            && self.kv.compute.can_shift()
            && self.kv.compute.cuts_anywhere();
        if may_move {
            let pieces = align(&entry.tokens, wanted, LEAST_PIECE);
            let first = pieces.gaps.first().map(|gap| gap.start);
            if first.is_some_and(|first| !self.kv.is_shared(id, first)) {
                found = pieces;
            }
        }
        let is_most = u64::from(found.kept) * 2 > u64::from(entry.len());
        if is_most || (self.free.is_empty() && found.kept > 0) {
            self.shelf.take(index);
            return Some((id, found));
        }
        None
    }

    /// How many of the tokens that both begin with may be used.
    pub(super) fn serves(&self, deterministic: bool, common: u32, exact: u32) -> u32 {
        if !deterministic {
            return common;
        }
        // Computed as they would be now, and up to where a step would begin.
        let chunk = self.planner.chunk();
        common.min(exact) / chunk * chunk
    }

    /// Gives the sequences that begin what was computed before. One that would compute what another is computing waits for it.
    pub(super) fn recall(&mut self, now: Instant) {
        let mut copied = None;
        for index in 0..self.running.len() {
            let Some(sequence) = self.running.get(index) else {
                return;
            };
            if sequence.start() == Start::Begun {
                continue;
            }
            let mut start = Start::Begun;
            if sequence.remembers() {
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
            if start == Start::Begun && sequence.remembers() && !sequence.has_begun() {
                self.counters.cache.asked(sequence.computed());
                let charged = sequence.computed().min(sequence.prompt_tokens());
                self.inbox.refund(&sequence.owner, charged);
            }
        }
    }

    /// Where most of a sequence is that it hasn't got, if that is worth copying, and how many tokens it has then.
    fn best_source(&self, sequence: &Sequence) -> (Option<Source>, u32) {
        let wanted = all_but_last(sequence.tokens());
        let deterministic = sequence.is_deterministic();
        let usable = |id: u32, tokens: u32| self.kv.compute.usable(id, tokens);
        let left = self.shelf.best(&sequence.owner, wanted, |entry, common| {
            let tokens = self.serves(deterministic, common, entry.exact);
            match &entry.place {
                Place::Resident(id) => usable(*id, tokens),
                Place::Saved(state) => state.usable(tokens),
            }
        });
        let left = left.map(|(index, tokens)| (Source::Left(index), tokens));
        let running = self.running.iter().filter(|other| {
            other.id != sequence.id
                && other.remembers()
                && self.shelf.may_use(&sequence.owner, other.owner.name())
        });
        let running = running.map(|other| {
            let common = common(other.computed_tokens(), wanted);
            let exact = other.exact(self.planner.chunk());
            let tokens = self.serves(deterministic, common, exact);
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
        let is_saved = |index| {
            let entry = self.shelf.get(index);
            entry.is_some_and(|entry| entry.resident().is_none())
        };
        match source {
            // Sharing costs nothing.
            Source::Running(_) if self.kv.shares() => 1,
            Source::Left(index) if self.kv.shares() && !is_saved(index) => 1,
            _ => LEAST_GAIN,
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
            let may_wait = other.leads()
                && (other.is_deterministic() || !deterministic)
                && self.shelf.may_use(&sequence.owner, other.owner.name());
            if !may_wait {
                return false;
            }
            let alike = common(other.tokens(), wanted);
            let coming = self.serves(deterministic, alike, alike);
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
        let resident = match source {
            Source::Running(from) => Some(from),
            Source::Left(left) => {
                self.shelf.touch(left, now);
                self.shelf.get(left).and_then(|entry| entry.resident())
            }
        };
        let there = match (resident, source) {
            (Some(from), _) if self.kv.shares() => {
                let shared = self.kv.share(from, id, tokens);
                if shared { tokens } else { 0 }
            }
            (Some(from), _) => self.copy(from, id, tokens, copied),
            (None, Source::Left(left)) => self.restore_left(left, id, session, tokens),
            (None, Source::Running(_)) => 0,
        };
        if let Some(sequence) = self.running.get_mut(index) {
            sequence.found(there);
        }
    }

    /// Copies the beginning of a sequence that has cells of its own through host memory: that takes time for what it holds, while
    /// llama.cpp copies all the cells that it could hold.
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

    /// Puts a state back that was left in host memory. It stays there for others, unless it is the session's own.
    fn restore_left(&mut self, left: usize, id: u32, session: u64, tokens: u32) -> u32 {
        let Some(entry) = self.shelf.get(left) else {
            return 0;
        };
        let (is_own, state) = (entry.session == Some(session), entry.saved().cloned());
        let Some(state) = state else {
            return 0;
        };
        // What the sequence has there goes first: its cells may be needed. The state is still counted where it is meanwhile.
        self.kv.clear(id);
        self.reclaim(u64::from(state.tokens()));
        let there = self.kv.restore(id, &state, tokens);
        if is_own && there > 0 {
            let is_it = |entry: &Left| entry.saved().is_some_and(|saved| saved.is_same(&state));
            self.shelf.take_all(is_it);
        }
        there
    }
}

/// What of a sequence may come from elsewhere: its last token must be computed, for what comes after it.
pub(super) fn all_but_last<T>(tokens: &[T]) -> &[T] {
    tokens.split_last().map_or(&[], |(_, rest)| rest)
}
