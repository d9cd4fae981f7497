//! What a sequence takes over from what was computed before, and what of it makes room.

use std::ops::Range;

use super::Sequence;
use crate::decode::cache::{Computed, Finished, Wanted};
use crate::memory::Alignment;

/// How far a sequence is with what was computed before it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Start {
    /// Nobody has looked yet.
    Fresh,
    /// Another one is computing what both begin with.
    Waits,
    /// It has what there is, and computes the rest.
    Begun,
}

impl Sequence {
    /// Tokens that its cells will serve once pieces are moved.
    pub(in crate::decode) fn available(&self) -> u32 {
        self.pieces
            .as_ref()
            .map_or(self.computed, |pieces| pieces.kept)
    }

    /// Whether it takes what was computed before, and leaves what it computes.
    pub(in crate::decode) fn uses_cache(&self) -> bool {
        self.settings.memory.remembers()
    }

    /// Its prompt, for a lookup in the cache.
    pub(in crate::decode) fn wanted(&self) -> Wanted<'_> {
        Wanted::new(&self.owner, &self.tokens, self.is_deterministic())
    }

    /// What it has in KV cells, for others to share. Deterministic sequences are computed in steps
    /// of `chunk`.
    pub(in crate::decode) fn computed_part(&self, chunk: u32) -> Computed<'_> {
        Computed {
            id: self.id,
            owner: &self.owner,
            tokens: self.computed_tokens(),
            exact: self.exact(chunk),
        }
    }

    /// What the cache may retain of it when it has ended.
    pub(in crate::decode) fn finished(&self, chunk: u32) -> Finished<'_> {
        let memory = &self.settings.memory;
        Finished {
            id: self.id,
            owner: &self.owner,
            session: self.session,
            tokens: &self.tokens,
            computed: self.computed,
            exact: self.exact(chunk),
            max_tokens: if self.uses_cache() {
                memory.max_cache_tokens
            } else {
                0
            },
        }
    }

    pub(in crate::decode) fn start(&self) -> Start {
        self.start
    }

    pub(in crate::decode) fn set_start(&mut self, start: Start) {
        self.start = start;
    }

    /// Notes that what was computed before was looked for. Says whether that is for the first time:
    /// one that was parked looks again.
    pub(in crate::decode) fn is_first_look(&mut self) -> bool {
        !std::mem::replace(&mut self.was_looked_for, true)
    }

    /// Whether it has tokens to compute that others may wait for.
    pub(in crate::decode) fn leads(&self) -> bool {
        self.start == Start::Begun && self.failures == 0 && self.uses_cache()
    }

    /// Its first `computed` tokens are in KV cells, by what was computed before.
    pub(in crate::decode) fn found(&mut self, computed: u32) {
        self.computed = computed;
        self.pieces = None;
        if self.times.begun.is_none() {
            self.counts.cached = computed.min(self.prompt_len);
            self.served = self.counts.cached;
        }
    }

    /// Its cells hold more than what it begins with, of which pieces can be moved.
    pub(in crate::decode) fn found_pieces(&mut self, pieces: Alignment) {
        self.found(pieces.prefix);
        self.pieces = Some(pieces);
    }

    /// What to take out of its cells before the next step.
    pub(in crate::decode) fn take_pieces(&mut self) -> Option<Alignment> {
        self.pieces.take()
    }

    /// What makes room, if anything may.
    pub(in crate::decode) fn next_drop(&mut self, context_tokens: u32) -> Option<Range<u32>> {
        let (prompt, len) = (self.prompt_len, self.len());
        self.trim_policy.as_mut()?.next(prompt, len, context_tokens)
    }

    /// Makes room: these tokens are no longer part of it. They are out of its KV cells too, or
    /// nothing of it is in any.
    pub(in crate::decode) fn drop_tokens(&mut self, range: Range<u32>) {
        let of_prompt = range.end.min(self.prompt_len).saturating_sub(range.start);
        self.tokens.drain(range.start as usize..range.end as usize);
        let count = range.end - range.start;
        self.prompt_len -= of_prompt;
        self.served = self.served.min(self.prompt_len);
        self.computed = self.computed.saturating_sub(count);
        self.counts.forgotten += count;
    }

    /// How many of its tokens in KV cells are as they are when they are computed alone, in steps of
    /// `chunk`.
    fn exact(&self, chunk: u32) -> u32 {
        if self.is_deterministic() && self.counts.forgotten == 0 {
            self.computed.min(self.prompt_len) / chunk * chunk
        } else {
            0
        }
    }
}
