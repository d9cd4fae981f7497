//! Starts the process of a model, and keeps the end of what it writes to stderr.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use super::process::thread;
use crate::entry::ARGUMENT;

/// Maximum number of bytes of the end of what a process wrote to stderr, for the log.
const MAX_STDERR: usize = 2048;

/// Variables of the environment that a process gets: where its libraries are, and its threads.
const ENVIRONMENT: [&str; 4] = [
    "LD_LIBRARY_PATH",
    "GOMP_SPINCOUNT",
    "OMP_WAIT_POLICY",
    "OMP_PROC_BIND",
];

/// Starts the executable of this process as the process of a model.
pub(super) fn spawn(socket: UnixStream, file: OwnedFd) -> io::Result<Child> {
    // The executable that runs, even if another one has its name by now.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("mynah")
        .arg(ARGUMENT)
        .env_clear()
        // Else ggml would start a debugger before it aborts.
        .env("GGML_NO_BACKTRACE", "1")
        .current_dir("/")
        // An interrupt of the terminal is for the host, which ends the process itself.
        .process_group(0)
        .stdin(OwnedFd::from(socket))
        .stdout(file)
        .stderr(Stdio::piped());
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.spawn()
}

/// Reads what a process writes to stderr, and gives the end of it when it closes.
pub(super) fn last_words(mut stderr: ChildStderr) -> Option<Receiver<String>> {
    let (to, words) = mpsc::channel();
    let read = move || {
        let mut end = Vec::new();
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut piece) {
            end.extend_from_slice(piece.get(..count).unwrap_or_default());
            end.drain(..end.len().saturating_sub(MAX_STDERR));
        }
        let text = String::from_utf8_lossy(&end);
        let _ = to.send(text.trim_end().escape_debug().to_string());
    };
    // Without the thread, the log lacks the words.
    thread("mynah-isolated-err", read).ok()?;
    Some(words)
}
