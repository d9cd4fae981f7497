//! Rules about the heads of attention, each at its bound and beyond.

use super::*;

/// Heads of 16 numbers.
const HEADS: [(&str, u64); 2] = [("attention.head_count", 4), ("embedding_length", 64)];

/// Whether a header of this architecture with heads of 16 numbers and these keys is taken.
fn fits(architecture: &str, keys: &[(&str, u64)]) -> bool {
    check(&of(architecture, &[&HEADS, keys].concat())).is_ok()
}

/// Whether such a header with lists under these keys is taken.
fn fits_with(architecture: &str, keys: &[(&str, u64)], lists: &[(&str, &[i64])]) -> bool {
    let mut header = of(architecture, keys);
    let named = |key: &str| format!("{architecture}.{key}");
    for (key, list) in lists {
        header
            .metadata
            .insert(named(key), Value::Array(list.len() as u64));
    }
    let lists = lists.iter().map(|(key, list)| (named(key), list.to_vec()));
    check_lists(&header, &lists.collect()).is_ok()
}

#[test]
fn the_heads_of_each_layer_are_shared_evenly() {
    let (all, shared) = ("attention.head_count", "attention.head_count_kv");
    let both = |heads: &[i64], kv: &[i64]| fits_with("lfm2", &[], &[(all, heads), (shared, kv)]);
    assert!(both(&[4, 6], &[2, 3]) && !both(&[4, 6], &[2, 4]));
    // A layer without heads needs none, and a list may be shorter than the other.
    assert!(both(&[4, 0], &[2, 3]) && both(&[4, 6], &[2]) && !both(&[4, 6], &[4]));
    assert!(!both(&[4], &[2, 3]));
    assert!(fits_with("lfm2", &[(shared, 2)], &[(all, &[4, 6])]));
    assert!(!fits_with("lfm2", &[(shared, 4)], &[(all, &[4, 6])]));
    // A number for all layers is never 0.
    assert!(!fits_with("lfm2", &[(shared, 0)], &[(all, &[4, 6])]));
    assert!(fits("llama", &[(shared, 1)]) && fits("llama", &[]));
}

#[test]
fn the_width_is_a_multiple_of_the_heads_unless_they_have_their_own_length() {
    let width = |width, keys: &[(&str, u64)]| {
        fits("gpt2", &[&[("embedding_length", width)], keys].concat())
    };
    assert!(width(64, &[]) && width(68, &[]) && !width(66, &[]));
    assert!(width(
        66,
        &[("attention.key_length", 16), ("attention.value_length", 16)]
    ));
}

#[test]
fn heads_that_share_the_width_have_the_length_that_follows() {
    let length = |architecture, length| {
        let keys = ["attention.key_length", "attention.value_length"];
        fits(architecture, &keys.map(|key| (key, length)))
    };
    assert!(length("jamba", 16) && !length("jamba", 8) && !length("jamba", 32));
    assert!(length("llama", 8));
    let none = [("attention.head_count", 0), ("attention.key_length", 8)];
    assert!(fits(
        "jamba",
        &[&none[..], &[("attention.value_length", 8)]].concat()
    ));
}

#[test]
fn an_even_number_from_two_on_is_rotated() {
    let rotated = |architecture, number| fits(architecture, &[("rope.dimension_count", number)]);
    for (number, is_good) in [
        (0, false),
        (1, false),
        (2, true),
        (3, false),
        (16, true),
        (18, false),
    ] {
        assert_eq!(rotated("gptneox", number), is_good, "{number}");
    }
    // Some architectures rotate nothing, and some only whole heads.
    assert!(rotated("bert", 0) && !rotated("bert", 1));
    assert!(rotated("llama", 16) && !rotated("llama", 14) && !rotated("llama", 18));
}

#[test]
fn layers_with_a_window_have_heads_as_long_as_those_of_others() {
    let (keys, values) = ("attention.key_length_swa", "attention.value_length_swa");
    // In the pattern of each architecture, some of four layers have a window.
    let windowed = |architecture, key, length| {
        fits(
            architecture,
            &[
                ("block_count", 4),
                ("attention.sliding_window", 8),
                (key, length),
            ],
        )
    };
    for key in [keys, values] {
        assert!(
            windowed("gemma2", key, 16) && !windowed("gemma2", key, 8),
            "{key}"
        );
        // Another can have windows too. One has lengths of its own, and one has no windows.
        assert!(
            windowed("lfm2", key, 16) && !windowed("lfm2", key, 8),
            "{key}"
        );
        assert!(
            windowed("gemma4", key, 8) && windowed("qwen3", key, 8),
            "{key}"
        );
    }
    let rotated = "rope.dimension_count_swa";
    for (architecture, number, is_good) in [
        ("gemma2", 0, false),
        ("gemma2", 2, true),
        ("gemma2", 16, true),
        ("gemma2", 17, false),
        ("gemma2", 18, false),
        // It rotates whole heads.
        ("mellum", 14, false),
        ("mellum", 16, true),
        ("qwen3", 17, true),
    ] {
        assert_eq!(
            windowed(architecture, rotated, number),
            is_good,
            "{architecture} {number}"
        );
    }
    // Of heads of their own length, that length.
    let own = |number| {
        let keys = [("block_count", 4), (keys, 8), (rotated, number)];
        fits("gemma4", &keys)
    };
    assert!(own(8) && !own(10));
}

