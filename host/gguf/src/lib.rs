//! The header of a GGUF file: what the model is, told without loading it.
//!
//! It stands in front of llama.cpp: a file that is not a whole GGUF gets a clear error before any
//! C++ sees it. Plain safe Rust, bounded whatever the file says; the weights themselves are never
//! read.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

#![forbid(unsafe_code)]

mod check;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod header;
pub mod kernels;
mod reader;
mod size;
mod tensor_type;
mod vocabulary;

pub use error::{GgufError, GgufProblem};
pub use header::{GgufHeader, TensorInfo, Value};
pub use size::{ContextShape, ModelSize};
pub use tensor_type::TensorType;
