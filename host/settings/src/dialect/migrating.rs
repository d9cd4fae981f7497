//! Tests that compare the keys in `docs/migrating.md` with how documents are read.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::*;
use crate::Settings;

const PAGE: &str = include_str!("../../../../docs/migrating.md");

/// All keys that WasmEdge's GGML backend parses.
const WASMEDGE: &str = "
    enable-log enable-debug-log main-gpu n-gpu-layers cpu-moe n-cpu-moe tensor-split embedding
    split-mode mmproj tts model-vocoder tts-output-file tts-speaker-file ctx-size batch-size
    ubatch-size n-keep n-chunks n-parallel n-sequences grp-attn-n grp-attn-w n-print rope-freq-base
    rope-freq-scale yarn-ext-factor yarn-attn-factor yarn-beta-fast yarn-beta-slow yarn-orig-ctx
    mask-valid priority strict-cpu poll mask-valid-batch priority-batch strict-cpu-batch poll-batch
    numa rope-scaling-type pooling-type attention-type threads threads-batch n-prev n-probs min-keep
    top-k min-p xtc-probability xtc-threshold typ-p dynatemp-range dynatemp-exponent last-n-penalty
    temp top-p repeat-penalty presence-penalty frequency-penalty dry-multipier dry-base
    dry-allowed-length dry-last-n-penalty mirostat mirostat-eta ignore-eos no-perf-sampling
    timing-per-token grammar json-schema seed n-ctx-speculative n-max-speculative n-min-speculative
    n-gpu-layers-speculative p-split-speculative p-min-speculative hf-repo-vocoder hf-file-vocoder
    model-url-vocoder stream-stdout n-predict reverse-prompt image always-regenerate-image-embd
    model-alias model-url hf-token hf-repo hf-file prompt-file path-prompt-cache input-prefix
    input-suffix lookup-cache-static lookup-cache-dynamic logits-file lora-init-without-apply
    verbosity control-vector-layer-start control-vector-layer-end ppl-stride ppl-output-type
    hellaswag hellaswag-tasks winogrande winogrande-tasks multiple-choice multiple-choice-tasks
    kl-divergence usage use-color special interactive interactive-first prompt-cache-all
    prompt-cache-ro escape multiline-input simple-io cont-batching flash-attn no-perf ctx-shift
    input-prefix-bos use-mlock use-mmap verbose-prompt display-prompt no-kv-offload warmup
    check-tensors cache-type-k cache-type-v embd-normalize embd-out embd-sep reranking port
    timeout-read timeout-write n-threads-http n-cache-reuse hostname public-path chat-template
    enable-chat-template ssl-file-key ssl-file-cert webui endpoint-slots endpoint-props
    endpoint-metrics log-json slot-save-path slot-prompt-similarity is-pp-shared n-pp n-tg n-pl
    context-files chunk-size chunk-separator n-junk i-pos out-file n-out-freq n-save-freq i-chunk
    process-output compute-ppl n-pca-batch n-pca-iterations cvector-dimre-method
    cvector-positive-file cvector-negative-file spm-infill batched-bench-output-jsonl
";

/// The text between two headings.
fn section(from: &str, to: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n{from}\n")).unwrap();
    rest.split_once(&format!("\n{to}\n")).unwrap().0
}

/// The cells of the rows of all tables.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').map(str::trim).skip(1).collect())
}

/// The texts in backquotes.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Keys with an effect, and the setting of each.
fn working(text: &str) -> BTreeMap<&str, &str> {
    rows(text)
        .map(|cells| {
            let (key, setting) = (codes(cells[0]), codes(cells[1]));
            assert_eq!(
                (key.len(), cells[1]),
                (1, &*format!("`{}`", setting[0])),
                "{cells:?}"
            );
            (key[0], setting[0])
        })
        .collect()
}

