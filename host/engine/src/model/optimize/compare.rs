//! Compares a model before and after a conversion. Both are in memory and measured alternately.

use std::path::Path;

use mynah_core::Result;

use super::divergence::{Divergence, between};
use super::measure::{Speed, Subject};

/// Number of measurements of each value. The median is reported, because another program may
/// disturb one of them.
const ROUNDS: usize = 3;

/// Share of the progress for measuring speed. The rest is for comparing predictions.
const TIMING: f32 = 0.75;

/// Two models side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Speed of the first.
    pub before: Speed,
    /// Speed of the second.
    pub after: Speed,
    /// Maximum difference between the fastest and the slowest measurement of one value, as a share
    /// of the fastest, 0.0 to 1.0. From about 0.3 on, the machine was busy with other work, and the
    /// speeds are unreliable.
    pub spread: f64,
    /// The divergence of the second model's predictions from the first one's.
    pub divergence: Divergence,
}

/// Measures two models with the same vocabulary, such as a file and its conversion. They are
/// measured alternately, so that disturbances affect both. Both are in memory at once. Takes half a
/// minute for 100 million weights on two idle cores, and minutes for large models. `progress`
/// receives the completed share, from 0.0 to 1.0.
///
/// # Errors
///
/// A file that can't be loaded ([`crate::EngineError::File`], [`crate::EngineError::Load`],
/// [`crate::EngineError::Kind`]), a model that predicts no words to compare
/// ([`Error::VectorsOnly`](mynah_core::Error::VectorsOnly)), too little memory, or models that
/// can't be compared ([`crate::EngineError::Measure`]).
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

/// Compares the predictions of two models with the same vocabulary on a fixed text. A part of
/// [`compare`].
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

/// The largest difference between rounds among all values.
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
