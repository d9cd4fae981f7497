//! What can go wrong in this backend alone. Every variant says what was asked, what was there and
//! what to do.

use std::path::PathBuf;

use bytesize::ByteSize;
use mynah_core::{BackendError, BackendErrorKind, Error};
use mynah_llama::LlamaError;
use mynah_settings::{Quantisation, Target, UnknownTarget};

use crate::model::gguf::{GgufError, GgufProblem};

/// Why a model can't be loaded, served or converted by llama.cpp.
///
/// As an [`Error`] it is an [`Error::Backend`], from which [`BackendError::downcast_ref`] gets it
/// back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// llama.cpp can't be started.
    #[error(
        "llama.cpp can't be started: {reason}. Only one user of llama-cpp-2 in a process may start \
         it: start it through this engine alone"
    )]
    Backend {
        /// What the binding said.
        reason: String,
    },
    /// The file is not a GGUF that can be loaded.
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
        /// What llama.cpp logged.
        reason: String,
    },
    /// The model is of a kind that neither continues text nor has vectors for it here.
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
    /// There is less memory than the model takes.
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
        /// All that it takes, as far as that can be told before.
        needed: ByteSize,
        /// Of this, its weights.
        weights: ByteSize,
        /// Of this, keys and values of all cells.
        cells: ByteSize,
        /// Of this, what a step takes.
        step: ByteSize,
        /// What is available.
        available: ByteSize,
        /// What the process or its control group may have, where that is bounded.
        limit: Option<ByteSize>,
    },
    /// The folder for states can't be used.
    #[error("the state folder can't be used: {}: {error}. Give another one (`state_dir`), or \
        none", path.display())]
    StateFolder {
        /// What in it.
        path: PathBuf,
        /// The file system's error.
        error: std::io::Error,
    },
    /// No context could be made for the model.
    #[error(
        "no llama.cpp context of {cells} KV cells ({max_concurrent} sequences of {ctx_size} \
         tokens): {reason}. Lower `ctx_size` or `max_concurrent`"
    )]
    Context {
        /// KV cells asked for.
        cells: u64,
        /// Sequences at once.
        max_concurrent: u32,
        /// Tokens of each.
        ctx_size: u32,
        /// What llama.cpp logged.
        reason: String,
    },
    /// A name that no conversion has.
    #[error("weights can't be converted to `{name}`: give one of {}", targets())]
    UnknownTarget {
        /// The name asked for.
        name: String,
    },
    /// llama.cpp can't convert the weights.
    #[error(
        "{}: the weights can't be converted to {to}: {reason}. Use the model as it is, or take a \
         file that was published as {to}",
        path.display()
    )]
    Convert {
        /// The file.
        path: PathBuf,
        /// What it was to be converted to.
        to: Quantisation,
        /// What llama.cpp logged, or would have ended the process for.
        reason: String,
    },
    /// The source of a conversion is its destination.
    #[error("{}: a model can't be converted into itself: give another file to \
        write", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder that the engine makes can't be written.
    #[error("{} can't be written: {error}. Give a place that can, with room for the \
        model", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A model that a guest brought can't be put in a file, from which llama.cpp reads it.
    #[error(
        "the host can't keep the model in a temporary file: {0}. Free space in the temporary \
         folder, then load it again"
    )]
    TemporaryFile(#[source] std::io::Error),
    /// Two models can't be measured side by side.
    #[error(
        "the models can't be measured: {reason}. Both are in memory at once: where that is too \
         little, free some, or convert without measuring (`--no-measure`); a converted file is \
         whole all the same"
    )]
    Measure {
        /// What llama.cpp said.
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
    /// What kind of failure it is, for those who know no llama.cpp.
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
            | Self::TooLittleMemory { .. }
            | Self::StateFolder { .. }
            | Self::TemporaryFile(_)
            | Self::UnknownTarget { .. }
            | Self::Convert { .. }
            | Self::SameFile { .. }
            | Self::Write { .. }
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
