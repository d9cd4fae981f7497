//! Compares a model before and after a conversion: both are in memory and measured in turns.

use std::path::Path;

use super::divergence::{Divergence, between};
use super::measure::{Speed, Subject};
use crate::Result;

/// Times that everything is timed; medians are reported, as another program may disturb one of
/// them.
const ROUNDS: usize = 3;

/// Share of the progress that the timings take; the rest is the comparison of what is predicted.
const TIMING: f32 = 0.75;

/// Two models side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Speed of the first.
    pub before: Speed,
    /// Speed of the second.
    pub after: Speed,
    /// How much the fastest and the slowest timing of one thing differ at most, as a share of the
    /// fastest, 0.0 to 1.0. From about 0.3 on, the machine was busy with something else, and the
    /// speeds say little.
    pub spread: f64,
    /// How far the second's words are from the first's.
    pub divergence: Divergence,
}

/// Measures two models with one vocabulary, such as a file and what it was converted to. They are
/// timed in turns, so that what disturbs the machine meets both. Both are in memory at once; takes
/// half a minute for 100 million weights on two idle cores, and minutes for large models.
/// `progress` is told the share that is done, from 0.0 to 1.0.
///
/// # Errors
///
/// A file that can't be loaded ([`crate::EngineError::File`], [`crate::EngineError::Load`],
/// [`crate::EngineError::Kind`]), a model that predicts no words to compare
/// ([`Error::VectorsOnly`]), too little memory, or models that can't be compared
/// ([`crate::EngineError::Measure`]).
pub fn compare(
    before: &Path,
    after: &Path,
    threads: u32,
    progress: &mut dyn FnMut(f32),
) -> Result<Comparison> {
    let mut subjects = [
        Subject::load(before, threads)?,
        Subject::load(after, threads)?,
    ];
    let mut speeds = [Vec::new(), Vec::new()];
    for round in 1_u8.. {
        for (subject, speeds) in subjects.iter_mut().zip(&mut speeds) {
            speeds.push(subject.speed()?);
        }
        progress(TIMING * f32::from(round) / ROUNDS as f32);
        if usize::from(round) >= ROUNDS {
            break;
        }
    }
    let [mut first, mut second] = subjects;
    let divergence = between(&mut first, &mut second, &mut |share| {
        progress(TIMING + share * (1.0 - TIMING));
    })?;
    let spread = speeds
        .iter()
        .fold(0.0, |most, speeds| spread(speeds).max(most));
    let [before, after] = speeds.map(|speeds| typical(&speeds));
    Ok(Comparison {
        before,
        after,
        spread,
        divergence,
    })
}

/// Compares what two models with one vocabulary predict on a fixed text; a part of [`compare`].
///
/// # Errors
///
/// Those of [`compare`].
pub fn divergence(before: &Path, after: &Path, threads: u32) -> Result<Divergence> {
    let mut before = Subject::load(before, threads)?;
    let mut after = Subject::load(after, threads)?;
    between(&mut before, &mut after, &mut |_| {})
}

/// One of the numbers of a [`Speed`].
type Number = fn(&Speed) -> f64;

const NUMBERS: [Number; 4] = [
    |speed| speed.prefill,
    |Speed {
         decode: [one, ..], ..
     }| *one,
    |Speed {
         decode: [_, eight, _],
         ..
     }| *eight,
    |Speed {
         decode: [.., many], ..
     }| *many,
];

/// The median of each number.
fn typical(speeds: &[Speed]) -> Speed {
    let [prefill, one, eight, many] = NUMBERS.map(|number| {
        let numbers = sorted(speeds, number);
        numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
    });
    Speed {
        prefill,
        decode: [one, eight, many],
    }
}

/// How much the rounds differ in the number in which they differ most.
fn spread(speeds: &[Speed]) -> f64 {
    let spreads = NUMBERS.map(|number| {
        let numbers = sorted(speeds, number);
        match (numbers.first(), numbers.last()) {
            (Some(slowest), Some(fastest)) if *fastest > 0.0 => 1.0 - slowest / fastest,
            _ => 0.0,
        }
    });
    spreads.into_iter().fold(0.0, f64::max)
}

fn sorted(speeds: &[Speed], number: Number) -> Vec<f64> {
    let mut numbers: Vec<f64> = speeds.iter().map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_does_not_count() {
        let speed = |number: f64| Speed {
            prefill: number,
            decode: [number, number + 1.0, number + 2.0],
        };
        assert_eq!(typical(&[speed(10.0), speed(1.0), speed(9.0)]), speed(9.0));
    }

    #[test]
    fn the_spread_is_that_of_the_number_that_varies_most() {
        let speed = |prefill| Speed {
            prefill,
            decode: [10.0, 10.0, 9.0],
        };
        assert_eq!(spread(&[speed(4.0), speed(8.0), speed(6.0)]), 0.5);
        assert_eq!(spread(&[speed(4.0)]), 0.0);
    }
}
