//! A model's vocabulary, as a chat template needs it.

use mynah_core::{TokenAttributes, TokenId};

/// A model's vocabulary, as a chat template needs it.
pub trait Vocabulary {
    /// Number of tokens. The ids are 0 to this minus one.
    fn token_count(&self) -> u32;

    /// The text of a token in the vocabulary, such as `<|im_end|>`.
    fn written(&self, token: TokenId) -> Option<Vec<u8>>;

    /// The attributes of a token in the vocabulary.
    fn attributes(&self, token: TokenId) -> TokenAttributes;

    /// The begin-of-sequence token, if there is one.
    fn bos(&self) -> Option<TokenId>;

    /// The token that ends a text, if there is one.
    fn eos(&self) -> Option<TokenId>;

    /// The token that fills a batch of texts, if there is one.
    fn pad(&self) -> Option<TokenId>;

    /// The token between two texts, if there is one.
    fn sep(&self) -> Option<TokenId>;

    /// Whether the tokenizer puts [`bos`](Self::bos) before every text.
    fn adds_bos(&self) -> bool;
}
