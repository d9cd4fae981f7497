//! `mynah run` with well-behaved and misbehaving guests.

use std::path::Path;
use std::process::{Command, Stdio};

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{foreach_run, wasm};

use crate::assert_test_exists;
use crate::support::command::{Said, mynah, run};

foreach_run!(assert_test_exists);

fn guest(name: &str) -> String {
    wasm(name).display().to_string()
}

#[test]
fn run_exit_code() {
    for code in [0, 1, 7, 255] {
        let said = run(&["run", &guest("run_exit_code"), &code.to_string()]);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert_eq!(said.stderr, "", "nothing of the host's own");
    }
}

#[test]
fn run_print_args_env() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file.txt"), "x").unwrap();
    let dir = format!("{}::/data", folder.path().display());
    let said = run(&[
        "run",
        "--env",
        "COLOUR=green",
        "--dir",
        &dir,
        &guest("run_print_args_env"),
        "--flag",
        "two words",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = [
        "arg=--flag",
        "arg=two words",
        "env=COLOUR=green",
        "file=file.txt",
    ];
    assert_eq!(said.stdout.lines().collect::<Vec<_>>(), lines);
}

/// Case H3.
#[test]
fn run_shrink_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let run_with = |dir: &Path, mount: &str, name: &str| {
        let dir = format!("{}::{mount}", dir.display());
        let granted = ["--model", &model, "--dir", &dir, &guest(name)];
        run(&[&["run", "--no-config"], &granted[..]].concat())
    };
    let said = run_with(folder.path(), "/m", "run_shrink_model");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stderr
            .contains("holds the file of the model `default`"),
        "{said:?}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let said = run_with(elsewhere.path(), "/data", "run_print_args_env");
    assert!(!said.stderr.contains("holds the file"), "{said:?}");
}

#[test]
fn a_guest_has_no_folder_and_no_variable_that_it_was_not_granted() {
    let said = run(&["run", &guest("run_print_args_env")]);
    assert!(said.stdout.starts_with("no /data"), "{said:?}");
    assert!(!said.stdout.contains("env="), "{said:?}");
}

#[test]
fn run_trap() {
    let said = run(&["run", &guest("run_trap")]);
    assert_eq!(said.code, Some(134), "{said:?}");
    assert_eq!(said.stdout, "before the trap\n");
    said.host_line("trapped");
}

#[test]
fn run_loop_forever() {
    let said = run(&["run", "--timeout", "300ms", &guest("run_loop_forever")]);
    assert_eq!(said.code, Some(134), "{said:?}");
    assert_eq!(said.stdout, "before the loop\n");
    said.host_line("did not end within 300ms");
}

/// Newcomer 14.
#[test]
fn a_message_of_the_host_begins_on_a_line_of_its_own() {
    for (printed, shown) in [
        (
            "The flag has",
            "The flag has\nerror: the component did not end",
        ),
        ("done.\n", "done.\nerror: the component did not end"),
    ] {
        let both = tempfile::NamedTempFile::new().unwrap();
        let status = Command::new(mynah())
            .args(["run", "--no-config", "--timeout", "300ms"])
            .args([&guest("run_loop_forever"), printed])
            .stdin(Stdio::null())
            .stdout(both.as_file().try_clone().unwrap())
            .stderr(both.as_file().try_clone().unwrap())
            .status();
        let text = std::fs::read_to_string(both.path()).unwrap();
        assert_eq!(status.unwrap().code(), Some(134), "{text}");
        assert!(text.starts_with(shown), "{text:?}");
    }
}

#[test]
fn run_grow_memory() {
    let guest = guest("run_grow_memory");
    let enough = run(&["run", "--max-memory", "64MiB", &guest, "16"]);
    assert_eq!(
        (enough.code, enough.stdout.as_str()),
        (Some(0), "grown=16\n"),
        "{enough:?}"
    );
    let said: Said = run(&["run", "--max-memory", "64MiB", &guest, "128"]);
    assert_eq!(said.code, Some(134), "{said:?}");
    said.host_line("--max-memory allows 64.0 MiB");
}

