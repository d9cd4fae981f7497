//! The prefix cache as the worker has it: tokens of llama.cpp, and states in host memory.

use crate::llama::{SavedSequence, TokenId};
use crate::memory::{Entry, Shelf};

/// The number of a sequence in the context. A sequence has it while it runs, and an entry of the
/// prefix cache while it is in cells.
pub(in crate::decode) type SequenceId = u32;

/// What finished sequences left to be reused, in cells or in host memory.
pub(super) type PrefixCache = Shelf<TokenId, SavedSequence>;

/// One of them.
pub(super) type CacheEntry = Entry<TokenId, SavedSequence>;
