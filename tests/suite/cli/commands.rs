//! The command line: each wrong input gives one clear line and the right exit code.

use std::process::Command;

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, model_path, wasm};

use crate::support::command::{chat, misused, mynah, real_model, refused, run};

#[test]
fn a_guest_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    refused(
        &["run", "/no/such/file.wasm"],
        "/no/such/file.wasm can't be read",
    );
    refused(
        &["run", &folder.path().display().to_string()],
        "is a folder",
    );
    refused(&["run", &file("empty.wasm", b"")], "is empty");
    refused(
        &["run", &file("random.wasm", &[0x5a; 1000])],
        "does not begin as WebAssembly",
    );
    refused(
        &["run", &file("core.wasm", b"\0asm\x01\0\0\0")],
        "it exports no `_start`",
    );
    refused(
        &["run", &file("broken.wasm", b"\0asm\x01\0\0\0\xff")],
        "not a valid core module",
    );
    let whole = std::fs::read(cargo_component_wasm("chat")).unwrap();
    refused(
        &["run", &file("cut.wasm", &whole[..whole.len() / 2])],
        "not a valid component",
    );
}

#[test]
fn an_import_that_the_host_lacks_is_named() {
    let guest = wasm("run_import_missing").display().to_string();
    refused(&["run", &guest], "test:absent/nothing");
}

#[test]
fn a_bad_model_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let given = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        format!("default={}", path.display())
    };
    let refuse =
        |model: &str, words: &str| refused(&["run", "--model", model, &chat(), "hi"], words);
    refuse(
        "default=/no/such/model.gguf",
        "/no/such/model.gguf: the model file can't be read",
    );
    refuse(&format!("default={}", folder.path().display()), "folder");
    refuse(&given("empty.gguf", b""), "empty");
    refuse(&given("random.gguf", &[0x5a; 4096]), "not a GGUF");
    let whole = TinyModel::default().bytes();
    refuse(&given("cut.gguf", &whole[..whole.len() / 2]), "cut off");
}

#[test]
fn a_model_that_is_not_granted_looks_like_one_that_is_not_there() {
    let said = run(&[
        "run",
        "--model",
        &real_model(),
        &chat(),
        "--model",
        "other",
        "hi",
    ]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stderr.contains("no model `other` is granted"),
        "{said:?}"
    );
}

#[test]
fn one_name_for_two_models_is_refused() {
    let model = real_model();
    misused(
        &["run", "--model", &model, "--model", &model, &chat(), "hi"],
        &["the model name `default` is given twice"],
    );
}

#[test]
fn settings_out_of_range_are_all_named_each_on_a_line() {
    let flags = [
        "--max-concurrent",
        "0",
        "--queue-size",
        "0",
        "--temperature",
        "-1",
    ];
    let (model, chat) = (real_model(), chat());
    let args = [&["run", "--model", &model][..], &flags, &[&chat, "hi"]].concat();
    let lines = [
        "`sampling.temperature`",
        "`backend.max_concurrent`",
        "`backend.queue_size`",
    ];
    misused(&args, &lines);
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    refused(
        &["run", "--dir", "/no/such/folder::/data", &chat(), "hi"],
        "/no/such/folder",
    );
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for args in [
        &["run"][..],
        &["run", "--model", "x", "y.wasm"],
        &["run", "--instances", "many", "y.wasm"],
        &["run", "--config", "a.toml", "--no-config", "y.wasm"],
        &["frobnicate"],
        &[],
    ] {
        let said = run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(
            said.stderr.contains("--help") || said.stderr.contains("Usage"),
            "{said:?}"
        );
    }
}

/// Newcomer 20.
#[test]
fn a_setting_that_cannot_be_is_a_usage_error_as_a_priority_is() {
    let with = |flags: &[&str], words: &[&str]| {
        misused(
            &[&["run", "--no-config"], flags, &["y.wasm"]].concat(),
            words,
        );
    };
    with(
        &["--set", "top_p=3"],
        &["--set top_p=3: `top_p` is 3, it must be"],
    );
    with(
        &["--set", "top_q=1", "--set", "x", "--threads", "-4"],
        &[
            "--threads -4: give a whole number",
            "--set top_q=1: ",
            "--set x: give a setting",
        ],
    );
    with(
        &["--threads", "5000"],
        &["`model.threads` is 5000, it must be"],
    );
    with(
        &["--instances", "0", "--weight", "0"],
        &["`run.instances`", "`run.weight`"],
    );
    with(
        &["--batch-size", "4"],
        &["`model.batch_size` is 4, it must be at least"],
    );
    with(
        &["--set", "logging.filter=mynah::tsak=info"],
        &["did you mean `mynah::task`?"],
    );
    for flags in [
        &["--priority", "hihg"][..],
        &["--threads", "many"],
        &["--log-file-size", "64"],
        &["--queue-timeout", "30"],
        &["--mem", "5"],
    ] {
        let said = run(&[&["run"], flags, &["y.wasm"]].concat());
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(!said.stderr.contains("as a value"), "{said:?}");
    }
    let said = run(&["run", "--mem", "5", "y.wasm"]);
    assert!(said.stderr.contains("--max-memory"), "{said:?}");
}

