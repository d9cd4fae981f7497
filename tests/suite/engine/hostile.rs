//! Files whose metadata has been tampered with: the command answers or refuses them, and never ends
//! by a signal. Each runs in a process of its own, so that an abort is seen.

use std::process::Command;

use mynah_tests::cargo_component_wasm;
use mynah_tests::tiny_model::{KEYS, TinyModel};

use crate::support::command::{mynah, said};

/// Keys that the tiny model lacks.
const FURTHER: [&str; 12] = [
    "llama.attention.key_length",
    "llama.attention.value_length",
    "llama.attention.sliding_window",
    "llama.expert_count",
    "llama.expert_used_count",
    "llama.expert_group_count",
    "llama.nextn_predict_layers",
    "llama.pooling_type",
    "llama.rope.scaling.original_context_length",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.token_type_count",
];

/// Runs the model with a guest, and checks that the command ends by itself.
fn runs_or_is_refused(tiny: &TinyModel, what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    tiny.write_to(&path).unwrap();
    let mut command = Command::new(mynah());
    command
        .args(["run", "--no-config", "--control", "off", "--threads", "1"])
        .args([
            "--max-tokens",
            "4",
            "--ctx-size",
            "64",
            "--max-concurrent",
            "1",
        ])
        .args(["--timeout", "60s", "--model"])
        .arg(format!("default={}", path.display()))
        .arg(cargo_component_wasm("complete"))
        .arg("the word of a\nword")
        .env("GGML_NO_BACKTRACE", "1");
    let said = said(&mut command);
    assert!(said.code.is_some(), "{what} ends the host: {said:?}");
    if said.code != Some(0) {
        assert!(said.stderr.contains("error: "), "{what}: {said:?}");
    }
}

#[test]
fn no_number_in_a_file_ends_the_host() {
    for key in KEYS.iter().chain(&FURTHER) {
        for number in [0, 1, 3, 513, u32::MAX] {
            let tiny = TinyModel {
                layers: 1,
                numbers: vec![((*key).to_owned(), number)],
                ..TinyModel::default()
            };
            runs_or_is_refused(&tiny, &format!("`{key}` = {number}"));
        }
    }
}

#[test]
fn no_kind_of_tokenizer_ends_the_host() {
    for tokenizer in [
        "none",
        "no_vocab",
        "llama",
        "bert",
        "gpt2",
        "hybriddna",
        "whitespace",
        "t5",
        "rwkv",
        "plamo2",
        "gemma4",
        "test",
        "unheard-of",
    ] {
        for adds_end in [false, true] {
            for first in [0, 2, 10_000] {
                let tiny = TinyModel {
                    layers: 1,
                    tokenizer,
                    adds_end,
                    numbers: vec![("tokenizer.ggml.bos_token_id".to_owned(), first)],
                    ..TinyModel::default()
                };
                runs_or_is_refused(&tiny, &format!("{tokenizer}, {adds_end}, {first}"));
            }
        }
    }
}
