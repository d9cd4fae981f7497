//! Each rule at its bound, and beyond it.

use super::check as check_lists;
use super::*;
use crate::TensorType;
use crate::rules::attention::LATENT_ONLY;
use crate::testing::{self, tensor};

mod bounds;
mod heads;
mod layers;

fn check(header: &GgufHeader) -> Result<(), GgufProblem> {
    check_lists(header, &Lists::new())
}

fn header(keys: &[(&str, Value)], tensors: &[(&str, TensorType)]) -> GgufHeader {
    let named = keys.iter().cloned();
    let named = named.map(|(key, value)| (format!("llama.{key}"), value));
    let architecture = Value::String("llama".to_owned());
    let architecture = ("general.architecture".to_owned(), architecture);
    let tensors = tensors.iter().map(|&(name, ty)| tensor(name, ty, &[256]));
    testing::header(named.chain([architecture]), tensors.collect())
}

#[test]
fn values_that_llama_cpp_would_abort_on_are_refused_by_name() {
    use Value::{Float, String, Unsigned};
    let bad: &[&[(&str, Value)]] = &[
        &[("block_count", Unsigned(0))],
        &[("block_count", Unsigned(513))],
        &[("context_length", Unsigned(1 << 31))],
        &[
            ("nextn_predict_layers", Unsigned(3)),
            ("block_count", Unsigned(2)),
        ],
        &[
            ("expert_used_count", Unsigned(0)),
            ("expert_count", Unsigned(8)),
        ],
        &[("expert_used_count", Unsigned(1))],
        &[("expert_count", Unsigned(1025))],
        &[("expert_group_count", Unsigned(1))],
        &[
            ("expert_group_count", Unsigned(3)),
            ("expert_count", Unsigned(8)),
            ("expert_used_count", Unsigned(2)),
        ],
        &[
            ("expert_group_used_count", Unsigned(4)),
            ("expert_group_count", Unsigned(4)),
            ("expert_count", Unsigned(8)),
            ("expert_used_count", Unsigned(2)),
        ],
        &[("rope.scaling.type", String("bogus".to_owned()))],
        &[("attention.layer_norm_rms_epsilon", Float(-1.0))],
        &[("attention.layer_norm_rms_epsilon", Float(f64::NAN))],
    ];
    for keys in bad {
        let problem = check(&header(keys, &[])).unwrap_err().to_string();
        let (culprit, _) = &keys[0];
        assert!(problem.contains(culprit), "{keys:?}: {problem}");
    }
}

#[test]
fn what_real_models_have_passes() {
    use Value::{Array, Float, String, Unsigned};
    let good: &[&[(&str, Value)]] = &[
        &[("block_count", Unsigned(512))],
        &[
            ("expert_count", Unsigned(8)),
            ("expert_used_count", Unsigned(2)),
        ],
        &[
            ("expert_count", Unsigned(256)),
            ("expert_used_count", Unsigned(8)),
            ("expert_group_count", Unsigned(8)),
            ("expert_group_used_count", Unsigned(4)),
        ],
        &[
            ("expert_count", Unsigned(8)),
            ("expert_used_count", Array(32)),
        ],
        &[("rope.scaling.type", String("yarn".to_owned()))],
        &[("attention.layer_norm_rms_epsilon", Float(1e-5))],
    ];
    for keys in good {
        check(&header(keys, &[])).unwrap();
    }
}

#[test]
fn only_types_with_kernels_are_weights() {
    for ty in [
        TensorType::Q8_1,
        TensorType::I32,
        TensorType::F64,
        TensorType::Q8K,
    ] {
        let problem = check(&header(&[], &[("output.weight", ty)])).unwrap_err();
        assert!(problem.to_string().contains("output.weight"), "{problem}");
    }
    let norm = header(&[], &[("blk.0.attn_norm.weight", TensorType::F16)]);
    assert!(check(&norm).unwrap_err().to_string().contains("F32"));
    check(&header(
        &[],
        &[
            ("output.weight", TensorType::Q4_1),
            ("blk.0.attn_norm.weight", TensorType::F32),
            ("d2t", TensorType::I64),
            ("blk.0.ffn_gate_tid2eid.weight", TensorType::I32),
        ],
    ))
    .unwrap();
}

