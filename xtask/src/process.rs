//! Runs other programs, with errors that name the command, and prints the steps of a task.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::paths;

/// Prints a message of the task to stderr. Stdout is left to the programs that a task runs.
#[expect(clippy::print_stderr, reason = "the one place that talks")]
pub(crate) fn say(words: &str) {
    eprintln!("{words}");
}

/// Runs a step and prints its duration.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("==> {name}"));
    let begun = Instant::now();
    let done = work();
    let seconds = begun.elapsed().as_secs_f64();
    match &done {
        Ok(_) => say(&format!("    {name}: done in {seconds:.1} s")),
        Err(_) => say(&format!("    {name}: failed after {seconds:.1} s")),
    }
    done
}

/// The cargo that runs this program, called in the repository.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for_cargo(Command::new(cargo))
}

/// Prepares a call of cargo, or of a program that runs cargo.
pub(crate) fn for_cargo(mut command: Command) -> Command {
    command.current_dir(paths::root());
    // A relative folder is relative to the caller's folder, but the command runs in the repository.
    if std::env::var_os("CARGO_TARGET_DIR").is_some() {
        command.env("CARGO_TARGET_DIR", paths::target());
    }
    // `cargo run` set these variables for this program. Build scripts would see them change and run
    // again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs a command that prints its own output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("`{shown}` can't be started"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs a command that prints its own output, and returns its exit code.
pub(crate) fn pass_through(command: &mut Command) -> Result<ExitCode> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("`{shown}` can't be started"))?;
    // There is no code after a signal.
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => Ok(code.into()),
        _ => bail!("`{shown}` failed ({status})"),
    }
}

/// Runs a command and returns its stdout. An error contains its stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{shown}` can't be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it in the repository.
pub(crate) fn show(command: &Command) -> String {
    let shown = |text: &OsStr| {
        let path = Path::new(text);
        let text = path
            .strip_prefix(paths::root())
            .unwrap_or(path)
            .to_string_lossy();
        if text.contains(char::is_whitespace) || text.is_empty() {
            format!("\"{text}\"")
        } else {
            text.into_owned()
        }
    };
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(shown)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a program is on the `PATH`.
pub(crate) fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        folder.join(program).is_file()
            || folder
                .join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
                .is_file()
    })
}
