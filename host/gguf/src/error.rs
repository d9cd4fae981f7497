//! What can be wrong with a model file.

use std::io;
use std::path::PathBuf;

/// Why a file is not a GGUF that can be loaded.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct GgufError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: GgufProblem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufProblem {
    /// There is none, or it can't be read.
    #[error(
        "the model file can't be read: {0}. Give one that is there, and that this user may read"
    )]
    Io(#[from] io::Error),
    /// It is a folder.
    #[error("this is a folder: give the model file, a .gguf")]
    Folder,
    /// It is neither a file nor a folder.
    #[error("this is not a regular file: give the model file, a .gguf")]
    NotAFile,
    /// It has no bytes.
    #[error("the model file is empty: download it again")]
    Empty,
    /// It begins with something else.
    #[error("this is not a GGUF model file, it {begins}: give a .gguf")]
    Magic {
        /// How it begins, as far as that can be told.
        begins: &'static str,
    },
    /// A version that llama.cpp doesn't read.
    #[error("GGUF version {version} is not supported, 2 and 3 are: convert the model again")]
    Version {
        /// What the file says.
        version: u32,
    },
    /// Its numbers are written in the other order.
    #[error(
        "this GGUF file is big-endian, only little-endian ones are supported: convert the model again, or download a \
         little-endian file"
    )]
    BigEndian,
    /// The header has no end.
    #[error(
        "the model file is cut off inside its header, at byte {at} of {file_bytes}: download it again"
    )]
    HeaderCutOff {
        /// Where the part begins that is not all there.
        at: u64,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// The weights have no end.
    #[error(
        "the model file is cut off: its tensors need {needed} bytes, it has {file_bytes}. Download it again"
    )]
    DataCutOff {
        /// Bytes that the header promises.
        needed: u64,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// The header contradicts itself, or goes beyond what any model has.
    #[error("the model file is damaged: {0}. Download it again")]
    Damaged(String),
    /// A well-formed file that llama.cpp would end the process over.
    #[error("this model can't be run: {0}. Convert the model again, or take another")]
    Unusable(String),
}

#[cfg(test)]
mod tests;
