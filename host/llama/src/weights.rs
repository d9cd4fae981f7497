//! Loads a model's weights with an option that `llama-cpp-2` lacks: whether llama.cpp may repack
//! them.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use super::context::reason;
use super::log::with_captured_errors;
use super::quantize::c_path;
use super::{LlamaError, LlamaModel, MappedFiles};

/// The progress callback and its panic.
struct Observer<'a> {
    /// Returns whether to continue.
    progress: &'a mut dyn FnMut(f32) -> bool,
    panicked: Option<Box<dyn Any + Send>>,
}

/// Loads the model in these files. With `rearrange`, weights may be repacked for fast kernels,
/// AMX's among them. Without it, they stay as in the file, which an override to plain memory
/// (`tensor_buft_overrides`) would not ensure. `gpu_layers` is the number of layers for a graphics
/// card; `None` means all. Calls `progress` on this thread with the share that is loaded, 0.0 to
/// 1.0; it returns whether to continue.
///
/// llama.cpp must be started ([`llama_backend`](super::llama_backend)).
///
/// # Errors
///
/// llama.cpp's log messages with the reason, or `progress` returned false.
pub fn read_weights(
    files: &Arc<MappedFiles>,
    gpu_layers: Option<u32>,
    rearrange: bool,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<LlamaModel, LlamaError> {
    let path = c_path(files.path())?;
    let mut observer = Observer {
        progress,
        panicked: None,
    };
    // SAFETY: takes nothing and returns a plain struct.
    let mut params = unsafe { sys::llama_model_default_params() };
    if let Some(layers) = gpu_layers {
        params.n_gpu_layers = i32::try_from(layers).unwrap_or(i32::MAX);
    }
    params.use_extra_bufts = rearrange;
    params.progress_callback = Some(observe);
    params.progress_callback_user_data = (&raw mut observer).cast();
    let (model, errors) = with_captured_errors(|| {
        // SAFETY: the path is NUL-terminated and lives until the call returns, as does what the
        // callback is given, which nothing else uses meanwhile; the parameters come from
        // llama.cpp's defaults; exceptions end inside the function.
        unsafe { sys::llama_load_model_from_file(path.as_ptr(), params) }
    });
    let model = NonNull::new(model).map(|model| {
        // SAFETY: `LlamaModel` is `repr(transparent)` over a non-null `*mut llama_model` in the
        // version that the workspace pins (=0.1.160), owns it and frees it once, and takes it from
        // the same function; `transmute` checks the sizes.
        unsafe {
            std::mem::transmute::<NonNull<sys::llama_model>, llama_cpp_2::model::LlamaModel>(model)
        }
    });
    if let Some(panic) = observer.panicked {
        resume_unwind(panic);
    }
    model
        .map(|model| LlamaModel::new(model, Arc::clone(files)))
        .ok_or_else(|| LlamaError::failed(reason(&errors)))
}

/// There are C++ frames on the stack, so a panic is resumed after they have returned.
extern "C" fn observe(share: f32, observer: *mut c_void) -> bool {
    // SAFETY: `read_weights` gives its own observer, which lives until llama.cpp has returned, and
    // touches it only then; llama.cpp calls this on the thread that loads.
    let observer = unsafe { &mut *observer.cast::<Observer<'_>>() };
    let told = catch_unwind(AssertUnwindSafe(|| (observer.progress)(share)));
    told.unwrap_or_else(|panic| {
        observer.panicked = Some(panic);
        false
    })
}
