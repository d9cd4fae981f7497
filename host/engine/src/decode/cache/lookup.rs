//! Finds the longest prefix of a prompt that is computed already, and puts it into the cells of the
//! sequence that needs it.

use std::time::Instant;

use mynah_core::{Owner, TokenId};
use mynah_llama::{ContextParams, SavedSequence};
use mynah_schedule::{Location, common};

use super::entry::{CacheEntry, SequenceId, Wanted};
use super::manager::CacheManager;
use crate::decode::executor::Executor;

/// Tokens that a copy or a file must save to be worth it, and that are worth waiting for. Fewer are
/// computed in about the time that it takes to copy a sequence or to wait for a step.
pub(in crate::decode) const LEAST_GAIN: u32 = 32;

/// Cells that are copied in less time than a token is computed. Computing one reads all weights: of
/// SmolLM2, four thousand times the bytes of a cell.
const CELLS_FOR_A_TOKEN: u32 = 64;

/// The tokens of a running sequence that others can share from its cells.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Computed<'a> {
    pub(in crate::decode) id: SequenceId,
    pub(in crate::decode) owner: &'a Owner,
    pub(in crate::decode) tokens: &'a [TokenId],
    /// Number of tokens at the beginning that were computed in the steps of a deterministic
    /// request.
    pub(in crate::decode) exact: u32,
}

/// Where a prefix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In this entry of the prefix cache.
    Entry(usize),
    /// In the cells of this running sequence.
    Running(SequenceId),
}

/// A prefix that was found.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Hit {
    source: Source,
    /// Its length.
    pub(in crate::decode) tokens: u32,
}

/// The last state that was copied to host memory in order to be copied on. Requests that begin
/// alike often come together, so it is kept for one pass over the running sequences.
#[derive(Debug, Default)]
pub(in crate::decode) struct LastCopy(Option<(SequenceId, SavedSequence)>);

impl<C: Executor> CacheManager<C> {
    /// Finds the longest prefix of a prompt in entries and in running sequences (which come in the
    /// order in which they began), if it saves enough over the `available` tokens that the sequence
    /// has already.
    pub(in crate::decode) fn lookup<'a>(
        &self,
        wanted: Wanted<'_>,
        available: u32,
        running: impl DoubleEndedIterator<Item = Computed<'a>>,
    ) -> Option<Hit> {
        let usable = |id: SequenceId, tokens: u32| self.kv.executor().usable(id, tokens);
        let entry = self
            .entries
            .best(wanted.owner, wanted.tokens, |entry, common| {
                let tokens = self.reusable_tokens(wanted.deterministic, common, entry.exact);
                match &entry.location {
                    Location::Resident(id) => usable(*id, tokens),
                    Location::Saved(state) => state.usable(tokens),
                }
            });
        let entry = entry.map(|(index, tokens)| Hit {
            source: Source::Entry(index),
            tokens,
        });
        // Among equals an entry goes first, then the sequence that began first: several sequences
        // are given copies of the same one.
        let running = running.rev();
        let running = running.filter(|other| self.may_use(wanted.owner, other.owner.name()));
        let running = running.map(|other| {
            let common = common(other.tokens, wanted.tokens);
            let tokens = self.reusable_tokens(wanted.deterministic, common, other.exact);
            Hit {
                source: Source::Running(other.id),
                tokens: usable(other.id, tokens),
            }
        });
        let best = running.chain(entry).max_by_key(|hit| hit.tokens)?;
        let least = available.saturating_add(self.least_gain(best.source));
        (best.tokens >= least).then_some(best)
    }

    /// Tokens that a source must save to be worth it.
    fn least_gain(&self, source: Source) -> u32 {
        match self.resident(source) {
            // Sharing costs nothing.
            Some(_) if self.kv.shares() => 1,
            // llama.cpp copies all the cells that a sequence could hold, in the next step, while
            // all others wait.
            Some(id) if !self.kv.executor().saves_all(id) => {
                let ContextParams {
                    cells, sequences, ..
                } = self.params.context;
                LEAST_GAIN.max(cells / sequences / CELLS_FOR_A_TOKEN)
            }
            _ => LEAST_GAIN,
        }
    }

    /// The sequence whose cells a source is in; `None` if it is in host memory.
    fn resident(&self, source: Source) -> Option<SequenceId> {
        match source {
            Source::Running(id) => Some(id),
            Source::Entry(index) => self.entries.get(index).and_then(CacheEntry::resident),
        }
    }

    /// Whether a sequence can be cut after any token.
    pub(in crate::decode) fn cuts_anywhere(&self) -> bool {
        self.kv.executor().cuts_anywhere()
    }

    /// Copies a found prefix into the cells of a running sequence. Returns the number of tokens
    /// there.
    pub(in crate::decode) fn take(
        &mut self,
        hit: Hit,
        to: SequenceId,
        session: u64,
        now: Instant,
        last: &mut LastCopy,
    ) -> u32 {
        let Hit { source, tokens } = hit;
        if let Source::Entry(index) = source {
            self.entries.touch(index, now);
        }
        match (self.resident(source), source) {
            (Some(from), _) if self.kv.shares() || !self.kv.executor().saves_all(from) => {
                let shared = self.kv.share(from, to, tokens);
                if shared { tokens } else { 0 }
            }
            (Some(from), _) => self.copy(from, to, tokens, last),
            (None, Source::Entry(index)) => self.restore_entry(index, to, session, tokens),
            (None, Source::Running(_)) => 0,
        }
    }

    /// Copies the beginning of a sequence that has cells of its own through host memory. That takes
    /// time for the tokens that it holds, while llama.cpp by itself copies all the cells that it
    /// could hold.
    fn copy(
        &mut self,
        from: SequenceId,
        to: SequenceId,
        tokens: u32,
        LastCopy(last): &mut LastCopy,
    ) -> u32 {
        let is_there =
            |(id, state): &(SequenceId, SavedSequence)| *id == from && state.tokens() >= tokens;
        if !last.as_ref().is_some_and(is_there) {
            *last = self.kv.save(from).map(|state| (from, state));
        }
        match last {
            Some((_, state)) => self.kv.restore(to, state, tokens),
            None => {
                self.kv.clear(to);
                0
            }
        }
    }

    /// Puts an entry back from host memory. The entry stays there for others, unless it belongs to
    /// the session itself.
    pub(super) fn restore_entry(
        &mut self,
        index: usize,
        id: SequenceId,
        session: u64,
        tokens: u32,
    ) -> u32 {
        let Some(entry) = self.entries.get(index) else {
            return 0;
        };
        let (is_own, state) = (entry.session == Some(session), entry.saved().cloned());
        let Some(state) = state else {
            return 0;
        };
        // The sequence gives up its own cells first: they may be needed. The state is counted as an
        // entry meanwhile.
        self.kv.clear(id);
        self.evict_for(u64::from(state.tokens()));
        let there = self.kv.restore(id, &state, tokens);
        if is_own && there > 0 {
            let is_it =
                |entry: &CacheEntry| entry.saved().is_some_and(|saved| saved.is_same(&state));
            self.entries.take_all(is_it);
        }
        there
    }

    /// Counts a lookup that found this number of its prompt's tokens.
    pub(in crate::decode) fn count_lookup(&mut self, cached: u32) {
        self.counters.asked(cached);
    }
}
