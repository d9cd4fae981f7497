//! Converts a model file to a quantisation with fast kernels on this CPU, with llama.cpp's
//! quantiser.
//!
//! This is only done on request: [`optimize`] writes a file, [`optimized`] caches one for a model
//! that is loaded with [`ModelConfig::optimize`](mynah_settings::ModelConfig::optimize), and
//! [`compare`](compare()) measures the effect on speed and accuracy.

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
use crate::model::gguf::GgufHeader;
use crate::model::weights::open_files;
use mynah_core::Result;
use partial::Partial;

/// Share of the progress at which all tensors are converted. The rest is for checking, and for
/// waiting for the disk.
const CONVERTED: f32 = 0.96875;

/// Converts the model at `source` and returns the header of the new file.
///
/// The file is written under another name beside `destination` and renamed when it is complete: an
/// existing file is replaced in one step, and a failure leaves nothing behind. Blocks for about a
/// second per 100 million weights on two cores. `progress` receives the completed share, from 0.0
/// to 1.0, on this thread.
///
/// # Errors
///
/// A source that is not a complete GGUF file ([`EngineError::File`]), is also the destination
/// ([`EngineError::SameFile`]), changes meanwhile ([`EngineError::FileChanged`]), or cannot be
/// converted by llama.cpp ([`EngineError::Convert`]); a destination that cannot be written
/// ([`EngineError::Write`]).
pub fn optimize(
    source: &Path,
    destination: &Path,
    to: Quantisation,
    threads: u32,
    progress: &mut dyn FnMut(f32),
) -> Result<GgufHeader> {
    llama_backend().map_err(EngineError::from)?;
    let (files, header) = open_files(source)?;
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
    let written = quantize(source, partial.path(), to, threads, &mut |share| {
        progress(share * CONVERTED);
    });
    if files.has_changed() {
        let path = source.to_owned();
        return Err(EngineError::FileChanged { path }.into());
    }
    written.map_err(|error| unconverted(error.to_string()))?;
    let converted = GgufHeader::read(partial.path())
        .map_err(|error| unconverted(format!("what it wrote is not whole: {}", error.problem)))?;
    partial.keep().map_err(unwritable)?;
    progress(1.0);
    Ok(converted)
}

/// Whether both paths are the same file. A file that does not exist differs from any other.
fn is_same(source: &Path, destination: &Path) -> bool {
    match (source.canonicalize(), destination.canonicalize()) {
        (Ok(source), Ok(destination)) => source == destination,
        _ => false,
    }
}
