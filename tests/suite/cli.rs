//! The command line: each wrong input gives one clear line and the right exit code.

use std::path::{Path, PathBuf};
use std::process::Command;

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, model_path, wasm};

/// What a run of the command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// The one line of the host's: it has these words, and nothing looks like a panic.
    pub(crate) fn host_line(&self, words: &str) {
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(lines.len(), 1, "one line: {self:?}");
        assert!(lines[0].contains(words), "`{words}` in: {self:?}");
        assert!(!self.stderr.contains("panicked at host"), "{self:?}");
    }
}

/// The command. `cargo xtask` says in `MYNAH_TEST_BIN` where it is; else it is beside the tests.
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

/// Runs the command with nothing to read.
pub(crate) fn run(args: &[&str]) -> Said {
    run_in(Path::new("."), args)
}

/// Runs the command in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Said {
    said(Command::new(mynah()).args(args).current_dir(folder))
}

/// Runs the command with a cache folder of its own.
pub(crate) fn run_with_cache(args: &[&str], cache: &Path) -> Said {
    said(Command::new(mynah()).args(args).env("MYNAH_CACHE", cache))
}

fn said(command: &mut Command) -> Said {
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

/// A wrong input: exit code 1, one line with these words, nothing on stdout.
pub(crate) fn refused(args: &[&str], words: &str) {
    let said = run(args);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.stdout, "", "{said:?}");
    assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    said.host_line(words);
}

fn chat() -> String {
    cargo_component_wasm("chat").display().to_string()
}

fn real_model() -> String {
    format!("default={}", model_path().display())
}

#[test]
fn the_chat_example_answers_with_the_real_model() {
    let question = "Why is the sky blue? Answer in one sentence.";
    let said = run(&[
        "run",
        "--model",
        &real_model(),
        &chat(),
        "--temperature",
        "0",
        question,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("blue"), "{said:?}");
    assert!(
        said.stderr.contains("tokens/s") && said.stderr.contains("end-of-generation"),
        "{said:?}"
    );
}

#[test]
fn the_complete_example_takes_its_settings_from_the_operator() {
    let example = cargo_component_wasm("complete").display().to_string();
    let args = ["--temperature", "0", "--max-tokens", "3"];
    let model = real_model();
    let line = [
        &["run", "--model", &model][..],
        &args,
        &[&example, "The capital of France is"],
    ];
    let said = run(&line.concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("Paris"), "{said:?}");
}

#[test]
fn the_monitor_example_shows_all_five_kinds() {
    let example = cargo_component_wasm("monitor").display().to_string();
    let model = real_model();
    let said = run(&[
        "run",
        "--no-config",
        "--model",
        &model,
        "--allow-host-status",
        &example,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "model\n",
        "sessions\n",
        "queue\n",
        "memory\n",
        "performance\n",
        "of Q4_1",
        "1 of 1",
    ] {
        assert!(said.stdout.contains(line), "`{line}` in: {said:?}");
    }
    let said = run(&[
        "run",
        "--no-config",
        "--model",
        &model,
        &example,
        "--json",
        "queue",
    ]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("--allow-host-status"), "{said:?}");
}

/// The example's second run remembers the first, and the host what it computed for it.
#[test]
fn the_assistant_example_remembers_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("memory");
    std::fs::create_dir(&memory).unwrap();
    let states = folder.path().join("states").display().to_string();
    let example = cargo_component_wasm("assistant").display().to_string();
    let dir = format!("{}::/memory", memory.display());
    let model = real_model();
    let say = |guest: &[&str]| {
        let host = ["run", "--no-config", "--model", &model, "--dir", &dir];
        let states = ["--owner", "ada", "--state-dir", &states, &example];
        let options = ["--max-tokens", "12", "--temperature", "0"];
        run(&[&host[..], &states, &options, guest].concat())
    };
    let first = say(&[
        "My name is Ada, I live on an island, and I have a grey parrot who can count to twelve. \
        Tell me something about grey parrots, about islands, and about counting.",
    ]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(
        first.stderr.contains(", 0 of them computed before"),
        "{first:?}"
    );
    let second = say(&["What is my name?"]);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(
        second.stderr.contains("[2 messages remembered]"),
        "{second:?}"
    );
    let cached = second
        .stderr
        .split("read, ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let cached: u32 = cached.unwrap().parse().unwrap();
    assert!(cached > 40, "{second:?}");
    let saved = std::fs::read_to_string(memory.join("conversation.json")).unwrap();
    assert!(
        saved.contains("Ada") && saved.contains(second.stdout.trim_end()),
        "{saved}"
    );

    // What is no conversation is left as it is, until somebody says that it may go.
    std::fs::write(memory.join("conversation.json"), "{").unwrap();
    let refused = say(&["Hello"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("/memory/conversation.json") && refused.stderr.contains("--new"),
        "{refused:?}"
    );
    assert_eq!(
        std::fs::read(memory.join("conversation.json")).unwrap(),
        b"{"
    );
    let anew = say(&["--new", "Hello"]);
    assert_eq!(anew.code, Some(0), "{anew:?}");
    assert!(!anew.stderr.contains("remembered"), "{anew:?}");
    let nameless = ["run", "--model", &model, "--state-dir", &states, &example];
    let nameless = run(&[&nameless[..], &["--max-tokens", "1", "--memory", "/x", "a"]].concat());
    assert!(
        nameless.stderr.contains("give it one with --owner"),
        "{nameless:?}"
    );
    let nowhere = run(&["run", "--no-config", "--model", &model, &example, "Hello"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(
        nowhere.stderr.contains("--dir FOLDER::/memory"),
        "{nowhere:?}"
    );
}

#[test]
fn the_batch_example_answers_every_line_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = "The capital of France is\n\nThe capital of Italy is\n";
    std::fs::write(folder.path().join("prompts.txt"), prompts).unwrap();
    let example = cargo_component_wasm("batch").display().to_string();
    let dir = format!("{}::/data", folder.path().display());
    let model = real_model();
    let line = |file: &'static str| {
        let host = ["run", "--model", &model, "--dir", &dir, &example];
        let guest = ["--max-tokens", "6", "--temperature", "0", file];
        run(&[&host[..], &guest].concat())
    };
    let said = line("/data/prompts.txt");
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut lines: Vec<&str> = said.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{said:?}");
    assert!(
        lines[0].contains("\"index\":0") && lines[0].contains("Paris"),
        "{said:?}"
    );
    assert!(
        lines[1].contains("\"index\":1") && lines[1].contains("Rome"),
        "{said:?}"
    );
    assert!(said.stderr.contains("[2 answered, 0 failed, "), "{said:?}");

    let said = line("/data/none.txt");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("none.txt"), "{said:?}");
}

#[test]
fn a_component_that_is_no_component_is_refused() {
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
        "core WebAssembly module",
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
    refused(
        &["run", "--model", &model, "--model", &model, &chat(), "hi"],
        "given twice",
    );
}

#[test]
fn settings_out_of_range_are_all_named_on_one_line() {
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
    refused(&args, "`backend.max_concurrent`");
    refused(&args, "`backend.queue_size`");
    refused(&args, "`sampling.temperature`");
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

#[test]
fn inspect_tells_what_a_component_needs() {
    let said = run(&["inspect", &chat()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in [
        "mynah:llm/generation@0.1.1  (served)",
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
    // `.cargo/config.toml` sees to it; a build that overrides RUSTFLAGS would not be for this machine.
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
        .env("MYNAH_LOG", "trace")
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
