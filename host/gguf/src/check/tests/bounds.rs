//! Rules of several keys, each at its bound and beyond.

use super::*;

/// Whether a header of this architecture with these keys is taken.
fn fits(architecture: &str, keys: &[(&str, u64)]) -> bool {
    check(&of(architecture, keys)).is_ok()
}

/// Whether a header of this architecture with this value under a key is taken.
fn takes(architecture: &str, key: &str, value: Value) -> bool {
    let mut header = of(architecture, &[]);
    header
        .metadata
        .insert(format!("{architecture}.{key}"), value);
    check(&header).is_ok()
}

#[test]
fn counts_of_layers_and_positions_are_possible_up_to_their_bound() {
    assert!(fits("llama", &[("block_count", 1)]));
    assert!(fits("llama", &[("context_length", (1 << 31) - 1)]));
    let predicting = |layers| ("nextn_predict_layers", layers);
    assert!(fits("llama", &[("block_count", 4), predicting(3)]));
    assert!(!fits("llama", &[("block_count", 4), predicting(4)]));
    // Without a number of layers, the most that are possible.
    assert!(fits("llama", &[predicting(511)]) && !fits("llama", &[predicting(512)]));
    // A file without an architecture is left to llama.cpp.
    check(&testing::header(
        [("llama.block_count", Value::Unsigned(0))],
        Vec::new(),
    ))
    .unwrap();
}

#[test]
fn experts_are_used_up_to_their_number() {
    let experts = |count, used| [("expert_count", count), ("expert_used_count", used)];
    for (count, used, is_good) in [
        (8, 8, true),
        (8, 9, false),
        (8, 0, false),
        (1, 1, true),
        (1, 0, false),
        (0, 0, true),
        (1024, 1, true),
    ] {
        assert_eq!(
            fits("llama", &experts(count, used)),
            is_good,
            "{used} of {count}"
        );
    }
    assert!(!fits("llama", &[("expert_count", 8)]));
    // A single expert of these is none, and two are two.
    for architecture in ["hunyuan-dense", "hunyuan_vl"] {
        assert!(fits(architecture, &experts(1, 9)), "{architecture}");
        assert!(!fits(architecture, &experts(2, 9)), "{architecture}");
    }
}

#[test]
fn groups_of_experts_divide_them_and_some_are_used() {
    let groups = |count, used| {
        let experts = [("expert_count", 8), ("expert_used_count", 2)];
        let groups = [
            ("expert_group_count", count),
            ("expert_group_used_count", used),
        ];
        fits("llama", &[experts, groups].concat())
    };
    assert!(groups(4, 1) && groups(4, 3) && groups(2, 1));
    assert!(!groups(4, 0) && !groups(4, 4) && !groups(2, 2));
    // One group or none is no choice.
    assert!(groups(0, 0) && groups(1, 0));
    assert!(!groups(7, 1) && !groups(8, 1) && !groups(3, 1));
    let per_group = |architecture, each, used| {
        fits(
            architecture,
            &[
                ("expert_count", 8),
                ("expert_used_count", used),
                ("experts_per_group", each),
            ],
        )
    };
    assert!(per_group("grovemoe", 2, 4) && !per_group("grovemoe", 2, 5));
    assert!(per_group("grovemoe", 1, 8) && per_group("llama", 2, 5));
}

#[test]
fn layers_of_loops_and_stacks_are_counted_without_those_that_predict() {
    let loops =
        |architecture, loops| fits(architecture, &[("block_count", 128), ("num_loops", loops)]);
    assert!(loops("nanbeige", 4) && !loops("nanbeige", 5) && !loops("nanbeige", u64::MAX));
    assert!(loops("llama", 5));
    let stacks = |architecture, count, predicting, outer| {
        fits(
            architecture,
            &[
                ("block_count", count),
                ("nextn_predict_layers", predicting),
                ("hrm.layers_per_stack", 2),
                ("hrm.h_cycles", outer),
                ("hrm.l_cycles", 3),
            ],
        )
    };
    assert!(stacks("hrm_text", 16, 0, 2) && stacks("hrm_text", 17, 1, 2));
    assert!(!stacks("hrm_text", 16, 1, 2) && !stacks("hrm_text", 16, 0, 1));
    assert!(!stacks("hrm_text", 16, 0, u64::MAX));
    assert!(stacks("llama", 16, 0, 1));
}

#[test]
fn embeddings_of_ngrams_are_together_as_wide_as_the_model() {
    let ngrams = |architecture, size, heads, length, width| {
        fits(
            architecture,
            &[
                ("ple.ngram_size", size),
                ("ple.heads_per_ngram", heads),
                ("embedding_length_per_layer_input", length),
                ("embedding_length", width),
            ],
        )
    };
    assert!(ngrams("qwen4exp", 3, 2, 8, 32));
    for (size, heads, length) in [(2, 2, 8), (3, 3, 8), (3, 2, 7), (0, 2, 8), (3, u64::MAX, 8)] {
        assert!(
            !ngrams("qwen4exp", size, heads, length, 32),
            "{size} {heads} {length}"
        );
    }
    assert!(ngrams("llama", 2, 2, 8, 32));
}

#[test]
fn fractions_are_between_their_ends_and_epsilons_from_0_on() {
    let base = |number| takes("deepseek2-ocr", "rope.freq_base", Value::Float(number));
    assert!(base(10000.0) && !base(9999.9999) && !base(10000.0001));
    let bound = |number| takes("bailingmoe3", "kda.gate_lower_bound", Value::Float(number));
    assert!(bound(-5.0) && bound(-f64::MIN_POSITIVE) && !bound(0.0) && !bound(f64::MIN));
    assert!(takes("llama", "rope.freq_base", Value::Float(500_000.0)));
    for key in EPSILONS {
        let epsilon = |number| takes("llama", key, Value::Float(number));
        assert!(epsilon(0.0) && epsilon(1e-6), "{key}");
        assert!(!epsilon(-1e-9) && !epsilon(f64::NAN), "{key}");
    }
    for name in ROPE_SCALINGS {
        assert!(takes(
            "llama",
            "rope.scaling.type",
            Value::String(name.to_owned())
        ));
    }
}

#[test]
fn a_scale_of_temperature_needs_its_length() {
    let scale = |architecture, scale: f64, length: Option<u64>| {
        let length = length.map(|length| ("attention.temperature_length", length));
        let mut header = of(architecture, length.as_slice());
        let key = format!("{architecture}.attention.temperature_scale");
        header.metadata.insert(key, Value::Float(scale));
        check(&header).is_ok()
    };
    for architecture in ["deepseek2", "mistral4"] {
        assert!(scale(architecture, 0.1, Some(1)) && scale(architecture, 0.0, None));
        assert!(!scale(architecture, 0.1, Some(0)) && !scale(architecture, 0.1, None));
    }
    assert!(scale("llama", 0.1, None));
}

#[test]
fn another_pre_tokenizer_suits_any_tokenizer() {
    for (model, pre, is_good) in [
        ("gpt2", "qwen2", true),
        ("whitespace", "whitespace", true),
        ("gpt2", "whitespace", false),
    ] {
        let keys = [("model", model), ("pre", pre)];
        let keys = keys.map(|(key, value)| {
            (
                format!("tokenizer.ggml.{key}"),
                Value::String(value.to_owned()),
            )
        });
        let mut header = of("llama", &[]);
        header.metadata.extend(keys);
        assert_eq!(check(&header).is_ok(), is_good, "{model}, {pre}");
    }
}
