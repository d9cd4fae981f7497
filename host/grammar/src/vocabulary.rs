//! A model's vocabulary in llguidance's format: the bytes of each token, and the tokens that end an
//! answer.

use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie};
use mynah_core::TokenId;

/// Maximum length of a token in bytes, a limit of toktrie. A longer token is never part of an
/// answer with a form.
const MAX_TOKEN_BYTES: usize = 1000;

/// A model's vocabulary, as a grammar needs it.
pub trait Vocabulary: Send + Sync {
    /// Number of tokens. The ids are 0 to this minus one.
    fn token_count(&self) -> u32;

    /// The bytes that a token adds to the text. Empty for a control token.
    fn text(&self, token: TokenId) -> Vec<u8>;

    /// The name of a token without text, such as `<|im_end|>`. Empty if it has none.
    fn name(&self, token: TokenId) -> Vec<u8>;

    /// Whether a token ends an answer.
    fn is_end(&self, token: TokenId) -> bool;

    /// The token with this text or name, if there is exactly one.
    fn find(&self, name: &str) -> Option<TokenId>;
}

/// The tokens of a vocabulary by id.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<Vec<u8>>,
    /// The tokens that end an answer.
    ends: Vec<u32>,
}

impl Words {
    pub(super) fn of(vocabulary: &dyn Vocabulary) -> Self {
        let mut all = Self::default();
        for id in 0..vocabulary.token_count() {
            let token = TokenId(id.cast_signed());
            all.words.push(word(vocabulary, token));
            if vocabulary.is_end(token) {
                all.ends.push(id);
            }
        }
        all
    }

    /// llguidance's index of the tokens. It panics if there are more tokens than it can count, so
    /// the caller must catch panics.
    pub(super) fn env(&self) -> TokEnv {
        let count = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let end = self.ends.first().copied().unwrap_or(INVALID_TOKEN);
        let mut trie = TokTrie::from(&TokRxInfo::new(count, end), &self.words);
        if !self.ends.is_empty() {
            trie = trie.with_eos_tokens(&self.ends);
        }
        // "Approximate" because it tokenizes text in a simpler way than the model. Nothing here
        // tokenizes text.
        Arc::new(ApproximateTokEnv::new(trie))
    }
}

/// The token in llguidance's form. Empty for one that is never part of an answer with a form.
pub(super) fn word(vocabulary: &dyn Vocabulary, token: TokenId) -> Vec<u8> {
    // The text as it is delivered: control tokens have none.
    let text = vocabulary.text(token);
    let word = if text.is_empty() {
        special(&vocabulary.name(token))
    } else if text.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
        // A byte that never occurs in UTF-8.
        Vec::new()
    } else {
        text
    };
    if word.len() > MAX_TOKEN_BYTES {
        return Vec::new();
    }
    word
}

/// llguidance's form of a token with a name but no text.
fn special(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return Vec::new();
    }
    let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    word.extend_from_slice(name);
    word
}
