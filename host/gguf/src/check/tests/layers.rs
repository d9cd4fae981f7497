//! Rules about layers, heads and tensors of single architectures.

use super::*;
use crate::rules::{FRACTIONS, NEEDED, REQUIRED, SET};

fn refusal(header: &GgufHeader, lists: &Lists) -> Option<String> {
    let problem = check_lists(header, lists).err()?;
    Some(problem.to_string())
}

/// The header of an architecture with a list under a key.
fn with_list(architecture: &str, keys: &[(&str, u64)], key: &str, list: &[i64]) -> Option<String> {
    let mut header = of(architecture, keys);
    let key = format!("{architecture}.{key}");
    let length = u64::try_from(list.len()).unwrap();
    header.metadata.insert(key.clone(), Value::Array(length));
    refusal(&header, &Lists::from([(key, list.to_vec())]))
}

#[test]
fn architectures_that_mix_windows_have_a_layer_with_one() {
    let key = "attention.sliding_window_pattern";
    let layers = [("block_count", 2)];
    for (architecture, list, is_good) in [
        ("gemma2", [1, 0], true),
        ("gemma2", [1, 1], true),
        ("gemma2", [0, 0], false),
        // Its cells are not of one kind.
        ("gemma-embedding", [1, 1], false),
        ("gemma-embedding", [0, 1], true),
        // It has no windows.
        ("llama", [0, 0], true),
    ] {
        let refusal = with_list(architecture, &layers, key, &list);
        assert_eq!(refusal.is_none(), is_good, "{architecture}, {list:?}");
    }
    let each = |architecture, keys: &[(&str, u64)]| check(&of(architecture, keys)).is_ok();
    assert!(each("gemma2", &[("block_count", 2), (key, 2)]));
    assert!(!each("gemma2", &[("block_count", 2), (key, 1)]));
    // The first of these layers has no window.
    assert!(!each("cohere2moe", &[("block_count", 1), (key, 4)]));
    // Without a window, the pattern does not matter.
    let window = "attention.sliding_window";
    assert!(each("gemma3", &[("block_count", 2), (key, 1), (window, 0)]));
    assert!(each("gemma3", &[("block_count", 2), (key, 1)]));
    assert!(!each("afmoe", &[("block_count", 4)]));
    assert!(each("afmoe", &[("block_count", 4), (window, 8)]));
}

#[test]
fn layers_share_the_cells_of_layers_of_their_kind() {
    let key = "attention.sliding_window_pattern";
    let keys = [("block_count", 4), ("attention.shared_kv_layers", 2)];
    assert_eq!(with_list("gemma4", &keys, key, &[1, 0, 1, 0]), None);
    with_list("gemma4", &keys, key, &[0, 1, 1, 0]).unwrap();
    let keys = [("block_count", 4), ("attention.shared_kv_layers", 3)];
    let refusal = with_list("gemma4", &keys, key, &[1, 0, 1, 0]).unwrap();
    assert!(refusal.contains("shared_kv_layers"), "{refusal}");
}

#[test]
fn a_layer_with_the_tensors_of_attention_has_heads() {
    let tensors = ["blk.0.attn_k.weight", "blk.1.attn_k.weight"];
    for (architecture, is_good) in [("llama", false), ("lfm2", false), ("kimi-linear", true)] {
        let mut header = of(architecture, &[("attention.head_count", 2)]);
        let key = format!("{architecture}.attention.head_count_kv");
        header.metadata.insert(key.clone(), Value::Array(2));
        let lists = Lists::from([(key, vec![1, 0])]);
        assert_eq!(refusal(&header, &lists), None, "{architecture}");
        let header = header_with(header, &tensors);
        let refusal = refusal(&header, &lists);
        assert_eq!(refusal.is_none(), is_good, "{architecture}: {refusal:?}");
    }
    let none = header_with(of("phimoe", &[("attention.head_count", 0)]), &tensors);
    check(&none).unwrap_err();
    let recurrent = of("mamba", &[("attention.head_count", 0)]);
    check(&header_with(recurrent, &["blk.0.ssm_in.weight"])).unwrap();
}

#[test]
fn a_shared_key_has_the_compressed_part_and_the_rotated_one() {
    let keys = |length, heads, mla, values| {
        let keys = [
            ("attention.head_count", 2),
            ("attention.head_count_kv", heads),
            ("attention.kv_lora_rank", 16),
            ("rope.dimension_count", 8),
            ("attention.key_length", length),
            ("attention.key_length_mla", mla),
            ("attention.value_length_mla", values),
        ];
        check(&of("deepseek2", &keys)).is_ok()
    };
    assert!(keys(24, 1, 24, 16));
    // Without latent attention, heads have keys of their own.
    assert!(keys(64, 2, 0, 0));
    assert!(!keys(25, 1, 24, 16));
    assert!(!keys(24, 2, 24, 16));
    assert!(!keys(24, 1, 8, 16));
    assert!(!keys(24, 1, 0, 16));
    assert!(!keys(24, 1, 24, 0));
    check(&of("deepseek2", &[])).unwrap();
    check(&of("glm-dsa", &[])).unwrap_err();
}

