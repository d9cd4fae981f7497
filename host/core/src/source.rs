//! Where models come from: what an operator names, and bytes that guests bring.

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;

use crate::{Model, Result};

/// The origin of a model. Two equal sources give one model, which is loaded once.
pub trait Source: Any + fmt::Debug + Send + Sync {
    /// Loads the model, or connects to it. Blocks until it is ready.
    ///
    /// `progress` receives the completed share, from 0.0 to 1.0, and may cancel the load.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`](crate::Error::Backend) with the backend's own message,
    /// [`Error::Settings`](crate::Error::Settings), or
    /// [`Error::LoadCancelled`](crate::Error::LoadCancelled).
    fn load(&self, progress: ProgressFn) -> Result<Model>;

    /// Whether both give the same model.
    fn is_same(&self, other: &dyn Source) -> bool;
}

impl dyn Source {
    /// The source, if it is of this type.
    #[must_use]
    pub fn downcast_ref<S: Source>(&self) -> Option<&S> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}

/// Receives the completed share of a load, from 0.0 to 1.0, and returns whether to continue.
pub type ProgressFn = Box<dyn FnMut(f32) -> ControlFlow<()> + Send>;

/// The return type of a progress function: nothing, or whether to continue. [`ControlFlow::Break`]
/// cancels the load.
pub trait Progress {
    /// Whether to continue.
    fn flow(self) -> ControlFlow<()>;
}

impl Progress for () {
    fn flow(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Progress for ControlFlow<()> {
    fn flow(self) -> ControlFlow<()> {
        self
    }
}

/// Converts a progress function to the type that [`Source::load`] takes.
pub fn progress_fn<P: Progress>(mut progress: impl FnMut(f32) -> P + Send + 'static) -> ProgressFn {
    Box::new(move |share| progress(share).flow())
}

/// Loads models that guests bring as bytes.
pub trait GuestLoader: fmt::Debug + Send + Sync {
    /// Whether it can load models of this format.
    fn serves(&self, format: ModelFormat) -> bool;

    /// The models that it accepts, for error messages: such as `a GGUF model as ggml or
    /// autodetect`.
    fn wants(&self) -> &'static str;

    /// Whether this host computes on a device of this class.
    fn has_device(&self, device: DeviceClass) -> bool;

    /// Loads a model. Blocks until it is ready. All data of the model must be removed with it, and
    /// no error may name a file of the host.
    ///
    /// # Errors
    ///
    /// Those of [`Source::load`].
    fn load(&self, bytes: &[u8], progress: ProgressFn) -> Result<Model>;
}

/// The format of a model that a guest brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelFormat {
    /// GGUF, the format of llama.cpp and other programs based on ggml.
    Ggml,
    /// OpenVINO.
    OpenVino,
    /// ONNX.
    Onnx,
    /// TensorFlow.
    TensorFlow,
    /// PyTorch.
    PyTorch,
    /// TensorFlow Lite.
    TensorFlowLite,
}

/// The type of device that computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceClass {
    /// The processor.
    Cpu,
    /// A graphics card.
    Gpu,
    /// A tensor processing unit.
    Tpu,
}
