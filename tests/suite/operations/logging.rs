//! The host's log: lines have the ids of their request, each request ends with a summary, files are
//! rotated, text of components stays out, and a log that cannot be written blocks nothing.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, foreach_log, wasm};
use serde_json::Value;

use crate::assert_test_exists;
use crate::support::command::{Said, mynah};

foreach_log!(assert_test_exists);

/// The text that must not appear in any line.
const MARKER: &str = "xylophone4711";

/// A folder with a model whose template takes a single message.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let template = "{% if messages|length > 1 %}{{ raise_exception(messages[0].content) \
        }}{% endif %}{{ messages[0].content }}";
    let model = TinyModel {
        chat_template: Some(template.to_owned()),
        ..TinyModel::default()
    };
    model.write_to(&folder.path().join("tiny.gguf")).unwrap();
    folder
}

fn command(folder: &Path, flags: &[&str], component: &Path) -> Command {
    let mut command = Command::new(mynah());
    command
        .args(["run", "--model", "default=tiny.gguf", "--temperature", "0"])
        .args(["--set", "ignore_eos=true", "--set", "max_tokens=4"])
        .args(flags)
        .arg(component)
        .current_dir(folder)
        .env_remove("MYNAH_LOG")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// Runs a guest in the folder.
fn run(folder: &Path, flags: &[&str], guest: &str, args: &[&str]) -> Said {
    let mut command = command(folder, flags, &wasm(guest));
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Parses lines of JSON.
fn json(text: &str) -> Vec<Value> {
    let read = |line: &str| {
        let value: Result<Value, _> = serde_json::from_str(line);
        value.unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    text.lines().map(read).collect()
}

fn file(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn the_last_line_of_a_request_has_everything_and_it_is_what_the_component_was_told() {
    let folder = folder();
    let flags = [
        "--log",
        "mynah=debug",
        "--log-format",
        "json",
        "--owner",
        "team-a",
    ];
    let said = run(folder.path(), &flags, "stream_text", &["A word", "6"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = json(&said.stderr);
    let is_of_request = |line: &&Value| line["request"].is_u64();
    let of_request: Vec<&Value> = lines.iter().filter(is_of_request).collect();
    let messages: Vec<&str> = of_request
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        ["request queued", "request started", "request completed"]
    );
    for line in &of_request {
        assert_eq!(line["owner"], "team-a", "{line}");
        assert_eq!(line["target"], "mynah::task", "{line}");
        assert_eq!(line["request"], of_request[0]["request"], "{line}");
        assert!(line["session"].is_u64());
        // Newcomer 16: as in metrics and status.
        assert_eq!(line["model"], "default", "{line}");
        assert!(line["timestamp"].is_string() && line["level"].is_string());
    }
    let last = of_request[2];
    assert_eq!(last["level"], "INFO", "{last}");
    assert_eq!(last["kind"], "text");
    assert!(last["file_model"].is_string(), "{last}");
    assert_eq!(last["reason"], "max-tokens");
    // The guest prints the usage that it received.
    let told = format!(
        "finish=max-tokens tokens={} prompt={}",
        last["generated_tokens"], last["prompt_tokens"]
    );
    assert!(said.stdout.contains(&told), "`{told}` in: {said:?}");
    assert_eq!(last["generated_tokens"], 6);
    assert_eq!(last["cached_tokens"], 0);
    assert_eq!(last["forgotten_tokens"], 0);
    for time in ["queue_ms", "prefill_ms", "decode_ms"] {
        assert!(last[time].as_f64().is_some_and(|ms| ms >= 0.0), "{last}");
    }
}

#[test]
fn a_request_that_is_not_taken_has_a_last_line_too() {
    let folder = folder();
    let flags = ["--log", "mynah::task=info", "--log-format", "json"];
    let said = run(folder.path(), &flags, "nn_prompt_too_long", &[]);
    let lines = json(&said.stderr);
    let rejected = lines
        .iter()
        .find(|line| line["message"] == "request rejected");
    let rejected = rejected.unwrap_or_else(|| panic!("{said:?}"));
    let error = rejected["error"].as_str().unwrap();
    assert!(
        error.contains("tokens") || error.contains("bytes"),
        "{rejected}"
    );
    assert!(rejected["request"].is_u64() && rejected["owner"].is_string());
}

#[test]
fn log_marker() {
    let folder = folder();
    // A list of the marker's bytes, in the format of debug output.
    let as_bytes = format!("{:?}", MARKER.as_bytes());
    let as_bytes = as_bytes.trim_matches(['[', ']']);
    let clean = |what: &str, text: &str| {
        let found = text
            .lines()
            .find(|line| line.contains(MARKER) || line.contains(as_bytes));
        assert_eq!(found, None, "{what}");
    };
    for (filter, format) in [
        ("trace,llama_cpp=trace", "json"),
        ("trace,llama_cpp=trace", "human"),
        ("warn", "human"),
    ] {
        let flags = [
            "--log",
            filter,
            "--log-format",
            format,
            "--log-file",
            "host.log",
        ];
        let said = run(folder.path(), &flags, "log_marker", &[MARKER]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(
            said.stdout.contains(MARKER),
            "the component's own: {said:?}"
        );
        clean("stderr", &said.stderr);
        clean("the file", &file(folder.path(), "host.log"));
        // The check is meaningful: the log does have lines about the guest's input.
        assert!(said.stderr.contains("is not in force"), "{said:?}");
        if filter != "warn" {
            assert!(said.stderr.contains("request rejected"), "{said:?}");
            assert!(said.stderr.contains("llama_cpp"), "{said:?}");
        }
        std::fs::remove_file(folder.path().join("host.log")).unwrap();
    }
    assert!(
        !folder.path().join(MARKER).exists(),
        "a component's log file"
    );

    // With `--log-content` the marker is in the log.
    let flags = ["--log-content", "--log-file", "host.log"];
    let said = run(folder.path(), &flags, "log_marker", &[MARKER]);
    for text in [&said.stderr, &file(folder.path(), "host.log")] {
        assert!(
            text.contains(&format!("prompt=Text(\"{MARKER}\")")),
            "{text}"
        );
        assert!(text.contains("answer="), "{text}");
        let is_rendered = |line: &str| line.contains("prompt rendered") && line.contains(MARKER);
        assert!(text.lines().any(is_rendered), "{text}");
    }
}

#[test]
fn classes_are_chosen_alone() {
    let folder = folder();
    for class in ["performance", "memory", "task"] {
        let target = format!("mynah::{class}");
        let filter = format!("{target}=trace");
        // More tokens than fit into the context, so the oldest are removed.
        let flags = ["--log", &filter, "--log-format", "json", "--ctx-size", "64"];
        let more = ["--context-shifting", "--set", "max_tokens=150"];
        let flags = [flags.as_slice(), &more].concat();
        let said = run(
            folder.path(),
            &flags,
            "nn_complete",
            &["the word of the word"],
        );
        assert_eq!(said.code, Some(0), "{said:?}");
        let lines = json(&said.stderr);
        assert!(!lines.is_empty(), "{class}");
        for line in &lines {
            assert_eq!(line["target"], target.as_str(), "{line}");
        }
        if class == "memory" {
            let is_shift = |line: &Value| line["message"] == "context shifted";
            assert!(lines.iter().any(is_shift), "{}", said.stderr);
        }
    }
}

#[test]
fn files_grow_old_and_so_many_are_kept() {
    let folder = folder();
    let flags = [
        "--log",
        "trace,llama_cpp=trace",
        "--log-format",
        "json",
        "--log-file",
        "host.log",
    ];
    let bounds = ["--log-file-size", "16KiB", "--log-old-files", "2"];
    let flags = [flags.as_slice(), &bounds].concat();
    let said = run(folder.path(), &flags, "nn_complete", &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("host.log")).collect();
    names.sort();
    assert_eq!(names, ["host.log", "host.log.1", "host.log.2"]);
    let mut kept = 0;
    for name in names {
        let text = file(folder.path(), &name);
        assert!(text.len() <= 16 << 10, "{name}: {}", text.len());
        kept += json(&text).len();
    }
    let all = json(&said.stderr).len();
    assert!(kept > 0 && kept < all, "{kept} of {all}");
}

#[test]
fn a_folder_that_vanishes_costs_lines_and_nothing_else() {
    let folder = folder();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let flags = [
        "--log",
        "mynah=trace,llama_cpp=debug",
        "--log-file",
        "logs/host.log",
    ];
    // The guest waits for a question, so it is still running while its log folder is moved.
    let mut child = command(folder.path(), &flags, &cargo_component_wasm("chat"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A first line means that the host has finished opening the file.
    let has_begun = |file: &Path| file.metadata().is_ok_and(|file| file.len() > 0);
    while !has_begun(&logs.join("host.log")) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it began a log"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    // A rename is atomic, so nothing is created in the folder meanwhile.
    std::fs::rename(&logs, folder.path().join("gone")).unwrap();
    writeln!(child.stdin.take().unwrap(), "a word").unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && !stdout.is_empty(),
        "{stdout} {stderr}"
    );
    let warnings: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("logs/host.log can't be written"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("lines of the log were lost"),
        "{warnings:?}"
    );
    assert!(!logs.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_once_and_what_it_cost_at_the_end() {
    let folder = folder();
    let flags = [
        "--log",
        "mynah=debug",
        "--log-format",
        "json",
        "--log-file",
        "/dev/full",
    ];
    let said = run(folder.path(), &flags, "nn_complete", &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let (warnings, lines): (Vec<&str>, Vec<&str>) = said
        .stderr
        .lines()
        .partition(|line| line.starts_with("warning: "));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("/dev/full can't be written: No space left"),
        "{warnings:?}"
    );
    // The same number of lines as on stderr, which has all of them.
    let lost = format!(" {} lines of the log were lost", lines.len());
    assert!(warnings[1].contains(&lost), "`{lost}` in: {warnings:?}");
}

#[test]
fn a_file_that_can_not_be_opened_is_an_error_at_the_start() {
    let folder = folder();
    let said = run(
        folder.path(),
        &["--log-file", "nowhere/host.log"],
        "nn_complete",
        &[],
    );
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said:?}");
    said.host_line("the log file nowhere/host.log can't be written");
}

#[test]
fn the_keys_of_a_configuration_work() {
    let folder = folder();
    let write = |text: &str| std::fs::write(folder.path().join("mynah.toml"), text).unwrap();
    // A document of another host. The log file is beside the configuration.
    let document = r#"{"logging": {"level": "info", "enable_debug": false, "timestamps": false, "colors": true,
        "file": "host.log"}}"#;
    std::fs::write(folder.path().join("settings.json"), document).unwrap();
    let said = run(
        folder.path(),
        &["--config", "settings.json"],
        "nn_complete",
        &[],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let log = file(folder.path(), "host.log");
    assert!(
        log.lines()
            .any(|line| line.starts_with(" INFO mynah::task: request completed")),
        "{log}"
    );
    assert!(!log.contains("DEBUG") && !log.contains('\u{1b}'), "{log}");
    // Lines of two threads can have any order in each destination.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        sorted(&said.stderr),
        sorted(&log),
        "no terminal, no colours"
    );

    write("[logging]\nenable_debug = true\nformat = 'json'\nfilter = 'mynah::performance=off'\n");
    let said = run(folder.path(), &[], "nn_complete", &[]);
    let lines = json(&said.stderr);
    let is_shown = |message: &str| lines.iter().any(|line| line["message"] == message);
    assert!(is_shown("request started"), "{said:?}");
    // The command line wins.
    let said = run(
        folder.path(),
        &["--log", "error", "--log-format", "human"],
        "nn_complete",
        &[],
    );
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));

    write("[logging]\nfilter = 'mynah=loud'\n");
    let said = run(folder.path(), &[], "nn_complete", &[]);
    said.host_line("mynah.toml:2:10: `logging.filter`: `loud` is no level");
    write("[logging]\nlevel = 'loud'\nfiel = 'x'\n");
    let said = run(folder.path(), &[], "nn_complete", &[]);
    said.host_lines(&[
        "mynah.toml:2:9: `logging.level` is \"loud\", it must be one of off, error",
        "mynah.toml:3:1: `logging.fiel` is no setting: did you mean `file`?",
    ]);
}

#[test]
fn colours_are_there_where_they_are_asked_for() {
    let folder = folder();
    let info = ["--log", "info"];
    let always = [
        info.as_slice(),
        &["--log-colors", "always", "--log-file", "host.log"],
    ]
    .concat();
    let said = run(folder.path(), &always, "nn_complete", &[]);
    assert!(said.stderr.contains("\u{1b}["), "{said:?}");
    assert!(!file(folder.path(), "host.log").contains('\u{1b}'));
    for flags in [&["--log-colors", "auto"], &["--log-colors", "never"]] {
        let flags = [info.as_slice(), flags].concat();
        let said = run(folder.path(), &flags, "nn_complete", &[]);
        assert!(said.stderr.contains("request completed"), "{said:?}");
        assert!(!said.stderr.contains('\u{1b}'), "no terminal: {said:?}");
    }
}

/// Newcomer 5.
#[test]
fn a_level_alone_shows_the_host_and_not_llama_cpp() {
    let folder = folder();
    std::fs::write(
        folder.path().join("level.toml"),
        "[logging]\nlevel = 'debug'\n",
    )
    .unwrap();
    for flags in [["--log", "info"], ["--config", "level.toml"]] {
        let flags = [flags.as_slice(), &["--log-format", "json"]].concat();
        let said = run(folder.path(), &flags, "nn_complete", &[]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let lines = json(&said.stderr);
        assert!(lines.iter().any(|line| line["message"] == "model loaded"));
        let foreign = lines.iter().find(|line| line["target"] == "llama_cpp");
        assert_eq!(foreign, None);
    }
}

#[test]
fn llama_cpps_lines_have_their_own_level() {
    let folder = folder();
    let flags = ["--log", "off,llama_cpp=info", "--log-format", "json"];
    let said = run(folder.path(), &flags, "nn_complete", &[]);
    let lines = json(&said.stderr);
    let level = |line: &Value| line["level"].as_str().unwrap().to_owned();
    let levels: std::collections::BTreeSet<String> = lines.iter().map(level).collect();
    assert!(
        levels.contains("INFO") && !levels.contains("DEBUG"),
        "{levels:?}"
    );
    assert!(lines.iter().all(|line| line["target"] == "llama_cpp"));
}
