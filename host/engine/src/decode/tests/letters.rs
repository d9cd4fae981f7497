//! The vocabulary of the model whose every answer is known, for output forms.

use mynah_core::TokenId;
use mynah_grammar::Vocabulary;

use super::known::{VOCABULARY, letter};

/// Letters, and a last token that ends an answer.
pub(super) struct Letters;

impl Vocabulary for Letters {
    fn token_count(&self) -> u32 {
        VOCABULARY.unsigned_abs()
    }

    fn text(&self, token: TokenId) -> Vec<u8> {
        match self.is_end(token) {
            true => Vec::new(),
            false => letter(token.0).to_string().into_bytes(),
        }
    }

    fn name(&self, token: TokenId) -> Vec<u8> {
        match self.is_end(token) {
            true => b"end".to_vec(),
            false => Vec::new(),
        }
    }

    fn is_end(&self, token: TokenId) -> bool {
        token.0 == VOCABULARY - 1
    }

    fn find(&self, name: &str) -> Option<TokenId> {
        let mut all = (0..VOCABULARY).map(TokenId);
        all.find(|&id| self.text(id) == name.as_bytes() || self.name(id) == name.as_bytes())
    }
}
