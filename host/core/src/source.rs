//! Where models come from: what an operator names, and bytes that guests bring.

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{Error, Model, Result};

/// The origin of a model. Two equal sources give one model, which is loaded once.
pub trait Source: Any + fmt::Debug + Send + Sync {
    /// Loads the model, or connects to it. Blocks until it is ready.
    ///
    /// `progress` receives the completed share, from 0.0 to 1.0, and may cancel the load.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] with the backend's own message,
    /// [`Error::Settings`], or
    /// [`Error::LoadCancelled`].
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

/// Runs a load on a thread of its own, so that the caller's thread does not block.
///
/// `load` is [`Source::load`], [`Registry::load`](crate::Registry::load) or another function that
/// blocks and gets the progress function. Dropping the future cancels the load at its next
/// progress.
///
/// ```no_run
/// # async fn example(source: std::sync::Arc<dyn mynah_core::Source>) -> mynah_core::Result<()> {
/// let registry = mynah_core::Registry::new();
/// let models = registry.clone();
/// let load = move |progress| models.load("default", source, progress);
/// let model = mynah_core::load_async(load, |share| eprintln!("{:.0} %", share * 100.0)).await?;
/// # let _: mynah_core::Model = model;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of `load`; [`Error::Thread`] if the system has no thread; [`Error::Unavailable`] if `load`
/// panics.
pub async fn load_async<P: Progress>(
    load: impl FnOnce(ProgressFn) -> Result<Model> + Send + 'static,
    mut progress: impl FnMut(f32) -> P + Send + 'static,
) -> Result<Model> {
    let (done, loaded) = oneshot::channel();
    // The load keeps the sender until its end, so the progress function asks this one.
    let waiting = Arc::new(());
    let caller = Arc::downgrade(&waiting);
    let progress = progress_fn(move |share| match caller.strong_count() {
        0 => ControlFlow::Break(()),
        _ => progress(share).flow(),
    });
    std::thread::Builder::new()
        .name("mynah-load".to_owned())
        .spawn(move || {
            // If the caller is gone, the model is dropped here.
            let _ = done.send(load(progress));
        })
        .map_err(Error::Thread)?;
    let loaded = loaded.await.unwrap_or(Err(Error::Unavailable));
    drop(waiting);
    loaded
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::testing::Scripted;

    #[tokio::test]
    async fn a_load_off_the_thread_reports_its_progress_and_gives_the_model() {
        let (shares, told) = mpsc::channel();
        let caller = std::thread::current().id();
        let load = move |mut progress: ProgressFn| {
            assert_ne!(std::thread::current().id(), caller);
            assert!(progress(0.5).is_continue());
            Ok(Scripted::saying("hi").into_model())
        };
        load_async(load, move |share| shares.send(share).unwrap())
            .await
            .unwrap();
        assert_eq!(told.iter().collect::<Vec<_>>(), [0.5]);
    }

    #[tokio::test]
    async fn a_load_that_nobody_waits_for_is_cancelled() {
        let (go, wait) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        let load = move |mut progress: ProgressFn| {
            wait.recv().unwrap();
            ended.send(progress(0.5)).unwrap();
            Err(Error::Unavailable)
        };
        let told = Arc::new(AtomicBool::new(false));
        let progress = {
            let told = Arc::clone(&told);
            move |_| told.store(true, Ordering::SeqCst)
        };
        let mut waiting = Box::pin(load_async(load, progress));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("the load waits"),
            () = std::future::ready(()) => {}
        }
        drop(waiting);
        go.send(()).unwrap();
        assert!(end.recv().unwrap().is_break());
        assert!(!told.load(Ordering::SeqCst), "nobody waits for the share");
    }

    #[tokio::test]
    async fn a_load_that_panics_is_an_error() {
        let loaded = load_async(|_| panic!("a fault of the backend"), |_| ()).await;
        assert!(matches!(loaded, Err(Error::Unavailable)), "{loaded:?}");
    }
}
