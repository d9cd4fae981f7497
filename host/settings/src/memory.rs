//! What a session remembers.

use super::block::block;
use super::kind::{Any, Whole};

block! {
    /// What a session remembers of what was computed before.
    pub struct Memory => MemoryInForce in "memory" {
        /// Whether the oldest part of a conversation makes room when the context is full: of a chat
        /// whole messages, and never its system messages. Else the answer ends with `context-full`,
        /// and a prompt that is too long is refused.
        context_shifting: bool = false, "context_shifting", ["ctx_shift", "context_shift"], Any,
            flag("context-shifting", "BOOL",
                "Let the oldest part of a conversation make room when its context is full, where \
                 the component doesn't say");
        /// Tokens at the beginning that never make room, beside the system messages that a
        /// conversation begins with; -1 is the first prompt.
        n_keep: i32 = 0, "n_keep", ["keep", "n_keep_tokens"],
            Whole::new(-1, i32::MAX).note("-1: the first prompt");
        /// Whether a prompt that begins as one before it is only read from where it differs, and is
        /// remembered itself.
        cache_prompt: bool = true, "cache_prompt", ["enable_token_cache_reuse"], Any;
        /// Tokens that are remembered for one owner at most, while there is room. A request may ask
        /// for fewer than the operator allows, not for more; 0 remembers nothing.
        max_cache_tokens: u32 = 65_536, "max_cache_tokens", [], Whole::new(0, u32::MAX);
    }
}

impl MemoryInForce {
    /// Whether a request takes what was computed before, and leaves what it computes.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.cache_prompt && self.max_cache_tokens > 0
    }
}
