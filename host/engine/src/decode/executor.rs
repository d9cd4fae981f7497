//! The operations of a model that the engine's loop needs: decoding batches, returning logits, and
//! copying, truncating and saving sequences.
//!
//! There are two implementations: llama.cpp, and for tests a model with known answers and
//! configurable failures.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use mynah_core::TokenId;
use mynah_llama::{Ability, Batch, Context, ContextParams, DecodeError, LlamaModel, SavedSequence};

use super::WorkerParams;

/// A model that computes vectors of tokens. Every token of its batches is an output.
pub(super) trait EmbedExecutor {
    /// Computes the batch. It may end early with [`DecodeError::Aborted`] when `should_stop`
    /// returns true.
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), DecodeError>;

    /// The vector of the token at `index` of the last batch.
    fn row(&self, index: usize) -> Option<&[f32]>;

    /// Takes all tokens of a sequence out.
    fn clear_sequence(&mut self, sequence: u32);
}

impl EmbedExecutor for Context {
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), DecodeError> {
        Context::decode(self, batch, should_stop).map(drop)
    }

    fn row(&self, index: usize) -> Option<&[f32]> {
        self.embedding(index)
    }

    fn clear_sequence(&mut self, sequence: u32) {
        Context::clear_sequence(self, sequence);
    }
}

/// A model that computes batches of sequences.
pub(super) trait Executor {
    /// Computes the batch. It may end early with [`DecodeError::Aborted`] when `should_stop`
    /// returns true. Returns how long it took, without the steps of other models before it.
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Duration, DecodeError>;

    /// The logits for the token at `index` of the last batch, if it was an output.
    fn logits(&self, index: usize) -> Option<&[f32]>;

    /// Takes all tokens of a sequence out of the KV cells.
    fn clear_sequence(&mut self, sequence: u32);

    /// Keeps the first `tokens` of a sequence. Returns `false` if the model's memory cannot be
    /// truncated there. The sequence is then unchanged.
    fn truncate_sequence(&mut self, sequence: u32, tokens: u32) -> bool;

    /// Gives the first `tokens` of `from` to `to` too, which is empty. Where sequences have cells
    /// of their own, neither can be saved or restored until the next decode. `false`: it failed,
    /// and `to` is empty.
    fn share_sequence(&mut self, from: u32, to: u32, tokens: u32) -> bool;

    /// Takes tokens out of a sequence and moves those after them down. No sequence can be saved
    /// until the next decode. `false`: it failed, and the sequence is unchanged.
    fn forget(&mut self, sequence: u32, tokens: Range<u32>) -> bool;

    /// `tokens` if the sequence can be continued after its first `tokens`, else 0.
    fn usable(&self, sequence: u32, tokens: u32) -> u32;

    /// Whether every sequence can be continued after any of its tokens.
    fn cuts_anywhere(&self) -> bool;

    /// Whether a sequence can be saved now, with all cells that its prefixes need.
    fn saves_all(&self, sequence: u32) -> bool;

    /// Whether tokens can be moved.
    fn can_shift(&self) -> bool;

    /// Whether the tokens before these ones can be removed from a sequence, so that it continues
    /// directly after them.
    fn may_move(&self, sequence: u32, tokens: Range<u32>) -> bool;

    /// Tokens of a sequence that are in the KV cells.
    fn sequence_len(&self, sequence: u32) -> u32;

    /// Copies the state of a sequence to host memory, if there is room for it.
    fn save_sequence(&self, sequence: u32) -> Option<SavedSequence>;

    /// Restores a state into an empty sequence. `false`: it failed, and the sequence is empty.
    fn restore_sequence(&mut self, sequence: u32, saved: &SavedSequence) -> bool;

    /// Whether a file of the model has changed since it was loaded.
    fn has_file_changed(&self) -> bool;

    /// Clears all sequences and recreates the context, after several steps have failed.
    ///
    /// # Errors
    ///
    /// Why it can't.
    fn reset(&mut self) -> Result<(), String>;

    /// Whether the token ends a generation.
    fn is_end(&self, token: TokenId) -> bool;

