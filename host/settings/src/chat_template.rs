//! The names of the built-in chat templates.

use crate::kind::named;

/// A built-in chat template.
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
#[strum(serialize_all = "lowercase")]
pub enum ChatTemplateName {
    /// `<|im_start|>role ... <|im_end|>`, for Qwen, SmolLM and many others.
    Chatml,
    /// `<|start_header_id|>role<|end_header_id|> ... <|eot_id|>`, for Llama 3.
    Llama3,
    /// `<start_of_turn>user ... <end_of_turn>`, for Gemma. Instructions are part of the first
    /// question.
    Gemma,
    /// `[INST] ... [/INST]`, for Mistral and Llama 2. Instructions are part of the first question.
    Mistral,
    /// `<|user|> ... `, for Zephyr and TinyLlama.
    Zephyr,
    /// `User: ...`, for models that were not trained on chats.
    Plain,
}

named!(ChatTemplateName, "chat template");
