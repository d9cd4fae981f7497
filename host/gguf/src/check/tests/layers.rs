//! Rules about layers, heads and tensors of single architectures.

use std::collections::BTreeSet;

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

#[test]
fn each_pattern_of_windows_has_its_whole_layer_at_its_end_or_begin() {
    let pattern = "attention.sliding_window_pattern";
    let layers = |architecture, keys: &[(&str, u64)]| check(&of(architecture, keys)).is_ok();
    let of_4 = |architecture, each| layers(architecture, &[("block_count", 4), (pattern, each)]);
    // 0: every layer has a window; 1: none has.
    assert!(of_4("gemma2", 0) && !of_4("gemma2", 1) && of_4("gemma2", 4));
    assert!(of_4("cohere2moe", 0) && !of_4("cohere2moe", 1) && of_4("cohere2moe", 2));
    // Here one layer without a window is needed too.
    let mixed = |count, each| {
        layers(
            "gemma-embedding",
            &[("block_count", count), (pattern, each)],
        )
    };
    assert!(mixed(4, 4) && !mixed(3, 4) && mixed(3, 3) && !mixed(4, 0));
    let modern = |count, each| {
        let window = ("attention.sliding_window", 8);
        layers(
            "modern-bert",
            &[("block_count", count), (pattern, each), window],
        )
    };
    assert!(modern(2, 4) && !modern(1, 4) && !modern(4, 1) && !modern(4, 0));
    let note = [needed_by("dots3note"), vec![("block_count", 2)]].concat();
    assert_eq!(with_list("dots3note", &note, pattern, &[1, 0]), None);
    with_list("dots3note", &note, pattern, &[1, 1]).unwrap();
    check(&of("dots3note", &note)).unwrap_err();
    // Layers that predict further tokens are none of these.
    let predicting = |count, more| {
        layers(
            "gemma-embedding",
            &[
                ("block_count", count),
                ("nextn_predict_layers", more),
                (pattern, 4),
            ],
        )
    };
    assert!(predicting(5, 1) && !predicting(4, 1));
}

#[test]
fn a_window_of_0_switches_windows_off_where_it_can() {
    let window = |architecture, window: Option<u64>| {
        let window = window.map(|window| ("attention.sliding_window", window));
        // No layer has a window, which is only refused if there are any.
        let keys = [("block_count", 4), ("attention.sliding_window_pattern", 1)];
        check(&of(architecture, &[&keys[..], window.as_slice()].concat())).is_ok()
    };
    for (architecture, zero, missing) in [
        ("gemma2", false, false),
        ("llama4", true, false),
        ("gemma3", true, true),
    ] {
        assert_eq!(window(architecture, Some(0)), zero, "{architecture}");
        assert_eq!(window(architecture, None), missing, "{architecture}");
        assert!(!window(architecture, Some(8)), "{architecture}");
    }
    let needed = |window: &[(&str, u64)]| {
        check(&of("afmoe", &[&[("block_count", 4)], window].concat())).is_ok()
    };
    let key = "attention.sliding_window";
    assert!(needed(&[(key, 1)]) && !needed(&[(key, 0)]) && !needed(&[]));
}

