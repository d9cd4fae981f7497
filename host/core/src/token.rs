//! The id of a token, and what a vocabulary says about it.

/// The id of a token in a model's vocabulary: from 0 to the vocabulary's size, exclusive.
///
/// Signed, as in llama.cpp. A negative id is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i32);

/// The attributes of a token in the vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenAttributes {
    /// A control token, or the token for unknown text.
    pub is_control: bool,
    /// A token that was added when the model was converted. The tokenizer finds it in any text.
    pub is_user_defined: bool,
    /// The tokenizer removes the white space before it.
    pub strips_left: bool,
    /// The tokenizer removes the white space after it.
    pub strips_right: bool,
}
