//! The names of the chat templates that are built in.

use std::fmt;
use std::str::FromStr;

use crate::by_name;
use crate::kind::Named;

/// A chat template that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl ChatTemplateName {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 6] = [
        Self::Chatml,
        Self::Llama3,
        Self::Gemma,
        Self::Mistral,
        Self::Zephyr,
        Self::Plain,
    ];

    /// The template's name, as everywhere outside Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chatml => "chatml",
            Self::Llama3 => "llama3",
            Self::Gemma => "gemma",
            Self::Mistral => "mistral",
            Self::Zephyr => "zephyr",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for ChatTemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ChatTemplateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(&Self::ALL, "chat template", text)
    }
}

impl Named for ChatTemplateName {
    const ALL: &'static [Self] = &Self::ALL;
}
