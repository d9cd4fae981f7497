//! Reads a model's file: its header, then its weights.

use std::path::Path;
use std::sync::Arc;

use mynah_core::{Error, Result};
use mynah_llama::{
    Ability, BuildFlags, LlamaModel, MappedFiles, SystemInfo, llama_backend, read_weights,
};

use super::build_advice::warn_of_slow_build;
use super::gguf::kernels::has_rows_of_one_block;
use super::gguf::{GgufError, GgufHeader};
use super::info::architecture;
use crate::EngineError;

/// Opens the files of a model, and reads and checks the header. The state of the files is the one
/// before that, so that a change between the check and the load is noticed.
pub(super) fn open_files(path: &Path) -> Result<(MappedFiles, GgufHeader)> {
    let files = MappedFiles::open(path);
    let header = read_header(path)?;
    let files = files.map_err(|error| GgufError {
        path: path.to_owned(),
        problem: error.into(),
    });
    Ok((files.map_err(EngineError::from)?, header))
}

/// Reads and checks the header of a file.
pub(super) fn read_header(path: &Path) -> Result<GgufHeader> {
    Ok(GgufHeader::read(path).map_err(EngineError::from)?)
}

/// Reads the weights, and determines whether the model generates text or gives vectors.
///
/// This happens on a thread that ends afterwards. llama.cpp repacks some weights with OpenMP, and
/// libgomp keeps a team for every thread that has used it. If the teams have more threads than
/// there are cores, libgomp makes all of them wait in the kernel, including those of the compute
/// thread, which halves the speed of a single stream. The context that determines the model's
/// abilities is created on the same thread: when it was created on the caller's thread, the heap
/// took minutes to settle (`cargo xtask soak`).
pub(super) fn load_weights(
    files: MappedFiles,
    header: &GgufHeader,
    gpu_layers: Option<u32>,
    progress: impl FnMut(f32) -> bool + Send + 'static,
) -> Result<(Arc<LlamaModel>, Ability)> {
    let files = Arc::new(files);
    let path = files.path();
    let read = || {
        let model = Arc::new(read(&files, header, gpu_layers, progress)?);
        let ability = Ability::of(&model, header.is_causal());
        let ability = ability.map_err(|error| EngineError::Load {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let ability = ability.ok_or_else(|| EngineError::Kind {
            path: path.to_owned(),
            architecture: architecture(header),
        })?;
        Ok((model, ability))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("mynah-load".to_owned());
        let reader = thread.spawn_scoped(scope, read).map_err(Error::Thread)?;
        reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read(
    files: &Arc<MappedFiles>,
    header: &GgufHeader,
    gpu_layers: Option<u32>,
    mut progress: impl FnMut(f32) -> bool,
) -> Result<LlamaModel> {
    llama_backend().map_err(EngineError::from)?;
    warn_of_slow_build();
    let mut goes_on = true;
    let loaded = read_weights(files, gpu_layers, may_rearrange(header)?, &mut |share| {
        goes_on = progress(share);
        goes_on
    });
    let path = files.path().to_owned();
    if !goes_on {
        return Err(Error::LoadCancelled { path });
    }
    if files.has_changed() {
        return Err(EngineError::FileChanged { path }.into());
    }
    Ok(loaded.map_err(|error| EngineError::Load {
        path,
        reason: error.to_string(),
    })?)
}

/// Whether llama.cpp may repack weights for fast kernels. It may not if it was built with AMX
/// kernels that would end the process.
fn may_rearrange(header: &GgufHeader) -> Result<bool> {
    if !SystemInfo::read()
        .map_err(EngineError::from)?
        .has_feature("AMX_INT8")
    {
        return Ok(true);
    }
    if has_rows_of_one_block(header) {
        tracing::debug!(
            "the model's matrices are too narrow for llama.cpp's AMX kernels: weights are not \
             repacked"
        );
        return Ok(false);
    }
    // With layers on a graphics card, only the layers on the CPU are affected.
    // `build_advice` has told the operator.
    if !BuildFlags::read().has_headers && !SystemInfo::has_gpu() {
        return Ok(false);
    }
    Ok(true)
}
