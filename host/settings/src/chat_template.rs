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
)]
#[strum(serialize_all = "lowercase")]
pub enum ChatTemplateName {
    /// `<|im_start|>role ... <|im_end|>`, as Qwen, SmolLM and many others.
    Chatml,
    /// `<|start_header_id|>role<|end_header_id|> ... <|eot_id|>`, as Llama 3.
    Llama3,
    /// `<start_of_turn>user ... <end_of_turn>`, as Gemma; instructions go into the first question.
    Gemma,
    /// `[INST] ... [/INST]`, as Mistral and Llama 2; instructions go into the first question.
    Mistral,
    /// `<|user|> ... `, as Zephyr and TinyLlama.
    Zephyr,
    /// `User: ...`, for models that know no turns.
    Plain,
}

named!(ChatTemplateName, "chat template");
