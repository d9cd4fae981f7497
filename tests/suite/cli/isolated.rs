//! Models of guests in processes of their own, with the real command: the same text, and what is
//! left when a process or the host ends.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::wasm;

use crate::support::command::{Said, mynah, run, said};

/// The command with a guest that brings a tiny model.
fn bringing(folder: &Path, flags: &[&str]) -> Command {
    let path = folder.join("model.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let mut command = Command::new(mynah());
    command
        .args(["run", "--no-config", "--control", "off", "--threads", "1"])
        .args(["--temperature", "0", "--set", "ignore_eos=true"])
        .arg("--allow-guest-models")
        .args(flags)
        .arg(format!("--dir={}::/models", folder.display()))
        .arg(wasm("nn_load_bytes"))
        .env_remove("MYNAH_LOG");
    command
}

/// So long an answer that its process is found while it computes.
const LONG: [&str; 4] = ["--ctx-size", "8000", "--max-tokens", "7500"];

fn start(folder: &Path, flags: &[&str]) -> Child {
    let mut command = bringing(folder, &[&LONG[..], flags].concat());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The state and the parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = text.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn children(of: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| stat(*pid).is_some_and(|(_, parent)| parent == of))
        .collect()
}

/// Whether the process has computed for a while.
fn computes(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after
        .split_whitespace()
        .nth(11)
        .and_then(|ticks| ticks.parse().ok());
    ticks.unwrap_or(0) > 20
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of the models of this host, when as many compute.
fn computing(host: &Child, count: usize) -> Vec<u32> {
    let all = || children(host.id());
    until("the models compute", || {
        let all = all();
        all.len() == count && all.iter().all(|pid| computes(*pid))
    });
    all()
}

fn signal(name: &str, pid: u32) {
    let kill = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

fn ended(host: Child) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = host.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn is_gone(pid: u32) -> bool {
    stat(pid).is_none_or(|(state, _)| state == 'Z')
}

#[test]
fn a_guests_own_model_answers_the_same_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let answer = |isolated: &str| {
        let flags = ["--max-tokens", "64", isolated];
        let said = said(&mut bringing(folder.path(), &flags));
        assert_eq!(said.code, Some(0), "{said:?}");
        said
    };
    let here = answer("--isolate-guest-models=false");
    let isolated = answer("--isolate-guest-models=true");
    assert!(here.stdout.len() > 64, "{here:?}");
    assert_eq!(isolated.stdout, here.stdout);
}

#[test]
fn a_killed_process_of_a_model_is_an_error_for_its_guest_and_for_no_other() {
    for (name, words) in [("KILL", "SIGKILL"), ("ABRT", "SIGABRT")] {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path(), &["--instances", "2"]);
        let models = computing(&host, 2);
        signal(name, models[0]);
        until("it is reaped", || stat(models[0]).is_none());
        let (code, stdout, stderr) = ended(host);
        assert_eq!(code, Some(1), "the guest ends with its error: {stderr}");
        let told = stderr
            .matches("the process of this model ended by signal")
            .count();
        assert!(told >= 1 && stderr.contains(words), "{stderr}");
        let answers = stdout.lines().filter(|line| line.len() > 1000).count();
        assert!(
            answers >= 1 || stdout.len() > 1000,
            "the other has its answer: {stderr}"
        );
    }
}

#[test]
fn no_process_of_a_model_outlives_the_host() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["KILL", "TERM"] {
        let host = start(folder.path(), &[]);
        let models = computing(&host, 1);
        signal(name, host.id());
        drop(ended(host));
        until("the process of the model has ended", || is_gone(models[0]));
    }
}

#[test]
fn the_doctor_tells_what_confines_the_models_of_guests() {
    let Said { code, stdout, .. } = run(&["doctor"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("in processes of their own"), "{stdout}");
}
