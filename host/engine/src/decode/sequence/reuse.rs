//! Which tokens a sequence reuses from earlier computations, and which of its tokens are removed to
//! make room.

use std::ops::Range;

use mynah_schedule::Alignment;

use super::Sequence;
use crate::decode::cache::{Computed, Finished, Wanted};

/// Whether a sequence's prompt has been looked up in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Start {
    /// Not yet.
    Fresh,
    /// It waits: another sequence is computing its prefix, or the disk is reading it.
    Waits,
    /// It has reused the available tokens, and computes the rest.
    Begun,
}

impl Sequence {
    /// Tokens that it will have in its cells once pieces are moved.
    pub(in crate::decode) fn available(&self) -> u32 {
        self.pieces
            .as_ref()
            .map_or(self.computed, |pieces| pieces.kept)
    }

    /// Whether it uses the prefix cache, and keeps its computed tokens there.
    pub(in crate::decode) fn uses_cache(&self) -> bool {
        self.settings.memory.remembers()
    }

    /// Its prompt, for a lookup in the cache.
    pub(in crate::decode) fn wanted(&self) -> Wanted<'_> {
        Wanted::new(&self.owner, &self.tokens, self.is_deterministic())
    }

    /// Its tokens in KV cells that others can share. Deterministic sequences are computed in steps
    /// of `chunk`.
    pub(in crate::decode) fn computed_part(&self, chunk: u32) -> Computed<'_> {
        Computed {
            id: self.id,
            owner: &self.owner,
            tokens: self.computed_tokens(),
            exact: self.exact(chunk),
        }
    }

    /// The tokens that the cache may keep when it has ended.
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

    /// Notes that its prompt was looked up. Returns whether this was the first time: a sequence
    /// that was parked is looked up again.
    pub(in crate::decode) fn is_first_look(&mut self) -> bool {
        !std::mem::replace(&mut self.is_lookup_counted, true)
    }

    /// Whether other sequences may wait for tokens that it computes.
    pub(in crate::decode) fn leads(&self) -> bool {
        self.start == Start::Begun && self.failures == 0 && self.uses_cache()
    }

    /// Notes that its first `computed` tokens were reused: they are in its KV cells.
    pub(in crate::decode) fn found(&mut self, computed: u32) {
        self.computed = computed;
        self.pieces = None;
        if self.times.begun.is_none() {
            self.counts.cached = computed.min(self.prompt_len);
            self.served = self.counts.cached;
        }
    }

    /// Records that its cells have a prefix of it, and pieces that can be moved.
    pub(in crate::decode) fn found_pieces(&mut self, pieces: Alignment) {
        self.found(pieces.prefix);
        self.pieces = Some(pieces);
    }

    /// Takes the pieces that are to be moved before the next step.
    pub(in crate::decode) fn take_pieces(&mut self) -> Option<Alignment> {
        self.pieces.take()
    }

    /// The tokens to drop in order to make room, if any may be dropped.
    pub(in crate::decode) fn next_drop(&mut self, context_tokens: u32) -> Option<Range<u32>> {
        let (prompt, len) = (self.prompt_len, self.len());
        self.trim_policy.as_mut()?.next(prompt, len, context_tokens)
    }

    /// Drops tokens to make room. The caller has taken them out of its KV cells, or cleared those.
    pub(in crate::decode) fn drop_tokens(&mut self, range: Range<u32>) {
        let of_prompt = range.end.min(self.prompt_len).saturating_sub(range.start);
        self.tokens.drain(range.start as usize..range.end as usize);
        let count = range.end - range.start;
        self.prompt_len -= of_prompt;
        self.served = self.served.min(self.prompt_len);
        self.computed = self.computed.saturating_sub(count);
        self.counts.forgotten += count;
    }

    /// How many of its tokens in KV cells were computed alone, in steps of `chunk`.
    fn exact(&self, chunk: u32) -> u32 {
        if self.is_deterministic() && self.counts.forgotten == 0 {
            self.computed.min(self.prompt_len) / chunk * chunk
        } else {
            0
        }
    }
}
