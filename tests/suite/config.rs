//! Settings from a file: where it is found, who wins, and what is said about a mistake in it.
//!
//! Which of two values is in force is tested setting by setting in the command's own unit tests; here it is seen from
//! outside.

use std::path::Path;

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::wasm;

use crate::cli::{Said, run_in};

/// A folder with a `mynah.toml`.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mynah.toml"), text).unwrap();
    folder
}

fn guest(name: &str) -> String {
    wasm(name).display().to_string()
}

/// Runs the guest that prints what it was given.
fn print_env(folder: &Path, flags: &[&str]) -> Said {
    let guest = guest("run_print_args_env");
    run_in(folder, &[&["run"], flags, &[&guest]].concat())
}

fn refused(folder: &Path, flags: &[&str], words: &[&str]) {
    let said = print_env(folder, flags);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.stdout, "", "{said:?}");
    for words in words {
        said.host_line(words);
    }
}

#[test]
fn the_file_of_the_current_folder_is_read() {
    let folder = folder("[run]\nenv = ['COLOUR=green']\n");
    let said = print_env(folder.path(), &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("env=COLOUR=green"), "{said:?}");
    let without = print_env(folder.path(), &["--no-config"]);
    assert_eq!(without.code, Some(0), "{without:?}");
    assert!(!without.stdout.contains("COLOUR"), "{without:?}");
}

#[test]
fn a_file_that_is_named_is_read_instead() {
    let here = folder("[run]\nenv = ['COLOUR=green']\n");
    let there = folder("[run]\nenv = ['COLOUR=blue']\n");
    let path = there.path().join("mynah.toml").display().to_string();
    let said = print_env(here.path(), &["--config", &path]);
    assert!(said.stdout.contains("env=COLOUR=blue"), "{said:?}");
    assert!(!said.stdout.contains("green"), "{said:?}");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = folder("");
    refused(
        folder.path(),
        &["--config", "other.toml"],
        &["the configuration other.toml can't be read"],
    );
}

#[test]
fn the_command_line_wins_over_the_file() {
    let folder = folder("[backend]\nqueue_size = 0\n[run]\nenv = ['A=file', 'B=file']\n");
    refused(
        folder.path(),
        &[],
        &["mynah.toml:2:14: `queue_size` is 0, it must be from 1 to 100000"],
    );
    let said = print_env(folder.path(), &["--queue-size", "1", "--env", "A=flag"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("env=A=flag\nenv=B=file\n"), "{said:?}");
}

#[test]
fn a_model_and_a_folder_are_relative_to_the_file() {
    let there = folder(
        "[models]\ndefault = 'tiny.gguf'\n[stopping]\nmax_tokens = 3\n[run]\ndirs = ['data::/data']\n",
    );
    TinyModel::default()
        .write_to(&there.path().join("tiny.gguf"))
        .unwrap();
    std::fs::create_dir(there.path().join("data")).unwrap();
    std::fs::write(there.path().join("data/file.txt"), "x").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = there.path().join("mynah.toml").display().to_string();
    let guest = guest("nn_complete");
    let said = run_in(elsewhere.path(), &["run", "--config", &path, &guest]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = print_env(elsewhere.path(), &["--config", &path]);
    assert!(said.stdout.contains("file=file.txt"), "{said:?}");
}

#[test]
fn unknown_keys_are_all_told_with_their_place_and_a_hint() {
    let folder = folder(
        "[model]\nqueue_size = 9\n\n[backend]\nqueue_sise = 9\n\n[samplings]\n\n[run]\nfrobnicate = 1\n",
    );
    refused(
        folder.path(),
        &[],
        &[
            "mynah.toml:2:1: unknown key `queue_size` in [model]: it belongs in [backend]",
            "mynah.toml:5:1: unknown key `queue_sise` in [backend]: did you mean `queue_size`?",
            "mynah.toml:7:2: unknown section [samplings]: did you mean [sampling]?",
            "mynah.toml:10:1: unknown key `frobnicate` in [run]: [run] has `dirs`, `env`",
        ],
    );
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_key() {
    let folder = folder("[model]\nthreads = 'many'\n");
    refused(
        folder.path(),
        &[],
        &["mynah.toml:2:11: `threads`: invalid type: string \"many\", expected a whole number"],
    );
}

#[test]
fn text_that_is_not_toml_is_told_with_its_place() {
    let folder = folder("[model]\nthreads = 2\nctx_size = = 3\n");
    refused(folder.path(), &[], &["mynah.toml:3:", "not TOML"]);
}

#[test]
fn a_file_that_is_read_is_said_in_the_log() {
    let folder = folder("");
    let output = std::process::Command::new(crate::cli::mynah())
        .arg("run")
        .arg(wasm("run_print_args_env"))
        .current_dir(folder.path())
        .env("MYNAH_LOG", "info")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("mynah.toml"), "{log}");
}
