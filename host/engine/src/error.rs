//! Errors of this backend. Each message says what was requested, what the state was, and what to
//! do.

use std::path::PathBuf;

use bytesize::ByteSize;
use mynah_core::{BackendError, BackendErrorKind, Error};
use mynah_llama::LlamaError;
use mynah_settings::{Quantisation, Target, UnknownTarget};

use crate::model::gguf::{GgufError, GgufProblem};

/// Why llama.cpp cannot load, serve or convert a model.
///
/// In an [`Error`] it is an [`Error::Backend`], from which [`BackendError::downcast_ref`] returns
/// it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// llama.cpp cannot be started.
    #[error(
        "llama.cpp can't be started: {reason}. Only one user of llama-cpp-2 in a process may start \
         it: start it through this engine alone"
    )]
    Backend {
        /// The binding's message.
        reason: String,
    },
    /// The file is not a valid GGUF file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// llama.cpp refused the model.
    #[error(
        "{}: llama.cpp can't load this model: {reason}. Download the file again, or take a model \
         that this version of llama.cpp knows",
        path.display()
    )]
    Load {
        /// The file.
        path: PathBuf,
        /// llama.cpp's log message.
        reason: String,
    },
    /// A file of the model was changed or cut short while it was mapped.
    #[error(
        "{}: the model's file was changed while it was in use, so what was computed since is lost. \
         Ask again: the file is then loaded anew. To give a model a new file, write that under \
         another name and rename it", path.display()
    )]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// The model neither continues text nor gives vectors.
    #[error(
        "{}: a model of architecture `{architecture}` needs an encoder and a decoder to run in \
         turn: use a decoder-only text model, or one that embeds texts",
        path.display()
    )]
    Kind {
        /// The file.
        path: PathBuf,
        /// Its `general.architecture`.
        architecture: String,
    },
    /// The model needs more memory than is available.
    #[error(
        "{}: the model takes {} of memory at least ({} of weights, {} of KV cells, {} for a step), \
         and {} are available{}. Lower `ctx_size` or `max_concurrent`, set `kv_type` to q8_0, take \
         a smaller model, or load it all the same with `check_memory = false`",
        path.display(), needed.display().iec(), weights.display().iec(), cells.display().iec(),
        step.display().iec(),
        available.display().iec(), of_limit(*limit)
    )]
    TooLittleMemory {
        /// The file.
        path: PathBuf,
        /// Estimated total memory.
        needed: ByteSize,
        /// Memory of its weights.
        weights: ByteSize,
        /// Memory of the KV cells.
        cells: ByteSize,
        /// Memory of a step.
        step: ByteSize,
        /// Available memory.
        available: ByteSize,
        /// The limit of the process or its control group, if there is one.
        limit: Option<ByteSize>,
    },
    /// The state folder cannot be used.
    #[error("the state folder can't be used: {reason}. Give another one (`state_dir`), or none")]
    StateFolder {
        /// The folder or file, and what is wrong with it.
        reason: String,
    },
    /// llama.cpp could not create a context for the model.
    #[error(
        "no llama.cpp context of {cells} KV cells ({max_concurrent} sequences of {ctx_size} \
         tokens): {reason}. {}",
        context_advice(reason)
    )]
    Context {
        /// Requested number of KV cells.
        cells: u64,
        /// Number of sequences.
        max_concurrent: u32,
        /// Context size of each in tokens.
        ctx_size: u32,
        /// llama.cpp's log message.
        reason: String,
    },
    /// An unknown conversion target.
    #[error("weights can't be converted to `{name}`: give one of {}", targets())]
    UnknownTarget {
        /// The unknown name.
        name: String,
    },
    /// llama.cpp cannot convert the weights.
    #[error(
        "{}: the weights can't be converted to {to}: {reason}. Use the model as it is, or take a \
         file that was published as {to}",
        path.display()
    )]
    Convert {
        /// The file.
        path: PathBuf,
        /// The target of the conversion.
        to: Quantisation,
        /// llama.cpp's log message, or the reason for which it would have ended the process.
        reason: String,
    },
    /// The source of a conversion is its destination.
    #[error("{}: a model can't be converted into itself: give another file to \
        write", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder of the engine cannot be written.
    #[error("{} can't be written: {error}. Give a place that can, with room for the \
        model", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// A guest's model cannot be written to a temporary file, from which llama.cpp would read it.
    #[error(
        "the host can't keep the model in a temporary file: {0}. Free space in the temporary \
         folder, then load it again"
    )]
    TemporaryFile(#[source] std::io::Error),
    /// A panic of the host while it prepared a request.
    #[error(
        "the host failed while it prepared this request: see its error output, and report the \
         request to the project"
    )]
    Panic,
    /// Two models cannot be measured side by side.
    #[error(
        "the models can't be measured: {reason}. Both are in memory at once: where that is too \
         little, free some, or convert without measuring (`--no-measure`); a converted file is \
         whole all the same"
    )]
    Measure {
        /// llama.cpp's message.
        reason: String,
    },
}

impl From<UnknownTarget> for EngineError {
    fn from(UnknownTarget { name }: UnknownTarget) -> Self {
        Self::UnknownTarget { name }
    }
}

impl From<LlamaError> for EngineError {
    fn from(error: LlamaError) -> Self {
        let (LlamaError::Start { reason } | LlamaError::Failed { reason }) = error;
        Self::Backend { reason }
    }
}

/// What helps against a reason of llama.cpp for not creating a context.
fn context_advice(reason: &str) -> &'static str {
    let says = |text: &str| reason.contains(text);
    if says("does not divide n_embd_head") || says("quantized V cache") {
        "Set `kv_type` to f16"
    } else if says("alloc") || says("reserve") || says("memory") {
        "Lower `ctx_size` or `max_concurrent`"
    } else {
        "Lower `ctx_size` or `max_concurrent`, or take another model if that doesn't help"
    }
}

fn targets() -> String {
    Target::ALL.map(|target| target.to_string()).join(", ")
}

fn of_limit(limit: Option<ByteSize>) -> String {
    limit.map_or_else(String::new, |limit| {
        format!(
            " of the {} that this process may have",
            limit.display().iec()
        )
    })
}

impl EngineError {
    /// The kind of failure, independent of llama.cpp.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        match self {
            Self::File(error) if matches!(error.problem, GgufProblem::Io(_)) => {
                BackendErrorKind::ModelNotFound
            }
            Self::File(_) => BackendErrorKind::InvalidModel,
            Self::Context { .. } => BackendErrorKind::TooLarge,
            Self::Kind { .. } => BackendErrorKind::Unsupported,
            Self::Backend { .. }
            | Self::Load { .. }
            | Self::FileChanged { .. }
            | Self::TooLittleMemory { .. }
            | Self::StateFolder { .. }
            | Self::TemporaryFile(_)
            | Self::UnknownTarget { .. }
            | Self::Convert { .. }
            | Self::SameFile { .. }
            | Self::Write { .. }
            | Self::Panic
            | Self::Measure { .. } => BackendErrorKind::Failed,
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        BackendError::new(error.kind(), error).into()
    }
}

#[cfg(test)]
mod tests;
