//! A model that a guest brings as bytes: its limits are checked, and the embedder's loader loads
//! it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_core::{DeviceClass, Model, ModelFormat};
use mynah_settings::Settings;

use crate::bindings::wasi::nn::graph::{ExecutionTarget, GraphEncoding};
use crate::held::Place;
use crate::{ErrorCode, Graph, GuestModels, LlmCtx, NnError};

/// A `load` whose arguments are allowed.
#[derive(Debug)]
pub(crate) struct LoadRequest {
    allowed: GuestModels,
    place: Place,
}

impl LoadRequest {
    pub(crate) fn check_size(&self, bytes: u64) -> Result<(), NnError> {
        let limit = self.allowed.max_bytes;
        if bytes > limit {
            return Err(NnError::new(
                ErrorCode::TooLarge,
                format!(
                    "the model has {bytes} bytes, at most {limit} are taken from a guest: have the \
                     operator grant it by name"
                ),
            ));
        }
        Ok(())
    }
}

impl LlmCtx {
    /// Checks everything about a `load` that can be checked without its bytes.
    pub(crate) fn check_load(
        &mut self,
        builders: usize,
        encoding: GraphEncoding,
        target: ExecutionTarget,
    ) -> Result<LoadRequest, NnError> {
        let refuse = |code, why: String| Err(NnError::new(code, why));
        let Some(allowed) = self.guest_models.clone() else {
            return refuse(
                ErrorCode::Security,
                "this guest may not load its own models: load one by name, or ask the operator to \
                 allow it"
                    .into(),
            );
        };
        let loader = &allowed.loader;
        if format_of(encoding).is_some_and(|format| !loader.serves(format)) {
            return refuse(
                ErrorCode::InvalidEncoding,
                format!("{encoding:?} is not served here: give {}", loader.wants()),
            );
        }
        let has_target = match target {
            ExecutionTarget::Cpu => true,
            // The build and the operator decide for the whole host where the layers run.
            ExecutionTarget::Gpu => loader.has_device(DeviceClass::Gpu),
            ExecutionTarget::Tpu => loader.has_device(DeviceClass::Tpu),
        };
        if !has_target {
            return refuse(
                ErrorCode::UnsupportedOperation,
                format!("this host has no {target:?}: give the target cpu"),
            );
        }
        if builders != 1 {
            return refuse(
                ErrorCode::InvalidArgument,
                format!(
                    "{builders} builders were given, a model is exactly one: give {}",
                    loader.wants()
                ),
            );
        }
        let most = allowed.max_models;
        let Some(place) = Place::take(&self.held.guest_models, most) else {
            return refuse(
                ErrorCode::TooLarge,
                format!(
                    "this guest has {most} models of its own in memory, the maximum: drop all \
                     graphs, contexts and generations of one"
                ),
            );
        };
        Ok(LoadRequest { allowed, place })
    }
}

/// Loads the model on its own thread, because reading the file takes long and must not block a
/// runtime thread.
pub(crate) async fn load(bytes: Vec<u8>, request: LoadRequest) -> Result<Graph, NnError> {
    let (done, loaded) = tokio::sync::oneshot::channel();
    let gone = Gone::default();
    let is_gone = Arc::clone(&gone.0);
    let spawned = std::thread::Builder::new()
        .name("mynah-load".to_owned())
        .spawn(move || {
            let graph = load_blocking(&bytes, &request, is_gone);
            // If the store is gone, the model is dropped, too.
            let _ = done.send(graph.map(|model| Graph {
                model,
                settings: Settings::default(),
                guest_model: Some(Arc::new(request.place)),
            }));
        });
    if let Err(error) = spawned {
        return Err(mynah_core::Error::Thread(error).into());
    }
    loaded.await.unwrap_or_else(|_| {
        Err(NnError::new(
            ErrorCode::Unknown,
            "loading the model failed for an unknown reason: see the host's log",
        ))
    })
}

/// Signals a load that the future waiting for it, and thus its store, was dropped.
#[derive(Debug, Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn load_blocking(
    bytes: &[u8],
    request: &LoadRequest,
    is_gone: Arc<AtomicBool>,
) -> Result<Model, NnError> {
    let progress = Box::new(move |_| match is_gone.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    Ok(request.allowed.loader.load(bytes, progress)?)
}

/// The format of an encoding. `None`: the loader detects it.
fn format_of(encoding: GraphEncoding) -> Option<ModelFormat> {
    match encoding {
        GraphEncoding::Autodetect => None,
        GraphEncoding::Ggml => Some(ModelFormat::Ggml),
        GraphEncoding::Openvino => Some(ModelFormat::OpenVino),
        GraphEncoding::Onnx => Some(ModelFormat::Onnx),
        GraphEncoding::Tensorflow => Some(ModelFormat::TensorFlow),
        GraphEncoding::Pytorch => Some(ModelFormat::PyTorch),
        GraphEncoding::Tensorflowlite => Some(ModelFormat::TensorFlowLite),
    }
}
