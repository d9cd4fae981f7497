//! When an answer ends.

use std::time::Duration;

use super::block::block;
use super::kind::{Any, Millis, Texts, Whole};

block! {
    /// When an answer ends, if the model does not end it. The finish reason says which limit ended
    /// it.
    pub struct Stopping => StoppingInForce in "stopping" {
        /// Maximum number of tokens to generate. The answer ends earlier if the context is full.
        max_tokens: u32 = 512, "max_tokens",
            ["n_predict", "max_completion_tokens", "max_new_tokens"],
            Whole::new(1, u32::MAX)
                .minus_one(u32::MAX)
                .minus_two(u32::MAX)
                .note("-1 or -2: until the context is full"),
            flag("max-tokens", "TOKENS",
                "Maximum number of tokens of an answer, if the component does not set it");
        /// Maximum duration of the request, from its start to its end. If the time runs out in the
        /// queue, the request fails with a time-out. If it runs out later, the request ends with
        /// its text so far.
        max_time: Duration, else "no limit", "max_time_ms", ["t_max_predict_ms"], Millis::TO_A_DAY,
            flag("max-time", "DURATION",
                "Maximum duration of a request, if the component does not set it [default: no \
                 limit]");
        /// Strings that end the answer, wherever they appear in it. The answer contains the text
        /// before the first of them.
        stop: Vec<String> = Vec::new(), "stop", ["stop_sequences", "reverse_prompt"],
            Texts { most: Stopping::MAX_STOPS, bytes: Stopping::MAX_STOP_BYTES },
            flag("stop", "TEXT",
                "String that ends an answer, if the component does not set any. Can be given more \
                 than once");
        /// Whether the answer continues when the model would end it: the host never chooses the
        /// model's end tokens.
        ignore_eos: bool = false, "ignore_eos", [], Any;
    }
}

impl Stopping {
    /// Maximum number of stop strings of a request. The host looks for each of them in every piece
    /// of text.
    pub const MAX_STOPS: usize = 64;
    /// Maximum number of bytes of a stop string. The host may hold back as much text.
    pub const MAX_STOP_BYTES: usize = 256;
}