/// Keys without an effect.
fn idle(text: &'static str) -> Vec<&'static str> {
    rows(text).flat_map(|cells| codes(cells[0])).collect()
}

/// A valid value of a setting.
fn value(setting: &str) -> Json {
    let all = spellings();
    let (section, name) = setting.split_once('.').unwrap();
    let (_, keys) = all.iter().find(|(one, _)| *one == section).unwrap();
    let info = keys.iter().find(|info| info.name == name);
    let info = info.unwrap_or_else(|| panic!("{setting} is no setting"));
    (info.default)().unwrap_or_else(|_| match setting {
        "output.grammar" => json!("root ::= \"a\""),
        "output.json_schema" => json!("{}"),
        "output.embedding" => json!(true),
        "model.chat_template" => json!("chatml"),
        "reasoning.thinking" => json!("low"),
        _ => json!(64),
    })
}

/// Checks that each key sets the setting that the page states.
fn is_read(keys: &BTreeMap<&str, &str>) {
    for (key, setting) in keys {
        let document = json!({ *key: value(setting) }).to_string();
        let reading = Reading::json(document.as_bytes());
        assert!(
            reading.problems().is_empty() && reading.set.contains_key(*setting),
            "{document}, which should be {setting}: {reading:?}"
        );
        // A guest's key is accepted, or reported as one of the operator's.
        let (_, warnings) = reading.for_guest(false).unwrap();
        let is_operators = ["model.", "backend."]
            .iter()
            .any(|begin| setting.starts_with(begin));
        assert_eq!(
            warnings.len(),
            usize::from(is_operators),
            "{document}: {warnings:?}"
        );
    }
}

/// Checks that each key is reported with a reason, and has no effect.
fn is_reported(keys: &[&str]) {
    for key in keys {
        let document = json!({ *key: 1 }).to_string();
        let (settings, warnings) = Reading::json(document.as_bytes()).for_guest(false).unwrap();
        assert_eq!(settings, Settings::default(), "{document}");
        assert!(
            matches!(
                &*warnings,
                [Problem { fault: Fault::NoEffect { reason }, .. }] if !reason.is_empty()
            ),
            "{document}: {warnings:?}"
        );
    }
}

#[test]
fn every_key_of_wasmedge_does_what_the_page_says() {
    let text = section("### Keys that do something", "### Keys without effect");
    // Supported only by hosts that write pieces of text to the guest's stdout. The engine does not.
    let (stdout, others): (Vec<_>, Vec<_>) = text
        .lines()
        .partition(|line| line.contains("`stream-stdout`"));
    assert_eq!(stdout.len(), 1);
    let others = others.join("\n");
    let working = working(&others);
    let mut idle = idle(section("### Keys without effect", "## From WAMR"));
    is_read(&working);
    is_reported(&idle);
    let mut told: Vec<&str> = working.into_keys().chain(["stream-stdout"]).collect();
    told.append(&mut idle);
    told.sort_unstable();
    let mut all: Vec<&str> = WASMEDGE.split_whitespace().collect();
    all.sort_unstable();
    assert_eq!(all.len(), 180);
    assert_eq!(told, all);
}

#[test]
fn every_parameter_of_llama_cpps_server_does_what_the_page_says() {
    let text = section(
        "### Parameters of a request",
        "### What llama.cpp's server does not have",
    );
    let (working_rows, idle_rows) = text.split_once("| parameters without effect |").unwrap();
    is_read(&working(working_rows));
    is_reported(&idle(idle_rows));
}

#[test]
fn keys_of_wasi_nn_backend_do_what_the_page_says() {
    for row in rows(section(
        "## From wasi_nn_backend",
        "## From llama.cpp's server",
    )) {
        let (keys, settings) = (codes(row[0]), codes(row[1]));
        if row[1].starts_with("no effect") {
            is_reported(&keys);
        } else if row[1].contains('.') && !row[1].contains(' ') {
            is_read(&keys.into_iter().zip(settings).collect());
        }
    }
}