/// The header with these tensors.
fn header_with(mut header: GgufHeader, names: &[&str]) -> GgufHeader {
    let tensors = names
        .iter()
        .map(|name| tensor(name, TensorType::F32, &[32, 8]));
    header.tensors.extend(tensors);
    header
}

fn of(architecture: &str, keys: &[(&str, u64)]) -> GgufHeader {
    let mut header = header(&[], &[]);
    let name = Value::String(architecture.to_owned());
    header
        .metadata
        .insert("general.architecture".to_owned(), name);
    for (key, number) in keys {
        let key = format!("{architecture}.{key}");
        header.metadata.insert(key, Value::Unsigned(*number));
    }
    header
}

/// Keys without which no file of the architecture is read.
fn needed_by(architecture: &str) -> Vec<(&'static str, u64)> {
    let lengths = [
        ("attention.key_length_mla", 24),
        ("attention.value_length_mla", 16),
    ];
    let is_own = |list: &[&str]| list.contains(&architecture);
    let latent = lengths.into_iter().filter(|_| is_own(LATENT_ONLY));
    let required = REQUIRED.iter().filter(|(list, _)| is_own(list));
    latent.chain(required.map(|(_, key)| (*key, 1))).collect()
}

#[test]
fn every_rule_of_an_architecture_holds_at_its_bound_and_fails_beyond() {
    for &(architectures, key, bound) in RULES {
        for architecture in architectures {
            let (with, good, bad): (Vec<(&str, u64)>, u64, Vec<u64>) = match bound {
                Bound::AtLeast(least) => (vec![], least, vec![least - 1]),
                Bound::Range(least, most) => (vec![], most, vec![least - 1, most + 1]),
                Bound::Exactly(0) => (vec![], 0, vec![1]),
                Bound::Exactly(only) => (vec![], only, vec![only - 1, only + 1]),
                Bound::MultipleOf(other) => (vec![(other, 4)], 8, vec![7, 9]),
                Bound::Product(one, two) => (vec![(one, 4), (two, 4)], 16, vec![4, 12, 20]),
                Bound::TwiceOf(other) => (vec![(other, 4)], 8, vec![4, 7, 9]),
                Bound::LessThan(other) => (vec![(other, 4)], 3, vec![4, 5]),
                Bound::SameAs(other) => (vec![(other, 4)], 4, vec![2, 1]),
                Bound::OtherThan(other) => (vec![(other, 4)], 5, vec![4]),
            };
            let header = |number, also: &[(&str, u64)]| {
                let mut header = of(architecture, &needed_by(architecture));
                let keys = [&with[..], &[(key, number)], also].concat();
                header.metadata.extend(of(architecture, &keys).metadata);
                header
            };
            // Experts need a number that is used.
            let used: &[(&str, u64)] = match key {
                "expert_count" => &[("expert_used_count", 1)],
                _ => &[],
            };
            check(&header(good, used)).unwrap();
            for bad in bad {
                let problem = check(&header(bad, &[])).unwrap_err().to_string();
                assert!(problem.contains(key), "{problem}");
            }
        }
    }
    let by_zero = of("mamba2", &[("ssm.inner_size", 8), ("ssm.group_count", 0)]);
    assert!(check(&by_zero).is_err());
}

