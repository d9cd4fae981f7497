//! Reads the header of a GGUF file, which describes the model, without loading it.
//!
//! This check comes before llama.cpp: a file that is not a complete GGUF gets a clear error before
//! any C++ code sees it. The reader is safe Rust, its memory is bounded for any file, and it never
//! reads the weights.

#![forbid(unsafe_code)]

mod charsmap;
mod check;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod header;
pub mod kernels;
mod parts;
mod reader;
mod rules;
mod size;
mod tensor_type;
#[cfg(test)]
mod testing;
mod vocabulary;

pub use error::{GgufError, GgufProblem};
pub use header::{GgufHeader, Part, TensorInfo, Value};
pub use size::{ContextShape, ModelSize};
pub use tensor_type::TensorType;
