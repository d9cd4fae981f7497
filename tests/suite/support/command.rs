//! Runs the command and checks its output.

use std::path::{Path, PathBuf};
use std::process::Command;

use mynah_tests::{cargo_component_wasm, model_path};

/// The output and exit code of the command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Checks that the host printed exactly one line with these words, and that nothing looks like
    /// a panic.
    pub(crate) fn host_line(&self, words: &str) {
        self.host_lines(&[words]);
    }

    /// [`host_line`](Self::host_line) for several problems, in this order.
    pub(crate) fn host_lines(&self, words: &[&str]) {
        let lines = self.stderr.lines();
        let lines: Vec<&str> = lines.filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), words.len(), "one line each: {self:?}");
        for (line, words) in lines.iter().zip(words) {
            assert!(line.contains(words), "`{words}` in: {self:?}");
        }
        assert!(!self.stderr.contains("panicked at host"), "{self:?}");
    }
}

/// The command. `cargo xtask` sets its path in `MYNAH_TEST_BIN`; otherwise it is beside the tests.
pub(crate) fn mynah() -> PathBuf {
    let path = std::env::var_os("MYNAH_TEST_BIN").map_or_else(
        || {
            let tests = std::env::current_exe().unwrap();
            let folder = tests.parent().and_then(|deps| deps.parent()).unwrap();
            folder.join(format!("mynah{}", std::env::consts::EXE_SUFFIX))
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is missing: `cargo build --workspace` builds it",
        path.display()
    );
    path
}

/// Runs the command with an empty stdin.
pub(crate) fn run(args: &[&str]) -> Said {
    run_in(Path::new("."), args)
}

/// Runs the command in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Said {
    said(Command::new(mynah()).args(args).current_dir(folder))
}

/// Runs the command with its own cache folder.
pub(crate) fn run_with_cache(args: &[&str], cache: &Path) -> Said {
    said(Command::new(mynah()).args(args).env("MYNAH_CACHE", cache))
}

/// Runs a command with an empty stdin.
pub(crate) fn said(command: &mut Command) -> Said {
    let output = command
        .env_remove("MYNAH_LOG")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Checks a wrong input: exit code 1, one line with these words, nothing on stdout.
pub(crate) fn refused(args: &[&str], words: &str) {
    ends_with(1, args, &[words]);
}

/// Checks a wrong command line: exit code 2, a line for each problem, nothing on stdout.
pub(crate) fn misused(args: &[&str], words: &[&str]) {
    ends_with(2, args, words);
}

fn ends_with(code: i32, args: &[&str], words: &[&str]) {
    let said = run(args);
    assert_eq!(said.code, Some(code), "{said:?}");
    assert_eq!(said.stdout, "", "{said:?}");
    assert_eq!(said.stderr.lines().count(), words.len(), "{said:?}");
    said.host_lines(words);
}

pub(crate) fn chat() -> String {
    cargo_component_wasm("chat").display().to_string()
}

pub(crate) fn real_model() -> String {
    format!("default={}", model_path().display())
}
