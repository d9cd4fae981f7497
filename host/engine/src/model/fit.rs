//! Prompts that outgrow their context, where `context_shifting` is set: what is left out at once, and what makes room later.
//!
//! Of a chat whole messages are left out: from one message up to, but without, a later one of the same role. The template then
//! puts the same around the later one as it did around the first, so what is left is well formed, whatever the template.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::decode::{Droppable, Turns};
use crate::memory::common;
use crate::{Error, Message, Result, Role};

/// What bounds a prompt and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Tokens that the context holds.
    pub(super) context: u32,
    /// Tokens of the answer.
    pub(super) max_tokens: u32,
    /// See [`MemoryInForce::n_keep`](crate::MemoryInForce::n_keep).
    pub(super) n_keep: i32,
}

/// A prompt that fits its context.
#[derive(Debug)]
pub(super) struct Fitted<T> {
    pub(super) tokens: Vec<T>,
    /// What makes room later, where anything may.
    pub(super) droppable: Option<Droppable>,
    /// Tokens that were left out and had not been before.
    pub(super) forgotten: u32,
}

/// What a session knows of the prompts that it had.
#[derive(Debug, Default)]
pub(crate) struct Past {
    // Messages after the head that are left out, also while an answer is being made.
    left_out: Arc<AtomicU32>,
    // The head's messages, and for each message of the last conversation the hash of all up to it.
    head: usize,
    hashes: Vec<u64>,
    // What the first prompt was: its tokens, and its messages where it was a chat.
    first: Option<(u32, usize)>,
}

impl Past {
    /// Messages that are left out of this conversation, which goes on with the last one; 0 of another.
    fn left_out(&self, hashes: &[u64]) -> usize {
        let count = self.left_out.load(Ordering::Relaxed) as usize;
        let last = (self.head + count).checked_sub(1);
        let is_same = last.is_some_and(|last| {
            let known = self.hashes.get(last);
            known.is_some() && known == hashes.get(last)
        });
        if is_same { count } else { 0 }
    }

    fn keep(&self, n_keep: i32, begins: u32) -> u32 {
        let first = || self.first.map_or(u32::MAX, |(tokens, _)| tokens);
        u32::try_from(n_keep)
            .unwrap_or_else(|_| first())
            .max(begins)
    }
}

/// For each message the hash of all up to it.
fn hashes(messages: &[Message]) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    let hash = |message: &Message| {
        (message.role, &message.content, &message.fields).hash(&mut hasher);
        hasher.finish()
    };
    messages.iter().map(hash).collect()
}

impl Bounds {
    fn is_too_long(&self, tokens: usize) -> bool {
        tokens >= self.context as usize
    }

    /// Whether there is room for an answer too, or for the beginning of a long one.
    fn has_room(&self, tokens: usize) -> bool {
        let answer = self.max_tokens.min(self.context / 8) as usize;
        tokens + answer <= self.context as usize
    }

    /// What a prompt is brought down to that is too long: less often than each turn, so that what is kept is computed once.
    fn target(&self) -> usize {
        (self.context / 2) as usize
    }

    fn too_long(&self, prompt: usize) -> Error {
        Error::PromptTooLong {
            prompt,
            context: self.context,
        }
    }

    /// A text's or a list's tokens. After what stays at the beginning (`begins` tokens at least) the oldest are left out, in steps
    /// of a quarter of the context, so that the next longer one leaves out the same.
    ///
    /// # Errors
    ///
    /// [`Error::PromptTooLong`] when what stays fills the context.
    pub(super) fn text<T>(
        self,
        mut tokens: Vec<T>,
        begins: u32,
        past: &mut Past,
    ) -> Result<Fitted<T>> {
        let whole = tokens.len();
        let keep = past.keep(self.n_keep, begins);
        if self.is_too_long(whole) {
            let step = (self.context / 4).max(1) as usize;
            let out = (whole - self.target())
                .next_multiple_of(step)
                .min(whole - 1);
            let from = keep as usize;
            if from + out >= whole {
                return Err(self.too_long(whole));
            }
            tokens.drain(from..from + out);
        }
        let forgotten = count(whole - tokens.len());
        past.first.get_or_insert((count(tokens.len()), 0));
        Ok(Fitted {
            droppable: Some(Droppable::text(past.keep(self.n_keep, begins))),
            tokens,
            forgotten,
        })
    }

