//! Where a program becomes the process of a model.

use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_core::{Model, ProgressFn, Result};
use mynah_settings::ModelConfig;

use crate::{Confinement, IsolateError, Processes, child, parent};

/// The only argument of the process of a model.
pub(crate) const ARGUMENT: &str = "__model-of-a-guest";

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Makes this process the process of a guest's model, if it was started as one. Then `load` loads
/// the model, and the function serves it and does not return. Otherwise it returns at once, and
/// this program can have [isolated models](crate::IsolatedLoader).
///
/// Call it first thing in `main`, before any thread starts and any file is opened.
pub fn enter(load: impl FnOnce(&Path, ModelConfig, ProgressFn) -> Result<Model>) {
    ENTERED.store(true, Ordering::Release);
    let mut arguments = std::env::args_os().skip(1);
    let is_child = arguments.next().is_some_and(|first| first == ARGUMENT);
    if is_child && arguments.next().is_none() {
        exit(child::serve(load));
    }
}

/// Checks that [`enter`] was called.
pub(crate) fn check() -> Result<(), IsolateError> {
    match ENTERED.load(Ordering::Acquire) {
        true => Ok(()),
        false => Err(IsolateError::NotEntered),
    }
}

/// How this system confines the processes of guests' models. Starts one to find out, which takes
/// about as long as starting this program.
///
/// # Errors
///
/// [`IsolateError::NotEntered`], or the process could not be started, or something that it must not
/// do succeeded.
pub fn probe() -> Result<Confinement, IsolateError> {
    check()?;
    let probed = parent::probe(&Processes::default())?;
    let succeeded = [
        ("open files", probed.opens_files),
        ("write files", probed.writes_files),
        ("open connections", probed.opens_sockets),
        ("start processes", probed.starts_processes),
    ];
    let is_open = |(_, done): &&(&str, bool)| *done;
    let open: Vec<&str> = succeeded
        .iter()
        .filter(is_open)
        .map(|(name, _)| *name)
        .collect();
    match open.is_empty() || !probed.confinement.missing().is_empty() {
        true => Ok(probed.confinement),
        false => Err(IsolateError::NoProcess(format!(
            "it can {}, although it is confined",
            open.join(", ")
        ))),
    }
}
