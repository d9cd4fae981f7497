//! Errors of reading a model file.

use std::io;
use std::path::PathBuf;

/// The reason for which a file is not a loadable GGUF.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct GgufError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with the file.
    pub problem: GgufProblem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufProblem {
    /// The file does not exist or cannot be read.
    #[error(
        "the model file can't be read: {0}. Give one that is there, and that this user may read"
    )]
    Io(#[from] io::Error),
    /// The path is a folder.
    #[error("this is a folder: give the model file, a .gguf")]
    Folder,
    /// The path is neither a file nor a folder.
    #[error("this is not a regular file: give the model file, a .gguf")]
    NotAFile,
    /// The file is empty.
    #[error("the model file is empty: download it again")]
    Empty,
    /// The file does not begin as a GGUF.
    #[error("this is not a GGUF model file, it {begins}: give a .gguf")]
    Magic {
        /// How the file begins, as far as it is recognised.
        begins: &'static str,
    },
    /// llama.cpp does not support the version.
    #[error("GGUF version {version} is not supported, 2 and 3 are: convert the model again")]
    Version {
        /// The file's version.
        version: u32,
    },
    /// The file's byte order is big-endian.
    #[error(
        "this GGUF file is big-endian, only little-endian ones are supported: convert the model \
         again, or download a little-endian file"
    )]
    BigEndian,
    /// The file ends inside its header.
    #[error(
        "the model file is cut off inside its header, at byte {at} of {file_bytes}: download it \
         again"
    )]
    HeaderCutOff {
        /// Offset of the part that is incomplete.
        at: u64,
        /// Size of the file in bytes.
        file_bytes: u64,
    },
    /// The file ends inside its weights.
    #[error(
        "the model file is cut off: its tensors need {needed} bytes, it has {file_bytes}. Download \
         it again"
    )]
    DataCutOff {
        /// Size in bytes according to the header.
        needed: u64,
        /// Size of the file in bytes.
        file_bytes: u64,
    },
    /// The header contradicts itself or exceeds every known model.
    #[error("the model file is damaged: {0}. Download it again")]
    Damaged(String),
    /// A file of a model in parts is missing.
    #[error(
        "the model is in {count} files, and number {number} is missing: {}. Put all of them into \
         one folder", path.display()
    )]
    MissingPart {
        /// The missing file.
        path: PathBuf,
        /// Its number, from 1.
        number: u64,
        /// Number of files.
        count: u64,
    },
    /// A file of a model in parts is not usable.
    #[error("in {}, which is a part of the model: {problem}", path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        problem: Box<GgufProblem>,
    },
    /// The file is a later part of a model.
    #[error("this is file {number} of {count} of a model: give the first one, {}", first.display())]
    LaterPart {
        /// The number of the file, from 1.
        number: u64,
        /// Number of files.
        count: u64,
        /// The first file.
        first: PathBuf,
    },
    /// The files of a model in parts contradict each other.
    #[error("the files of this model don't belong together: {0}. Download all of them again")]
    Parts(String),
    /// A well-formed file over which llama.cpp would abort the process.
    #[error("this model can't be run: {0}. Convert the model again, or take another")]
    Unusable(String),
}

#[cfg(test)]
mod tests;
