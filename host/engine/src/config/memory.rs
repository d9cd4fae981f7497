//! What a session remembers. No part of it is there yet: a document that sets one is told so, a request is refused.

use super::block::{Block, block};
use super::kind::{Any, Whole};
use super::problem::{Check, Problem};

block! {
    /// What a session remembers. This version remembers nothing: what is computed lasts for one generation.
    pub struct Memory => MemoryInForce in "memory" {
        /// Whether the oldest part of a conversation makes room when the context is full.
        context_shifting: bool = false, "context_shifting", ["ctx_shift", "context_shift"], Any;
        /// Tokens at the beginning that never make room, beside the system messages that a conversation begins with; -1 is
        /// the first prompt.
        n_keep: i32 = 0, "n_keep", ["keep"], Whole::new(-1, i32::MAX).note("-1: the first prompt");
        /// Whether a prompt that begins as one before it is only read from where it differs.
        cache_prompt: bool = false, "cache_prompt", [], Any;
        /// Tokens that are remembered at most.
        max_cache_tokens: u32 = 0, "max_cache_tokens", [], Whole::new(0, u32::MAX);
    }
}

impl Memory {
    /// Why a document's settings have no effect.
    pub(crate) const NOT_YET: &'static str =
        "this version keeps nothing from one generation to the next";

    /// Refuses what this version can't do.
    pub(crate) fn check_possible(&self, check: &mut Check) {
        for key in Self::KEYS {
            let value = (key.json)(self);
            let default = (key.info.default)().ok();
            check.that(value.is_none() || value == default, || {
                let path = format!("{}.{}", Self::SECTION, key.info.name);
                let shown = value.unwrap_or_default();
                let default = default.unwrap_or_default();
                Problem::new(path, shown, format!("{default}: {}", Self::NOT_YET))
            });
        }
    }
}
