//! A model whose every answer is known: the next token is a function of all tokens before it. It keeps its sequences as
//! plain lists, checks that the loop keeps llama.cpp's rules, and fails when it is told to.

use std::time::Duration;

use llama_cpp_2::token::LlamaToken;

use super::super::compute::Compute;
use crate::decode::WorkerParams;
use crate::decode::constraint::Words;
use crate::llama::{Batch, DecodeError, SavedSequence};

/// Tokens of the vocabulary; the last one ends a generation.
const VOCABULARY: i32 = 64;

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Each step takes a moment.
    slow: bool,
    /// Every so many steps one fails.
    every: Option<u64>,
    /// Steps with this token fail.
    poison: Option<i32>,
    /// From this step on all fail, until the next reset.
    broken_from: Option<u64>,
}

impl Faults {
    pub(super) fn slow() -> Self {
        Self {
            slow: true,
            ..Self::default()
        }
    }

    pub(super) fn every(steps: u64) -> Self {
        Self {
            every: Some(steps),
            ..Self::default()
        }
    }

    pub(super) fn poison(token: i32) -> Self {
        Self {
            poison: Some(token),
            ..Self::default()
        }
    }

    pub(super) fn broken_until_reset(step: u64) -> Self {
        Self {
            broken_from: Some(step),
            ..Self::default()
        }
    }

    pub(super) fn has_failures(self) -> bool {
        self.every.is_some()
    }
}

/// The model.
pub(super) struct Known {
    params: WorkerParams,
    faults: Faults,
    sequences: Vec<Vec<i32>>,
    logits: Vec<(usize, Vec<f32>)>,
    steps: u64,
}

/// The token that follows these.
fn next(tokens: &[i32]) -> i32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for &token in tokens {
        hash = (hash ^ token.unsigned_abs() as u64).wrapping_mul(0x0100_0000_01b3);
    }
    match (hash >> 32) % 1000 {
        // One in a thousand ends the answer.
        0 => VOCABULARY - 1,
        other => i32::try_from(other).unwrap() % (VOCABULARY - 1),
    }
}

fn letter(token: i32) -> char {
    char::from(b'0' + u8::try_from(token).unwrap())
}

/// What a prompt is answered with.
pub(super) fn answer(prompt: &[i32], max_tokens: u32, context: u32) -> String {
    let mut tokens = prompt.to_vec();
    let mut text = String::new();
    while text.len() < max_tokens as usize && tokens.len() <= context as usize {
        let token = next(&tokens);
        if token == VOCABULARY - 1 {
            break;
        }
        tokens.push(token);
        text.push(letter(token));
    }
    text
}

/// The vocabulary, for output forms.
pub(super) fn words() -> Words {
    let last = u32::try_from(VOCABULARY).unwrap() - 1;
    let letters = (0..VOCABULARY - 1).map(|token| letter(token).to_string().into_bytes());
    Words {
        words: letters.chain([b"\xffend".to_vec()]).collect(),
        ends: vec![last],
    }
}

impl Known {
    pub(super) fn new(params: WorkerParams, faults: Faults) -> Self {
        Self {
            params,
            faults,
            sequences: vec![Vec::new(); params.context.sequences as usize],
            logits: Vec::new(),
            steps: 0,
        }
    }

    fn used(&self) -> usize {
        self.sequences.iter().map(Vec::len).sum()
    }

    fn fails(&self, batch: &Batch) -> bool {
        let poison = |token: i32| self.faults.poison == Some(token);
        self.faults
            .every
            .is_some_and(|n| self.steps.is_multiple_of(n))
            || self.faults.broken_from.is_some_and(|n| self.steps >= n)
            || batch.tokens().iter().copied().any(poison)
    }
}

impl Compute for Known {
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<(), DecodeError> {
        self.steps += 1;
        self.logits.clear();
        assert!(
            batch.len() <= self.params.context.batch as usize,
            "a step is too large"
        );
        if self.faults.slow {
            std::thread::sleep(Duration::from_micros(500));
        }
        if should_stop() {
            return Err(DecodeError::Aborted);
        }
        if !self.params.context.split
            && self.used() + batch.len() > self.params.context.cells as usize
        {
            return Err(DecodeError::NoCells);
        }
        let fails = self.fails(batch);
        let tokens = batch.tokens().iter().zip(batch.positions());
        for (index, ((&token, &position), &id)) in tokens.zip(batch.sequences()).enumerate() {
            let sequence = &mut self.sequences[usize::try_from(id).unwrap()];
            if fails {
                // Whatever is left there must not be used.
                sequence.push(-1);
                continue;
            }
            assert_eq!(
                sequence.len(),
                usize::try_from(position).unwrap(),
                "positions have gaps"
            );
            assert!(
                sequence.iter().all(|&token| token >= 0),
                "what a failed step left is used"
            );
            assert!(
                sequence.len() < self.params.context_tokens as usize,
                "too long"
            );
            sequence.push(token);
            if batch.is_output(index) {
                let mut logits = vec![0.0; usize::try_from(VOCABULARY).unwrap()];
                logits[usize::try_from(next(sequence)).unwrap()] = 1.0;
                self.logits.push((index, logits));
            }
        }
        if fails {
            return Err(DecodeError::Failed {
                code: -3,
                reason: "told to".to_owned(),
            });
        }
        Ok(())
    }

    fn logits(&self, index: usize) -> Option<&[f32]> {
        let found = self.logits.iter().find(|(at, _)| *at == index)?;
        Some(&found.1)
    }

    fn clear_sequence(&mut self, sequence: u32) {
        self.sequences[sequence as usize].clear();
    }

    fn sequence_len(&self, sequence: u32) -> u32 {
        u32::try_from(self.sequences[sequence as usize].len()).unwrap()
    }

    fn save_sequence(&self, sequence: u32) -> Option<SavedSequence> {
        let tokens = &self.sequences[sequence as usize];
        let bytes = tokens.iter().map(|&token| u8::try_from(token).unwrap());
        let length = u32::try_from(tokens.len()).unwrap();
        (length > 0).then(|| SavedSequence::new(bytes.collect(), length))
    }

    fn restore_sequence(&mut self, sequence: u32, saved: &SavedSequence) -> bool {
        let free = self.params.context.split
            || self.used() + saved.tokens() as usize <= self.params.context.cells as usize;
        let place = &mut self.sequences[sequence as usize];
        assert!(place.is_empty(), "restored over another");
        if free {
            place.extend(saved.bytes().iter().map(|&byte| i32::from(byte)));
        }
        free
    }

    fn reset(&mut self) -> Result<(), String> {
        self.sequences.iter_mut().for_each(Vec::clear);
        self.faults.broken_from = None;
        Ok(())
    }

    fn is_end(&self, token: LlamaToken) -> bool {
        token.0 == VOCABULARY - 1
    }

    fn piece(&self, token: LlamaToken, bytes: &mut Vec<u8>) {
        bytes.push(u8::try_from(letter(token.0)).unwrap());
    }

    fn first_token(&self) -> LlamaToken {
        LlamaToken(0)
    }
}
