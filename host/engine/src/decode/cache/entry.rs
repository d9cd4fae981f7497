//! The worker's prefix cache, and lookups in it.

use mynah_core::{Owner, TokenId};
use mynah_llama::SavedSequence;

/// The number of a sequence in the context. A sequence has it while it runs, and an entry of the
/// prefix cache while it is in cells.
pub(in crate::decode) type SequenceId = u32;

/// The computations of finished sequences, in cells or in host memory.
pub(super) type PrefixCache = mynah_schedule::PrefixCache<TokenId, SavedSequence>;

/// One of them.
pub(super) type CacheEntry = mynah_schedule::CacheEntry<TokenId, SavedSequence>;

/// A prompt whose beginning may be computed already.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Wanted<'a> {
    pub(in crate::decode) owner: &'a Owner,
    /// Its tokens without the last, which must be computed for its logits.
    pub(in crate::decode) tokens: &'a [TokenId],
    pub(in crate::decode) deterministic: bool,
}

impl<'a> Wanted<'a> {
    /// `tokens` are all of the prompt.
    pub(in crate::decode) fn new(
        owner: &'a Owner,
        tokens: &'a [TokenId],
        deterministic: bool,
    ) -> Self {
        Self {
            owner,
            tokens: tokens.split_last().map_or(&[], |(_, rest)| rest),
            deterministic,
        }
    }
}
