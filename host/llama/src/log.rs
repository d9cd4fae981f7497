//! Sends llama.cpp's log to `tracing`, never to stdout or stderr.
//!
//! When a load fails, llama.cpp only logs the reason; [`with_captured_errors`] returns it to the
//! caller. Its quantiser only reports progress in its log; [`with_info_lines`] passes the lines to
//! an observer.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

/// Maximum length in bytes of an unfinished line, in case one never ends; llama.cpp's lines are far
/// shorter.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Maximum number of error lines that [`with_captured_errors`] keeps: the first ones name the
/// cause, the rest follow from it.
const MAX_CAPTURED_LINES: usize = 16;

thread_local! {
    static LINE: RefCell<Line> = const {
        RefCell::new(Line { level: sys::GGML_LOG_LEVEL_NONE, text: String::new() })
    };
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    // The observer of the work on this thread, for `receive`; otherwise empty.
    static OBSERVER: Cell<Option<NonNull<c_void>>> = const { Cell::new(None) };
}

type Observer<'a> = &'a dyn Fn(&str);

/// An unfinished line. llama.cpp prints some lines in pieces.
struct Line {
    level: sys::ggml_log_level,
    text: String,
}

/// Sends the log lines of llama.cpp and ggml to `tracing` with the target `llama_cpp`, each with
/// its own level.
pub(super) fn redirect() {
    // SAFETY: `receive` has the required signature, needs no user data, and is a static function.
    unsafe { sys::llama_log_set(Some(receive), std::ptr::null_mut()) };
}

/// Runs `work`. Returns its result, and the error lines that llama.cpp logged on this thread
/// meanwhile.
pub(super) fn with_captured_errors<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    CAPTURED.with_borrow_mut(|captured| *captured = Some(Vec::new()));
    let result = work();
    let lines = CAPTURED.with_borrow_mut(Option::take).unwrap_or_default();
    (result, lines)
}

/// Runs `work` and calls `observe` for each line of level INFO that llama.cpp logs on this thread
/// meanwhile. `observe` must not panic, because C++ frames are above it on the stack.
pub(super) fn with_info_lines<T>(observe: Observer<'_>, work: impl FnOnce() -> T) -> T {
    /// Empties the slot on every exit, so that it never points to a dropped observer.
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

/// The callback. It must not unwind into C++, so it must not panic: it accesses thread-locals with
/// `try_with` (the thread may be ending) and borrows them with `try_borrow_mut` (a subscriber may
/// log, too).
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
    /// Adds a piece. Returns the finished lines with their level. A continuation has the level of
    /// the piece before it.
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
        // DEBUG, and lines without a level.
        _ => tracing::debug!(target: "llama_cpp", "{line}"),
    }
}

fn show(line: &str) {
    // A thread that is ending has no observer.
    if let Ok(Some(observer)) = OBSERVER.try_with(Cell::get) {
        // SAFETY: `with_info_lines` sets the pointer to a reference that it holds until its work
        // has returned, on this thread, and empties the slot before it returns itself.
        unsafe { observer.cast::<Observer<'_>>().as_ref()(line) };
    }
}

fn keep(line: &str) {
    // On a thread that is ending, nothing reads the lines.
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

    /// Records the level, target and message of each event.
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
