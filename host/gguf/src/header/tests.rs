//! What a header says about its model.

use super::*;
use crate::testing::{header, tensor};

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A header of the architecture `llama` with these keys, and without tensors.
fn with(keys: &[(&str, Value)]) -> GgufHeader {
    let architecture = [("general.architecture", text("llama"))];
    header(
        architecture.into_iter().chain(keys.iter().cloned()),
        Vec::new(),
    )
}

fn with_tensors(tensors: Vec<TensorInfo>) -> GgufHeader {
    GgufHeader {
        tensors,
        ..with(&[])
    }
}

#[test]
fn a_template_of_spaces_counts_as_none() {
    let (own, tools) = (
        "tokenizer.chat_template",
        "tokenizer.chat_template.tool_use",
    );
    let both = with(&[(own, text("chat")), (tools, text("tools"))]);
    assert_eq!(
        (both.chat_template(), both.tool_template()),
        (Some("chat"), Some("tools"))
    );
    assert!(!both.has_empty_template());
    let empty = with(&[(own, text(" \n")), (tools, text(""))]);
    assert_eq!((empty.chat_template(), empty.tool_template()), (None, None));
    assert!(empty.has_empty_template());
    let none = with(&[]);
    assert_eq!((none.chat_template(), none.tool_template()), (None, None));
    assert!(!none.has_empty_template());
}

#[test]
fn only_a_tokenizer_that_merges_needs_a_pre_tokenizer() {
    let (model, pre) = ("tokenizer.ggml.model", "tokenizer.ggml.pre");
    let named = with(&[(model, text("gpt2")), (pre, text("qwen2"))]);
    assert_eq!(
        (named.tokenizer(), named.pre_tokenizer()),
        (Some("gpt2"), Some("qwen2"))
    );
    assert!(!named.lacks_pre_tokenizer());
    let empty = with(&[(model, text("gpt2")), (pre, text(""))]);
    assert_eq!(empty.pre_tokenizer(), None);
    assert!(empty.lacks_pre_tokenizer());
    assert!(!with(&[(model, text("llama"))]).lacks_pre_tokenizer());
    assert!(!with(&[]).lacks_pre_tokenizer());
}

#[test]
fn the_name_is_only_told_if_it_is_a_text() {
    assert_eq!(with(&[("general.name", text("Tiny"))]).name(), Some("Tiny"));
    assert_eq!(with(&[("general.name", Value::Unsigned(1))]).name(), None);
    assert_eq!(with(&[]).name(), None);
}

#[test]
fn numbers_are_those_of_the_architecture() {
    let one = with(&[
        ("llama.context_length", Value::Unsigned(512)),
        ("llama.block_count", Value::Signed(7)),
        ("gpt2.block_count", Value::Unsigned(9)),
        ("llama.rope.scaling.type", text("none")),
    ]);
    assert_eq!(
        (one.context_length(), one.block_count()),
        (Some(512), Some(7))
    );
    assert!(one.has_of_architecture("rope.scaling.type"));
    assert!(!one.has_of_architecture("embedding_length"));
    assert_eq!(one.of_architecture("rope.scaling.type"), None);
    let most = u64::from(u32::MAX);
    let count = |value| with(&[("llama.block_count", value)]).block_count();
    assert_eq!(count(Value::Unsigned(most)), Some(u32::MAX));
    assert_eq!(count(Value::Unsigned(most + 1)), None);
    assert_eq!(count(Value::Signed(-1)), None);
    assert_eq!(
        header([("llama.block_count", Value::Unsigned(1))], vec![]).block_count(),
        None
    );
}

#[test]
fn the_vocabulary_is_as_long_as_the_list_or_as_the_key_says() {
    let key = ("llama.vocab_size", Value::Unsigned(7));
    let list = |length| ("tokenizer.ggml.tokens", Value::Array(length));
    assert_eq!(with(std::slice::from_ref(&key)).vocab_size(), Some(7));
    assert_eq!(with(&[key.clone(), list(9)]).vocab_size(), Some(9));
    assert_eq!(with(&[key, list(1 << 32)]).vocab_size(), None);
    assert_eq!(with(&[]).vocab_size(), None);
}

#[test]
fn weights_are_counted_by_type_with_most_weights_first() {
    let model = with_tensors(vec![
        tensor("norm", TensorType::F32, &[64]),
        tensor("k", TensorType::Q4_0, &[32, 4]),
        tensor("v", TensorType::Q4_0, &[32, 4]),
        tensor("q", TensorType::F16, &[100]),
    ]);
    assert_eq!(
        model.weights_by_type(),
        [
            (TensorType::Q4_0, 256, 144),
            (TensorType::F16, 100, 200),
            (TensorType::F32, 64, 256)
        ]
    );
    assert_eq!((model.parameters(), model.weight_bytes()), (420, 600));
    let path = Path::new("a.gguf");
    let file = Part {
        path: path.to_owned(),
        file_bytes: 700,
        weight_bytes: 600,
    };
    let model = GgufHeader {
        file_bytes: 700,
        ..model
    };
    assert_eq!(model.files(path), std::slice::from_ref(&file));
    let parts = vec![file.clone(), file];
    let model = GgufHeader {
        parts: parts.clone(),
        ..model
    };
    assert_eq!(model.files(path), parts);
}

#[test]
fn the_quantisation_is_the_one_that_the_file_names_or_that_of_most_weights() {
    let tensors = || vec![tensor("k", TensorType::Q4_0, &[32, 4])];
    let named = |number| GgufHeader {
        tensors: tensors(),
        ..with(&[("general.file_type", Value::Unsigned(number))])
    };
    assert_eq!(named(15).file_type(), "Q4_K_M");
    assert_eq!(named(1024).file_type(), "mostly Q4_0");
    assert_eq!(with_tensors(tensors()).file_type(), "mostly Q4_0");
    assert_eq!(with(&[]).file_type(), "no weights");
}

#[test]
fn only_a_key_that_says_so_makes_a_model_look_ahead() {
    let causal = |value| with(&[("llama.attention.causal", value)]).is_causal();
    assert!(with(&[]).is_causal() && causal(Value::Bool(true)));
    assert!(!causal(Value::Bool(false)));
}

#[test]
fn architectures_with_several_streams_have_no_vectors() {
    let has = |name| header([("general.architecture", text(name))], vec![]).has_vectors();
    assert!(has("llama") && !has("deepseek4") && !has("qwen4exp"));
}

#[test]
fn positions_are_the_rows_of_their_table() {
    let of = |dimensions: &[u64]| {
        let other = tensor("token_embd.weight", TensorType::F32, &[8, 3]);
        let table = tensor("position_embd.weight", TensorType::F32, dimensions);
        with_tensors(vec![other, table]).positions()
    };
    assert_eq!((of(&[8, 512]), of(&[8])), (Some(512), Some(1)));
    assert_eq!(with(&[]).positions(), None);
}
