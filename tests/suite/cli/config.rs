//! Settings from a file: where the command finds it, which value wins, and the messages about
//! mistakes.
//!
//! The unit tests of the command test each setting; these tests check the result from outside.

use std::path::Path;

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::wasm;

use crate::support::command::{Said, run_in};

/// Creates a folder with a `mynah.toml`.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mynah.toml"), text).unwrap();
    folder
}

fn guest(name: &str) -> String {
    wasm(name).display().to_string()
}

/// Runs the guest that prints its arguments and variables.
fn print_env(folder: &Path, flags: &[&str]) -> Said {
    let guest = guest("run_print_args_env");
    run_in(folder, &[&["run"], flags, &[&guest]].concat())
}

fn refused(folder: &Path, flags: &[&str], words: &[&str]) {
    let said = print_env(folder, flags);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.stdout, "", "{said:?}");
    said.host_lines(words);
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
    let wrong = folder("[run]\ninstances = 0\n");
    let words = "mynah.toml:2:13: `run.instances` is 0, it must be a whole number from 1 to 1000";
    refused(wrong.path(), &[], &[words]);
    let folder = folder("[run]\ninstances = 3\nenv = ['A=file', 'B=file']\n");
    let said = print_env(folder.path(), &["--instances", "1", "--env", "A=flag"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("env=A=flag\nenv=B=file\n"), "{said:?}");
}

#[test]
fn a_model_and_a_folder_are_relative_to_the_file() {
    let there = folder(
        "[models]\ndefault = 'tiny.gguf'\n[stopping]\nmax_tokens = 3\n[run]\ndirs = \
         ['data::/data']\n",
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
        "[model]\nqueue_size = 9\n\n[backend]\nqueue_sise = 9\n\n[samplings]\n\n[run]\nfrobnicate \
         = 1\n",
    );
    refused(
        folder.path(),
        &[],
        &[
            "mynah.toml:2:1: `model.queue_size` is no setting: it belongs in `backend`",
            "mynah.toml:5:1: `backend.queue_sise` is no setting: did you mean `queue_size`?",
            "mynah.toml:7:2: `samplings` is no setting: did you mean the section `sampling`?",
            "mynah.toml:10:1: `run.frobnicate` is no setting: `run` has `dirs`, `state_dir`, `env`",
        ],
    );
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_key() {
    let folder = folder("[model]\nthreads = 'many'\n");
    refused(
        folder.path(),
        &[],
        &["mynah.toml:2:11: `model.threads` is \"many\", it must be a whole number from 1 to 512"],
    );
}

#[test]
fn text_that_is_not_toml_is_told_with_its_place() {
    let folder = folder("[model]\nthreads = 2\nctx_size = = 3\n");
    refused(folder.path(), &[], &["mynah.toml:3:12: not TOML"]);
}

#[test]
fn a_file_that_is_read_is_said_in_the_log() {
    let folder = folder("");
    let output = std::process::Command::new(crate::support::command::mynah())
        .arg("run")
        .arg(wasm("run_print_args_env"))
        .current_dir(folder.path())
        .env("MYNAH_LOG", "info")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("mynah.toml"), "{log}");
}

/// A document as guests of other hosts send it.
const NESTED: &str = r#"{
  "model":    {"n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 512, "batch_size": 512, "threads": 8},
  "sampling": {"temp": 0.7, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "typical_p": 1.0, "repeat_penalty": 1.10,
               "presence_penalty": 0.0, "frequency_penalty": 0.0, "penalty_last_n": 64,
               "mirostat": 0, "mirostat_tau": 5.0, "mirostat_eta": 0.1, "seed": -1},
  "stopping": {"stop": ["\n\n", "User:", "Assistant:"], "max_tokens": 512, "max_time_ms": 30000, "ignore_eos": false},
  "memory":   {"context_shifting": true, "cache_prompt": true, "max_cache_tokens": 10000},
  "backend":  {"max_sessions": 100, "idle_timeout_ms": 300000, "auto_cleanup": true, "max_concurrent": 8, "queue_size": 50}
}"#;

/// Runs `mynah config check` on a file with this text.
fn check(text: &str, flags: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings"), text).unwrap();
    run_in(
        folder.path(),
        &[&["config", "check", "settings"], flags].concat(),
    )
}

#[test]
fn a_documents_settings_in_force_are_shown() {
    let said = check(NESTED, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "sampling.temperature set 0.7",
        "stopping.max_time_ms set 30000",
        "memory.context_shifting set true",
        "backend.idle_timeout_ms set 300000",
        "model.n_gpu_layers set 98",
        "backend.queue_size set 50",
    ] {
        let has = |shown: &str| shown.split_whitespace().collect::<Vec<_>>().join(" ") == line;
        assert!(said.stdout.lines().any(has), "`{line}` in: {}", said.stdout);
    }
    assert!(!said.stdout.contains("default"), "{said:?}");
    assert_eq!(said.stderr, "", "{said:?}");
    let strict = check(NESTED, &["--strict"]);
    assert_eq!((strict.code, &strict.stdout), (Some(0), &said.stdout));
    // What the file sets comes first.
    let all = check(NESTED, &["--all"]);
    let (set, rest) = all.stdout.split_at(all.stdout.find(" default ").unwrap());
    assert!(
        set.contains("backend.queue_size") && !rest.contains("  set  "),
        "{all:?}"
    );
    for key in ["sampling.min_keep", "run.weight", "run.max_memory"] {
        assert!(rest.contains(key) || set.contains(key), "{key}: {all:?}");
    }
}

