//! A model's vocabulary as llguidance wants it: the bytes of each token, and which ones end an
//! answer.

use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie};
use mynah_core::TokenId;

/// Bytes of a token at most; toktrie counts no further. A longer one has no place in any answer
/// that has a form.
const MAX_TOKEN_BYTES: usize = 1000;

/// What a grammar needs of a model's vocabulary.
pub trait Vocabulary: Send + Sync {
    /// Tokens of the vocabulary; ids go from 0 to one less.
    fn token_count(&self) -> u32;

    /// The bytes that a token adds to the text: none where it is a control token.
    fn text(&self, token: TokenId) -> Vec<u8>;

    /// The name of a token without text, such as `<|im_end|>`; empty where it has none.
    fn name(&self, token: TokenId) -> Vec<u8>;

    /// Whether a token ends an answer.
    fn is_end(&self, token: TokenId) -> bool;

    /// The one token that has this text or name, if one has.
    fn find(&self, name: &str) -> Option<TokenId>;
}

/// The tokens of a vocabulary, by their number.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<Vec<u8>>,
    /// Those that end an answer.
    ends: Vec<u32>,
}

impl Words {
    pub(super) fn of(vocabulary: &dyn Vocabulary) -> Self {
        let mut all = Self::default();
        for id in 0..vocabulary.token_count() {
            let token = TokenId(id.cast_signed());
            // As it is delivered: control tokens have no text.
            let mut word = vocabulary.text(token);
            if word.is_empty() {
                word = special(&vocabulary.name(token));
            } else if word.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
                // A byte that no text in UTF-8 has.
                word.clear();
            }
            if word.len() > MAX_TOKEN_BYTES {
                word.clear();
            }
            all.words.push(word);
            if vocabulary.is_end(token) {
                all.ends.push(id);
            }
        }
        all
    }

    /// What llguidance looks tokens up in. Panics inside on more tokens than it can count: call it
    /// where that is caught.
    pub(super) fn env(&self) -> TokEnv {
        let count = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let end = self.ends.first().copied().unwrap_or(INVALID_TOKEN);
        let mut trie = TokTrie::from(&TokRxInfo::new(count, end), &self.words);
        if !self.ends.is_empty() {
            trie = trie.with_eos_tokens(&self.ends);
        }
        // Approximate, since it makes tokens of text in a simpler way than the model does. Nothing
        // here does that.
        Arc::new(ApproximateTokEnv::new(trie))
    }
}

/// How llguidance knows a token that has a name and no text.
fn special(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return Vec::new();
    }
    let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    word.extend_from_slice(name);
    word
}
