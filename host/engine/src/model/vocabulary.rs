//! A model's vocabulary, in a form that is independent of llama.cpp.

use std::sync::Arc;

use mynah_core::{TokenAttributes, TokenId};
use mynah_llama::LlamaModel;

/// A model's vocabulary.
#[derive(Debug)]
pub(super) struct ModelVocabulary(pub(super) Arc<LlamaModel>);

impl mynah_grammar::Vocabulary for ModelVocabulary {
    fn token_count(&self) -> u32 {
        u32::try_from(self.0.n_vocab()).unwrap_or_default()
    }

    fn text(&self, token: TokenId) -> Vec<u8> {
        let mut text = Vec::new();
        self.0.vocab().piece(token, &mut text, false);
        text
    }

    fn name(&self, token: TokenId) -> Vec<u8> {
        let mut name = Vec::new();
        self.0.vocab().piece(token, &mut name, true);
        name
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.0.vocab().is_eog(token)
    }

    fn find(&self, name: &str) -> Option<TokenId> {
        match self.0.vocab().tokenize(name.as_bytes(), false, true)[..] {
            [token] => Some(token),
            _ => None,
        }
    }
}

impl mynah_chat::Vocabulary for ModelVocabulary {
    fn token_count(&self) -> u32 {
        u32::try_from(self.0.n_vocab()).unwrap_or_default()
    }

    fn written(&self, token: TokenId) -> Option<Vec<u8>> {
        let vocabulary = self.0.vocab();
        vocabulary.text(token).map(|text| text.to_bytes().to_vec())
    }

    fn attributes(&self, token: TokenId) -> TokenAttributes {
        self.0.vocab().attributes(token)
    }

    fn bos(&self) -> Option<TokenId> {
        self.0.vocab().bos()
    }

    fn eos(&self) -> Option<TokenId> {
        self.0.vocab().eos()
    }

    fn pad(&self) -> Option<TokenId> {
        self.0.vocab().pad()
    }

    fn sep(&self) -> Option<TokenId> {
        self.0.vocab().sep()
    }

    fn adds_bos(&self) -> bool {
        self.0.vocab().should_add_bos()
    }
}
