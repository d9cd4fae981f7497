//! A loaded model and its vocabulary.

use std::ffi::CStr;
use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_2::vocab::LlamaVocab;
use llama_cpp_sys_2 as sys;

use mynah_core::{TokenAttributes, TokenId};

use super::MappedFiles;

/// A loaded model: weights and vocabulary. Dropping it frees it.
#[derive(Debug)]
pub struct LlamaModel {
    inner: llama_cpp_2::model::LlamaModel,
    /// Dropped after the mappings.
    files: Arc<MappedFiles>,
}

impl LlamaModel {
    pub(super) fn new(inner: llama_cpp_2::model::LlamaModel, files: Arc<MappedFiles>) -> Self {
        Self { inner, files }
    }

    /// The files that it was read from, which are mapped as long as it exists.
    pub fn files(&self) -> &MappedFiles {
        &self.files
    }

    pub(super) fn inner(&self) -> &llama_cpp_2::model::LlamaModel {
        &self.inner
    }

    /// The pointer that `llama-cpp-2` keeps private.
    pub(super) fn raw(&self) -> *mut sys::llama_model {
        const {
            assert!(
                size_of::<llama_cpp_2::model::LlamaModel>() == size_of::<*mut sys::llama_model>()
            );
        };
        // SAFETY: `LlamaModel` is `repr(transparent)` over a non-null `*mut llama_model` in the
        // version that the workspace pins (=0.1.160); the size is checked above.
        unsafe {
            std::ptr::from_ref(&self.inner)
                .cast::<*mut sys::llama_model>()
                .read()
        }
    }

    /// The model's vocabulary.
    pub fn vocab(&self) -> Vocabulary<'_> {
        Vocabulary {
            inner: self.inner.vocab(),
        }
    }

    /// Number of tokens in the vocabulary; ids are less than it.
    pub fn n_vocab(&self) -> i32 {
        self.inner.n_vocab()
    }

    /// The context length with which the model was trained.
    pub fn n_ctx_train(&self) -> u32 {
        self.inner.n_ctx_train()
    }

    /// Number of weights.
    pub fn n_params(&self) -> u64 {
        self.inner.n_params()
    }

    /// Number of layers, without the output layer.
    pub fn n_layer(&self) -> u32 {
        self.inner.n_layer()
    }
}

/// The tokens of a model and their texts. A token that the vocabulary lacks has neither text nor
/// attributes.
#[derive(Debug)]
pub struct Vocabulary<'model> {
    inner: LlamaVocab<'model>,
}

impl Vocabulary<'_> {
    /// Tokenizes a text. With `add_special`, the result has the tokens that the tokenizer adds to
    /// every text. With `parse_special`, the text of a control token becomes that token.
    pub fn tokenize(&self, text: &[u8], add_special: bool, parse_special: bool) -> Vec<TokenId> {
        let tokens = self.inner.tokenize(text, add_special, parse_special);
        tokens.into_iter().map(|token| TokenId(token.0)).collect()
    }

    /// Appends the bytes of a token's text. A control token has no text; with `with_control`, its
    /// name is appended.
    pub fn piece(&self, token: TokenId, bytes: &mut Vec<u8>, with_control: bool) {
        if let Some(token) = self.known(token) {
            self.inner
                .token_to_piece_into(token, bytes, with_control, None);
        }
    }

    /// A token in the vocabulary's spelling, which is not always its text.
    pub fn text(&self, token: TokenId) -> Option<&CStr> {
        self.inner.text(self.known(token)?)
    }

    /// The attributes of a token.
    pub fn attributes(&self, token: TokenId) -> TokenAttributes {
        use LlamaTokenAttr::{Control, LStrip, RStrip, Unknown, UserDefined};

        let Some(token) = self.known(token) else {
            return TokenAttributes::default();
        };
        let attributes = self.inner.attr(token);
        TokenAttributes {
            is_control: attributes.intersects(Control | Unknown),
            is_user_defined: attributes.contains(UserDefined),
            strips_left: attributes.contains(LStrip),
            strips_right: attributes.contains(RStrip),
        }
    }

    /// Whether a token ends a generation.
    pub fn is_eog(&self, token: TokenId) -> bool {
        self.inner.is_eog(LlamaToken(token.0))
    }

    /// The token that begins a text, if there is one.
    pub fn bos(&self) -> Option<TokenId> {
        self.own(self.inner.bos())
    }

    /// The token that ends a text, if there is one.
    pub fn eos(&self) -> Option<TokenId> {
        self.own(self.inner.eos())
    }

    /// The token that pads texts in a batch, if there is one.
    pub fn pad(&self) -> Option<TokenId> {
        self.own(self.inner.pad())
    }

    /// The token between two texts, if there is one.
    pub fn sep(&self) -> Option<TokenId> {
        self.own(self.inner.sep())
    }

    /// Whether the tokenizer adds [`bos`](Self::bos) before every text.
    pub fn should_add_bos(&self) -> bool {
        self.inner.should_add_bos()
    }

    /// The token in llama.cpp's type, if it exists. llama.cpp throws or aborts the process for an
    /// unknown one.
    fn known(&self, token: TokenId) -> Option<LlamaToken> {
        let known = 0..self.inner.n_tokens();
        known.contains(&token.0).then_some(LlamaToken(token.0))
    }

    /// llama.cpp returns -1 if there is no such token.
    fn own(&self, token: LlamaToken) -> Option<TokenId> {
        self.known(TokenId(token.0)).map(|token| TokenId(token.0))
    }
}
