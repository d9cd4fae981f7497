//! A llama.cpp context: the KV cells and compute buffers of one model, used by one thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llama_cpp_sys_2 as sys;
use mynah_settings::{KvType, MAX_SEQUENCES};

use super::compute::on_compute_thread;
use super::log::with_captured_errors;
use super::{Batch, LlamaError, LlamaModel};

/// Number of 4-byte values in a cache line. The tensors of a graph follow each other at multiples
/// of 32 bytes (`TENSOR_ALIGNMENT` in `ggml-impl.h`), and its small inputs have one value per token
/// or output. If those do not fill whole cache lines, all later tensors are misaligned across two
/// lines. A prompt of 65 tokens then took 67 ms instead of 54 ms.
const LINE: u32 = 16;

/// The parameters of a context.
#[derive(Debug, Clone, Copy)]
pub struct ContextParams {
    /// KV cells for all sequences together.
    pub cells: u32,
    /// Whether each sequence has its own share of the cells (llama.cpp's streams). Otherwise all
    /// use one pool.
    pub split: bool,
    /// Maximum number of tokens in one decode. In one pool a decode is one ubatch, so an abort
    /// loses either all of it or nothing. With split cells, each group of sequences with equal
    /// token counts is one ubatch.
    pub batch: u32,
    /// Number of sequences, 1 to [`MAX_SEQUENCES`]. It also limits the rows of logits in a decode.
    pub sequences: u32,
    /// Number of compute threads.
    pub threads: u32,
    /// Data type of keys and values.
    pub kv_type: KvType,
    /// Whether layers with a sliding window keep all of their cells, so that a sequence can be
    /// truncated and shifted.
    pub swa_full: bool,
    /// Number of positions in the model's position table, if it has one. Positions are then part of
    /// the computed values, so cells cannot be shifted.
    pub positions: Option<u32>,
    /// Whether the context computes a vector for each token ([`Context::embedding`]). All tokens of
    /// a batch are then outputs, and `sequences` does not limit them.
    pub embeddings: bool,
}

/// llama.cpp's name of the type.
fn raw_kv_type(kv_type: KvType) -> sys::ggml_type {
    match kv_type {
        KvType::F16 => sys::GGML_TYPE_F16,
        KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
    }
}

/// The reason for which a decode did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The abort function returned true. No token of the batch is in the KV cells.
    #[error("the decode was aborted")]
    Aborted,
    /// There are too few free KV cells. No token of the batch is in the KV cells.
    #[error("no free KV cells for the batch")]
    NoCells,
    /// llama.cpp failed; the state of the sequences in the batch is unknown.
    #[error("llama.cpp failed to decode (code {code}): {reason}")]
    Failed {
        /// The result of `llama_decode`.
        code: i32,
        /// llama.cpp's log messages.
        reason: String,
    },
    /// A file of the model has changed, or was cut short. The state of all sequences is unknown.
    #[error("{} was changed while the model was in use", path.display())]
    FileChanged {
        /// The model's path.
        path: PathBuf,
    },
    /// The batch breaks a rule over which llama.cpp would abort the process.
    #[error("invalid batch: {0}")]
    Invalid(&'static str),
}

type AbortFn<'a> = &'a (dyn Fn() -> bool + Sync);

/// What a decode needs, for the compute thread.
struct Lent(*mut sys::llama_context, sys::llama_batch);

// SAFETY: the thread that owns the context and the batch waits until the compute thread is done,
// so only one of them uses either at a time. llama.cpp keeps nothing for a thread.
unsafe impl Send for Lent {}

/// The function of the running decode, for the abort callback; empty between decodes.
type AbortSlot = Cell<Option<NonNull<c_void>>>;

/// A llama.cpp context. Not `Send`: the model's worker thread creates, uses and drops it. Only
/// batches are computed on another thread, the compute thread, for which the worker waits.
pub struct Context {
    pub(super) raw: NonNull<sys::llama_context>,
    abort: Box<AbortSlot>,
    pub(super) params: ContextParams,
    vocabulary: i32,
    // Whether cells were shifted. The next decode rotates their keys first.
    pub(super) has_pending: bool,
    // Sequences from or to which the next decode copies cells.
    pub(super) copies: Vec<i32>,
    // Indices of the last batch that have logits, in ascending order.
    outputs: Vec<usize>,
    // Declared last, so that the model outlives the context.
    pub(super) model: Arc<LlamaModel>,
}

