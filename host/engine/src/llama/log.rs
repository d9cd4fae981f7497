//! llama.cpp's own log goes to `tracing`, never to stdout or stderr.
//!
//! llama.cpp gives no reason when a load fails, it only logs one; [`with_captured_errors`] hands it to the caller. Nor does
//! its quantiser say how far it is, other than in its log; [`with_info_lines`] shows the lines as they come.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

/// Bytes of one unfinished line that are kept; llama.cpp's lines are far shorter. Bounds a line that never ends.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Error lines that [`with_captured_errors`] keeps: the first ones name the cause, the rest follow from it.
const MAX_CAPTURED_LINES: usize = 16;

thread_local! {
    static LINE: RefCell<Line> = const { RefCell::new(Line { level: sys::GGML_LOG_LEVEL_NONE, text: String::new() }) };
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    // Where `receive` finds the observer of the work that runs on this thread; empty otherwise.
    static OBSERVER: Cell<Option<NonNull<c_void>>> = const { Cell::new(None) };
}

type Observer<'a> = &'a dyn Fn(&str);

/// A line that has not ended yet. llama.cpp prints some lines in pieces.
struct Line {
    level: sys::ggml_log_level,
    text: String,
}

/// Sends llama.cpp's and ggml's log lines to `tracing` under the target `llama_cpp`, each with its own level.
pub(super) fn redirect() {
    // SAFETY: `receive` has the signature that llama.cpp asks for, needs no user data, and lives for ever.
    unsafe { sys::llama_log_set(Some(receive), std::ptr::null_mut()) };
}

/// Runs `work` and returns what it returned with the error lines that llama.cpp logged on this thread meanwhile.
pub(crate) fn with_captured_errors<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    CAPTURED.with_borrow_mut(|captured| *captured = Some(Vec::new()));
    let result = work();
    let lines = CAPTURED.with_borrow_mut(Option::take).unwrap_or_default();
    (result, lines)
}

/// Runs `work` and shows `observe` each line of level INFO that llama.cpp logs on this thread meanwhile. `observe` must not
/// panic: C++ is above it on the stack.
pub(super) fn with_info_lines<T>(observe: Observer<'_>, work: impl FnOnce() -> T) -> T {
    /// Empties the slot on every way out, so that it never points to an observer that is gone.
    struct Emptied;
    impl Drop for Emptied {
        fn drop(&mut self) {
            OBSERVER.set(None);
        }
    }
    let _emptied = Emptied;
    let slot: *const Observer<'_> = &raw const observe;
    OBSERVER.set(NonNull::new(slot.cast_mut().cast()));
    work()
}

/// The callback. It must not unwind into C++, so it can't panic: thread-locals are reached with `try_with` (the thread
/// may be ending) and borrowed with `try_borrow_mut` (a subscriber may itself log).
unsafe extern "C" fn receive(level: sys::ggml_log_level, text: *const c_char, _user: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives until this function returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let ended = LINE.try_with(|line| {
        let Ok(mut line) = line.try_borrow_mut() else {
            return None;
        };
        if level != sys::GGML_LOG_LEVEL_CONT {
            line.level = level;
        }
        let room = MAX_LINE_BYTES.saturating_sub(line.text.len());
        line.text.push_str(text.get(..room).unwrap_or(&text));
        (line.text.ends_with('\n') || line.text.len() >= MAX_LINE_BYTES)
            .then(|| (line.level, std::mem::take(&mut line.text)))
    });
    if let Ok(Some((level, line))) = ended {
        emit(level, line.trim_end());
    }
}

fn emit(level: sys::ggml_log_level, line: &str) {
    if line.is_empty() {
        return;
    }
    match level {
        sys::GGML_LOG_LEVEL_ERROR => {
            keep(line);
            tracing::error!(target: "llama_cpp", "{line}");
        }
        sys::GGML_LOG_LEVEL_WARN => tracing::warn!(target: "llama_cpp", "{line}"),
        sys::GGML_LOG_LEVEL_INFO => {
            show(line);
            tracing::info!(target: "llama_cpp", "{line}");
        }
        _ => tracing::debug!(target: "llama_cpp", "{line}"),
    }
}

fn show(line: &str) {
    // A thread that is ending observes nothing.
    if let Ok(Some(observer)) = OBSERVER.try_with(Cell::get) {
        // SAFETY: `with_info_lines` sets the pointer to a reference that it holds until its work has returned, on this
        // thread, and empties the slot before it returns itself.
        unsafe { observer.cast::<Observer<'_>>().as_ref()(line) };
    }
}

fn keep(line: &str) {
    // A thread that is ending has nobody left to read the lines.
    let _ = CAPTURED.try_with(|captured| {
        if let Ok(mut captured) = captured.try_borrow_mut()
            && let Some(lines) = captured.as_mut()
            && lines.len() < MAX_CAPTURED_LINES
        {
            lines.push(line.to_owned());
        }
    });
}
