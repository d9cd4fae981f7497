//! From logits to the next token.

use std::cell::RefCell;

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use crate::Effective;

/// Chooses the next token of one generation.
#[derive(Debug)]
pub(crate) enum Sampler {
    /// Always the most likely token.
    Greedy,
    /// Temperature, then a draw.
    Random {
        sampler: LlamaSampler,
        temperature: f32,
    },
}

/// Logits without a single finite value: the model computed nonsense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the logits have no finite value: the model file may be damaged")]
pub(crate) struct NoFiniteLogit;

impl Sampler {
    pub(crate) fn new(settings: &Effective) -> Self {
        if settings.sampling.temperature <= 0.0 {
            Self::Greedy
        } else {
            // A chain must end in a sampler that selects, else llama.cpp aborts.
            Self::Random {
                sampler: LlamaSampler::chain(
                    [
                        LlamaSampler::temp(settings.sampling.temperature),
                        LlamaSampler::dist(settings.seed),
                    ],
                    true,
                ),
                temperature: settings.sampling.temperature,
            }
        }
    }

    /// Whether it draws.
    pub(crate) fn is_random(&self) -> bool {
        match self {
            Self::Greedy => false,
            Self::Random { .. } => true,
        }
    }

    /// The next token.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<LlamaToken, NoFiniteLogit> {
        let (best, highest) = most_likely(logits).ok_or(NoFiniteLogit)?;
        match self {
            Self::Greedy => Ok(best),
            Self::Random {
                sampler,
                temperature,
            } => {
                let lowest = highest - *temperature * negligible(logits.len());
                let drawn = CANDIDATES.with_borrow_mut(|candidates| {
                    candidates.clear();
                    // NaN fails the comparison: it would poison the softmax.
                    let likely = (0..)
                        .zip(logits)
                        .filter(|(_, logit)| (lowest..=highest).contains(*logit));
                    candidates.extend(
                        likely.map(|(id, &logit)| LlamaTokenData::new(LlamaToken(id), logit, 0.0)),
                    );
                    let mut array = LlamaTokenDataArray::new(std::mem::take(candidates), false);
                    array.apply_sampler(sampler);
                    let drawn = array.selected_token();
                    *candidates = array.data;
                    drawn
                });
                Ok(drawn.unwrap_or(best))
            }
        }
    }
}

thread_local! {
    // A thread that samples needs room for one vocabulary, however many sequences there are.
    static CANDIDATES: RefCell<Vec<LlamaTokenData>> = const { RefCell::new(Vec::new()) };
}

/// How far below the highest logit, divided by the temperature, a token is left out before the softmax: there, all tokens of
/// the vocabulary together would have less than 2^-24 of the highest one's probability, which a float can't tell from
/// nothing.
fn negligible(vocabulary: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a logarithm to a digit or two")]
    let tokens = vocabulary as f32;
    24.0 * std::f32::consts::LN_2 + tokens.ln()
}

/// Logits that are compared at once, so that the compiler uses the widest instructions there are.
const LANES: usize = 16;

/// The first token with the highest finite logit, and that logit.
fn most_likely(logits: &[f32]) -> Option<(LlamaToken, f32)> {
    let mut highest = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    let higher = |lane: &mut f32, logit: f32| {
        // Comparisons with NaN are false, so it never wins.
        if logit > *lane {
            *lane = logit;
        }
    };
    for chunk in chunks {
        for (lane, &logit) in highest.iter_mut().zip(chunk) {
            higher(lane, logit);
        }
    }
    for (lane, &logit) in highest.iter_mut().zip(rest) {
        higher(lane, logit);
    }
    let most = highest.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most.is_infinite() {
        // None is finite, or one is +infinity: rare enough to look again.
        return most_likely_finite(logits);
    }
    let index = logits.iter().position(|&logit| logit == most)?;
    Some((LlamaToken(i32::try_from(index).ok()?), most))
}

fn most_likely_finite(logits: &[f32]) -> Option<(LlamaToken, f32)> {
    let mut best: Option<(i32, f32)> = None;
    for (id, &logit) in (0..).zip(logits) {
        if logit.is_finite() && best.is_none_or(|(_, highest)| logit > highest) {
            best = Some((id, logit));
        }
    }
    best.map(|(id, logit)| (LlamaToken(id), logit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(temperature: f32, seed: u32) -> Effective {
        let settings = crate::Settings {
            sampling: crate::Sampling {
                temperature: Some(temperature),
                ..crate::Sampling::default()
            },
            ..crate::Settings::default()
        };
        settings.resolve(|| seed)
    }

    fn draw(temperature: f32, seed: u32, logits: &[f32], count: usize) -> Vec<i32> {
        let mut sampler = Sampler::new(&settings(temperature, seed));
        (0..count)
            .map(|_| sampler.sample(logits).unwrap().0)
            .collect()
    }

    #[test]
    fn greedy_takes_the_first_of_the_highest() {
        let logits = [f32::NAN, 1.0, 3.0, 3.0, f32::NEG_INFINITY];
        assert_eq!(draw(0.0, 0, &logits, 3), [2, 2, 2]);
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let logits = vec![0.0; 64];
        assert_eq!(draw(1.0, 7, &logits, 32), draw(1.0, 7, &logits, 32));
        assert_ne!(draw(1.0, 7, &logits, 32), draw(1.0, 8, &logits, 32));
    }

    #[test]
    fn draws_follow_the_temperature() {
        // Logits 0 and 2: the second has probability e^(2/t) / (1 + e^(2/t)), 0.881 at 1.0 and 0.622 at 4.0.
        for (temperature, expected) in [(1.0, 0.881), (4.0, 0.622)] {
            let drawn = draw(temperature, 1, &[0.0, 2.0], 20_000);
            let share = drawn.iter().sum::<i32>() as f64 / drawn.len() as f64;
            assert!(
                (share - expected).abs() < 0.02,
                "at {temperature}: {share}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_token_without_a_number_is_never_drawn() {
        assert_eq!(
            draw(1.0, 1, &[f32::NAN, 0.0, f32::NEG_INFINITY], 50),
            [1; 50]
        );
    }

    #[test]
    fn logits_without_a_finite_value_are_an_error() {
        for temperature in [0.0, 1.0] {
            let mut sampler = Sampler::new(&settings(temperature, 1));
            for logits in [[f32::NAN; 2], [f32::NEG_INFINITY; 2]] {
                assert_eq!(sampler.sample(&logits), Err(NoFiniteLogit));
            }
        }
    }

    proptest! {
        #[test]
        fn the_fast_search_finds_what_the_plain_one_finds(
            logits in prop::collection::vec(
                prop_oneof![
                    8 => -30.0f32..30.0,
                    1 => Just(f32::NAN),
                    1 => Just(f32::NEG_INFINITY),
                    1 => Just(f32::INFINITY),
                    1 => Just(7.5f32),
                ],
                0..200,
            ),
        ) {
            let found = most_likely(&logits).map(|(token, _)| token);
            prop_assert_eq!(found, most_likely_finite(&logits).map(|(token, _)| token));
        }
    }
}