impl Context {
    /// Creates a context for `model`.
    ///
    /// # Errors
    ///
    /// llama.cpp's log messages with the reason (most often too little memory).
    pub fn new(model: Arc<LlamaModel>, params: ContextParams) -> Result<Self, LlamaError> {
        if params.sequences == 0 || params.sequences > MAX_SEQUENCES {
            return Err(LlamaError::failed(format!(
                "{} sequences, but a context holds 1 to {MAX_SEQUENCES}",
                params.sequences
            )));
        }
        if params.batch == 0 || params.cells < params.batch {
            return Err(LlamaError::failed(format!(
                "a batch of {} tokens does not fit {} KV cells",
                params.batch, params.cells
            )));
        }
        let threads = i32::try_from(params.threads.max(1))
            .map_err(|_| LlamaError::failed(format!("{} threads are too many", params.threads)))?;
        let abort: Box<AbortSlot> = Box::new(Cell::new(None));
        // SAFETY: takes nothing and returns a plain struct.
        let mut raw_params = unsafe { sys::llama_context_default_params() };
        raw_params.n_ctx = params.cells;
        raw_params.n_batch = params.batch.next_multiple_of(LINE);
        raw_params.n_ubatch = raw_params.n_batch;
        raw_params.n_seq_max = params.sequences;
        // One row per sequence: the default sizes the logits buffer for a whole batch (512 MiB for
        // a vocabulary of 262k).
        raw_params.n_outputs_max = params.max_outputs().next_multiple_of(LINE);
        raw_params.embeddings = params.embeddings;
        if params.embeddings {
            // A text may need several decodes, but llama.cpp only pools within one.
            raw_params.pooling_type = sys::LLAMA_POOLING_TYPE_NONE;
        }
        raw_params.type_k = raw_kv_type(params.kv_type);
        raw_params.type_v = raw_kv_type(params.kv_type);
        raw_params.swa_full = params.swa_full;
        raw_params.n_threads = threads;
        raw_params.n_threads_batch = threads;
        raw_params.kv_unified = !params.split;
        raw_params.no_perf = true;
        raw_params.abort_callback = Some(should_abort);
        raw_params.abort_callback_data = std::ptr::from_ref::<AbortSlot>(&abort).cast_mut().cast();
        // SAFETY: the model is alive and stays so (the `Arc` is kept), the parameters come from
        // llama.cpp's defaults, and the abort slot is boxed, so its address holds until the context
        // is freed in `drop`.
        let (made, errors) =
            with_captured_errors(|| unsafe { sys::llama_init_from_model(model.raw(), raw_params) });
        let raw = NonNull::new(made).ok_or_else(|| LlamaError::failed(reason(&errors)))?;
        Ok(Self {
            raw,
            abort,
            params,
            vocabulary: model.n_vocab(),
            has_pending: false,
            copies: Vec::new(),
            outputs: Vec::new(),
            model,
        })
    }

