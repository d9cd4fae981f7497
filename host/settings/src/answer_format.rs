//! The names of the formats of answers: how models write calls of tools.

use crate::kind::named;

/// A format in which models write calls of tools, and which is known by name. `docs/tools.md` has
/// an example of each.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
    serde::Deserialize,
)]
pub enum AnswerFormatName {
    /// For Command-R.
    #[strum(serialize = "command-r")]
    #[serde(rename = "command-r")]
    CommandR,
    /// For Command R7B and Command A.
    #[strum(serialize = "command-r7b")]
    #[serde(rename = "command-r7b")]
    CommandR7b,
    /// For DeepSeek V3.2.
    #[strum(serialize = "deepseek-dsml")]
    #[serde(rename = "deepseek-dsml")]
    DeepseekDsml,
    /// For DeepSeek R1 and V3.
    #[strum(serialize = "deepseek-r1")]
    #[serde(rename = "deepseek-r1")]
    DeepseekR1,
    /// For DeepSeek V3.1.
    #[strum(serialize = "deepseek-v3.1")]
    #[serde(rename = "deepseek-v3.1")]
    DeepseekV31,
    /// For FunctionGemma.
    #[strum(serialize = "function-gemma")]
    #[serde(rename = "function-gemma")]
    FunctionGemma,
    /// For Gemma 4.
    #[strum(serialize = "gemma-4")]
    #[serde(rename = "gemma-4")]
    Gemma4,
    /// For GLM 4.5 and later.
    #[strum(serialize = "glm-4.5")]
    #[serde(rename = "glm-4.5")]
    Glm45,
    /// For Granite 3.
    #[strum(serialize = "granite-3")]
    #[serde(rename = "granite-3")]
    Granite3,
    /// For gpt-oss.
    #[strum(serialize = "harmony")]
    #[serde(rename = "harmony")]
    Harmony,
    /// For Hermes, Qwen 2.5 and 3, and Granite 4.
    #[strum(serialize = "hermes")]
    #[serde(rename = "hermes")]
    Hermes,
    /// For any model: the tools are described in the system message.
    #[strum(serialize = "json")]
    #[serde(rename = "json")]
    Json,
    /// For Kimi K2.
    #[strum(serialize = "kimi-k2")]
    #[serde(rename = "kimi-k2")]
    KimiK2,
    /// For LFM2.
    #[strum(serialize = "lfm2")]
    #[serde(rename = "lfm2")]
    Lfm2,
    /// For Llama 3.
    #[strum(serialize = "llama-3")]
    #[serde(rename = "llama-3")]
    Llama3,
    /// For MiniMax M2.
    #[strum(serialize = "minimax-m2")]
    #[serde(rename = "minimax-m2")]
    MinimaxM2,
    /// For older models of Mistral.
    #[strum(serialize = "mistral-list")]
    #[serde(rename = "mistral-list")]
    MistralList,
    /// For newer models of Mistral.
    #[strum(serialize = "mistral-named")]
    #[serde(rename = "mistral-named")]
    MistralNamed,
    /// For Phi-4-mini.
    #[strum(serialize = "phi-4-mini")]
    #[serde(rename = "phi-4-mini")]
    Phi4Mini,
    /// For Llama 4.
    #[strum(serialize = "pythonic")]
    #[serde(rename = "pythonic")]
    Pythonic,
    /// For Qwen3-Coder.
    #[strum(serialize = "qwen3-coder")]
    #[serde(rename = "qwen3-coder")]
    Qwen3Coder,
}

named!(AnswerFormatName, "answer format");
