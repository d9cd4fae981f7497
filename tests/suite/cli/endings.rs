//! How a run ends early: by a signal, a time-out or a trap. Its requests end as cancelled and never
//! as failed, and the log has a line for each.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use mynah_tests::wasm;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::command::{mynah, run};
use crate::support::process::Running;

/// A host that works on an answer of this many tokens, logs requests, and gives them time on
/// SIGTERM.
fn working(tokens: &str, change: impl FnOnce(&mut Command)) -> Running {
    let mut host = Running::long_answers(tokens, |command| {
        command.args(["--log", "mynah::task=debug"]);
        change(command);
    });
    host.tell("one parrot");
    host.said_with("request started");
    host
}

fn signal(host: &Running, signal: Signal) {
    kill_process(Pid::from_child(&host.child), signal).unwrap();
}

/// Waits for the end of the host by this signal, and returns what it said.
fn ended_by(host: &mut Running, signal: Signal) -> String {
    let ended = host.child.wait().unwrap();
    assert_eq!(ended.signal(), Some(signal.as_raw()), "{}", host.said());
    assert!(!host.socket().exists());
    host.all_said()
}

/// Newcomer 24.
#[test]
fn sigterm_says_what_runs_and_cancels_it_after_the_grace_time() {
    let mut host = working("60000", |command| {
        command.args(["--grace", "100ms"]);
    });
    signal(&host, Signal::TERM);
    let said = ended_by(&mut host, Signal::TERM);
    assert!(said.contains("stopping: open requests: 1"), "{said}");
    assert!(
        said.contains("stopping: requests cancelled after 100ms: 1"),
        "{said}"
    );
    assert!(said.contains("request cancelled"), "{said}");
    assert!(!said.contains("request failed"), "{said}");
}

/// Newcomer 24.
#[test]
fn sigterm_lets_a_request_finish_within_the_grace_time() {
    let mut host = working("2000", |command| {
        command.args(["--grace", "10m"]);
    });
    signal(&host, Signal::TERM);
    let said = ended_by(&mut host, Signal::TERM);
    assert!(said.contains("request completed"), "{said}");
    assert!(!said.contains("request cancelled"), "{said}");
}

/// Newcomer 24.
#[test]
fn sigint_cancels_what_runs_at_once() {
    let mut host = working("60000", |command| {
        command.args(["--grace", "10m"]);
    });
    signal(&host, Signal::INT);
    let said = ended_by(&mut host, Signal::INT);
    assert!(said.contains("they are cancelled"), "{said}");
    assert!(said.contains("request cancelled"), "{said}");
}

/// Newcomer 24.
#[test]
fn a_second_signal_ends_the_host_at_once() {
    let mut host = working("60000", |command| {
        command.args(["--grace", "10m"]);
    });
    signal(&host, Signal::TERM);
    host.said_with("a second signal ends the host at once");
    signal(&host, Signal::INT);
    let said = ended_by(&mut host, Signal::INT);
    assert!(!said.contains("request completed"), "{said}");
}

/// Newcomer 24.
#[test]
fn sighup_without_a_terminal_says_that_nothing_is_reloaded_and_ends_nothing() {
    let mut host = Running::without_terminal();
    for _ in 0..2 {
        signal(&host, Signal::HUP);
    }
    host.said_with("keeps the settings that it started with");
    assert!(host.child.try_wait().unwrap().is_none());
    // It still stops in order.
    signal(&host, Signal::TERM);
    let said = ended_by(&mut host, Signal::TERM);
    assert!(said.contains("stopping: open requests: 0"), "{said}");
}

