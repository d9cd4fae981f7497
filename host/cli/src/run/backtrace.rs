//! The guest's functions at a trap, innermost first.

use std::fmt::Write;
use std::num::NonZeroUsize;

use wasmtime::{FrameInfo, WasmBacktrace};

/// Maximum number of functions that are shown: the innermost ones. The guest chooses its depth.
const MOST: usize = 20;
/// Number of functions to collect, which tells whether there are more.
pub(super) const COLLECTED: Option<NonZeroUsize> = NonZeroUsize::new(MOST + 1);
/// Maximum number of characters of a name or a path. The guest chooses them.
const LONGEST: usize = 160;

/// One line for each function, each with a line break before it, and advice if the guest has no
/// names. Empty without a backtrace.
pub(super) fn shown(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let frames = backtrace.frames();
    let lines: Vec<String> = frames.iter().take(MOST).flat_map(lines).collect();
    let mut text = String::new();
    for line in lines.iter().take(MOST) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  at {line}");
    }
    if frames.len() > MOST {
        text.push_str("\n  and more");
    }
    let has = |what: fn(&FrameInfo) -> bool| frames.iter().any(what);
    if !has(|frame| frame.func_name().is_some()) {
        text.push_str("\n  (the guest has no function names: build it without stripping them)");
    } else if !has(|frame| frame.symbols().iter().any(|symbol| symbol.line().is_some())) {
        text.push_str("\n  (for files and lines, build the guest with debug information)");
    }
    text
}

/// The lines of a frame: one for each inlined function, then its own.
fn lines(frame: &FrameInfo) -> Vec<String> {
    let own = match frame.func_name() {
        Some(name) => cut(name),
        None => format!("function {}", frame.func_index()),
    };
    let symbols = frame.symbols().iter();
    let lines: Vec<String> = symbols
        .map(|symbol| {
            let name = symbol.name().map_or_else(|| own.clone(), cut);
            match (symbol.file(), symbol.line()) {
                (Some(file), Some(line)) => format!("{name} ({}:{line})", cut(file)),
                _ => name,
            }
        })
        .collect();
    match lines.is_empty() {
        true => vec![own],
        false => lines,
    }
}

/// A guest's text on a terminal: without control characters, and not too long.
fn cut(text: &str) -> String {
    let demangled = rustc_demangle::demangle(text);
    // Without the hash.
    let text = format!("{demangled:#}");
    let mut shown: String = text.chars().take(LONGEST).flat_map(escaped).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn escaped(char: char) -> Vec<char> {
    match char.is_control() {
        true => char.escape_default().collect(),
        false => vec![char],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_controls_neither_the_terminal_nor_the_length() {
        assert_eq!(cut("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(cut(&"é".repeat(LONGEST)).chars().count(), LONGEST);
        let long = cut(&"é".repeat(LONGEST + 1));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn names_are_demangled() {
        assert_eq!(cut("_ZN5guest4main17h0123456789abcdefE"), "guest::main");
        assert_eq!(cut("_start"), "_start");
    }
}
