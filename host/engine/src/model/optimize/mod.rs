//! Weights that fit the CPU: a model file converted to a quantisation with fast kernels, by
//! llama.cpp's own quantiser.
//!
//! Never done without being asked: [`optimize`] makes a file, [`optimized`] keeps one in a cache
//! for a model that is loaded with [`ModelConfig::optimize`](crate::ModelConfig::optimize),
//! [`compare`] measures what was gained and lost.

mod advice;
mod cache;
mod compare;
mod convertible;
mod divergence;
mod measure;
mod partial;

pub use advice::{Advice, advise, main_type};
pub use cache::optimized;
pub use compare::{Comparison, compare, divergence};
pub use divergence::Divergence;
pub use measure::{DECODE_SEQUENCES, PREFILL_TOKENS, Speed};
pub use mynah_settings::{Optimize, Quantisation, Target};

use std::path::Path;

use mynah_llama::{llama_backend, quantize};

use crate::EngineError;
use crate::Result;
use crate::model::gguf::GgufHeader;
use crate::model::weights::read_header;
use partial::Partial;

/// Share of the progress at which all tensors are converted; what is left is checking, and waiting
/// for the disk.
const CONVERTED: f32 = 0.96875;

/// Converts the model at `source` and returns the header of the new file.
///
/// It is written under another name beside `destination` and renamed when it is whole: a file that
/// is there is replaced in one step, and after a failure nothing is left. Blocks for about a second
/// per 100 million weights on two cores; `progress` is told the share that is done, from 0.0 to
/// 1.0, on this thread.
///
/// # Errors
///
/// A source that is not a whole GGUF ([`EngineError::File`]), that is also the destination
/// ([`EngineError::SameFile`]) or that llama.cpp can't convert ([`EngineError::Convert`]); a
/// destination that can't be written ([`EngineError::Write`]).
pub fn optimize(
    source: &Path,
    destination: &Path,
    to: Quantisation,
    threads: u32,
    progress: &mut dyn FnMut(f32),
) -> Result<GgufHeader> {
    llama_backend().map_err(EngineError::from)?;
    let header = read_header(source)?;
    let unwritable = |error| EngineError::Write {
        path: destination.to_owned(),
        error,
    };
    let unconverted = |reason| EngineError::Convert {
        path: source.to_owned(),
        to,
        reason,
    };
    if is_same(source, destination) {
        return Err(EngineError::SameFile {
            path: source.to_owned(),
        }
        .into());
    }
    let partial = Partial::create(destination).map_err(unwritable)?;
    convertible::check(&header).map_err(unconverted)?;
    quantize(source, partial.path(), to, threads, &mut |share| {
        progress(share * CONVERTED);
    })
    .map_err(|error| unconverted(error.to_string()))?;
    let converted = GgufHeader::read(partial.path())
        .map_err(|error| unconverted(format!("what it wrote is not whole: {}", error.problem)))?;
    partial.keep().map_err(unwritable)?;
    progress(1.0);
    Ok(converted)
}

/// Whether both names lead to one file. One that isn't there is no other.
fn is_same(source: &Path, destination: &Path) -> bool {
    match (source.canonicalize(), destination.canonicalize()) {
        (Ok(source), Ok(destination)) => source == destination,
        _ => false,
    }
}