/// Newcomer 11 and 12.
#[test]
fn what_was_granted_and_what_went_to_the_guest_is_told_when_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let guest = wasm("nn_complete").display().to_string();
    let model = format!("default={}", path.display());
    let said = run(&["run", "--no-config", &guest, "--model", &model]);
    assert_ne!(said.code, Some(0), "{said:?}");
    for words in [
        "hint: the guest asked for a model, and none is granted",
        "hint: the guest got `--model` as arguments: options of `mynah run` stand before",
    ] {
        assert!(said.stderr.contains(words), "`{words}` in: {said:?}");
    }
    let typo = model.replace("default", "defualt");
    let flags = ["run", "--no-config", "--instances", "3", "--model", &typo];
    let said = run(&[&flags[..], &[&guest]].concat());
    assert_ne!(said.code, Some(0), "{said:?}");
    let hint =
        "hint: the guest asked for a model by a name that is not granted. Granted: `defualt`";
    assert_eq!(said.stderr.matches(hint).count(), 1, "once: {said:?}");
    // A guest that succeeds, or that takes options of its own, gets no hint.
    let flags = ["run", "--no-config", "--max-tokens", "2", "--model", &model];
    let said = run(&[&flags[..], &[&guest, "--model", "x"]].concat());
    assert!(!said.stderr.contains("hint:"), "{said:?}");
}

#[test]
fn inspect_tells_what_a_component_needs() {
    let said = run(&["inspect", &chat()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in [
        "mynah:llm/generation@0.2.0  (served)",
        "wasi:cli/run@",
        "--model NAME=PATH",
    ] {
        assert!(said.stdout.contains(words), "`{words}` in: {said:?}");
    }
    let absent = run(&["inspect", &wasm("run_import_missing").display().to_string()]);
    assert!(
        absent
            .stdout
            .contains("test:absent/nothing  (not served here)"),
        "{absent:?}"
    );
    refused(&["inspect", "/no/such/file.wasm"], "can't be read");
}

#[test]
fn models_inspect_tells_what_a_file_holds() {
    let said = run(&["models", "inspect", &model_path().display().to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in [
        "llama",
        "134.5 M",
        "Q4_1",
        "8192 tokens",
        "98362432 bytes",
        "kernels here",
    ] {
        assert!(said.stdout.contains(words), "`{words}` in: {said:?}");
    }
    refused(
        &["models", "inspect", "/no/such/model.gguf"],
        "can't be read",
    );
}

#[test]
fn doctor_tells_what_this_build_has() {
    let said = run(&["doctor"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in ["llama.cpp", "ggml", "cores", "kernels", "device"] {
        assert!(said.stdout.contains(words), "`{words}` in: {said:?}");
    }
}

#[test]
fn llama_cpp_is_built_for_this_machine() {
    // `.cargo/config.toml` sets this; a build that overrides RUSTFLAGS would fail the test.
    let said = run(&["doctor"]);
    assert!(!said.stdout.contains("was built without"), "{said:?}");
}

#[test]
fn a_compiled_component_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let guest = wasm("run_print_args_env");
    for _ in 0..2 {
        let output = Command::new(mynah())
            .arg("run")
            .arg(&guest)
            .env("MYNAH_CACHE", cache.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let kept = std::fs::read_dir(cache.path().join("components")).unwrap();
    assert!(kept.count() > 0);
}

#[test]
fn completions_are_printed_for_a_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&["completions", shell]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("mynah"), "{said:?}");
    }
}

/// Newcomer 4.
#[test]
fn a_log_filter_with_a_slip_is_a_usage_error_that_says_what_was_meant() {
    for (args, words) in [
        (&["doctor", "--log", "infoo"][..], "did you mean `info`?"),
        (
            &["doctor", "--log", "vrbose"],
            "`vrbose` is no level: give a level",
        ),
        (
            &["doctor", "--log", "mynah::tsak=debug"],
            "did you mean `mynah::task`?",
        ),
        (&["log", "infoo"], "did you mean `info`?"),
    ] {
        let said = run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert_eq!(said.stdout, "", "{said:?}");
        said.host_line(words);
    }
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let output = Command::new(mynah())
        .arg("doctor")
        .env("MYNAH_LOG", "mynah=loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("MYNAH_LOG"),
        "{output:?}"
    );
}

#[test]
fn the_log_goes_to_stderr_and_has_no_prompt_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let output = Command::new(mynah())
        .args(["run", "--max-tokens", "4", "--model"])
        .arg(format!("default={}", path.display()))
        .arg(wasm("nn_complete"))
        .arg("xylophone in the prompt")
        .env("MYNAH_LOG", "trace,llama_cpp=trace")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        log.contains("model loaded") && log.contains("llama_cpp"),
        "{log}"
    );
    assert!(!log.contains("xylophone"), "the prompt is in the log");
}
