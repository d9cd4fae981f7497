//! llama.cpp's quantiser: one model file in, one with other weights out.
//!
//! Read from `llama-quant.cpp` of the pinned llama.cpp (llama-cpp-sys-2 0.1.161): what it throws it
//! also catches and logs; what it asserts, and what would make it write a file that nobody can
//! read, is refused here first.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::log::{with_captured_errors, with_info_lines};
use crate::model::gguf::{GgufHeader, Value};
use mynah_settings::Quantisation;

/// Bytes of one tensor that the quantiser holds at a time. Its default of 8 GiB would hold a whole
/// vocabulary as F32.
const MAX_BUFFER_BYTES: usize = 256 << 20;

/// Alignment of the tensors in what the quantiser writes, whatever the source says
/// (`GGUF_DEFAULT_ALIGNMENT`).
const ALIGNMENT: u64 = 32;

/// Writes the model at `source`, whose header is `header`, to `destination` with its weights as
/// `to`. A file that is there is overwritten; after a failure, a part of one may be.
///
/// `progress` is told the share of the tensors that are done, up to 1.0, on this thread. Blocks for
/// about a second per 100 million weights on two cores. `threads` compute; fewer where the system
/// has no more to give.
///
/// llama.cpp must be started ([`llama_backend`](super::llama_backend)).
///
/// # Errors
///
/// Why the file can't be converted, in a few words: what llama.cpp logged, or what it would have
/// ended the process for.
pub(crate) fn quantize(
    source: &Path,
    header: &GgufHeader,
    destination: &Path,
    to: Quantisation,
    threads: u32,
    progress: &mut dyn FnMut(f32),
) -> Result<(), String> {
    check(header)?;
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
        // C++ is above and below on the stack: a panic waits until it has returned.
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
            // importance matrix; `check` refused what llama.cpp asserts on, and exceptions end
            // inside the function.
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
    // All that C++ says of a failed write.
    let is_write = reason.contains("iostream");
    Err(if is_write {
        format!("writing failed, is the disk full? ({reason})")
    } else {
        reason
    })
}

/// Refuses what llama.cpp would end the process over, or write wrongly.
fn check(header: &GgufHeader) -> Result<(), String> {
    // The quantiser counts rows in three dimensions, then asserts that the size fits all four.
    if let Some(tensor) = header
        .tensors
        .iter()
        .find(|tensor| tensor.dimensions.get(3).is_some_and(|&size| size > 1))
    {
        return Err(format!(
            "tensor `{}` has four dimensions, llama.cpp converts up to three",
            tensor.name
        ));
    }
    // It keeps this key, but aligns to 32: no reader would find the tensors.
    match header.metadata.get("general.alignment") {
        None | Some(Value::Unsigned(ALIGNMENT)) => {}
        Some(value) => {
            return Err(format!(
                "`general.alignment` is {value:?}, llama.cpp converts files with {ALIGNMENT}"
            ));
        }
    }
    // The rest of the model would be read from files that nobody has looked at.
    match header.metadata.get("split.count") {
        None | Some(Value::Unsigned(0 | 1)) => Ok(()),
        Some(_) => Err("the model is split into several files: merge them first".to_owned()),
    }
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

pub(super) fn c_path(path: &Path) -> Result<CString, String> {
    let text = path
        .to_str()
        .ok_or("llama.cpp needs paths that are UTF-8: move the file")?;
    CString::new(text).map_err(|_| "the path has a NUL byte".to_owned())
}

/// As many of `threads` as can be started right now, at least 1.
///
/// The quantiser starts threads for every tensor. Where it gets the first but not the last, C++
/// destroys the first while it runs, which ends the process; with 1 it starts none.
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

/// The share that is done after the tensor of this line: the quantiser logs `[ 12/ 272]
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::gguf::{TensorInfo, TensorType};

    fn header(key: &str, value: Value) -> GgufHeader {
        GgufHeader {
            version: 3,
            metadata: BTreeMap::from([(key.to_owned(), value)]),
            tensors: Vec::new(),
            file_bytes: 0,
        }
    }

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
    fn what_the_quantiser_asserts_or_writes_wrongly_is_refused() {
        let aligned = |value| check(&header("general.alignment", Value::Unsigned(value)));
        assert_eq!(aligned(32), Ok(()));
        assert!(aligned(64).unwrap_err().contains("general.alignment"));
        let split = |value| check(&header("split.count", Value::Unsigned(value)));
        assert_eq!(split(1), Ok(()));
        assert!(split(2).unwrap_err().contains("merge"));
        let mut four = header("x", Value::Bool(true));
        four.tensors.push(TensorInfo {
            name: "a.weight".into(),
            dimensions: vec![32, 2, 2, 2],
            ty: TensorType::F32,
            elements: 256,
            bytes: 1024,
        });
        assert!(check(&four).unwrap_err().contains("a.weight"));
    }

    #[test]
    fn no_more_threads_than_can_be_started_are_asked_for() {
        assert_eq!(startable(0), 1);
        assert_eq!(startable(2), 2);
    }
}
