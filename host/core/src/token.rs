//! The id of a token.

/// The id of a token in a model's vocabulary: from 0 to the vocabulary's size, exclusive.
///
/// Signed, as llama.cpp has it. A negative id is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i32);
