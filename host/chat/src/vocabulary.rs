//! What a chat template needs of a model's vocabulary.

use mynah_core::{TokenAttributes, TokenId};

/// What a chat template needs of a model's vocabulary.
pub trait Vocabulary {
    /// Tokens of the vocabulary; ids go from 0 to one less.
    fn token_count(&self) -> u32;

    /// A token as the vocabulary writes it, such as `<|im_end|>`.
    fn written(&self, token: TokenId) -> Option<Vec<u8>>;

    /// What the vocabulary says about a token.
    fn attributes(&self, token: TokenId) -> TokenAttributes;

    /// The token that begins a text, if there is one.
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