#[test]
fn the_first_layer_with_attention_has_its_own_indexer() {
    let key = "attention.indexer.types";
    let lengths = [
        ("attention.key_length_mla", 24),
        ("attention.value_length_mla", 16),
    ];
    assert_eq!(with_list("glm-dsa", &lengths, key, &[1, 0]), None);
    with_list("glm-dsa", &lengths, key, &[0, 1]).unwrap();
}

#[test]
fn vectors_are_as_long_as_the_model_is_wide_or_projected() {
    let keys = [("embedding_length", 32), ("embedding_length_out", 8)];
    check(&of(
        "llama",
        &[("embedding_length", 32), ("embedding_length_out", 32)],
    ))
    .unwrap();
    check(&of("llama", &keys)).unwrap_err();
    check(&of("lfm2", &keys)).unwrap_err();
    check(&header_with(of("lfm2", &keys), &["dense_2.weight"])).unwrap();
}

#[test]
fn rows_follow_from_their_key() {
    for (architecture, tensor, key) in [
        ("jina-bert-v2", "blk.0.ffn_up.weight", "feed_forward_length"),
        ("laguna", "blk.0.attn_gate.weight", "attention.head_count"),
    ] {
        // The tensor has 8 rows.
        for (number, is_good) in [(8, true), (4, true), (2, false), (16, false)] {
            let keys = [(key, number), ("attention.key_length", 2)];
            let tensors = [tensor, "blk.0.ffn_down.weight"];
            let header = header_with(of(architecture, &keys), &tensors);
            assert_eq!(check(&header).is_ok(), is_good, "{architecture}, {number}");
        }
    }
}

#[test]
fn layers_that_are_computed_more_than_once_are_counted() {
    let stacks = |count, each, outer, inner| {
        let keys = [
            ("block_count", count),
            ("hrm.layers_per_stack", each),
            ("hrm.h_cycles", outer),
            ("hrm.l_cycles", inner),
        ];
        check(&of("hrm_text", &keys)).is_ok()
    };
    assert!(stacks(12, 2, 2, 2));
    assert!(!stacks(11, 2, 2, 2));
    assert!(!stacks(12, u64::MAX, 2, 2));
    let loops = |count, loops| {
        check(&of(
            "nanbeige",
            &[("block_count", count), ("num_loops", loops)],
        ))
        .is_ok()
    };
    assert!(loops(256, 2));
    assert!(!loops(256, 3));
}

#[test]
fn the_tables_of_fractions_and_of_needed_keys_hold() {
    for &(architectures, key, above, below) in FRACTIONS {
        for (number, is_good) in [
            (f64::midpoint(above, below), true),
            (below, false),
            (f64::NAN, false),
        ] {
            let mut header = of(architectures[0], &[]);
            let whole = format!("{}.{key}", architectures[0]);
            header.metadata.insert(whole, Value::Float(number));
            assert_eq!(check(&header).is_ok(), is_good, "{key} = {number}");
        }
    }
    for &(architectures, key) in SET {
        for flag in [true, false] {
            let mut header = of(architectures[0], &[]);
            let whole = format!("{}.{key}", architectures[0]);
            header.metadata.insert(whole, Value::Bool(flag));
            assert_eq!(check(&header).is_ok(), flag, "{key}");
        }
    }
    for &(architectures, key) in REQUIRED {
        for architecture in architectures {
            let mut needed = needed_by(architecture);
            check(&of(architecture, &needed)).unwrap();
            needed.retain(|(other, _)| *other != key);
            let problem = check(&of(architecture, &needed)).unwrap_err().to_string();
            assert!(problem.contains(key), "{problem}");
        }
    }
}

#[test]
fn tensors_that_are_used_together_are_there_together() {
    for &(architectures, with, needed) in NEEDED {
        let architecture = architectures.first().copied().unwrap_or("llama");
        let tensors = [format!("blk.0.{with}")];
        let tensors: Vec<&str> = tensors.iter().map(String::as_str).collect();
        let keys = needed_by(architecture);
        let problem = check(&header_with(of(architecture, &keys), &tensors)).unwrap_err();
        assert!(problem.to_string().contains(needed[0]), "{problem}");
    }
    let first = header_with(of("rwkv6qwen2", &[("token_shift_count", 1)]), &[]);
    check(&first).unwrap();
    check(&header_with(first, &["blk.0.time_mix_first.weight"])).unwrap_err();
}

#[test]
fn tensors_that_are_no_matrices_are_f32() {
    for name in [
        "blk.0.ssm_a",
        "blk.0.ffn_norm",
        "blk.0.attn_sinks.weight",
        "blk.0.ffn_up_exps.bias",
        "blk.0.attn_q.scale",
        "rope_freqs.weight",
        "token_types.weight",
    ] {
        check(&header(&[], &[(name, TensorType::F32)])).unwrap();
        let problem = check(&header(&[], &[(name, TensorType::F16)])).unwrap_err();
        assert!(problem.to_string().contains("F32"), "{problem}");
    }
    let table = "blk.0.ffn_gate_tid2eid.weight";
    check(&header(&[], &[(table, TensorType::F32)])).unwrap_err();
    let several = |ty| check(&header(&[], &[("altup_proj.weight", ty)]));
    several(TensorType::F16).unwrap();
    several(TensorType::Q8_0).unwrap_err();
}
