//! Sources of GGUF models: files of the operator, and bytes that guests bring.

use std::io::Write;
use std::path::{Path, PathBuf};

use mynah_core::{
    BackendError, DeviceClass, Error, GuestLoader, Model, ModelFormat, Observer, ProgressFn,
    Result, Source,
};
use mynah_llama::SystemInfo;
use mynah_settings::ModelConfig;

use super::local;
use crate::EngineError;

/// A GGUF file and its configuration, for [`Registry::load`](mynah_core::Registry::load).
#[derive(Debug, Clone, PartialEq)]
pub struct GgufFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The configuration.
    pub config: ModelConfig,
}

impl GgufFile {
    /// Whether it is this file with this configuration.
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

/// Whether both paths are the same file. For a deleted file, only the paths are compared.
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
    /// The configuration of the models. `optimize`, `state_dir` and `keep_alive` are for the
    /// operator's own models and have no effect here.
    pub config: ModelConfig,
    /// An observer of the requests to the models.
    pub observer: Option<Observer>,
}

impl GgufLoader {
    /// Loads a model that a guest brought from a file that holds its bytes. Blocks until it is
    /// ready. The file may be removed afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`LocalModel::load`](super::LocalModel::load). They don't name the file.
    pub fn load_file(&self, path: &Path, progress: ProgressFn) -> Result<Model> {
        // Converted copies stay on disk, so a guest could fill it with many slightly different
        // models. The model cannot be loaded again after an unload, because its file is removed.
        let config = ModelConfig {
            optimize: None,
            state_dir: None,
            keep_alive: None,
            ..self.config.clone()
        };
        let model = local::load(path, config, progress);
        let model = model.map_err(|error| hide(error, path))?;
        Ok(match &self.observer {
            Some(observer) => model.with_observer(observer.clone()),
            None => model,
        })
    }
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
        // Created with access only for this user, under an unpredictable name. llama.cpp maps the
        // file, so its contents remain when the name is removed at the end of this function.
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
        self.load_file(file.path(), progress)
    }
}

/// The same error without the name of the host's file, which the guest must not see.
fn hide(error: Error, path: &Path) -> Error {
    let Error::Backend(error) = error else {
        return error;
    };
    let text = error.to_string();
    let hidden = text.replace(&path.display().to_string(), "the model");
    BackendError::new(error.kind(), hidden).into()
}
