//! Where GGUF models come from: files of the operator's, and bytes that guests bring.

use std::io::Write;
use std::path::{Path, PathBuf};

use mynah_core::{
    BackendError, DeviceClass, GuestLoader, Model, ModelFormat, Observer, ProgressFn, Source,
};
use mynah_llama::SystemInfo;

use super::local;
use crate::{EngineError, Error, ModelConfig, Result};

/// A GGUF file and how it is served: what [`Registry::load`](mynah_core::Registry::load) loads.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufFile {
    /// The file.
    pub path: PathBuf,
    /// How it is served.
    pub config: ModelConfig,
}

impl GgufFile {
    /// Whether it is this file, served this way.
    pub(super) fn is_of(&self, path: &Path, config: &ModelConfig) -> bool {
        self.config == *config && is_same_file(&self.path, path)
    }
}

impl Source for GgufFile {
    fn load(&self, progress: ProgressFn) -> Result<Model> {
        local::load(&self.path, self.config.clone(), progress)
    }

    fn is_same(&self, other: &dyn Source) -> bool {
        let other = other.downcast_ref::<Self>();
        other.is_some_and(|other| self.is_of(&other.path, &other.config))
    }
}

/// Whether both lead to the same file. One that has gone is the same only by its path.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other
        || matches!(
            (one.canonicalize(), other.canonicalize()),
            (Ok(one), Ok(other)) if one == other
        )
}

/// Loads GGUF models that guests bring as bytes.
#[derive(Debug, Clone, Default)]
pub struct GgufLoader {
    /// How they are served. `optimize`, `state_dir` and `keep_alive` are for the operator's own
    /// models and have no effect here.
    pub config: ModelConfig,
    /// An observer of the requests to them.
    pub observer: Option<Observer>,
}

impl GuestLoader for GgufLoader {
    fn serves(&self, format: ModelFormat) -> bool {
        format == ModelFormat::Ggml
    }

    fn wants(&self) -> &'static str {
        "a GGUF model as ggml or autodetect"
    }

    fn has_device(&self, device: DeviceClass) -> bool {
        match device {
            DeviceClass::Cpu => true,
            DeviceClass::Gpu => SystemInfo::has_gpu(),
            _ => false,
        }
    }

    fn load(&self, bytes: &[u8], progress: ProgressFn) -> Result<Model> {
        // Created with access for this user alone, under a name that nobody can guess. llama.cpp
        // maps it, so the bytes stay when the name goes at the end of this function.
        let write = || -> std::io::Result<tempfile::NamedTempFile> {
            let mut file = tempfile::Builder::new()
                .prefix("mynah-guest-model-")
                .suffix(".gguf")
                .tempfile()?;
            file.write_all(bytes)?;
            file.flush()?;
            Ok(file)
        };
        let file = write().map_err(EngineError::TemporaryFile)?;
        // Converted copies stay on disk: a guest could fill it with models that each differ a
        // little. And it can't be loaded again: the file goes.
        let config = ModelConfig {
            optimize: None,
            state_dir: None,
            keep_alive: None,
            ..self.config.clone()
        };
        let model = local::load(file.path(), config, progress);
        let model = model.map_err(|error| hide(error, file.path()))?;
        Ok(match &self.observer {
            Some(observer) => model.with_observer(observer.clone()),
            None => model,
        })
    }
}

/// The same error without the name of a file of the host's, which is none of the guest's business.
fn hide(error: Error, path: &Path) -> Error {
    let Error::Backend(error) = error else {
        return error;
    };
    let text = error.to_string();
    let hidden = text.replace(&path.display().to_string(), "the model");
    BackendError::new(error.kind(), hidden).into()
}
