//! llama.cpp's own log goes to `tracing`, never to stdout or stderr.
//!
//! llama.cpp gives no reason when a load fails, it only logs one; [`with_captured_errors`] hands it
//! to the caller. Nor does its quantiser say how far it is, other than in its log;
//! [`with_info_lines`] shows the lines as they come.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

/// Bytes of one unfinished line that are kept; llama.cpp's lines are far shorter. Bounds a line
/// that never ends.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Error lines that [`with_captured_errors`] keeps: the first ones name the cause, the rest follow
/// from it.
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

/// Sends llama.cpp's and ggml's log lines to `tracing` under the target `llama_cpp`, each with its
/// own level.
pub(super) fn redirect() {
    // SAFETY: `receive` has the signature that llama.cpp asks for, needs no user data, and lives
    // for ever.
    unsafe { sys::llama_log_set(Some(receive), std::ptr::null_mut()) };
}

/// Runs `work` and returns what it returned with the error lines that llama.cpp logged on this
/// thread meanwhile.
pub(super) fn with_captured_errors<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    CAPTURED.with_borrow_mut(|captured| *captured = Some(Vec::new()));
    let result = work();
    let lines = CAPTURED.with_borrow_mut(Option::take).unwrap_or_default();
    (result, lines)
}

/// Runs `work` and shows `observe` each line of level INFO that llama.cpp logs on this thread
/// meanwhile. `observe` must not panic: C++ is above it on the stack.
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

/// The callback. It must not unwind into C++, so it can't panic: thread-locals are reached with
/// `try_with` (the thread may be ending) and borrowed with `try_borrow_mut` (a subscriber may
/// itself log).
unsafe extern "C" fn receive(level: sys::ggml_log_level, text: *const c_char, _user: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives until this function returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let ended = LINE.try_with(|line| line.try_borrow_mut().ok()?.push(level, &text));
    if let Ok(Some((level, ended))) = ended {
        for line in ended.lines() {
            emit(level, line.trim_end());
        }
    }
}

impl Line {
    /// Adds a piece; gives what is ended by it, one line or more, with its level. A piece that goes
    /// on has the level of what it goes on.
    fn push(
        &mut self,
        level: sys::ggml_log_level,
        piece: &str,
    ) -> Option<(sys::ggml_log_level, String)> {
        if level != sys::GGML_LOG_LEVEL_CONT {
            self.level = level;
        }
        let room = MAX_LINE_BYTES.saturating_sub(self.text.len());
        self.text.push_str(piece.get(..room).unwrap_or(piece));
        let is_ended = self.text.ends_with('\n') || self.text.len() >= MAX_LINE_BYTES;
        is_ended.then(|| (self.level, std::mem::take(&mut self.text)))
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
        // DEBUG, and what says nothing of its level.
        _ => tracing::debug!(target: "llama_cpp", "{line}"),
    }
}

fn show(line: &str) {
    // A thread that is ending observes nothing.
    if let Ok(Some(observer)) = OBSERVER.try_with(Cell::get) {
        // SAFETY: `with_info_lines` sets the pointer to a reference that it holds until its work
        // has returned, on this thread, and empties the slot before it returns itself.
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Keeps level, target and message of each event.
    #[derive(Debug, Clone, Default)]
    struct Heard(Arc<Mutex<Vec<(String, String, String)>>>);

    impl Subscriber for Heard {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            struct Message(String);
            impl Visit for Message {
                fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                    if field.name() == "message" {
                        self.0 = format!("{value:?}");
                    }
                }
            }
            let mut message = Message(String::new());
            event.record(&mut message);
            let metadata = event.metadata();
            let (level, target) = (metadata.level().to_string(), metadata.target().to_owned());
            self.0.lock().unwrap().push((level, target, message.0));
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn say(level: sys::ggml_log_level, text: &str) {
        let text = std::ffi::CString::new(text).unwrap();
        // SAFETY: the text lives until the call returns, which is all that is asked of it.
        unsafe { receive(level, text.as_ptr(), std::ptr::null_mut()) };
    }

    #[test]
    fn lines_come_with_their_own_level_whole_and_one_by_one() {
        let heard = Heard::default();
        tracing::subscriber::with_default(heard.clone(), || {
            say(sys::GGML_LOG_LEVEL_ERROR, "an error\n");
            say(sys::GGML_LOG_LEVEL_WARN, "a war");
            say(sys::GGML_LOG_LEVEL_CONT, "ning");
            say(sys::GGML_LOG_LEVEL_CONT, ", in pieces\n");
            say(sys::GGML_LOG_LEVEL_INFO, "one\ntwo\n\n");
            say(sys::GGML_LOG_LEVEL_CONT, "goes on\n");
            say(sys::GGML_LOG_LEVEL_DEBUG, "how\n");
            say(sys::GGML_LOG_LEVEL_NONE, "what\n");
        });
        let heard = heard.0.lock().unwrap();
        let lines: Vec<(&str, &str)> = heard
            .iter()
            .map(|(level, target, message)| {
                assert_eq!(target, "llama_cpp");
                (level.as_str(), message.as_str())
            })
            .collect();
        let expected = [
            ("ERROR", "an error"),
            ("WARN", "a warning, in pieces"),
            ("INFO", "one"),
            ("INFO", "two"),
            ("INFO", "goes on"),
            ("DEBUG", "how"),
            ("DEBUG", "what"),
        ];
        assert_eq!(lines, expected);
    }
}
