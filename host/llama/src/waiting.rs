//! How long compute threads spin before they sleep.
//!
//! The threads of a team wait for each other after every node of a graph, hundreds of times a
//! step. By default libgomp spins for milliseconds before it sleeps. If another program has the
//! core of a thread, all others then spin until that thread has a core again, and the steps take up
//! to a hundred times as long. A short spin costs nothing on idle cores and bounds that.
//!
//! libgomp reads its variables when the program starts, so the program starts itself again.

use std::io;

/// The variables that say how threads wait. If one is set, that is the user's choice.
const VARIABLES: [&str; 2] = [SPIN_COUNT, "OMP_WAIT_POLICY"];

/// libgomp's variable for how often a thread looks before it sleeps.
const SPIN_COUNT: &str = "GOMP_SPINCOUNT";

/// Its value. With 300, a step on idle cores takes a quarter longer.
const SPINS: &str = "1000";

/// Bounds how long compute threads spin while they wait for each other, by starting the program
/// again with `GOMP_SPINCOUNT` in its environment, in the same process and with the same arguments.
/// Call it first thing in `main`, before there are threads, files or locks.
///
/// Without it, a model is many times slower while other programs use its cores. If the variable or
/// `OMP_WAIT_POLICY` is set, and on systems other than Linux, it does nothing.
///
/// # Errors
///
/// Why the program can't be started again. It can go on.
pub fn bound_waiting() -> io::Result<()> {
    if VARIABLES
        .into_iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        return Ok(());
    }
    again()
}

#[cfg(target_os = "linux")]
fn again() -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    Err(command.args(arguments).env(SPIN_COUNT, SPINS).exec())
}

#[cfg(not(target_os = "linux"))]
fn again() -> io::Result<()> {
    Ok(())
}
