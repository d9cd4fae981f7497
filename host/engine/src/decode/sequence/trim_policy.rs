//! Which tokens of a sequence are dropped when its context is full.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Messages of a conversation that are dropped together, the oldest ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turns {
    /// The index of the prompt's token after them.
    pub(crate) end: u32,
    /// How many messages of the conversation are dropped then.
    pub(crate) messages: u32,
}

/// Decides which tokens of a sequence are dropped when its context is full. A chat drops whole
/// messages, so that its template stays well formed, then the older half of the answer. A text
/// drops its older half.
#[derive(Debug)]
pub(crate) struct TrimPolicy {
    // Tokens at the beginning that stay.
    keep: u32,
    // Of a chat: messages that can be dropped, each with those before it.
    turns: Option<VecDeque<Turns>>,
    // Tokens of the prompt that were dropped.
    dropped: u32,
    // How many messages were dropped; the session's next prompt leaves them out too.
    left_out: Arc<AtomicU32>,
}

/// A full context drops at least this share of itself: moving one token takes as long as moving
/// many, and other sequences wait meanwhile.
const LEAST_SHARE: u32 = 32;

impl TrimPolicy {
    /// A text may drop all but its first `keep` tokens.
    pub(crate) fn text(keep: u32) -> Self {
        Self {
            keep,
            turns: None,
            dropped: 0,
            left_out: Arc::default(),
        }
    }

    /// A chat may drop these messages after its first `keep` tokens, each with those before it. How
    /// many were dropped is stored in `left_out`.
    pub(crate) fn chat(
        keep: u32,
        turns: impl IntoIterator<Item = Turns>,
        left_out: Arc<AtomicU32>,
    ) -> Self {
        Self {
            keep,
            turns: Some(turns.into_iter().collect()),
            dropped: 0,
            left_out,
        }
    }

    /// The tokens to remove now from a sequence of `len` tokens in a context of `context` tokens.
    /// The first `prompt` tokens are those of the prompt that were not removed before. `None`:
    /// there is nothing worth removing.
    pub(crate) fn next(&mut self, prompt: u32, len: u32, context: u32) -> Option<Range<u32>> {
        let least = (context / LEAST_SHARE).max(1);
        let begin = match &mut self.turns {
            None => self.keep,
            Some(turns) => {
                while let Some(next) = turns.pop_front() {
                    let end = next.end.saturating_sub(self.dropped).min(prompt);
                    // The oldest message alone may be too short.
                    if end >= self.keep.saturating_add(least) {
                        self.dropped += end - self.keep;
                        self.left_out.store(next.messages, Ordering::Relaxed);
                        return Some(self.keep..end);
                    }
                }
                prompt
            }
        };
        let half = len.saturating_sub(begin) / 2;
        (half >= least).then(|| begin..begin + half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_text_the_older_half_goes() {
        let mut text = TrimPolicy::text(10);
        assert_eq!(text.next(50, 64, 64), Some(10..37));
        assert_eq!(TrimPolicy::text(61).next(62, 64, 64), None);
        assert_eq!(TrimPolicy::text(u32::MAX).next(62, 64, 64), None);
    }

    #[test]
    fn of_a_chat_the_oldest_messages_go_then_the_older_half_of_the_answer() {
        let left_out = Arc::new(AtomicU32::new(0));
        let turns = [(30, 2), (50, 4)].map(|(end, messages)| Turns { end, messages });
        let mut chat = TrimPolicy::chat(10, turns, Arc::clone(&left_out));
        assert_eq!(chat.next(60, 100, 100), Some(10..30));
        assert_eq!(left_out.load(Ordering::Relaxed), 2);
        assert_eq!(chat.next(40, 100, 100), Some(10..30));
        assert_eq!(left_out.load(Ordering::Relaxed), 4);
        // The rest of the prompt: the head and the last question.
        assert_eq!(chat.next(20, 100, 100), Some(20..60));
        assert_eq!(left_out.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn messages_too_short_to_be_worth_it_go_with_the_next() {
        let turns = [(12, 2), (50, 4)].map(|(end, messages)| Turns { end, messages });
        let mut chat = TrimPolicy::chat(10, turns, Arc::default());
        assert_eq!(chat.next(60, 100, 100), Some(10..50));
    }
}
