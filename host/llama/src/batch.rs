//! The tokens of one decode step, in arrays that llama.cpp reads in place.

use llama_cpp_sys_2 as sys;
use mynah_core::TokenId;

/// A batch of tokens, each at a position of one sequence.
///
/// The arrays are vectors that grow as needed, so a batch cannot overflow.
/// [`Context::decode`](super::Context::decode) checks for what llama.cpp would abort on.
#[derive(Debug, Default)]
pub struct Batch {
    tokens: Vec<sys::llama_token>,
    positions: Vec<sys::llama_pos>,
    sequences: Vec<sys::llama_seq_id>,
    outputs: Vec<i8>,
    // Rebuilt before each decode: the number of sequences of a token (always one), and a pointer to
    // its sequence id.
    sequence_counts: Vec<i32>,
    sequence_pointers: Vec<*mut sys::llama_seq_id>,
}

impl Batch {
    /// Removes all tokens and keeps the memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// Adds `token` at `position` of `sequence` and returns its index. With `output`, its logits
    /// can be read after the decode with that index.
    pub fn push(&mut self, token: TokenId, position: u32, sequence: u32, output: bool) -> usize {
        let index = self.tokens.len();
        self.tokens.push(token.0);
        // Values beyond i32 become -1, which `Context::decode` refuses.
        self.positions.push(i32::try_from(position).unwrap_or(-1));
        self.sequences.push(i32::try_from(sequence).unwrap_or(-1));
        self.outputs.push(i8::from(output));
        index
    }

    /// Number of tokens in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it has no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The ids of the tokens.
    #[must_use]
    pub fn tokens(&self) -> &[i32] {
        &self.tokens
    }

    /// The position of each token in its sequence.
    #[must_use]
    pub fn positions(&self) -> &[i32] {
        &self.positions
    }

    /// The sequence of each token.
    #[must_use]
    pub fn sequences(&self) -> &[i32] {
        &self.sequences
    }

    /// Whether the logits of the token at `index` are wanted.
    #[must_use]
    pub fn is_output(&self, index: usize) -> bool {
        self.outputs.get(index).is_some_and(|&output| output != 0)
    }

    /// Number of tokens whose logits are wanted.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.outputs.iter().filter(|&&output| output != 0).count()
    }

    /// The batch as llama.cpp's struct. The pointers are valid until this batch is changed, moved
    /// or dropped.
    pub(super) fn as_raw(&mut self) -> sys::llama_batch {
        let count = self.tokens.len();
        self.sequence_counts.clear();
        self.sequence_counts.resize(count, 1);
        self.sequence_pointers.clear();
        self.sequence_pointers
            .extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            n_tokens: i32::try_from(count).unwrap_or(i32::MAX),
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.sequence_counts.as_mut_ptr(),
            seq_id: self.sequence_pointers.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}