#[test]
fn the_last_layers_share_the_cells_of_one_layer_of_each_kind() {
    let key = "attention.sliding_window_pattern";
    let gemma4 = |shared, list: &[i64]| {
        let count = u64::try_from(list.len()).unwrap();
        let keys = [
            ("block_count", count),
            ("attention.shared_kv_layers", shared),
        ];
        with_list("gemma4", &keys, key, list).is_none()
    };
    assert!(gemma4(2, &[1, 0, 1, 0]) && gemma4(2, &[1, 0, 1, 1]) && gemma4(2, &[1, 0, 0, 0]));
    // The last two that have cells: one with a window, then one without.
    assert!(!gemma4(2, &[0, 0, 1, 0]) && !gemma4(2, &[1, 1, 1, 0]));
    // A kind that shares nothing needs no such layer.
    assert!(gemma4(1, &[1, 1, 0, 0]) && gemma4(2, &[1, 1, 1, 1]) && !gemma4(2, &[0, 1, 1, 1]));
    assert!(gemma4(0, &[1, 1]) && gemma4(1, &[1, 0, 1]) && !gemma4(2, &[1, 0, 1]));
    assert!(!gemma4(u64::MAX, &[1, 0, 1]));
    // Which layers share is fixed in another architecture.
    let gemma3n = |order: [i64; 2], then: &[i64]| {
        let list = [&[1; 18][..], &order, then].concat();
        let count = u64::try_from(list.len()).unwrap();
        with_list("gemma3n", &[("block_count", count)], key, &list).is_none()
    };
    assert!(gemma3n([1, 0], &[1, 0]) && !gemma3n([0, 1], &[1, 0]) && gemma3n([0, 1], &[]));
    assert!(with_list("gemma2", &[("block_count", 4)], key, &[0, 1, 1, 0]).is_none());
}

#[test]
fn a_function_chooses_among_experts_and_is_one_of_four() {
    let gating = |architecture, number, experts| {
        let experts = [("expert_count", experts), ("expert_used_count", experts)];
        let keys = [&experts[..], &[("expert_gating_func", number)]].concat();
        check(&of(architecture, &keys)).is_ok()
    };
    for (number, is_good) in [(0, false), (1, true), (4, true), (5, false)] {
        assert_eq!(gating("llama", number, 8), is_good, "{number}");
    }
    assert!(gating("llama", 5, 0) && gating("llama", 0, 0));
    // These choose by default, but not by a number that does not exist.
    assert!(gating("deepseek2", 0, 8) && !gating("deepseek2", 5, 8));
    check(&of("llama", &[("expert_gating_func", 9)])).unwrap();
}

#[test]
fn a_list_that_is_read_into_an_array_fits_there() {
    let ratios = |length| {
        let mut header = of("deepseek4", &needed_by("deepseek4"));
        let key = "deepseek4.attention.compress_ratios".to_owned();
        header.metadata.insert(key, Value::Array(length));
        check(&header).is_ok()
    };
    assert!(ratios(512) && !ratios(513));
}

#[test]
fn only_a_layer_with_tensors_of_attention_needs_heads() {
    let shared = "attention.head_count_kv";
    let check = |list: &[i64], tensor: &str| {
        let mut header = of("lfm2", &[("attention.head_count", 2)]);
        let key = format!("lfm2.{shared}");
        header.metadata.insert(key.clone(), Value::Array(2));
        let lists = Lists::from([(key, list.to_vec())]);
        refusal(&header_with(header, &[tensor]), &lists)
    };
    for tensor in ["attn_k", "attn_qkv", "attn_kv_a_mqa", "attn_kv"] {
        let told = check(&[1, 0], &format!("blk.1.{tensor}.weight")).unwrap();
        assert!(told.contains("0 for layer 1"), "{told}");
        assert_eq!(check(&[1, 0], &format!("blk.0.{tensor}.weight")), None);
    }
    // Other tensors, and those of no layer.
    for tensor in [
        "blk.1.attn_norm.weight",
        "attn_k.weight",
        "blk.x.attn_k.weight",
    ] {
        assert_eq!(check(&[1, 0], tensor), None, "{tensor}");
    }
}

#[test]
fn rows_are_looked_at_in_their_tensor_alone() {
    let keys = [("attention.head_count", 4), ("attention.key_length", 2)];
    let with = |name| check(&header_with(of("laguna", &keys), &[name])).is_ok();
    // It has 8 rows: two for each of four heads.
    assert!(with("blk.0.attn_gate.weight") && with("blk.0.attn_out.weight"));
    let key = "attention.head_count";
    let of_layer = |list: [i64; 2]| {
        let mut header = of("laguna", &[("attention.key_length", 2)]);
        header
            .metadata
            .insert(format!("laguna.{key}"), Value::Array(2));
        let lists = Lists::from([(format!("laguna.{key}"), list.to_vec())]);
        refusal(&header_with(header, &["blk.1.attn_gate.weight"]), &lists)
    };
    assert_eq!((of_layer([3, 4]), of_layer([3, 8])), (None, None));
    let told = of_layer([4, 3]).unwrap();
    assert!(told.contains("has 8 rows") && told.contains(key), "{told}");
}