    /// Computes the batch, on the compute thread of the process, where other models may be before
    /// it. `should_stop` is called there after every node of the graph (thousands of times a
    /// second, CPU only). When it returns true, the decode ends with [`DecodeError::Aborted`].
    /// Returns how long it took, without the steps of other models before it.
    pub fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: AbortFn<'_>,
    ) -> Result<Duration, DecodeError> {
        self.outputs.clear();
        self.check(batch)?;
        // Not while a shift is pending: if that is aborted, llama.cpp continues with half of the
        // keys rotated (`llama_kv_cache::update`).
        if !self.has_pending {
            let slot: *const AbortFn<'_> = &raw const should_stop;
            self.abort.set(NonNull::new(slot.cast_mut().cast()));
        }
        let lent = Lent(self.raw.as_ptr(), batch.as_raw());
        let ((code, errors), took) = on_compute_thread(move || {
            let Lent(context, batch) = { lent };
            let begun = Instant::now();
            // SAFETY: `check` refused what llama.cpp asserts on; the arrays behind the batch live
            // in `batch`, which is borrowed until the end of this function; the context is valid,
            // and the thread that owns it waits (`Lent`).
            let done = with_captured_errors(|| unsafe { sys::llama_decode(context, batch) });
            (done, begun.elapsed())
        });
        self.abort.set(None);
        // llama.cpp refuses a batch with code -1 before it touches the cells.
        if code != -1 {
            self.has_pending = false;
            self.copies.clear();
        }
        let files = self.model.files();
        if files.has_changed() {
            return Err(DecodeError::FileChanged {
                path: files.path().to_owned(),
            });
        }
        match code {
            0 => {
                let outputs = (0..batch.len()).filter(|&index| batch.is_output(index));
                self.outputs.extend(outputs);
                Ok(took)
            }
            1 => Err(DecodeError::NoCells),
            2 => Err(DecodeError::Aborted),
            code => Err(DecodeError::Failed {
                code,
                reason: reason(&errors),
            }),
        }
    }

    /// The vector that the last decode computed for the token at `index` of its batch, in a context
    /// for embeddings.
    pub fn embedding(&self, index: usize) -> Option<&[f32]> {
        if !self.params.embeddings {
            return None;
        }
        self.outputs.binary_search(&index).ok()?;
        let index = i32::try_from(index).ok()?;
        // SAFETY: the model is alive (`model`), and the function only reads it.
        let length = unsafe { sys::llama_model_n_embd_out(self.model.raw()) };
        let length = usize::try_from(length).ok()?;
        // SAFETY: the context was made for vectors, without pooling; the last decode succeeded and
        // had `index` as an output, so llama.cpp returns its row.
        let row = unsafe { sys::llama_get_embeddings_ith(self.raw.as_ptr(), index) };
        // SAFETY: a row holds `n_embd_out` floats (`get_embeddings_ith`). It is overwritten by the
        // next decode, which needs `&mut self` and so ends this borrow.
        (!row.is_null()).then(|| unsafe { std::slice::from_raw_parts(row, length) })
    }

    fn check(&self, batch: &Batch) -> Result<(), DecodeError> {
        if batch.is_empty() {
            return Err(DecodeError::Invalid("it has no tokens"));
        }
        if batch.len() > self.params.batch as usize {
            return Err(DecodeError::Invalid(
                "it has more tokens than the context takes",
            ));
        }
        if self.params.embeddings && batch.output_count() < batch.len() {
            return Err(DecodeError::Invalid(
                "it has a token that is not an output, in a context for vectors",
            ));
        }
        if batch.output_count() > self.params.max_outputs() as usize {
            return Err(DecodeError::Invalid(
                "it asks for more logits than the context has rows",
            ));
        }
        let known = 0..self.vocabulary;
        if !batch.tokens().iter().all(|token| known.contains(token)) {
            return Err(DecodeError::Invalid(
                "it has a token outside the vocabulary",
            ));
        }
        let most = self.params.positions.unwrap_or(u32::MAX);
        let is_there = |&position| u32::try_from(position).is_ok_and(|position| position < most);
        if !batch.positions().iter().all(is_there) {
            return Err(DecodeError::Invalid("it has a position out of range"));
        }
        if !batch.sequences().iter().all(|&sequence| self.has(sequence)) {
            return Err(DecodeError::Invalid(
                "it has a sequence that the context lacks",
            ));
        }
        Ok(())
    }

    pub(super) fn has(&self, sequence: i32) -> bool {
        u32::try_from(sequence).is_ok_and(|sequence| sequence < self.params.sequences)
    }

    /// The logits that the last decode computed for the token at `index` of its batch; `None` if it
    /// was not an output.
    pub fn logits(&self, index: usize) -> Option<&[f32]> {
        self.outputs.binary_search(&index).ok()?;
        let index = i32::try_from(index).ok()?;
        // SAFETY: the last decode succeeded and had `index` as an output, so llama.cpp returns its
        // row.
        let row = unsafe { sys::llama_get_logits_ith(self.raw.as_ptr(), index) };
        let length = usize::try_from(self.vocabulary).ok()?;
        // SAFETY: a row holds one float for each token of the vocabulary. It is overwritten by the
        // next decode, which needs `&mut self` and so ends this borrow.
        (!row.is_null()).then(|| unsafe { std::slice::from_raw_parts(row, length) })
    }
}

impl ContextParams {
    /// Maximum number of outputs in a batch.
    fn max_outputs(&self) -> u32 {
        if self.embeddings {
            self.batch
        } else {
            self.sequences
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `llama_init_from_model`, is freed once, and the model still lives
        // (`model`).
        unsafe { sys::llama_free(self.raw.as_ptr()) };
    }
}

/// The abort callback: calls the function of the running decode.
unsafe extern "C" fn should_abort(slot: *mut c_void) -> bool {
    // SAFETY: `slot` is the boxed `AbortSlot` of a live context. ggml calls this on the thread that
    // called `llama_decode` (`ggml-cpu.c`, thread 0 of the team), while the thread that sets the
    // cell waits.
    let slot = unsafe { &*slot.cast::<AbortSlot>() };
    match slot.get() {
        // SAFETY: `decode` sets the pointer to a reference that it holds until `llama_decode` has
        // returned, and empties the slot before it returns itself.
        Some(function) => unsafe { function.cast::<AbortFn<'_>>().as_ref()() },
        None => false,
    }
}

/// llama.cpp's error messages on one line.
pub(super) fn reason(errors: &[String]) -> String {
    if errors.is_empty() {
        "llama.cpp gave no reason".to_owned()
    } else {
        errors.join("; ")
    }
}