#[test]
fn heads_that_do_not_divide_are_refused() {
    let heads = |heads, shared, width| {
        check(&of(
            "qwen2",
            &[
                ("attention.head_count", heads),
                ("attention.head_count_kv", shared),
                ("embedding_length", width),
            ],
        ))
    };
    heads(4, 2, 64).unwrap();
    heads(4, 4, 64).unwrap();
    heads(0, 0, 64).unwrap();
    for (many, shared, width) in [(4, 3, 64), (4, 8, 64), (4, 0, 64), (4, 4, 63)] {
        heads(many, shared, width).unwrap_err();
    }
    // A hybrid's layers without attention.
    let key = "lfm2.attention.head_count_kv".to_owned();
    let mut hybrid = of("lfm2", &[("attention.head_count", 4)]);
    hybrid.metadata.insert(key.clone(), Value::Array(2));
    let lists = |list: [i64; 2]| Lists::from([(key.clone(), list.to_vec())]);
    check_lists(&hybrid, &lists([2, 0])).unwrap();
    check_lists(&hybrid, &lists([2, 3])).unwrap_err();
    check_lists(&hybrid, &lists([2, -1])).unwrap_err();
}

#[test]
fn a_rotation_fits_into_its_head() {
    let heads = [("attention.head_count", 4), ("embedding_length", 64)];
    let rotated = |architecture, number| {
        check(&of(
            architecture,
            &[&heads[..], &[("rope.dimension_count", number)]].concat(),
        ))
    };
    rotated("gptneox", 16).unwrap();
    rotated("gptneox", 4).unwrap();
    for number in [18, 5] {
        rotated("gptneox", number).unwrap_err();
    }
    rotated("qwen2", 16).unwrap();
    rotated("qwen2", 8).unwrap_err();
    let lengths = |architecture, value| {
        check(&of(
            architecture,
            &[
                ("attention.key_length", 16),
                ("attention.value_length", value),
            ],
        ))
    };
    lengths("qwen2", 16).unwrap();
    lengths("qwen2", 8).unwrap_err();
    lengths("deepseek2", 8).unwrap();
    for (sections, is_good) in [([0, 0, 0, 8], false), ([0, 0, 1, 0], true)] {
        let key = "qwen2vl.rope.dimension_sections".to_owned();
        let lists = Lists::from([(key, sections.to_vec())]);
        assert_eq!(check_lists(&of("qwen2vl", &[]), &lists).is_ok(), is_good);
    }
}

#[test]
fn each_layer_uses_at_most_all_experts() {
    let key = "llama.expert_used_count".to_owned();
    let mut experts = of("llama", &[("expert_count", 8)]);
    experts.metadata.insert(key.clone(), Value::Array(2));
    let lists = |list: [i64; 2]| Lists::from([(key.clone(), list.to_vec())]);
    check_lists(&experts, &lists([8, 1])).unwrap();
    check_lists(&experts, &lists([8, 9])).unwrap_err();
    check_lists(&experts, &lists([0, 0])).unwrap_err();
    // Most architectures use the first number for all layers.
    check_lists(&experts, &lists([0, 2])).unwrap_err();
    let tensors = ["blk.1.ffn_up_exps.weight", "blk.1.ffn_down_exps.weight"];
    let with_tensors = header_with(experts, &tensors);
    let problem = check_lists(&with_tensors, &lists([2, 0]))
        .unwrap_err()
        .to_string();
    assert!(problem.contains("0 for layer 1"), "{problem}");
    check_lists(&with_tensors, &lists([2, 1])).unwrap();
}

#[test]
fn what_cannot_be_served_is_refused_by_its_name() {
    for (architecture, what) in NOT_SERVED {
        let problem = check(&of(architecture, &[])).unwrap_err().to_string();
        assert!(
            problem.contains(architecture) && problem.contains(what),
            "{problem}"
        );
    }
}

#[test]
fn words_with_spaces_need_a_tokenizer_that_drops_them() {
    let with = |model: &str| {
        let mut header = header(&[], &[]);
        for (key, value) in [("model", model), ("pre", "whitespace")] {
            let key = format!("tokenizer.ggml.{key}");
            let value = Value::String(value.to_owned());
            header.metadata.insert(key, value);
        }
        check(&header)
    };
    with("whitespace").unwrap();
    let problem = with("gpt2").unwrap_err().to_string();
    assert!(problem.contains("`gpt2`"), "{problem}");
}
