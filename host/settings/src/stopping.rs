//! When an answer ends.

use std::time::Duration;

use super::block::block;
use super::kind::{Any, Millis, Texts, Whole};

block! {
    /// When an answer ends, if the model doesn't end it. The finish reason says which of them did.
    pub struct Stopping => StoppingInForce in "stopping" {
        /// Tokens to generate at most. The answer may end earlier where the context is full.
        max_tokens: u32 = 512, "max_tokens",
            ["n_predict", "max_completion_tokens", "max_new_tokens"],
            Whole::new(1, u32::MAX)
                .minus_one(u32::MAX)
                .minus_two(u32::MAX)
                .note("-1 or -2: until the context is full"),
            flag("max-tokens", "TOKENS",
                "Tokens of an answer at most, where the component doesn't say");
        /// Time that the request takes at most in all, from its start to its end. When it runs out
        /// in the queue, the request fails with a time-out; later it ends with its text so far.
        max_time: Duration, else "no limit", "max_time_ms", ["t_max_predict_ms"], Millis::TO_A_DAY,
            flag("max-time", "DURATION",
                "Time of a request at most, in all, where the component doesn't say [default: no \
                 limit]");
        /// Strings that end the answer, wherever they come in it; it has the text before the first
        /// of them.
        stop: Vec<String> = Vec::new(), "stop", ["stop_sequences", "reverse_prompt"],
            Texts { most: Stopping::MAX_STOPS, bytes: Stopping::MAX_STOP_BYTES, },
            flag("stop", "TEXT",
                "String that ends an answer where the component doesn't say. Repeatable");
        /// Whether the answer goes on where the model would end it: its end tokens are never
        /// chosen.
        ignore_eos: bool = false, "ignore_eos", [], Any;
    }
}

impl Stopping {
    /// Stop strings of a request at most: each is looked for in every piece of text.
    pub const MAX_STOPS: usize = 64;
    /// Bytes of a stop string at most: as much text may be held back.
    pub const MAX_STOP_BYTES: usize = 256;
}
