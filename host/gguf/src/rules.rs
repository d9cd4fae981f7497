//! What single architectures assume about their keys, as a table.
//!
//! Each row corresponds to an assertion, a division or an array index in `models/*.cpp` of the
//! pinned llama.cpp (llama-cpp-sys-2 0.1.161). A key that a file lacks is not looked at: llama.cpp
//! refuses the file, or has a default that it can compute with.

pub(super) mod attention;

/// The range of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// A minimum.
    AtLeast(u64),
    /// A minimum and a maximum.
    Range(u64, u64),
    /// The only possible value.
    Exactly(u64),
    /// A multiple of another key, which is not 0.
    MultipleOf(&'static str),
    /// The product of two other keys.
    Product(&'static str, &'static str),
    /// Twice another key.
    TwiceOf(&'static str),
    /// Less than another key.
    LessThan(&'static str),
    /// The same as another key.
    SameAs(&'static str),
    /// Another value than another key.
    OtherThan(&'static str),
}

/// A rule: the architectures, their key, and its range.
pub(super) type Rule = (&'static [&'static str], &'static str, Bound);

use Bound::{AtLeast, Exactly, LessThan, MultipleOf, OtherThan, Product, Range, SameAs, TwiceOf};

/// Architectures with state space layers.
const SSM: &[&str] = &[
    "mamba",
    "mamba2",
    "maple",
    "jamba",
    "falcon-h1",
    "nemotron_h",
    "nemotron_h_moe",
    "plamo2",
    "granitehybrid",
    "qwen3next",
    "qwen35",
    "qwen35moe",
    "qwen4exp",
    "clef",
];
/// Those whose state is in heads (`build_mamba2_layer`, gated delta nets).
const SSM_IN_HEADS: &[&str] = &[
    "mamba2",
    "maple",
    "falcon-h1",
    "nemotron_h",
    "nemotron_h_moe",
    "plamo2",
    "granitehybrid",
    "qwen3next",
    "qwen35",
    "qwen35moe",
    "qwen4exp",
    "clef",
];
/// Those whose state is in groups of heads.
const SSM_IN_GROUPS: &[&str] = &[
    "mamba2",
    "maple",
    "falcon-h1",
    "nemotron_h",
    "nemotron_h_moe",
    "granitehybrid",
];
/// Gated delta nets: the group count is their number of key heads.
const DELTA_NETS: &[&str] = &["qwen3next", "qwen35", "qwen35moe", "qwen4exp", "clef"];
const RWKV: &[&str] = &["rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"];
/// Architectures of which llama.cpp only knows variants with experts.
const WITH_EXPERTS: &[&str] = &[
    "bailingmoe2",
    "glm4moe",
    "grovemoe",
    "smallthinker",
    "lfm2moe",
];

/// Maximum number of iterations over a small matrix; known models have 20.
const MAX_ITERATIONS: u64 = 1000;
/// Architectures in which every so many layers have whole attention.
const INTERVALS: &[&str] = &["clef", "minimax-01", "qwen3next", "qwen35", "qwen35moe"];

pub(super) const RULES: &[Rule] = &[
    (SSM, "ssm.conv_kernel", AtLeast(2)),
    (SSM, "ssm.inner_size", AtLeast(1)),
    (SSM, "ssm.state_size", AtLeast(1)),
    (SSM, "ssm.time_step_rank", AtLeast(1)),
    (
        SSM_IN_HEADS,
        "ssm.inner_size",
        MultipleOf("ssm.time_step_rank"),
    ),
    (
        SSM_IN_GROUPS,
        "ssm.inner_size",
        MultipleOf("ssm.group_count"),
    ),
    (
        DELTA_NETS,
        "ssm.inner_size",
        Product("ssm.time_step_rank", "ssm.state_size"),
    ),
    (
        DELTA_NETS,
        "ssm.time_step_rank",
        MultipleOf("ssm.group_count"),
    ),
    (
        &["jamba", "granitehybrid"],
        "ssm.inner_size",
        TwiceOf("embedding_length"),
    ),
    (RWKV, "wkv.head_size", AtLeast(1)),
    (RWKV, "embedding_length", MultipleOf("wkv.head_size")),
    (&["rwkv6", "rwkv7"], "token_shift_count", Exactly(2)),
    (&["rwkv6qwen2", "arwkv7"], "token_shift_count", Exactly(1)),
    (WITH_EXPERTS, "expert_count", AtLeast(1)),
    (&["grovemoe"], "experts_per_group", AtLeast(1)),
    (&["lfm2", "lfm2moe"], "shortconv.l_cache", AtLeast(2)),
    (&["ernie4_5-moe"], "interleave_moe_layer_step", AtLeast(1)),
    (&["hrm_text"], "hrm.layers_per_stack", AtLeast(1)),
    (&["hrm_text"], "hrm.h_cycles", AtLeast(1)),
    (&["hrm_text"], "hrm.l_cycles", AtLeast(1)),
    (&["nanbeige"], "num_loops", AtLeast(1)),
    (&["minimax-m3"], "attention.indexer.block_size", AtLeast(1)),
    (&["plamo2"], "ssm.group_count", Exactly(0)),
    (
        &["qwen3vl", "qwen3vlmoe"],
        "n_deepstack_layers",
        LessThan("block_count"),
    ),
    (INTERVALS, "full_attention_interval", AtLeast(1)),
    (&["glm5-next"], "attention.indexer.kpool", AtLeast(2)),
    (
        &["glm5-next"],
        "attention.indexer.top_k",
        MultipleOf("attention.indexer.kpool"),
    ),
    (
        &["glm5-next", "deepseek4"],
        "hyper_connection.count",
        Exactly(4),
    ),
    (
        &["glm5-next", "deepseek4"],
        "hyper_connection.sinkhorn_iterations",
        Range(1, MAX_ITERATIONS),
    ),
    (&["deepseek4"], "attention.head_count_kv", Exactly(1)),
    (
        &["deepseek4"],
        "attention.head_count",
        MultipleOf("attention.output_group_count"),
    ),
    (
        &["deepseek4"],
        "attention.indexer.key_length",
        OtherThan("attention.key_length"),
    ),
    (
        &["dots1", "deepseek2-ocr", "minicpm3"],
        "attention.head_count_kv",
        SameAs("attention.head_count"),
    ),
    (
        &["gemma-embedding"],
        "dense_2_feat_in",
        SameAs("embedding_length"),
    ),
    (
        &["gemma-embedding"],
        "dense_3_feat_out",
        SameAs("embedding_length"),
    ),
];

/// A rule of a fraction: the architectures, their key, and its range.
pub(super) type Fraction = (&'static [&'static str], &'static str, f64, f64);

/// Ranges of fractions, without their ends.
pub(super) const FRACTIONS: &[Fraction] = &[
    (&["bailingmoe3"], "kda.gate_lower_bound", f64::MIN, 0.0),
    (&["deepseek2-ocr"], "rope.freq_base", 9999.9999, 10000.0001),
];

/// Keys that a file must have, because llama.cpp cannot compute with its own default.
pub(super) const REQUIRED: &[(&[&str], &str)] = &[
    (&["rwkv6qwen2", "arwkv7"], "token_shift_count"),
    (&["dots1", "hy_v4", "minimax-m2"], "expert_gating_func"),
    (&["deepseek4"], "attention.head_count_kv"),
    (&["paddleocr"], "rope.dimension_sections"),
];

/// Flags that must not be false.
pub(super) const SET: &[(&[&str], &str)] = &[(&["bailingmoe3"], "kda.safe_gate")];

/// Architectures that llama.cpp knows and that cannot be served here, with what they are.
pub(super) const NOT_SERVED: &[(&str, &str)] = &[
    ("clip", "the projector of an image or audio model"),
    (
        "eagle3",
        "a draft model, which needs the model it drafts for",
    ),
    (
        "dflash",
        "a draft model, which needs the model it drafts for",
    ),
    (
        "gemma4-assistant",
        "a draft model, which needs the model it drafts for",
    ),
    ("wavtokenizer-dec", "a decoder of audio"),
    ("qwen3tts", "a model of speech"),
    ("pockettts", "a model of speech"),
    (
        "t5",
        "a model of an encoder and a decoder, which translates a text and does not continue it",
    ),
    (
        "plm",
        "one that this version of llama.cpp can't compute with flash attention",
    ),
    ("dream", "a diffusion model, which does not continue text"),
    ("llada", "a diffusion model, which does not continue text"),
    (
        "llada-moe",
        "a diffusion model, which does not continue text",
    ),
    ("rnd1", "a diffusion model, which does not continue text"),
];

/// Architectures in which a layer without an indexer uses the choice of an earlier one.
pub(super) const SHARED_INDEXER: &[&str] = &["dots3note", "glm-dsa", "glm5-next", "hy_v4"];

/// Architectures that have a default for `expert_gating_func` = 0.
pub(super) const GATED: &[&str] = &[
    "afmoe",
    "cohere2moe",
    "deepseek2",
    "deepseek2-ocr",
    "glm-dsa",
    "glm4moe",
    "glm5-next",
    "hy_v3",
    "laguna",
    "step35",
];

/// When no layer of an architecture with windows has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    /// Never.
    Never,
    /// If `attention.sliding_window` is 0.
    Zero,
    /// If `attention.sliding_window` is 0 or missing.
    ZeroOrMissing,
}

/// Layers that attend to a window, in an architecture that mixes them with others.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) architecture: &'static str,
    /// `attention.sliding_window_pattern` if the file has none: every such layer has no window.
    pub(super) each: u64,
    pub(super) off: Off,
    /// Whether the first of these layers has no window, instead of the last.
    pub(super) is_first_whole: bool,
    /// Whether `attention.sliding_window` is needed.
    pub(super) is_needed: bool,
    /// Whether a layer without a window is needed.
    pub(super) is_mixed: bool,
}

const fn windows(architecture: &'static str, each: u64, off: Off) -> Windows {
    Windows {
        architecture,
        each,
        off,
        is_first_whole: false,
        is_needed: false,
        is_mixed: false,
    }
}

const fn first_whole(architecture: &'static str, each: u64, off: Off) -> Windows {
    Windows {
        is_first_whole: true,
        ..windows(architecture, each, off)
    }
}

/// `load_swa_pattern` in `models/*.cpp`, and arrays that are needed (0).
pub(super) const WINDOWS: &[Windows] = &[
    Windows {
        is_needed: true,
        ..windows("afmoe", 4, Off::Never)
    },
    windows("cohere2", 4, Off::Never),
    first_whole("cohere2moe", 4, Off::Never),
    Windows {
        is_mixed: true,
        ..windows("dots3note", 0, Off::Never)
    },
    windows("exaone-moe", 4, Off::Never),
    Windows {
        is_mixed: true,
        ..windows("gemma-embedding", 6, Off::Never)
    },
    windows("gemma2", 2, Off::Never),
    windows("gemma3", 6, Off::ZeroOrMissing),
    windows("gemma3n", 5, Off::Never),
    windows("gemma4", 0, Off::Never),
    windows("gpt-oss", 2, Off::Never),
    windows("granite_swa", 0, Off::Never),
    first_whole("laguna", 4, Off::ZeroOrMissing),
    windows("llama4", 4, Off::Zero),
    windows("maple", 0, Off::Never),
    windows("mellum", 4, Off::ZeroOrMissing),
    windows("mimo2", 0, Off::Never),
    Windows {
        is_mixed: true,
        ..first_whole("modern-bert", 3, Off::ZeroOrMissing)
    },
    windows("muse-glimmer", 4, Off::Never),
    windows("olmo2", 4, Off::ZeroOrMissing),
    windows("plamo3", 8, Off::ZeroOrMissing),
    first_whole("smallthinker", 4, Off::ZeroOrMissing),
    windows("spark2_5", 0, Off::Never),
    windows("step35", 0, Off::Never),
];

/// All architectures.
pub(super) const ALL: &[&str] = &[];

/// Architectures with a tensor of a layer, with which llama.cpp uses one of others although a file
/// need not have it.
pub(super) const NEEDED: &[(&[&str], &str, &[&str])] = &[
    (
        &["falcon-h1", "granitehybrid", "nemotron_h", "nemotron_h_moe"],
        "ssm_conv1d.weight",
        &["ssm_conv1d.bias"],
    ),
    (RWKV, "time_mix_g1.weight", &["time_mix_g2.weight"]),
    (RWKV, "time_mix_g2.weight", &["time_mix_g1.weight"]),
    (&["qwen3next"], "attn_qkv.weight", &["attn_gate.weight"]),
    (&["phi3"], "attn_q.weight", &["attn_k.weight"]),
    (&["phi3"], "attn_k.weight", &["attn_v.weight"]),
    (&["phi3"], "attn_v.weight", &["attn_q.weight"]),
    (
        &["phi3"],
        "attn_output.weight",
        &["attn_qkv.weight", "attn_q.weight"],
    ),
    (ALL, "ffn_up.weight", &["ffn_down.weight"]),
    (ALL, "ffn_gate.weight", &["ffn_down.weight"]),
    (ALL, "ffn_up_shexp.weight", &["ffn_down_shexp.weight"]),
    (ALL, "ffn_gate_shexp.weight", &["ffn_up_shexp.weight"]),
    (ALL, "ffn_down_shexp.weight", &["ffn_up_shexp.weight"]),
    (ALL, "ffn_up_exps.weight", &["ffn_down_exps.weight"]),
    (ALL, "ffn_gate_exps.weight", &["ffn_down_exps.weight"]),
    (ALL, "ffn_gate_up_exps.weight", &["ffn_down_exps.weight"]),
    (
        ALL,
        "ffn_down_exps.weight",
        &["ffn_up_exps.weight", "ffn_gate_up_exps.weight"],
    ),
    (
        &["glm-dsa"],
        "indexer.attn_k.weight",
        &["indexer.attn_q_b.weight"],
    ),
    (
        &["glm-dsa"],
        "indexer.attn_q_b.weight",
        &["indexer.proj.weight"],
    ),
    (
        &["glm-dsa"],
        "indexer.proj.weight",
        &["indexer.attn_k.weight"],
    ),
];

/// Architectures with a tensor that must be F32 there, and can have other types in others.
pub(super) const ONLY_F32: &[(&[&str], &str)] = &[(&["glm5-next"], "indexer_compressor_ape")];

/// Architectures with tensors that crash llama.cpp.
pub(super) const ABSENT: &[(&[&str], &str)] = &[(&["rwkv6qwen2"], "time_mix_first")];

/// Tensors of a layer whose number of rows follows from a key: once or twice as many, or as many
/// for each number of a head.
pub(super) const ROWS: &[(&str, &str, &str, Rows)] = &[
    (
        "jina-bert-v2",
        "ffn_up.weight",
        "feed_forward_length",
        Rows::Twice,
    ),
    (
        "laguna",
        "attn_gate.weight",
        "attention.head_count",
        Rows::EachOfHead,
    ),
];

/// The other possible number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Twice the key.
    Twice,
    /// The key times the length of a head.
    EachOfHead,
}
