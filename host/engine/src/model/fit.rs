//! Prompts that exceed their context, if `context_shifting` is set: what is removed now, and what
//! may be removed later.
//!
//! Of a chat, whole messages are removed: from one message to a later one of the same role, which
//! stays. The template then writes the same text around the later message as around the first, so
//! the rest is well formed with any template.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mynah_core::{Error, Message, ModelInfo, Result, Role};
use mynah_schedule::common;

use crate::decode::{TrimPolicy, Turns};

/// The limits of a prompt and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Context size in tokens.
    pub(super) context: u32,
    /// Maximum number of tokens of the answer.
    pub(super) max_tokens: u32,
    /// See [`MemoryInForce::n_keep`](mynah_settings::MemoryInForce::n_keep).
    pub(super) n_keep: i32,
}

/// A prompt that fits its context.
#[derive(Debug)]
pub(super) struct Fitted<T> {
    pub(super) tokens: Vec<T>,
    /// What may be removed later, if anything may.
    pub(super) trim_policy: Option<TrimPolicy>,
    /// Number of tokens that were removed now, and not before.
    pub(super) forgotten: u32,
}

/// A session's data about its earlier prompts.
#[derive(Debug, Default)]
pub(crate) struct Past {
    // The file of the model whose tokens they were, and its size in bytes.
    of: Option<(PathBuf, u64)>,
    // Number of messages after the head that are removed. It also grows during an answer.
    left_out: Arc<AtomicU32>,
    // For each number of messages that may be removed now, the number of their tokens.
    out: Vec<(usize, usize)>,
    // Number of messages in the head, and for each message of the last conversation, the hash of
    // all up to it.
    head: usize,
    hashes: Vec<u64>,
    // The first prompt: its number of tokens, and of messages if it was a chat.
    first: Option<(u32, usize)>,
}

impl Past {
    /// A copy for preparing the next prompt. A running answer does not change it.
    pub(super) fn snapshot(&self) -> Self {
        Self {
            of: self.of.clone(),
            left_out: Arc::new(AtomicU32::new(self.left_out.load(Ordering::Relaxed))),
            out: self.out.clone(),
            head: self.head,
            hashes: self.hashes.clone(),
            first: self.first,
        }
    }

    /// Sets the model of the next prompt. Removals of another model's tokens do not apply to it.
    pub(crate) fn is_of(&mut self, info: &ModelInfo) {
        let is_same = |(path, bytes): &(PathBuf, u64)| {
            (path.as_path(), *bytes) == (info.path.as_path(), info.file_bytes)
        };
        if !self.of.as_ref().is_some_and(is_same) {
            *self = Self {
                of: Some((info.path.clone(), info.file_bytes)),
                ..Self::default()
            };
        }
    }

    /// Number of removed messages of this conversation if it continues the last one, otherwise 0.
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

/// For each message, the hash of all messages up to it.
fn hashes(messages: &[Message]) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    let hash = |message: &Message| {
        message.hash(&mut hasher);
        hasher.finish()
    };
    messages.iter().map(hash).collect()
}

impl Bounds {
    fn is_too_long(&self, tokens: usize) -> bool {
        tokens >= self.context as usize
    }

    /// Number of tokens of a prompt that leave room for an answer, or for the beginning of a long
    /// one.
    fn room(&self) -> usize {
        let answer = self.max_tokens.min(self.context / 8);
        (self.context - answer) as usize
    }

    /// The length to which a text is shortened if it is too long. It is much shorter than the
    /// context, so that tokens are not removed in every turn, and the rest is computed only once.
    fn target(&self) -> usize {
        (self.context / 2) as usize
    }

    /// Tokens of a chat are removed in steps of this size, counted from its beginning. Thus the
    /// removal depends only on the conversation, and not on when its session began. Another session
    /// that continues the conversation, even after a restart, can use the cache of the first one.
    fn step(&self) -> usize {
        (self.context / 2).max(1) as usize
    }

    fn too_long(&self, prompt: usize) -> Error {
        Error::PromptTooLong {
            prompt,
            at_least: false,
            context: self.context,
        }
    }