#[test]
fn instances_run_at_once_and_know_their_number() {
    let said = run(&["run", "--instances", "8", &guest("run_print_args_env"), "x"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for number in 0..8 {
        let line = format!("env=MYNAH_INSTANCE={number}");
        assert_eq!(said.stdout.matches(&line).count(), 1, "{line}: {said:?}");
    }
    assert_eq!(said.stdout.matches("arg=x").count(), 8, "{said:?}");
    let one = run(&["run", "--instances", "1", &guest("run_print_args_env")]);
    assert!(!one.stdout.contains("MYNAH_INSTANCE"), "{one:?}");
}

#[test]
fn instances_share_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    // More instances than may run at once, so some wait.
    let flags = ["run", "--max-concurrent", "2", "--max-tokens", "4"];
    let guest = guest("nn_complete");
    let rest = ["--instances", "12", "--model", &model, &guest];
    let said = run(&[&flags[..], &rest].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn what_no_instance_can_have_is_told_once() {
    let guest = guest("run_print_args_env");
    let flags = ["run", "--instances", "8", "--dir", "/no/such/folder"];
    let said = run(&[&flags[..], &[&guest]].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.stdout, "", "nothing ran");
    said.host_line("/no/such/folder can't be granted");
}

#[test]
fn instances_have_a_range() {
    for count in ["0", "5000"] {
        let said = run(&["run", "--instances", count, &guest("run_exit_code"), "0"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        said.host_line("it must be a whole number from 1 to 1000");
    }
}

/// Case S1, and all sessions held by one guest.
#[test]
fn run_greedy_roles() {
    let file = tempfile::NamedTempFile::new().unwrap();
    TinyModel::default().write_to(file.path()).unwrap();
    let grant = format!("default={}", file.path().display());
    let guest = guest("run_greedy_roles");
    let roles = |instances: &str, roles: &str| {
        let args = ["run", "--threads", "1", "--model", &grant, "--instances"];
        let said = run(&[&args[..], &[instances, &guest, roles]].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stdout
    };
    let said = roles("4", "watch+flood");
    assert_eq!(said.matches("watched").count(), 1, "{said}");
    assert_eq!(said.matches("flooded").count(), 3, "{said}");
    // Three quarters of 100.
    let said = roles("2", "hold+open");
    assert!(
        said.contains("holds 75") && said.contains("opened"),
        "{said}"
    );
}

#[test]
fn run_by_number() {
    let guest = guest("run_by_number");
    let with = |count: &str, acts: &[&str]| {
        let flags = ["run", "--timeout", "2s", "--instances", count, &guest];
        run(&[&flags[..], acts].concat())
    };
    // The first failed instance by number decides, whichever ends first.
    let codes = with("4", &["0", "7", "9", "0"]);
    assert_eq!(codes.code, Some(7), "{codes:?}");
    assert_eq!(codes.stderr, "", "nothing of the host's own");
    let trap = with("4", &["0", "trap", "3", "0"]);
    assert_eq!(trap.code, Some(134), "{trap:?}");
    trap.host_line("instance 1: the component trapped");
    assert_eq!(trap.stdout.matches("done").count(), 3, "{trap:?}");
    let after = with("3", &["5", "trap", "0"]);
    assert_eq!(after.code, Some(5), "{after:?}");
    after.host_line("instance 1: ");
    // The others end while one loops until its own time limit.
    let slow = with("3", &["0", "0", "loop"]);
    assert_eq!(slow.code, Some(134), "{slow:?}");
    slow.host_line("instance 2: the component did not end within 2s");
    assert_eq!(slow.stdout.matches("done").count(), 2, "{slow:?}");
}

#[test]
fn run_red_team() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let guest = guest("run_red_team");
    let said = run(&[
        "run",
        "--no-config",
        "--model",
        &model,
        "--instances",
        "2",
        &guest,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout.matches("taken=").count(), 2, "{said:?}");
}