#[test]
fn the_sections_of_a_rotation_fit_into_its_head() {
    let key = "rope.dimension_sections";
    let sections = |architecture, list: &[i64]| fits_with(architecture, &HEADS, &[(key, list)]);
    assert!(sections("llama", &[8, 4, 4, 0]) && !sections("llama", &[8, 4, 4, 1]));
    // Only the first four are looked at.
    assert!(sections("llama", &[8, 4, 4, 0, 9]));
    assert!(!sections("llama", &[-1, 1, 0, 0]));
    // A single number holds for all four.
    assert!(fits("llama", &[(key, 4)]) && !fits("llama", &[(key, 5)]));
    assert!(
        fits_with("llama", &HEADS, &[(key, &[4])]) && !fits_with("llama", &HEADS, &[(key, &[5])])
    );
    for (list, is_good) in [
        ([0, 0, 0, 8], false),
        ([1, 0, 0, 0], true),
        ([0, 1, 0, 0], true),
        ([0, 0, 1, 0], true),
    ] {
        assert_eq!(sections("qwen2vl", &list), is_good, "{list:?}");
    }
    assert!(sections("llama", &[0, 0, 0, 8]));
    // The rotated part of a shared key is a tensor of its own.
    let latent = |rotated, list: &[i64]| {
        let keys = [&HEADS[..], &[("rope.dimension_count", rotated)]].concat();
        fits_with("deepseek2", &keys, &[(key, list)])
    };
    assert!(latent(8, &[4, 4, 0, 0]) && !latent(8, &[4, 4, 1, 0]));
}

/// Keys of latent attention whose heads share a key of 24 numbers, 8 of them rotated.
fn latent(architecture: &str, others: &[(&str, u64)]) -> bool {
    let keys = [
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("attention.kv_lora_rank", 16),
        ("rope.dimension_count", 8),
        ("attention.key_length", 24),
        ("attention.key_length_mla", 24),
        ("attention.value_length_mla", 16),
    ];
    check(&of(architecture, &[&keys, others].concat())).is_ok()
}

#[test]
fn both_lengths_of_latent_attention_are_there_or_neither() {
    let lengths = |keys, values| {
        let lengths = [
            ("attention.key_length_mla", keys),
            ("attention.value_length_mla", values),
        ];
        latent("deepseek2", &lengths)
    };
    assert!(lengths(24, 16) && lengths(24, 1) && lengths(0, 0));
    assert!(!lengths(24, 0) && !lengths(0, 16));
    // A key has more than what is rotated.
    assert!(lengths(9, 16) && !lengths(8, 16));
    let one = |key| check(&of("deepseek2", &[(key, 8)])).is_ok();
    assert!(!one("attention.key_length_mla") && !one("attention.value_length_mla"));
    // Others have no other attention, and some have no latent attention.
    let none = [
        ("attention.key_length_mla", 0),
        ("attention.value_length_mla", 0),
    ];
    assert!(!latent("glm-dsa", &none));
    assert!(latent("qwen3next", &[("attention.value_length_mla", 0)]));
}

#[test]
fn all_heads_of_latent_attention_share_one_key() {
    assert!(!latent("deepseek2", &[("attention.head_count_kv", 2)]));
    // Without a number of shared heads, each has its own.
    let keys = |heads| {
        let lengths = [
            ("attention.key_length_mla", 24),
            ("attention.value_length_mla", 16),
        ];
        check(&of(
            "deepseek2",
            &[&[("attention.head_count", heads)][..], &lengths].concat(),
        ))
    };
    keys(1).unwrap();
    keys(2).unwrap_err();
}

#[test]
fn a_shared_key_of_a_window_has_its_own_parts() {
    let windowed = |rank, others: &[(&str, u64)]| {
        latent(
            "deepseek2",
            &[&[("attention.kv_lora_rank_swa", rank)], others].concat(),
        )
    };
    // 24 numbers, 8 of them rotated, unless the file says otherwise.
    assert!(windowed(16, &[]) && !windowed(15, &[]) && !windowed(17, &[]));
    let (length, rotated) = ("attention.key_length_swa", "rope.dimension_count_swa");
    assert!(windowed(12, &[(length, 20)]) && !windowed(16, &[(length, 20)]));
    assert!(windowed(20, &[(rotated, 4)]) && !windowed(16, &[(rotated, 4)]));
    assert!(!windowed(u64::MAX, &[]));
}

#[test]
fn vectors_of_no_length_are_as_wide_as_the_model() {
    let length = |architecture, length| fits(architecture, &[("embedding_length_out", length)]);
    assert!(length("llama", 0) && length("llama", 64) && !length("llama", 63));
    let projected = |architecture, tensor| {
        let header = of(
            architecture,
            &[&HEADS[..], &[("embedding_length_out", 8)]].concat(),
        );
        check(&header_with(header, &[tensor])).is_ok()
    };
    assert!(projected("lfm2", "dense_2.weight") && projected("lfm2moe", "dense_2.weight"));
    assert!(!projected("lfm2", "dense_3.weight") && !projected("llama", "dense_2.weight"));
}
