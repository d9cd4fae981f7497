//! The prompts: words drawn from a list, the same in every run.

use anyhow::{Result, ensure};

use crate::bare::{Bare, apart};

const WORDS: &str = "time people way water day man world life hand part child eye woman place work \
    week case point company number group problem fact river mountain engine letter garden window \
    music market summer paper school doctor animal picture family story money country answer \
    question friend father mother";

/// Maximum number of prompts to try per needed prompt. If more fail, the model is unsuitable.
const TRIES: usize = 4;

/// Draws this number of words with a linear congruential generator (constants of Knuth's MMIX).
pub(crate) fn words(seed: u64, count: usize) -> String {
    let list: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = seed;
    let mut text = String::new();
    for _ in 0..count {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let index = usize::try_from(state >> 33).unwrap_or_default() % list.len();
        text.extend([list.get(index).copied().unwrap_or_default(), " "]);
    }
    text
}

/// Prompts after which a bare loop generates `answer` tokens without an end of generation.
///
/// A greedy answer repeats itself after a few hundred tokens and then never ends.
///
/// Mynah ends an answer at an end-of-generation token, while the peer and the bare loop can ignore
/// it. With these prompts all sides do the same work.
#[derive(Debug)]
pub(crate) struct Steady {
    words: usize,
    answer: u32,
    /// Number of prompts that are tried at once.
    at_once: usize,
    tried: usize,
    found: Vec<Vec<u32>>,
}

impl Steady {
    pub(crate) fn new(words: usize, answer: u32, at_once: usize) -> Self {
        Self {
            words,
            answer,
            at_once,
            tried: 0,
            found: Vec::new(),
        }
    }

    /// Returns this number of prompts, beginning with those found before.
    pub(crate) fn take(&mut self, count: usize, bare: &Bare) -> Result<Vec<Vec<u32>>> {
        while self.found.len() < count {
            ensure!(
                self.tried < count * TRIES + self.at_once,
                "of {} prompts only {} go on for {} tokens: choose another model",
                self.tried,
                self.found.len(),
                self.answer
            );
            let some: Vec<Vec<u32>> = (self.tried..self.tried + self.at_once)
                .map(|seed| bare.tokens(&words(seed as u64, self.words)))
                .collect();
            self.tried += self.at_once;
            let longest = some.iter().map(Vec::len).max().unwrap_or_default();
            let ctx_size = u32::try_from(longest)? + self.answer;
            let ends_early = apart(|| {
                let ctx_size = ctx_size.next_multiple_of(256);
                let mut lockstep = bare.lockstep(self.at_once, ctx_size)?;
                Ok(lockstep.generate(&some, self.answer)?.ends_early)
            })?;
            let steady = some.into_iter().zip(ends_early);
            self.found
                .extend(steady.filter_map(|(prompt, ends)| (!ends).then_some(prompt)));
        }
        Ok(self.found.iter().take(count).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_for_the_same_seed_alone() {
        assert_eq!(words(1, 64), words(1, 64));
        assert_ne!(words(1, 64), words(2, 64));
        assert_eq!(words(3, 64).split_whitespace().count(), 64);
    }
}