/// Newcomer 24.
#[test]
fn a_host_ends_with_its_terminal() {
    // The host must not inherit this end, or it would keep its terminal open.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let keyboard = openpt(flags).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let terminal = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endless.wasm");
    let module = r#"(module (func (export "_start") (loop $again (br $again))))"#;
    std::fs::write(&path, wat::parse_str(module).unwrap()).unwrap();
    // `--ctty` makes it the controlling terminal.
    let mut host = Command::new("setsid")
        .arg("--ctty")
        .arg(mynah())
        .args(["run", "--no-config", "--metrics", "127.0.0.1:0"])
        .arg(&path)
        .env("XDG_RUNTIME_DIR", folder.path())
        .stdin(terminal)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(host.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("figures at") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0);
    }
    // The terminal is closed, and the system sends SIGHUP.
    drop(keyboard);
    assert_eq!(host.wait().unwrap().signal(), Some(Signal::HUP.as_raw()));
}

/// Newcomer 7.
#[test]
fn a_request_of_a_guest_that_timed_out_is_cancelled() {
    let mut host = working("60000", |command| {
        command.args(["--timeout", "1s"]);
    });
    assert_eq!(host.child.wait().unwrap().code(), Some(134));
    let said = host.all_said();
    assert!(said.contains("did not end within 1s"), "{said}");
    assert!(said.contains("request cancelled"), "{said}");
    assert!(!said.contains("request failed"), "{said}");
    assert!(!said.contains("no longer there"), "{said}");
}

/// A component with these imports, each an interface with one function.
fn importing(imports: &[&str]) -> Vec<u8> {
    let import = |name: &&str| format!(r#"(import "{name}" (instance (export "f" (func))))"#);
    let imports: String = imports.iter().map(import).collect();
    wat::parse_str(format!("(component {imports})")).unwrap()
}

/// Newcomer 17.
#[test]
fn all_missing_imports_are_named_before_anything_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("js.wasm");
    let bytes = importing(&[
        "wasi:http/types@0.2.0",
        "wasi:nn/graph@0.2.0-rc-2023-01-01",
        "wasi:io/poll@0.2.0",
        "test:absent/nothing",
    ]);
    std::fs::write(&path, bytes).unwrap();
    let said = run(&["run", "--no-config", &path.display().to_string()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.host_line("wasi:http/types@0.2.0 (Mynah serves no HTTP to guests)");
    said.host_line("wasi:nn/graph@0.2.0-rc-2023-01-01 (Mynah serves other versions: 0.2.0-rc-");
    said.host_line("test:absent/nothing (Mynah does not have it)");
    assert!(!said.stderr.contains("wasi:io"), "{said:?}");

    let module = r#"(module
        (import "env" "emscripten_f" (func))
        (import "wasi_ephemeral_nn" "g" (func))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (func (export "_start")))"#;
    std::fs::write(&path, wat::parse_str(module).unwrap()).unwrap();
    let said = run(&["run", "--no-config", &path.display().to_string()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.host_line("env emscripten_f (it is for Emscripten");
    said.host_line("wasi_ephemeral_nn g (Mynah does not have this function)");
    assert!(!said.stderr.contains("proc_exit"), "{said:?}");
}

/// Newcomer 25.
#[test]
fn a_trap_shows_the_functions_of_the_guest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traps.wasm");
    let module = r#"(module
        (func $deep (param i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (call $deep (i32.sub (local.get 0) (i32.const 1))))
        (func $outermost (export "_start") (call $deep (i32.const 100))))"#;
    std::fs::write(&path, wat::parse_str(module).unwrap()).unwrap();
    let said = run(&["run", "--no-config", &path.display().to_string()]);
    assert_eq!(said.code, Some(134), "{said:?}");
    said.host_line("the module trapped: wasm trap: wasm `unreachable` instruction executed");
    assert_eq!(said.stderr.matches("\n  at deep").count(), 20, "{said:?}");
    assert!(said.stderr.contains("\n  and more"), "{said:?}");
    assert!(said.stderr.contains("with debug information"), "{said:?}");

    // Rust's guests without names.
    let said = run(&[
        "run",
        "--no-config",
        &wasm("run_trap").display().to_string(),
    ]);
    assert!(said.stderr.contains("\n  at function "), "{said:?}");
    assert!(said.stderr.contains("no function names"), "{said:?}");
}