#[test]
fn a_layer_without_heads_needs_no_indexer() {
    let (types, heads) = ("attention.indexer.types", "attention.head_count_kv");
    let indexers = |architecture: &str, own: [i64; 2], heads_of: [i64; 2]| {
        let mut header = of(architecture, &[]);
        let lists = [(types, own), (heads, heads_of)];
        let lists = lists.map(|(key, list)| (format!("{architecture}.{key}"), list.to_vec()));
        let names = lists.iter().map(|(key, _)| (key.clone(), Value::Array(2)));
        header.metadata.extend(names);
        refusal(&header, &Lists::from(lists))
    };
    assert_eq!(indexers("glm5-next", [0, 1], [0, 1]), None);
    assert_eq!(indexers("glm5-next", [1, 0], [1, 1]), None);
    let told = indexers("glm5-next", [0, 0], [0, 1]).unwrap();
    assert!(told.contains("0 for layer 1"), "{told}");
    assert!(indexers("glm5-next", [0, 1], [1, 1]).is_some());
    assert_eq!(indexers("llama", [0, 1], [1, 1]), None);
}

#[test]
fn a_tensor_of_a_type_without_kernels_is_refused_where_it_is_a_weight() {
    use TensorType as T;

    let takes = |architecture: &str, name: &str, ty| {
        let mut header = of(architecture, &needed_by(architecture));
        header.tensors = vec![tensor(name, ty, &[256])];
        check(&header).is_ok()
    };
    for ty in [T::Q8_1, T::Q8K, T::I8, T::I16, T::F64, T::I32, T::I64] {
        assert!(!takes("llama", "output.weight", ty), "{ty}");
    }
    assert!(takes("llama", "d2t", T::I32) && takes("llama", "d2t", T::I64));
    let table = "blk.0.ffn_gate_tid2eid.weight";
    assert!(takes("llama", table, T::I32) && !takes("llama", table, T::I64));
    for ending in ["bias", "scale", "input_scale", "scales"] {
        let name = format!("blk.0.attn_q.{ending}");
        assert!(
            takes("llama", &name, T::F32) && !takes("llama", &name, T::F16),
            "{name}"
        );
    }
    let own = "blk.0.indexer_compressor_ape.weight";
    assert!(!takes("glm5-next", own, T::F16) && takes("llama", own, T::F16));
    for name in ["altup_proj.weight", "altup_unembd_proj.weight"] {
        for (ty, is_good) in [(T::F32, true), (T::Bf16, true), (T::Q8_0, false)] {
            assert_eq!(takes("llama", name, ty), is_good, "{name} {ty}");
        }
    }
    assert!(takes("llama", "blk.0.time_mix_first.weight", T::F32));
}

#[test]
fn tensors_that_are_used_together_may_be_there_together() {
    for architecture in NEEDED.iter().flat_map(|(architectures, ..)| *architectures) {
        let own = NEEDED
            .iter()
            .filter(|(architectures, ..)| architectures.contains(architecture));
        let names = own.flat_map(|(_, with, needed)| [&[*with][..], *needed].concat());
        let names: BTreeSet<String> = names.map(|name| format!("blk.0.{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        check(&header_with(
            of(architecture, &needed_by(architecture)),
            &names,
        ))
        .unwrap();
    }
    // One of several is enough.
    for up in ["blk.0.ffn_up_exps.weight", "blk.0.ffn_gate_up_exps.weight"] {
        let both = [up, "blk.0.ffn_down_exps.weight"];
        check(&header_with(of("llama", &[]), &both)).unwrap();
    }
    // A name that only ends alike is another tensor.
    check(&header_with(of("llama", &[]), &["blk.0.own_ffn_up.weight"])).unwrap();
    check(&header_with(of("llama", &[]), &["blk.0.ssm_conv1d.weight"])).unwrap();
}
