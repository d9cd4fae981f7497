//! The prefix cache and the context of a session.

use super::block::block;
use super::kind::{Any, Whole};

block! {
    /// The prefix cache and the context of a session.
    pub struct Memory => MemoryInForce in "memory" {
        /// Whether the host drops the oldest part of a conversation when the context is full. Of a
        /// chat it drops whole messages, and never the system messages. If false, the answer ends
        /// with `context-full`, and a prompt that is too long is refused.
        context_shifting: bool = false, "context_shifting", ["ctx_shift", "context_shift"], Any,
            flag("context-shifting", "BOOL",
                "Drop the oldest part of a conversation when its context is full, if the component \
                 does not set this");
        /// Tokens at the beginning that are never dropped, in addition to the system messages that
        /// begin the conversation. -1 is the first prompt.
        n_keep: i32 = 0, "n_keep", ["keep", "n_keep_tokens"],
            Whole::new(-1, i32::MAX).note("-1: the first prompt");
        /// Whether the request uses the prefix cache: it reuses the computed tokens of an earlier
        /// prompt with the same beginning, and its own tokens are kept for later prompts.
        cache_prompt: bool = true, "cache_prompt", ["enable_token_cache_reuse"], Any;
        /// Maximum number of tokens that the prefix cache keeps for one owner, while there is room.
        /// A request may ask for fewer than the operator allows, not for more. 0 keeps none.
        max_cache_tokens: u32 = 65_536, "max_cache_tokens", [], Whole::new(0, u32::MAX);
    }
}

impl MemoryInForce {
    /// Whether a request uses the prefix cache.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.cache_prompt && self.max_cache_tokens > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_remembered_unless_it_may_have_no_token_cached() {
        for (cache_prompt, max_cache_tokens, remembers) in [
            (true, 1, true),
            (true, 0, false),
            (false, 1, false),
            (false, 0, false),
        ] {
            let memory = Memory {
                cache_prompt: Some(cache_prompt),
                max_cache_tokens: Some(max_cache_tokens),
                ..Memory::default()
            };
            assert_eq!(memory.in_force().remembers(), remembers);
        }
    }
}
