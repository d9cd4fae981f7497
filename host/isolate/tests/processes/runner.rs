//! Runs tests by name, each on a thread, one after another: they count the processes of all.

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A test: its name and what it does.
pub(crate) type Test = (&'static str, fn());

/// Time after which a test is said to hang, far more than any takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lists tests by their names.
#[macro_export]
macro_rules! tests {
    ($($test:ident,)*) => {
        pub(crate) const TESTS: &[$crate::runner::Test] = &[$((stringify!($test), $test)),*];
    };
}

/// Runs the tests whose names contain an argument of the command line, or all.
pub(crate) fn run(all: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|one| !one.starts_with('-'))
        .collect();
    let mut failed = Vec::new();
    for (name, test) in all {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        match run_one(*test) {
            Ok(()) => println!("test {name} ... ok"),
            Err(how) => {
                println!("test {name} ... FAILED: it {how}");
                failed.push(*name);
            }
        }
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            println!("failed: {failed:?}");
            ExitCode::FAILURE
        }
    }
}

fn run_one(test: fn()) -> Result<(), &'static str> {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        test();
        drop(done);
    });
    // The channel also ends with a panic.
    match is_done.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Timeout) => Err("hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => thread.join().map_err(|_| "panicked"),
    }
}