    /// A chat's tokens. `render` gives those of the conversation without the messages of a range.
    ///
    /// # Errors
    ///
    /// [`Error::PromptTooLong`] when what can't be left out fills the context, and `render`'s.
    pub(super) fn chat<T: PartialEq>(
        self,
        messages: &[Message],
        past: &mut Past,
        mut render: impl FnMut(Range<usize>) -> Result<Vec<T>>,
    ) -> Result<Fitted<T>> {
        let hashes = hashes(messages);
        let left_out = past.left_out(&hashes);
        let mut head = self.head(messages, past);
        if left_out > 0 {
            head = past.head;
        } else {
            // What another conversation's answer leaves out is no longer asked for.
            past.left_out = Arc::default();
        }
        let mut tokens = render(head..head + left_out)?;
        let whole = tokens.len();
        if left_out == 0 && self.n_keep > 0 {
            head = self.head_within(messages, head, &tokens, &mut render)?;
        }
        let ends = same_roles(messages, head, head + left_out);
        let mut end = head + left_out;
        if !self.has_room(tokens.len()) {
            let mut shortened = None;
            let mut fits = |at: usize| -> Result<bool> {
                let rendered = render(head..at)?;
                let is_short = rendered.len() <= self.target();
                shortened = Some((at, rendered));
                Ok(is_short)
            };
            // The least that brings it down; where nothing does, all that may go.
            let (mut low, mut high) = (0, ends.len().saturating_sub(1));
            while low < high {
                let middle = low + (high - low) / 2;
                let at = ends.get(middle).copied().unwrap_or(head);
                if fits(at)? {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            if let Some(at) = ends.get(low) {
                fits(*at)?;
            }
            if let Some((at, rendered)) = shortened {
                (end, tokens) = (at, rendered);
            }
        }
        if self.is_too_long(tokens.len()) {
            return Err(self.too_long(tokens.len()));
        }
        past.left_out.store(count(end - head), Ordering::Relaxed);
        (past.head, past.hashes) = (head, hashes);
        past.first
            .get_or_insert((count(tokens.len()), messages.len()));
        let (keep, turns) = if tokens.len() + self.max_tokens as usize > self.context as usize {
            let ends = ends.into_iter().filter(|&at| at > end).collect();
            turns(&tokens, head, ends, render)?
        } else {
            (0, Vec::new())
        };
        Ok(Fitted {
            forgotten: count(whole.saturating_sub(tokens.len())),
            droppable: Some(Droppable::chat(keep, turns, Arc::clone(&past.left_out))),
            tokens,
        })
    }

    /// The first message from `head` on that begins after `n_keep` tokens.
    fn head_within<T: PartialEq>(
        &self,
        messages: &[Message],
        head: usize,
        tokens: &[T],
        render: &mut impl FnMut(Range<usize>) -> Result<Vec<T>>,
    ) -> Result<usize> {
        let keep = u32::try_from(self.n_keep).unwrap_or(0);
        let (mut low, mut high) = (head, messages.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let is_after = match same_roles(messages, middle, middle).first() {
                Some(next) => common(tokens, &render(middle..*next)?) >= keep,
                // None of its role comes after it, so it can't go anyway.
                None => true,
            };
            if is_after {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// Messages at the beginning that always stay.
    fn head(&self, messages: &[Message], past: &Past) -> usize {
        let is_system = |message: &&Message| message.role == Role::System;
        let systems = messages.iter().take_while(is_system).count();
        if self.n_keep < 0 {
            let first = past.first.map_or(messages.len(), |(_, count)| count);
            return first.max(systems).min(messages.len());
        }
        systems
    }
}

/// Where what is left out from `head` on may end: before later messages of the same role, after `from`.
fn same_roles(messages: &[Message], head: usize, from: usize) -> Vec<usize> {
    let role = messages.get(head).map(|message| message.role);
    let all = messages.iter().enumerate().skip(from.max(head) + 1);
    all.filter(|(_, message)| Some(message.role) == role)
        .map(|(index, _)| index)
        .collect()
}

/// What makes room later, in rising order: of those `ends` the middle one, then the middle of the rest, and so on. All begin at the
/// token that is returned first.
fn turns<T: PartialEq>(
    tokens: &[T],
    head: usize,
    ends: Vec<usize>,
    mut render: impl FnMut(Range<usize>) -> Result<Vec<T>>,
) -> Result<(u32, Vec<Turns>)> {
    let mut rendered = Vec::new();
    let mut from = 0;
    while from < ends.len() {
        let middle = from + (ends.len() - from) / 2;
        if let Some(&end) = ends.get(middle) {
            rendered.push((end, render(head..end)?));
        }
        from = middle + 1;
    }
    // Where texts go on alike by chance, the gap seems to begin later than it does.
    let keep = rendered.iter().map(|(_, left)| common(tokens, left)).min();
    let keep = keep.unwrap_or(0);
    let turn = |(end, left): &(usize, Vec<T>)| {
        let out = tokens.len().checked_sub(left.len())?;
        let after = tokens.get(keep as usize + out..)?;
        // Else tokens span the edge of a message: then these can't be taken out by themselves.
        (left.get(keep as usize..)? == after).then(|| Turns {
            end: keep + count(out),
            messages: count(end - head),
        })
    };
    Ok((keep, rendered.iter().filter_map(turn).collect()))
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A template as most are: what a message has around it depends on its role alone.
    fn render(messages: &[Message], left_out: Range<usize>) -> Vec<String> {
        let mut tokens = vec!["<bos>".to_owned()];
        for (index, message) in messages.iter().enumerate() {
            if !left_out.contains(&index) {
                tokens.push(format!("<{:?}>", message.role));
                tokens.extend(message.content.split(' ').map(str::to_owned));
                tokens.push("<end>".to_owned());
            }
        }
        tokens.push("<assistant>".to_owned());
        tokens
    }

    fn chat(turns: usize, words: usize) -> Vec<Message> {
        let mut messages = vec![Message::new(Role::System, "be good")];
        let say = |role, turn: usize| {
            let words: Vec<String> = (0..words).map(|word| format!("{turn}.{word}")).collect();
            Message::new(role, words.join(" "))
        };
        for turn in 0..turns {
            messages.push(say(Role::User, turn));
            if turn + 1 < turns {
                messages.push(say(Role::Assistant, turn));
            }
        }
        messages
    }

    fn bounds(context: u32, max_tokens: u32) -> Bounds {
        Bounds {
            context,
            max_tokens,
            n_keep: 0,
        }
    }

    fn fit(bounds: Bounds, messages: &[Message], past: &mut Past) -> Result<Fitted<String>> {
        bounds.chat(messages, past, |left_out| Ok(render(messages, left_out)))
    }

    #[test]
    fn a_chat_that_fits_stays_whole() {
        let messages = chat(3, 4);
        let fitted = fit(bounds(1000, 10), &messages, &mut Past::default()).unwrap();
        assert_eq!(fitted.tokens, render(&messages, 0..0));
        assert_eq!(fitted.forgotten, 0);
    }

    #[test]
    fn of_one_that_is_too_long_whole_turns_go_and_the_next_turns_leave_out_the_same() {
        let mut past = Past::default();
        let mut cuts = Vec::new();
        for turns in 1..40 {
            let messages = chat(turns, 8);
            let fitted = fit(bounds(200, 10), &messages, &mut past).unwrap();
            assert!(fitted.tokens.len() <= 190);
            let out = past.left_out.load(Ordering::Relaxed) as usize;
            assert_eq!(out % 2, 0, "questions go with their answers");
            assert_eq!(fitted.tokens, render(&messages, 1..1 + out));
            assert_eq!(
                fitted.forgotten > 0,
                cuts.last().is_some_and(|last| *last != out)
            );
            cuts.push(out);
        }
        cuts.dedup();
        // Twenty tokens a turn, and half of the context each time.
        assert!((6..12).contains(&cuts.len()), "{cuts:?}");
        // Another conversation is whole, however much of the last one was left out.
        let mut other = chat(3, 8);
        other.remove(1);
        other.remove(1);
        let fitted = fit(bounds(200, 10), &other, &mut past).unwrap();
        assert_eq!(fitted.tokens, render(&other, 0..0));
    }

    #[test]
    fn a_message_that_fills_the_context_alone_is_too_long() {
        let error = fit(bounds(50, 10), &chat(1, 60), &mut Past::default()).unwrap_err();
        assert!(matches!(
            error,
            Error::PromptTooLong {
                prompt: 68,
                context: 50
            }
        ));
    }

    #[test]
    fn what_makes_room_later_are_whole_turns_too() {
        let messages = chat(8, 8);
        let mut past = Past::default();
        let fitted = fit(bounds(200, 150), &messages, &mut past).unwrap();
        assert_eq!(fitted.forgotten, 0);
        let mut droppable = fitted.droppable.unwrap();
        let mut tokens = fitted.tokens;
        let mut left_out = 0;
        while let Some(range) = droppable.next(count(tokens.len()), count(tokens.len()), 200) {
            tokens.drain(range.start as usize..range.end as usize);
            let now = past.left_out.load(Ordering::Relaxed) as usize;
            assert!(now > left_out);
            left_out = now;
            assert_eq!(tokens, render(&messages, 1..1 + left_out));
        }
        // All but the last question.
        assert_eq!(left_out, 14);
    }

    #[test]
    fn the_first_tokens_stay_where_that_is_asked_for() {
        for (n_keep, first) in [(4, 1), (8, 2), (30, 4), (-1, 6)] {
            let mut past = Past::default();
            fit(bounds(1000, 10), &chat(3, 8), &mut past).unwrap();
            let bounds = Bounds {
                n_keep,
                ..bounds(200, 10)
            };
            let messages = chat(20, 8);
            let fitted = fit(bounds, &messages, &mut past).unwrap();
            let out = past.left_out.load(Ordering::Relaxed) as usize;
            assert_eq!(
                fitted.tokens,
                render(&messages, first..first + out),
                "{n_keep}"
            );
            assert!(out > 0);
        }
    }

    #[test]
    fn of_a_text_the_same_is_left_out_while_it_grows() {
        let mut past = Past::default();
        let mut begins = Vec::new();
        for length in 150..400u32 {
            let tokens: Vec<u32> = (0..length).collect();
            let fitted = bounds(200, 10).text(tokens, 1, &mut past).unwrap();
            assert!(fitted.tokens.len() < 200);
            assert_eq!(
                (fitted.tokens[0], *fitted.tokens.last().unwrap()),
                (0, length - 1)
            );
            begins.push(fitted.tokens[1]);
        }
        begins.dedup();
        assert!(begins.len() <= 6, "{begins:?}");
        let keeps_all = Bounds {
            n_keep: 300,
            ..bounds(200, 10)
        };
        let error = keeps_all.text((0..300).collect::<Vec<u32>>(), 1, &mut past);
        assert!(matches!(error, Err(Error::PromptTooLong { .. })));
    }

    proptest! {
        /// Whatever is said by whom, what is left is a rendered conversation that ends as it did, or it is too long.
        #[test]
        fn what_is_left_is_a_whole_conversation(
            said in prop::collection::vec((0usize..4, 1usize..30), 1..40),
            context in 16u32..200,
            max_tokens in 1u32..300,
            n_keep in -1i32..40,
        ) {
            let roles = [Role::System, Role::User, Role::Assistant, Role::Tool];
            let said = said.iter().enumerate();
            let messages: Vec<Message> = said
                .map(|(turn, (role, words))| {
                    let words: Vec<String> = (0..*words).map(|_| format!("{}", turn % 3)).collect();
                    Message::new(roles[*role], words.join(" "))
                })
                .collect();
            let bounds = Bounds { context, max_tokens, n_keep };
            let mut past = Past::default();
            if let Ok(fitted) = fit(bounds, &messages, &mut past) {
                prop_assert!(fitted.tokens.len() < context as usize);
                let out = past.left_out.load(Ordering::Relaxed) as usize;
                prop_assert_eq!(&fitted.tokens, &render(&messages, past.head..past.head + out));
                let mut droppable = fitted.droppable.unwrap();
                let mut tokens = fitted.tokens;
                loop {
                    let length = count(tokens.len());
                    let Some(range) = droppable.next(length, length, context) else {
                        break;
                    };
                    tokens.drain(range.start as usize..range.end as usize);
                    let out = past.left_out.load(Ordering::Relaxed) as usize;
                    prop_assert_eq!(&tokens, &render(&messages, past.head..past.head + out));
                }
            }
        }
    }
}