    /// Adds the bytes of the token's text.
    fn piece(&self, token: TokenId, bytes: &mut Vec<u8>);

    /// Adds the bytes of the name of a control token.
    fn control(&self, token: TokenId, bytes: &mut Vec<u8>);

    /// A token that any prompt may begin with.
    fn first_token(&self) -> TokenId;
}

/// llama.cpp.
pub(super) struct Llama {
    model: Arc<LlamaModel>,
    params: ContextParams,
    // `None` while `reset` makes a new one, since two at once may not fit in memory, and for a
    // model that generates no text.
    context: Option<Context>,
}

impl Llama {
    /// Makes a context, which belongs to the calling thread.
    pub(super) fn new(model: Arc<LlamaModel>, params: &WorkerParams) -> Result<Self, String> {
        let mut made = Self {
            model,
            params: params.context,
            context: None,
        };
        if params.ability == Ability::Continue {
            made.reset()?;
        }
        Ok(made)
    }
}

impl Executor for Llama {
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Duration, DecodeError> {
        match &mut self.context {
            Some(context) => context.decode(batch, should_stop),
            None => Err(DecodeError::Invalid("there is no context")),
        }
    }

    fn logits(&self, index: usize) -> Option<&[f32]> {
        self.context.as_ref()?.logits(index)
    }

    fn clear_sequence(&mut self, sequence: u32) {
        if let Some(context) = &mut self.context {
            context.clear_sequence(sequence);
        }
    }

    fn truncate_sequence(&mut self, sequence: u32, tokens: u32) -> bool {
        let context = self.context.as_mut();
        context.is_some_and(|context| context.truncate_sequence(sequence, tokens))
    }

    fn share_sequence(&mut self, from: u32, to: u32, tokens: u32) -> bool {
        let context = self.context.as_mut();
        context.is_some_and(|context| context.share_sequence(from, to, tokens))
    }

    fn forget(&mut self, sequence: u32, tokens: Range<u32>) -> bool {
        let context = self.context.as_mut();
        context.is_some_and(|context| context.forget(sequence, tokens.start, tokens.end))
    }

    fn usable(&self, sequence: u32, tokens: u32) -> u32 {
        let context = self.context.as_ref();
        context.map_or(0, |context| context.usable(sequence, tokens))
    }

    fn cuts_anywhere(&self) -> bool {
        self.context.as_ref().is_some_and(Context::cuts_anywhere)
    }

    fn saves_all(&self, sequence: u32) -> bool {
        let context = self.context.as_ref();
        context.is_none_or(|context| context.saves_all(sequence))
    }

    fn can_shift(&self) -> bool {
        self.context.as_ref().is_some_and(Context::can_shift)
    }

    fn may_move(&self, sequence: u32, tokens: Range<u32>) -> bool {
        let context = self.context.as_ref();
        context.is_some_and(|context| context.may_move(sequence, tokens))
    }

    fn sequence_len(&self, sequence: u32) -> u32 {
        let context = self.context.as_ref();
        context.map_or(0, |context| context.sequence_len(sequence))
    }

    fn save_sequence(&self, sequence: u32) -> Option<SavedSequence> {
        self.context.as_ref()?.save_sequence(sequence)
    }

    fn restore_sequence(&mut self, sequence: u32, saved: &SavedSequence) -> bool {
        let context = self.context.as_mut();
        context.is_some_and(|context| context.restore_sequence(sequence, saved))
    }

    fn has_file_changed(&self) -> bool {
        self.model.files().has_changed()
    }

    fn reset(&mut self) -> Result<(), String> {
        self.context = None;
        let context = Context::new(Arc::clone(&self.model), self.params);
        self.context = Some(context.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.model.vocab().is_eog(token)
    }

    fn piece(&self, token: TokenId, bytes: &mut Vec<u8>) {
        // Control tokens have no text: they are the model's, not the reader's.
        self.model.vocab().piece(token, bytes, false);
    }

    fn control(&self, token: TokenId, bytes: &mut Vec<u8>) {
        self.model.vocab().piece(token, bytes, true);
    }

    fn first_token(&self) -> TokenId {
        self.model.vocab().bos().unwrap_or(TokenId(0))
    }
}
