//! llama.cpp's quantiser: reads a model file and writes one with other weights.
//!
//! According to `llama-quant.cpp` of the pinned llama.cpp (llama-cpp-sys-2 0.1.161), it catches and
//! logs its own exceptions. The caller refuses inputs over which it would abort, or for which it
//! would write an unreadable file.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::LlamaError;
use super::log::{with_captured_errors, with_info_lines};
use mynah_settings::Quantisation;

/// Maximum bytes of one tensor that the quantiser holds at a time. Its default of 8 GiB would hold
/// a whole vocabulary as F32.
const MAX_BUFFER_BYTES: usize = 256 << 20;

/// Writes the model at `source` to `destination` with weights of type `to`. Overwrites an existing
/// file; after a failure it may be incomplete.
///
/// Calls `progress` on this thread with the share of finished tensors, up to 1.0. Blocks for about
/// a second per 100 million weights on two cores. Uses at most `threads` threads, and fewer if the
/// system cannot start them.
///
/// llama.cpp must be started ([`llama_backend`](super::llama_backend)), and the caller must have
/// refused headers over which llama.cpp's quantiser would abort the process.
///
/// # Errors
///
/// The reason in a few words, from llama.cpp's log messages.
pub fn quantize(
    source: &Path,
    destination: &Path,
    to: Quantisation,
    threads: u32,
    progress: &mut dyn FnMut(f32),
) -> Result<(), LlamaError> {
    let source = c_path(source)?;
    let destination = c_path(destination)?;
    // SAFETY: takes nothing and returns a plain struct.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.ftype = file_type(to);
    params.nthread = startable(threads);
    params.allow_requantize = true;
    params.max_buf_size = MAX_BUFFER_BYTES;

    let progress = RefCell::new(progress);
    let panicked: Cell<Option<Box<dyn Any + Send>>> = Cell::new(None);
    let observe = |line: &str| {
        let Some(share) = share_done(line) else {
            return;
        };
        // There are C++ frames on the stack, so a panic is resumed after they have returned.
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Ok(mut progress) = progress.try_borrow_mut() {
                progress(share);
            }
        }));
        if let Err(panic) = told {
            panicked.set(Some(panic));
        }
    };
    let (code, errors) = with_captured_errors(|| {
        with_info_lines(&observe, || {
            // SAFETY: both paths are NUL-terminated and live until the call returns; the parameters
            // come from llama.cpp's defaults, with a type of `Quantisation`, none of which needs an
            // importance matrix; the caller has checked the header of the source, and exceptions
            // end inside the function.
            unsafe {
                sys::llama_model_quantize(source.as_ptr(), destination.as_ptr(), &raw const params)
            }
        })
    });
    if let Some(panic) = panicked.take() {
        resume_unwind(panic);
    }
    if code == 0 {
        return Ok(());
    }
    let reason = super::context::reason(&errors);
    // C++ gives no other reason for a failed write.
    let is_write = reason.contains("iostream");
    Err(LlamaError::failed(if is_write {
        format!("writing failed, is the disk full? ({reason})")
    } else {
        reason
    }))
}

fn file_type(to: Quantisation) -> sys::llama_ftype {
    match to {
        Quantisation::F16 => sys::LLAMA_FTYPE_MOSTLY_F16,
        Quantisation::Q8_0 => sys::LLAMA_FTYPE_MOSTLY_Q8_0,
        Quantisation::Q6K => sys::LLAMA_FTYPE_MOSTLY_Q6_K,
        Quantisation::Q5KM => sys::LLAMA_FTYPE_MOSTLY_Q5_K_M,
        Quantisation::Q4KM => sys::LLAMA_FTYPE_MOSTLY_Q4_K_M,
        Quantisation::Q4_0 => sys::LLAMA_FTYPE_MOSTLY_Q4_0,
    }
}

pub(super) fn c_path(path: &Path) -> Result<CString, LlamaError> {
    let text = path
        .to_str()
        .ok_or_else(|| LlamaError::failed("llama.cpp needs paths that are UTF-8: move the file"))?;
    CString::new(text).map_err(|_| LlamaError::failed("the path has a NUL byte"))
}

/// How many of `threads` can be started now, at least 1.
///
/// The quantiser starts threads for every tensor. If it can start the first but not the last, C++
/// destroys the first while it runs, which aborts the process. With 1 it starts none.
fn startable(threads: u32) -> i32 {
    let all_start = std::thread::scope(|scope| {
        (0..threads).all(|_| {
            std::thread::Builder::new()
                .spawn_scoped(scope, || {})
                .is_ok()
        })
    });
    if all_start {
        i32::try_from(threads.max(1)).unwrap_or(1)
    } else {
        1
    }
}

/// The share of finished tensors in a log line of the quantiser, such as `[ 12/ 272]
/// blk.0.attn_q.weight - ...`.
fn share_done(line: &str) -> Option<f32> {
    let (done, all) = line.strip_prefix('[')?.split_once(']')?.0.split_once('/')?;
    let done: u16 = done.trim().parse().ok()?;
    let all: u16 = all.trim().parse().ok()?;
    (1..=all)
        .contains(&done)
        .then(|| f32::from(done) / f32::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_line_of_a_tensor() {
        assert_eq!(
            share_done("[  68/ 272] blk.7.ffn_up.weight - [576, 1536, 1, 1], type = q4_1"),
            Some(0.25)
        );
        assert_eq!(share_done("[ 272/ 272] output_norm.weight"), Some(1.0));
        for other in [
            "",
            "llama_model_quantize_impl: size",
            "[1/0] x",
            "[2/1] x",
            "[a/b] x",
            "[1/",
        ] {
            assert_eq!(share_done(other), None, "{other}");
        }
    }

    #[test]
    fn no_more_threads_than_can_be_started_are_asked_for() {
        assert_eq!(startable(0), 1);
        assert_eq!(startable(2), 2);
    }
}
