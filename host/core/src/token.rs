//! The id of a token, and what a vocabulary says about it.

/// The id of a token in a model's vocabulary: from 0 to the vocabulary's size, exclusive.
///
/// Signed, as llama.cpp has it. A negative id is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i32);

/// What a vocabulary says about a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenAttributes {
    /// A control token, or the token for what the vocabulary has no token for.
    pub is_control: bool,
    /// A token that whoever converted the model added; the tokenizer finds it in any text.
    pub is_user_defined: bool,
    /// The tokenizer takes the white space before it away.
    pub strips_left: bool,
    /// The tokenizer takes the white space behind it away.
    pub strips_right: bool,
}
