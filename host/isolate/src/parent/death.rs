//! How the process of a model ended.

use std::process::ExitStatus;

use mynah_core::{BackendError, BackendErrorKind, Error};

/// How the process of a model ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Death {
    /// It ended by itself, in words: a signal or an exit code.
    Ended(String),
    /// The host ended it, because it broke the rules of the connection.
    Broke(String),
    /// The host ended it, because nobody uses the model any more.
    Unused,
}

impl Death {
    /// The process ended with this status.
    pub(super) fn of(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;

        Self::Ended(match (status.signal(), status.code()) {
            (Some(signal), _) => match name(signal) {
                Some(name) => format!("by signal {signal} ({name})"),
                None => format!("by signal {signal}"),
            },
            (None, Some(code)) => format!("with exit code {code}"),
            (None, None) => "without a status".to_owned(),
        })
    }

    /// The error for each request that the process did not answer.
    pub(super) fn error(&self) -> Error {
        BackendError::new(BackendErrorKind::Failed, self.to_string()).into()
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended(how) => write!(
                f,
                "the process of this model ended {how}: load the model again. If that repeats, \
                 its file makes the backend fail: use another one"
            ),
            Self::Broke(why) => write!(
                f,
                "the process of this model was ended by the host, because it sent {why}: load the \
                 model again. If that repeats, don't trust its file: use another one"
            ),
            Self::Unused => f.write_str("the model is no longer there: load it again"),
        }
    }
}

/// The names of the signals that end a process which fails.
fn name(signal: i32) -> Option<&'static str> {
    const NAMES: [(i32, &str); 8] = [
        (libc::SIGILL, "SIGILL"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (
            libc::SIGKILL,
            "SIGKILL, which the system also sends if memory runs out",
        ),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGSYS, "SIGSYS"),
        (libc::SIGTERM, "SIGTERM"),
    ];
    let found = NAMES.iter().find(|(number, _)| *number == signal);
    found.map(|(_, name)| *name)
}
