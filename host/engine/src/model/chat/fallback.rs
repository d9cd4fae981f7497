//! Templates for models that bring none: written here, in the forms that are well known, and chosen
//! by name.

use std::fmt;
use std::str::FromStr;

use crate::config::{Named, by_name};

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

    /// The one whose turns the vocabulary has tokens for.
    pub(in crate::model) fn for_vocabulary(has_token: impl Fn(&str) -> bool) -> Self {
        let has_turns = |name: &Self| match name {
            Self::Chatml => has_token("<|im_start|>"),
            Self::Llama3 => has_token("<|start_header_id|>"),
            Self::Gemma => has_token("<start_of_turn>"),
            Self::Mistral => has_token("[INST]"),
            Self::Zephyr => has_token("<|user|>"),
            Self::Plain => true,
        };
        Self::ALL.into_iter().find(has_turns).unwrap_or(Self::Plain)
    }

    /// Its Jinja source.
    pub(in crate::model) fn source(self) -> &'static str {
        match self {
            Self::Chatml => {
                "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                 {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
            }
            Self::Llama3 => {
                "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n\
                 {{ m.content | trim }}<|eot_id|>{% endfor %}\
                 {% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
            }
            Self::Gemma => {
                "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}\
                 {% if m.role == 'system' %}{% set ns.system = m.content ~ '\n\n' %}{% else %}\
                 <start_of_turn>{{ 'model' if m.role == 'assistant' else 'user' }}\n\
                 {% if m.role != 'assistant' %}{{ ns.system }}{% set ns.system = '' %}{% endif %}\
                 {{ m.content | trim }}<end_of_turn>\n{% endif %}{% endfor %}\
                 {% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
            }
            Self::Mistral => {
                "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}\
                 {% if m.role == 'system' %}{% set ns.system = m.content ~ '\n\n' %}\
                 {% elif m.role == 'assistant' %} {{ m.content | trim }}{{ eos_token }}\
                 {% else %}[INST] {{ ns.system }}{% set ns.system = '' %}{{ m.content }} [/INST]{% endif %}{% endfor %}"
            }
            Self::Zephyr => {
                "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}\
                 {% if add_generation_prompt %}<|assistant|>\n{% endif %}"
            }
            Self::Plain => {
                "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n\n\
                 {% else %}{{ m.role | capitalize }}: {{ m.content }}\n{% endif %}{% endfor %}\
                 {% if add_generation_prompt %}Assistant:{% endif %}"
            }
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
