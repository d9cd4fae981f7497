//! A model whose every answer is known: the next token is a function of all tokens before it. It
//! keeps its sequences as plain lists, checks that the loop follows llama.cpp's rules, and fails
//! when a test wants it to.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use mynah_core::TokenId;
use mynah_llama::{Batch, ContextParams, DecodeError, SavedSequence};

use super::super::executor::{EmbedExecutor, Executor};
pub(super) use super::faults::{Faults, Memory};
use crate::decode::WorkerParams;

/// Tokens of the vocabulary. The last one ends a generation.
pub(super) const VOCABULARY: i32 = 64;

/// Tokens of the sliding window.
const WINDOW: usize = 16;

/// The model.
pub(super) struct Known {
    params: WorkerParams,
    faults: Faults,
    sequences: Vec<Vec<Held>>,
    cells: u64,
    /// Sequences whose tokens the next step moves.
    moved: HashSet<u32>,
    /// Sequences that the next step copies, from or to.
    copies: Vec<u32>,
    /// Sequences that were restored from a state that can only be used as a whole.
    partial: HashSet<u32>,
    logits: Vec<(usize, Vec<f32>)>,
    steps: u64,
}

/// A token, and the cell that holds it.
#[derive(Debug, Clone, Copy)]
struct Held {
    token: i32,
    cell: u64,
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

pub(super) fn letter(token: i32) -> char {
    char::from(b'0' + u8::try_from(token).unwrap())
}

/// The answer to a prompt.
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

impl Known {
    pub(super) fn new(params: WorkerParams, faults: Faults) -> Self {
        Self {
            sequences: vec![Vec::new(); params.context.sequences as usize],
            params,
            faults,
            cells: 0,
            moved: HashSet::new(),
            copies: Vec::new(),
            partial: HashSet::new(),
            logits: Vec::new(),
            steps: 0,
        }
    }

    fn used(&self) -> usize {
        let all = self.sequences.iter().flatten().map(|held| held.cell);
        all.collect::<HashSet<u64>>().len()
    }

    fn hold(&mut self, sequence: u32, token: i32) {
        self.cells += 1;
        let cell = self.cells;
        self.sequences[sequence as usize].push(Held { token, cell });
    }

    fn is_shared(&self, sequence: u32, from: u32) -> bool {
        let own = self.sequences[sequence as usize].iter().skip(from as usize);
        let others = self.sequences.iter().enumerate();
        let others = others.filter(|(id, _)| *id != sequence as usize);
        let others: HashSet<u64> = others
            .flat_map(|(_, one)| one)
            .map(|held| held.cell)
            .collect();
        own.into_iter().any(|held| others.contains(&held.cell))
    }

    fn tokens(&self, sequence: u32) -> impl Iterator<Item = i32> {
        let held = self.sequences[sequence as usize].iter();
        held.map(|held| held.token)
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

/// Computes the vectors of [`Known`]: each token's is a function of the tokens before it.
#[derive(Debug)]
pub(super) struct KnownVectors {
    params: ContextParams,
    faults: Faults,
    sequences: HashMap<i32, Vec<i32>>,
    rows: Vec<Vec<f32>>,
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn row(before: &[i32], token: i32) -> Vec<f32> {
    let sum: i32 = before.iter().sum();
    vec![sum as f32, token as f32, before.len() as f32 - 3.0]
}

/// The vector of a text, as the mean.
pub(super) fn vector(tokens: &[i32]) -> Vec<f32> {
    let rows = tokens.iter().enumerate();
    let rows: Vec<_> = rows
        .map(|(place, token)| row(&tokens[..place], *token))
        .collect();
    let sum = |index: usize| rows.iter().map(|row| f64::from(row[index])).sum::<f64>();
    let sums = [sum(0), sum(1), sum(2)];
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "of length 1")]
    sums.map(|sum| (sum / length) as f32).to_vec()
}

impl KnownVectors {
    pub(super) fn new(params: ContextParams, faults: Faults) -> Self {
        Self {
            params,
            faults,
            sequences: HashMap::new(),
            rows: Vec::new(),
        }
    }
}

impl EmbedExecutor for KnownVectors {
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), DecodeError> {
        assert!(batch.len() <= self.params.batch as usize);
        assert_eq!(batch.output_count(), batch.len(), "all tokens are outputs");
        if self.faults.slow {
            std::thread::sleep(Duration::from_micros(500));
        }
        if should_stop() {
            return Err(DecodeError::Aborted);
        }
        let poison = self.faults.poison;
        if batch.tokens().iter().any(|&token| Some(token) == poison) {
            return Err(DecodeError::Failed {
                code: -3,
                reason: "poisoned".to_owned(),
            });
        }
        self.rows.clear();
        let tokens = batch.tokens().iter().zip(batch.positions());
        for ((&token, &position), &id) in tokens.zip(batch.sequences()) {
            let before = self.sequences.entry(id).or_default();
            assert_eq!(usize::try_from(position).unwrap(), before.len());
            self.rows.push(row(before, token));
            before.push(token);
        }
        let held: usize = self.sequences.values().map(Vec::len).sum();
        assert!(held <= self.params.cells as usize, "out of cells");
        assert!(self.sequences.len() <= self.params.sequences as usize);
        Ok(())
    }

