//! Whether, and how long, a model thinks before it answers.

use super::block::block;
use super::kind::{Any, Whole, named};

/// How much a model thinks before it answers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum Thinking {
    /// Not at all.
    Off,
    /// As much as it does by itself.
    On,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

named!(Thinking, "amount of thinking");

/// Where in an answer its form begins.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "kebab-case")]
pub enum FormStart {
    /// With the first token, so that the model does not think.
    FirstToken,
    /// When the model has ended its reasoning, or with the first token if it does not think.
    AfterReasoning,
}

named!(FormStart, "start of the form");

block! {
    /// Whether, and how long, a model thinks before it answers. This holds for conversations: the
    /// host does not know where the reasoning of another prompt ends.
    pub struct Reasoning => ReasoningInForce in "reasoning" {
        /// How much the model thinks: `off`, `on`, or as an effort. A model whose chat template
        /// does not let that be chosen refuses what it would not do anyway.
        thinking: Thinking, else "as the chat template has it", "thinking", ["reasoning_effort"],
            Any, since("0.2.0");
        /// Maximum number of tokens of the reasoning. Then the host ends it with the model's own
        /// closing tokens, at the end of a character, and the model answers.
        budget: u32, else "no limit", "budget",
            ["reasoning_budget", "thinking_budget", "thinking_budget_tokens"],
            Whole::new(0, 1_000_000), since("0.2.0");
        /// Where the output form begins: `first-token` or `after-reasoning`.
        form_start: FormStart,
            else "after the reasoning; in 0.1 of the contract and in wasi:nn, the first token",
            "form_start", [], Any, since("0.2.0");
    }
}