    /// The tokens of a text or a list. After the beginning that stays (at least `begins` tokens),
    /// the oldest ones are removed in steps of a quarter of the context, so that the same ones are
    /// removed from the next, longer prompt.
    ///
    /// # Errors
    ///
    /// [`Error::PromptTooLong`] if the part that stays fills the context.
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
            trim_policy: Some(TrimPolicy::text(past.keep(self.n_keep, begins))),
            tokens,
            forgotten,
        })
    }

    /// The tokens of a chat. `render` returns those of the conversation without a range of
    /// messages.
    ///
    /// # Errors
    ///
    /// [`Error::PromptTooLong`] if the part that must stay fills the context, and the errors of
    /// `render`.
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
            // The removals during another conversation's answer are no longer needed.
            past.left_out = Arc::default();
        }
        let mut tokens = render(head..head + left_out)?;
        let whole = tokens.len();
        if left_out == 0 && self.n_keep > 0 {
            head = self.head_within(messages, head, &tokens, &mut render)?;
        }
        if self.n_keep < 0 && past.first.is_none() && whole > self.room() {
            // It began in another session, with the messages before the first answer.
            head = opening(messages);
            past.first = Some((count(whole), head));
        }
        let ends = same_roles(messages, head, head + left_out);
        let mut end = head + left_out;
        let before = match past.out.iter().find(|(count, _)| *count == left_out) {
            _ if left_out == 0 => 0,
            Some((_, out)) => *out,
            None => render(head..head)?.len().saturating_sub(whole),
        };
        let all = whole + before;
        if tokens.len() > self.room() {
            let least = (all - self.room().min(all)) / self.step();
            // Whole messages are removed, which may be more than the steps. Then one step less is
            // enough.
            for steps in [least, least + 1] {
                let out = steps * self.step();
                if out <= before || tokens.len() <= self.room() {
                    continue;
                }
                let most = all.saturating_sub(out);
                if let Some(found) = first_within(&ends, most, |at| render(head..at))? {
                    (end, tokens) = found;
                }
            }
        }
        if self.is_too_long(tokens.len()) {
            return Err(self.too_long(tokens.len()));
        }
        past.left_out.store(count(end - head), Ordering::Relaxed);
        (past.head, past.hashes) = (head, hashes);
        past.first
            .get_or_insert((count(tokens.len()), messages.len()));
        let out = all.saturating_sub(tokens.len());
        let (keep, turns) = if tokens.len() + self.max_tokens as usize > self.context as usize {
            let ends = ends.into_iter().filter(|&at| at > end).collect();
            let next = (out / self.step() + 1) * self.step();
            turns(&tokens, head, ends, all.saturating_sub(next), render)?
        } else {
            (0, Vec::new())
        };
        past.out = vec![(end - head, out)];
        past.out.extend(turns.iter().map(|turns| {
            let more = (turns.end - keep) as usize;
            (turns.messages as usize, out + more)
        }));
        Ok(Fitted {
            forgotten: count(whole.saturating_sub(tokens.len())),
            trim_policy: Some(TrimPolicy::chat(keep, turns, Arc::clone(&past.left_out))),
            tokens,
        })
    }

    /// The first message after `head` that begins after `n_keep` tokens.
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
                // No later message has its role, so it cannot be removed anyway.
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

    /// Number of messages at the beginning that always stay.
    fn head(&self, messages: &[Message], past: &Past) -> usize {
        let is_system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
        let systems = messages.iter().take_while(is_system).count();
        if self.n_keep < 0 {
            let first = past.first.map_or(messages.len(), |(_, count)| count);
            return first.max(systems).min(messages.len());
        }
        systems
    }
}

/// Number of messages before the first answer.
fn opening(messages: &[Message]) -> usize {
    let is_before = |message: &&Message| message.role != Role::Assistant;
    messages.iter().take_while(is_before).count()
}

/// Where a removal from `head` may end: before later messages of the same role, after `from`.
fn same_roles(messages: &[Message], head: usize, from: usize) -> Vec<usize> {
    let role = messages.get(head).map(|message| message.role);
    let all = messages.iter().enumerate().skip(from.max(head) + 1);
    all.filter(|(_, message)| Some(message.role) == role)
        .map(|(index, _)| index)
        .collect()
}

/// The first of `ends` that leaves at most `most` tokens, with these tokens. If there is none, the
/// last one.
fn first_within<T>(
    ends: &[usize],
    most: usize,
    mut render: impl FnMut(usize) -> Result<Vec<T>>,
) -> Result<Option<(usize, Vec<T>)>> {
    let mut found = None;
    let (mut low, mut high) = (0, ends.len().saturating_sub(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(&at) = ends.get(middle) else {
            break;
        };
        let left = render(at)?;
        if left.len() <= most {
            (high, found) = (middle, Some((at, left)));
        } else {
            low = middle + 1;
        }
    }
    let Some(&at) = ends.get(low) else {
        return Ok(None);
    };
    match found {
        Some(found) if found.0 == at => Ok(Some(found)),
        _ => Ok(Some((at, render(at)?))),
    }
}

/// The removals for later, in ascending order: the first of `ends` that leaves at most the given
/// number of tokens, then the middle one of the rest, and so on. All begin at the token that is
/// returned first.
fn turns<T: PartialEq>(
    tokens: &[T],
    head: usize,
    ends: Vec<usize>,
    most: usize,
    mut render: impl FnMut(Range<usize>) -> Result<Vec<T>>,
) -> Result<(u32, Vec<Turns>)> {
    let mut rendered = Vec::new();
    rendered.extend(first_within(&ends, most, |at| render(head..at))?);
    let first = rendered.first().map_or(0, |(at, _)| *at);
    let ends: Vec<usize> = ends.into_iter().filter(|at| *at > first).collect();
    let mut from = 0;
    while from < ends.len() {
        let middle = from + (ends.len() - from) / 2;
        if let Some(&end) = ends.get(middle) {
            rendered.push((end, render(head..end)?));
        }
        from = middle + 1;
    }
    // If texts agree by chance, the gap seems to begin later than it does.
    let keep = rendered.iter().map(|(_, left)| common(tokens, left)).min();
    let keep = keep.unwrap_or(0);
    let turn = |(end, left): &(usize, Vec<T>)| {
        let out = tokens.len().checked_sub(left.len())?;
        let after = tokens.get(keep as usize + out..)?;
        // Otherwise a token spans the edge of a message, and these messages cannot be removed
        // separately.
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
mod tests;
