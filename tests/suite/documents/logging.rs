//! Cases 12 to 14: what is logged, to where, and in which format, checked on the command's output.

use std::path::Path;
use std::process::Command;

use mynah_tests::tiny_model::TinyModel;
use mynah_tests::wasm;
use serde_json::{Value, json};

use crate::support::command::mynah;

/// Runs a guest on a tiny model with a document's `logging` section. Returns the host's stderr.
fn stderr(folder: &Path, logging: &Value) -> String {
    let model = folder.join("tiny.gguf");
    TinyModel::default().write_to(&model).unwrap();
    let document = json!({
        "model": {"ctx_size": 256},
        "stopping": {"max_tokens": 3},
        "logging": logging,
        "backend": {"max_sessions": 50, "max_concurrent": 4, "queue_size": 20},
    });
    let config = folder.join("settings.json");
    std::fs::write(&config, document.to_string()).unwrap();
    let output = Command::new(mynah())
        .args(["run", "--config"])
        .arg(&config)
        .arg("--model")
        .arg(format!("default={}", model.display()))
        .arg(wasm("nn_complete"))
        .env_remove("MYNAH_LOG")
        .output()
        .unwrap();
    assert!(output.status.success(), "{logging}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Whether there is a line of that level.
fn has(log: &str, level: &str) -> bool {
    log.lines()
        .any(|line| line.split_whitespace().take(2).any(|word| word == level))
}

/// Case 12, `logging_configuration`.
#[test]
fn the_level_of_a_document_decides_what_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let of = |logging: Value| stderr(folder.path(), &logging);
    let debug =
        of(json!({"level": "debug", "enable_debug": true, "timestamps": true, "colors": false}));
    assert!(has(&debug, "DEBUG") && has(&debug, "INFO"), "{debug}");
    let info = of(json!({"level": "info", "enable_debug": false, "timestamps": false}));
    assert!(has(&info, "INFO") && !has(&info, "DEBUG"), "{info}");
    // Nothing fails, so nothing is logged.
    for quiet in ["error", "off"] {
        let log = of(json!({"level": quiet}));
        assert!(log.is_empty(), "{quiet}: {log}");
    }
    // At every level, prompts and answers stay out of the log.
    assert!(!debug.contains("capital of France"), "{debug}");
}

/// Case 13, `advanced_logging_features`.
#[test]
fn timestamps_and_colours_are_as_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let of = |timestamps: bool, colors: &str| {
        let logging = json!({"level": "info", "timestamps": timestamps, "colors": colors});
        stderr(folder.path(), &logging)
    };
    let begins_with_a_year =
        |line: &str| line.len() > 4 && line.bytes().take(4).all(|byte| byte.is_ascii_digit());
    let plain = of(true, "never");
    assert!(
        !plain.is_empty() && plain.lines().all(begins_with_a_year),
        "{plain}"
    );
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let without = of(false, "never");
    assert!(
        !without.is_empty() && !without.lines().any(begins_with_a_year),
        "{without}"
    );
    let colored = of(false, "always");
    assert!(colored.contains('\u{1b}'), "{colored:?}");
    // True, as in those documents, means colours on a terminal, and this is not a terminal.
    let logging = json!({"level": "info", "colors": true});
    assert!(!stderr(folder.path(), &logging).contains('\u{1b}'));
}

/// Case 14, `file_logging`.
#[test]
fn a_log_file_has_the_lines_of_stderr_without_colours_and_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.log");
    let logging = json!({
        "level": "debug",
        "enable_debug": true,
        "timestamps": true,
        "colors": "always",
        "file": file,
    });
    let log = stderr(folder.path(), &logging);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("model loaded"), "{written}");
    assert!(has(&written, "INFO") && has(&written, "DEBUG"), "{written}");
    // The file has no colours, and lines also go to stderr.
    assert!(
        !written.contains('\u{1b}') && log.contains("model loaded"),
        "{log}"
    );
    assert_eq!(
        written.lines().count(),
        log.lines().count(),
        "{written}\n{log}"
    );
    // The next run appends to the file.
    stderr(folder.path(), &logging);
    let both = std::fs::read_to_string(&file).unwrap();
    assert!(both.starts_with(&written) && both.len() > written.len());
}
