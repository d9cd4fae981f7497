//! Gives new sequences the tokens that were already computed. A sequence whose tokens another one
//! is computing waits for it.

use std::time::Instant;

use mynah_schedule::common;

use super::Scheduler;
use crate::decode::cache::{CacheManager, LEAST_GAIN, LastCopy, SequenceId, Wanted};
use crate::decode::executor::Executor;
use crate::decode::sequence::{Sequence, Start};

impl Scheduler<'_> {
    /// Looks up the prompts of all sequences that have not begun to compute.
    pub(in crate::decode) fn reuse_prefixes(
        &mut self,
        cache: &mut CacheManager<impl Executor>,
        now: Instant,
    ) {
        let not_begun = |sequence: &&Sequence| sequence.start() != Start::Begun;
        let ids: Vec<SequenceId> = self
            .running
            .iter()
            .filter(not_begun)
            .map(|sequence| sequence.id)
            .collect();
        let mut last = LastCopy::default();
        for id in ids {
            self.reuse_prefix(id, cache, now, &mut last);
        }
    }

    fn reuse_prefix(
        &mut self,
        id: SequenceId,
        cache: &mut CacheManager<impl Executor>,
        now: Instant,
        last: &mut LastCopy,
    ) {
        let chunk = self.planner.chunk();
        let Some((sequence, [before, after])) = self.running.split_mut(id) else {
            return;
        };
        if !sequence.uses_cache() {
            sequence.set_start(Start::Begun);
            return;
        }
        let sharing = before
            .iter()
            .chain(after)
            .filter(|other| other.uses_cache());
        let computed = sharing.map(|other| other.computed_part(chunk));
        let available = sequence.available();
        let hit = cache.lookup(sequence.wanted(), available, computed);
        let there = hit.map_or(available, |hit| hit.tokens);
        let others = before.iter().chain(after);
        if is_coming(sequence, others, there, cache) || cache.fetch(sequence.wanted(), there) {
            sequence.set_start(Start::Waits);
            return;
        }
        if let Some(hit) = hit {
            let tokens = cache.take(hit, id, sequence.session, now, last);
            sequence.found(tokens);
        }
        sequence.set_start(Start::Begun);
        if sequence.is_first_look() {
            cache.count_lookup(sequence.computed());
            let charged = sequence.computed().min(sequence.prompt_tokens());
            self.queue.refund(&sequence.owner, charged);
        }
    }
}

/// Whether another sequence is computing a prefix of this one that is much longer than the tokens
/// that are `there`.
fn is_coming<'a>(
    sequence: &Sequence,
    mut others: impl Iterator<Item = &'a Sequence>,
    there: u32,
    cache: &CacheManager<impl Executor>,
) -> bool {
    if !cache.cuts_anywhere() {
        // When the other sequence is there, it may have gone past what can be reused.
        return false;
    }
    let Wanted {
        owner,
        tokens,
        deterministic,
    } = sequence.wanted();
    // A waiting sequence already waits for all of its prefix.
    let waits = sequence.start() == Start::Waits;
    let least = if waits { 1 } else { LEAST_GAIN };
    others.any(|other| {
        // A sequence that waits for its reader may do so for ever.
        let may_wait = other.leads()
            && !other.is_paused()
            && (other.is_deterministic() || !deterministic)
            && cache.may_use(owner, other.owner.name());
        if !may_wait {
            return false;
        }
        let alike = common(other.tokens(), tokens);
        let coming = cache.reusable_tokens(deterministic, alike, alike);
        other.computed() < coming && coming >= there.saturating_add(least)
    })
}
