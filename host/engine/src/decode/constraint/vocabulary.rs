//! A model's vocabulary as llguidance wants it: the bytes of each token, and which ones end an
//! answer.

use std::sync::Arc;

use crate::llama::LlamaModel;
use crate::llama::TokenId;
use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie};

/// Bytes of a token at most; toktrie counts no further. A longer one has no place in any answer
/// that has a form.
const MAX_TOKEN_BYTES: usize = 1000;

/// The tokens of a vocabulary, by their number.
#[derive(Debug, Default)]
pub(in crate::decode) struct Words {
    pub(in crate::decode) words: Vec<Vec<u8>>,
    /// Those that end an answer.
    pub(in crate::decode) ends: Vec<u32>,
}

impl Words {
    pub(super) fn of(model: &LlamaModel) -> Self {
        let vocabulary = model.vocab();
        let mut all = Self::default();
        for (id, token) in (0..model.n_vocab()).map(TokenId).enumerate() {
            let mut word = Vec::new();
            // As it is delivered: control tokens have no text.
            vocabulary.piece(token, &mut word, false);
            if word.is_empty() {
                let mut name = Vec::new();
                vocabulary.piece(token, &mut name, true);
                word = special(&name);
            } else if word.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
                // A byte that no text in UTF-8 has.
                word.clear();
            }
            if word.len() > MAX_TOKEN_BYTES {
                word.clear();
            }
            all.words.push(word);
            if vocabulary.is_eog(token) {
                all.ends.extend(u32::try_from(id));
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
pub(super) fn special(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return Vec::new();
    }
    let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    word.extend_from_slice(name);
    word
}
