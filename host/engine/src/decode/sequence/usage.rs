//! The usage of a generation: its tokens, and the times of its stages.

use std::time::{Duration, Instant};

use mynah_core::Usage;

/// When a generation reached each stage.
#[derive(Debug)]
pub(in crate::decode) struct Times {
    pub(in crate::decode) asked: Instant,
    pub(in crate::decode) begun: Option<Instant>,
    pub(in crate::decode) first_token: Option<Instant>,
    pub(in crate::decode) last_token: Option<Instant>,
}

/// Tokens that a generation counts.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::decode) struct Tokens {
    pub(in crate::decode) prompt: u32,
    pub(in crate::decode) cached: u32,
    pub(in crate::decode) generated: u32,
    pub(in crate::decode) reasoning: u32,
    pub(in crate::decode) forgotten: u32,
}

impl Times {
    /// The usage so far.
    pub(in crate::decode) fn usage(&self, tokens: Tokens) -> Usage {
        let now = Instant::now();
        let since = |from: Option<Instant>, to: Option<Instant>| match from {
            Some(from) => to.unwrap_or(now).duration_since(from),
            None => Duration::ZERO,
        };
        Usage {
            prompt_tokens: tokens.prompt,
            cached_tokens: tokens.cached,
            generated_tokens: tokens.generated,
            reasoning_tokens: tokens.reasoning,
            forgotten_tokens: tokens.forgotten,
            queue_time: since(Some(self.asked), self.begun),
            prefill_time: since(self.begun, self.first_token),
            decode_time: since(self.first_token, None),
        }
    }
}
