//! What single architectures assume about their keys, as a table.
//!
//! Each row corresponds to an assertion, a division or an array index in `models/*.cpp` of the
//! pinned llama.cpp (llama-cpp-sys-2 0.1.161). A key that a file lacks is not looked at: llama.cpp
//! refuses the file, or has a default that it can compute with.

/// The range of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// A minimum.
    AtLeast(u64),
    /// The only possible value.
    Exactly(u64),
    /// A multiple of another key, which is not 0.
    MultipleOf(&'static str),
    /// Twice another key.
    TwiceOf(&'static str),
}

/// A rule: the architectures, their key, and its range.
pub(super) type Rule = (&'static [&'static str], &'static str, Bound);

use Bound::{AtLeast, Exactly, MultipleOf, TwiceOf};

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
];

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
    ("dream", "a diffusion model, which does not continue text"),
    ("llada", "a diffusion model, which does not continue text"),
    (
        "llada-moe",
        "a diffusion model, which does not continue text",
    ),
    ("rnd1", "a diffusion model, which does not continue text"),
];

/// Architectures whose keys and values must have the same length (an assertion when the graph is
/// built, or attention that is computed without a cache).
pub(super) const EQUAL_HEADS: &[&str] = &[
    "afmoe",
    "apertus",
    "arcee",
    "arctic",
    "baichuan",
    "bailingmoe2",
    "bert",
    "nomic-bert",
    "nomic-bert-moe",
    "jina-bert-v2",
    "jina-bert-v3",
    "bitnet",
    "bloom",
    "chameleon",
    "chatglm",
    "codeshell",
    "cohere2",
    "cohere2moe",
    "command-r",
    "dbrx",
    "deci",
    "deepseek",
    "dots1",
    "ernie4_5-moe",
    "ernie4_5",
    "eurobert",
    "exaone-moe",
    "exaone",
    "exaone4",
    "falcon",
    "glm4moe",
    "glm4",
    "gpt2",
    "gptneox",
    "granitehybrid",
    "granite_swa",
    "graniteswitch",
    "granite",
    "granitemoe",
    "grok",
    "grovemoe",
    "hunyuan-moe",
    "hunyuan_vl",
    "hunyuan-dense",
    "internlm2",
    "jais",
    "jais2",
    "laguna",
    "llama",
    "llama-embed",
    "llama4",
    "maincoder",
    "maple",
    "mellum",
    "minimax-01",
    "minimax-m2",
    "minimax-m3",
    "mistral3",
    "modern-bert",
    "mpt",
    "nanbeige",
    "nemotron_h_moe",
    "nemotron_h",
    "nemotron",
    "neo-bert",
    "olmo",
    "olmo2",
    "olmoe",
    "openelm",
    "orion",
    "paddleocr",
    "pangu-embedded",
    "phi2",
    "phi3",
    "phimoe",
    "plamo",
    "qwen",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen35",
    "qwen35moe",
    "qwen3moe",
    "qwen3next",
    "qwen3vl",
    "qwen3vlmoe",
    "refact",
    "seed_oss",
    "smallthinker",
    "smollm3",
    "stablelm",
    "starcoder",
    "starcoder2",
    "talkie",
    "xverse",
];

/// Architectures that rotate whole heads, which they assert.
pub(super) const WHOLE_ROTATION: &[&str] = &[
    "apertus",
    "arcee",
    "arctic",
    "baichuan",
    "chameleon",
    "codeshell",
    "cohere2moe",
    "dbrx",
    "deci",
    "deepseek",
    "dots1",
    "ernie4_5-moe",
    "ernie4_5",
    "exaone-moe",
    "exaone",
    "exaone4",
    "falcon",
    "granite_swa",
    "graniteswitch",
    "granite",
    "granitemoe",
    "grok",
    "grovemoe",
    "hunyuan-moe",
    "hunyuan_vl",
    "hunyuan-dense",
    "internlm2",
    "jais2",
    "llama",
    "llama-embed",
    "llama4",
    "maincoder",
    "mellum",
    "mistral3",
    "olmo",
    "olmo2",
    "olmoe",
    "orion",
    "paddleocr",
    "pangu-embedded",
    "plamo",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen3moe",
    "qwen3vl",
    "qwen3vlmoe",
    "seed_oss",
    "smallthinker",
    "smollm3",
    "starcoder2",
    "talkie",
    "xverse",
];

/// Architectures whose rotation is in sections, of which one of the first three must not be empty
/// (`ggml_compute_forward_rope`).
pub(super) const SECTIONS: &[&str] = &[
    "qwen2vl",
    "qwen3vl",
    "qwen3vlmoe",
    "qwen35",
    "qwen35moe",
    "paddleocr",
    "clef",
];