    fn row(&self, index: usize) -> Option<&[f32]> {
        self.rows.get(index).map(Vec::as_slice)
    }

    fn clear_sequence(&mut self, sequence: u32) {
        self.sequences.remove(&i32::try_from(sequence).unwrap());
    }
}

impl Executor for Known {
    fn decode(
        &mut self,
        batch: &mut Batch,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Duration, DecodeError> {
        let begun = Instant::now();
        self.steps += 1;
        let moved = std::mem::take(&mut self.moved);
        self.copies.clear();
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
        if fails {
            // Nobody knows how far it got with them.
            for id in moved {
                for held in &mut self.sequences[id as usize] {
                    held.token = -1;
                }
            }
        }
        let tokens = batch.tokens().iter().zip(batch.positions());
        for (index, ((&token, &position), &id)) in tokens.zip(batch.sequences()).enumerate() {
            let id = u32::try_from(id).unwrap();
            if fails {
                // The cells hold garbage then, which must not be used.
                self.hold(id, -1);
                continue;
            }
            let sequence = &self.sequences[id as usize];
            assert_eq!(
                sequence.len(),
                usize::try_from(position).unwrap(),
                "positions have gaps"
            );
            assert!(
                sequence.iter().all(|held| held.token >= 0),
                "what a failed step left is used"
            );
            assert!(
                sequence.len() < self.params.context_tokens as usize,
                "too long"
            );
            self.hold(id, token);
            if batch.is_output(index) {
                let mut logits = vec![0.0; usize::try_from(VOCABULARY).unwrap()];
                let tokens: Vec<i32> = self.tokens(id).collect();
                logits[usize::try_from(next(&tokens)).unwrap()] = 1.0;
                self.logits.push((index, logits));
            }
        }
        if fails {
            return Err(DecodeError::Failed {
                code: -3,
                reason: "told to".to_owned(),
            });
        }
        Ok(begun.elapsed())
    }

    fn logits(&self, index: usize) -> Option<&[f32]> {
        let found = self.logits.iter().find(|(at, _)| *at == index)?;
        Some(&found.1)
    }

    fn clear_sequence(&mut self, sequence: u32) {
        self.sequences[sequence as usize].clear();
        self.partial.remove(&sequence);
    }

    fn sequence_len(&self, sequence: u32) -> u32 {
        u32::try_from(self.sequences[sequence as usize].len()).unwrap()
    }

    fn truncate_sequence(&mut self, sequence: u32, tokens: u32) -> bool {
        let is_whole = self.sequence_len(sequence) == tokens;
        let may = is_whole || tokens == 0 || self.faults.memory != Memory::Whole;
        assert!(
            is_whole || tokens == 0 || !self.partial.contains(&sequence),
            "cut though what comes before is not there"
        );
        if may {
            self.sequences[sequence as usize].truncate(tokens as usize);
        }
        may
    }

    fn share_sequence(&mut self, from: u32, to: u32, tokens: u32) -> bool {
        assert!(
            self.sequences[to as usize].is_empty(),
            "shared over another"
        );
        if self.params.context.split {
            assert!(!self.saves_all(from), "copied though it can be saved");
            assert!(
                !self.partial.contains(&from),
                "a beginning that is not there"
            );
            self.copies.extend([from, to]);
            let copied: Vec<i32> = self.tokens(from).take(tokens as usize).collect();
            for token in copied {
                self.hold(to, token);
            }
            return true;
        }
        if self.partial.contains(&from) {
            self.partial.insert(to);
        }
        let shared = self.sequences[from as usize][..tokens as usize].to_vec();
        self.sequences[to as usize] = shared;
        true
    }

    fn forget(&mut self, sequence: u32, tokens: Range<u32>) -> bool {
        if !self.may_move(sequence, tokens.end..self.sequence_len(sequence)) {
            return false;
        }
        assert!(
            !self.is_shared(sequence, tokens.start),
            "moved for others too"
        );
        self.sequences[sequence as usize].drain(tokens.start as usize..tokens.end as usize);
        self.moved.insert(sequence);
        true
    }

    fn usable(&self, sequence: u32, tokens: u32) -> u32 {
        let is_whole = self.sequence_len(sequence) == tokens;
        let is_partial = self.faults.memory == Memory::Whole || self.partial.contains(&sequence);
        if is_whole || !is_partial { tokens } else { 0 }
    }

    fn cuts_anywhere(&self) -> bool {
        self.faults.memory != Memory::Whole
    }

    fn saves_all(&self, sequence: u32) -> bool {
        let is_short = self.sequences[sequence as usize].len() <= WINDOW;
        let is_saved = is_short && !self.copies.contains(&sequence);
        self.faults.memory != Memory::Windowed || is_saved
    }

    fn may_move(&self, sequence: u32, tokens: Range<u32>) -> bool {
        let is_window = tokens.len() >= WINDOW && tokens.end == self.sequence_len(sequence);
        self.can_shift() && (is_window || !self.partial.contains(&sequence))
    }

    fn can_shift(&self) -> bool {
        matches!(self.faults.memory, Memory::Movable | Memory::Windowed)
    }

    fn save_sequence(&self, sequence: u32) -> Option<SavedSequence> {
        let bytes = self
            .tokens(sequence)
            .map(|token| u8::try_from(token).unwrap());
        let bytes: Vec<u8> = bytes.collect();
        let length = u32::try_from(bytes.len()).unwrap();
        let is_passed = self.faults.memory == Memory::Windowed && bytes.len() > WINDOW;
        let is_whole = self.faults.memory == Memory::Whole || is_passed;
        (length > 0 && self.moved.is_empty() && !self.copies.contains(&sequence))
            .then(|| SavedSequence::made_up(bytes, length, is_whole))
    }

    fn restore_sequence(&mut self, sequence: u32, saved: &SavedSequence) -> bool {
        let free = self.params.context.split
            || self.used() + saved.tokens() as usize <= self.params.context.cells as usize;
        assert!(
            self.sequences[sequence as usize].is_empty(),
            "restored over another"
        );
        assert!(self.moved.is_empty(), "restored while others are moved");
        let free = free && !self.copies.contains(&sequence);
        if free {
            for &byte in saved.unpacked().unwrap().iter() {
                self.hold(sequence, i32::from(byte));
            }
            if self.faults.memory == Memory::Windowed && saved.usable(1) == 0 {
                self.partial.insert(sequence);
            }
        }
        free
    }

    fn has_file_changed(&self) -> bool {
        false
    }

    fn reset(&mut self) -> Result<(), String> {
        self.sequences.iter_mut().for_each(Vec::clear);
        self.faults.broken_from = None;
        Ok(())
    }

    fn is_end(&self, token: TokenId) -> bool {
        token.0 == VOCABULARY - 1
    }

    fn piece(&self, token: TokenId, bytes: &mut Vec<u8>) {
        bytes.push(u8::try_from(letter(token.0)).unwrap());
    }

    fn control(&self, _: TokenId, _: &mut Vec<u8>) {}

    fn first_token(&self) -> TokenId {
        TokenId(0)
    }
}