#[test]
fn every_problem_of_a_document_is_told_with_its_line() {
    let said = check(
        "{\n\"temp\": -1,\n\"top_q\": 1,\n\"n_predict\": \"x\"}",
        &[],
    );
    assert_eq!(said.code, Some(1), "{said:?}");
    said.host_lines(&[
        "settings:2:9: `temp` is -1",
        "settings:3:1: `top_q` is no setting",
        "settings:4:14: `n_predict` is \"x\"",
    ]);
}

/// Newcomer 8 and 9.
#[test]
fn problems_of_run_and_of_the_models_are_told_beside_all_others() {
    let said = check(
        "[models]\na = 1\nb = 'none.gguf'\n[run]\nmetrics = 'localhost'\nweight = 0\n\
         max_priority = 'top'\ntimeout = 30\nmax_memory = '1 gigabyte'\n[sampling]\ntop_p = 3\n\
         [logging]\nfilter = 'infoo'\n[model]\nn_predict = 3\nmax_time = 4\n",
        &["--all"],
    );
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said:?}");
    said.host_lines(&[
        "settings:2:5: `models.a` is 1, it must be a text in quotes",
        "settings:3:5: `models.b`: none.gguf: the model file can't be read",
        "settings:5:11: `run.metrics`: \"localhost\": an address is",
        "settings:6:10: `run.weight` is 0, it must be a whole number from 1 to 1000",
        "settings:7:16: `run.max_priority`: \"top\": ",
        "settings:8:11: `run.timeout` is 30, it must be a text in quotes, such as \"30s\"",
        "settings:9:14: `run.max_memory`: \"1 gigabyte\": a size is a number with a unit",
        "settings:11:9: `sampling.top_p` is 3",
        "settings:13:10: `logging.filter`: `infoo` is no level: did you mean `info`?",
        "settings:16:1: `model.max_time` is no setting",
    ]);
}

/// Newcomer 10.
#[test]
fn models_and_grants_are_shown_and_must_be_there() {
    let text = "[models]\ndefault = 'tiny.gguf'\n[model]\nctx_size = 256\n[run]\nweight = 2\n\
                dirs = ['data::/data']\n";
    let folder = folder(text);
    let check = || run_in(folder.path(), &["config", "check"]);
    let said = check();
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said:?}");
    said.host_lines(&[
        "mynah.toml:2:11: `models.default`: tiny.gguf: the model file can't be read",
        "mynah.toml:7:8: `run.dirs`: there is no folder data",
    ]);
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("tiny.gguf"), "no model").unwrap();
    check().host_line("`models.default`: ");
    TinyModel::default()
        .write_to(&folder.path().join("tiny.gguf"))
        .unwrap();
    let said = check();
    assert_eq!(said.code, Some(0), "{said:?}");
    let rows: Vec<String> = said
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "models.default set \"tiny.gguf\"",
        "run.weight set 2",
        "run.dirs set [\"data::/data\"]",
        "model.ctx_size set 256",
    ];
    assert_eq!(rows, expected);
    let empty = tempfile::tempdir().unwrap();
    let said = run_in(empty.path(), &["config", "check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.host_line("mynah.toml in this folder can't be read: give the path");
    std::fs::write(empty.path().join("mynah.toml"), "").unwrap();
    let said = run_in(empty.path(), &["config", "check"]);
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(0), "mynah.toml sets nothing\n")
    );
}

/// Settings that depend on each other have the place of one of them.
#[test]
fn settings_that_do_not_go_together_are_told_with_their_place() {
    let said = check(
        "[backend]\nmax_concurrent = 8\n[model]\nbatch_size = 4\n",
        &[],
    );
    said.host_line("settings:4:14: `model.batch_size` is 4, it must be at least");
}

#[test]
fn a_run_takes_its_settings_from_json_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.json"), NESTED).unwrap();
    TinyModel::default()
        .write_to(&folder.path().join("tiny.gguf"))
        .unwrap();
    let guest = guest("nn_complete");
    let flags = [
        "run",
        "--config",
        "settings.json",
        "--model",
        "default=tiny.gguf",
        "--max-tokens",
        "4",
    ];
    let said = run_in(folder.path(), &[flags.as_slice(), &[&guest]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn the_documentation_has_the_table_of_what_is_read() {
    let said = run_in(Path::new("."), &["config", "table"]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- begin: mynah config table -->\n", "<!-- end -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (table, after) = rest.split_once(end).unwrap();
    if std::env::var_os("MYNAH_BLESS").is_some() {
        std::fs::write(&page, [before, begin, &said.stdout, end, after].concat()).unwrap();
    } else {
        assert_eq!(
            table, said.stdout,
            "run this test with MYNAH_BLESS=1, which writes it"
        );
    }
}

#[test]
fn the_schema_accepts_what_is_read() {
    let said = run_in(Path::new("."), &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let is_valid = |text: &str| validator.is_valid(&serde_json::from_str(text).unwrap());
    for document in [
        NESTED,
        r#"{"n_gpu_layers": 98, "ctx-size": 2048, "temp": 0.5, "dynatemp": {"range": 0.1}}"#,
        r#"{"sampling": {"dynatemp": {"range": 0.1}, "seed": null, "logit_bias": [[1, false]]}, "run": {"instances": 2}}"#,
    ] {
        assert!(is_valid(document), "{document}");
    }
    for document in [
        r#"{"temp": -1}"#,
        r#"{"sampling": {"top_q": 1}}"#,
        r#"{"stop": 5}"#,
    ] {
        assert!(!is_valid(document), "{document}");
    }
}
