//! Sources of scripted models.

use std::path::PathBuf;

use super::scripted::Scripted;
use crate::{DeviceClass, Error, GuestLoader, Model, ModelFormat, ProgressFn, Result, Source};

/// A source of a scripted model. Two sources are equal if their names are.
#[derive(Debug, Clone)]
pub struct ScriptedSource {
    /// The model's name.
    pub name: String,
}

impl Source for ScriptedSource {
    fn load(&self, mut progress: ProgressFn) -> Result<Model> {
        for share in [0.0, 1.0] {
            if progress(share).is_break() {
                return Err(Error::LoadCancelled {
                    path: PathBuf::from(&self.name),
                });
            }
        }
        let mut scripted = Scripted::echo();
        scripted.info.name.clone_from(&self.name);
        Ok(scripted.into_model())
    }

    fn is_same(&self, other: &dyn Source) -> bool {
        let other = other.downcast_ref::<Self>();
        other.is_some_and(|other| other.name == self.name)
    }
}

/// Loads any bytes of a guest as a model that echoes.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoLoader;

impl GuestLoader for EchoLoader {
    fn serves(&self, format: ModelFormat) -> bool {
        format == ModelFormat::Ggml
    }

    fn wants(&self) -> &'static str {
        "any bytes as ggml or autodetect"
    }

    fn has_device(&self, device: DeviceClass) -> bool {
        device == DeviceClass::Cpu
    }

    fn load(&self, _bytes: &[u8], progress: ProgressFn) -> Result<Model> {
        let name = "brought".to_owned();
        ScriptedSource { name }.load(progress)
    }
}
