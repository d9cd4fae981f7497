//! From logits to the next token.

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
    Random(LlamaSampler),
}

/// Logits without a single finite value: the model computed nonsense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the logits have no finite value: the model file may be damaged")]
pub(crate) struct NoFiniteLogit;

impl Sampler {
    pub(crate) fn new(settings: Effective) -> Self {
        if settings.temperature <= 0.0 {
            Self::Greedy
        } else {
            // A chain must end in a sampler that selects, else llama.cpp aborts.
            Self::Random(LlamaSampler::chain(
                [
                    LlamaSampler::temp(settings.temperature),
                    LlamaSampler::dist(settings.seed),
                ],
                true,
            ))
        }
    }

    /// The next token. `candidates` is memory that all samplers of a worker share.
    pub(crate) fn sample(
        &mut self,
        logits: &[f32],
        candidates: &mut Vec<LlamaTokenData>,
    ) -> Result<LlamaToken, NoFiniteLogit> {
        let best = most_likely(logits).ok_or(NoFiniteLogit)?;
        match self {
            Self::Greedy => Ok(best),
            Self::Random(sampler) => {
                candidates.clear();
                candidates.extend((0..).zip(logits).map(|(id, &logit)| {
                    // NaN would poison the softmax; a token without a number can't be drawn.
                    let logit = if logit.is_nan() {
                        f32::NEG_INFINITY
                    } else {
                        logit
                    };
                    LlamaTokenData::new(LlamaToken(id), logit, 0.0)
                }));
                let mut array = LlamaTokenDataArray::new(std::mem::take(candidates), false);
                array.apply_sampler(sampler);
                let token = array.selected_token().unwrap_or(best);
                *candidates = array.data;
                Ok(token)
            }
        }
    }
}

/// The first token with the highest finite logit.
fn most_likely(logits: &[f32]) -> Option<LlamaToken> {
    let mut best: Option<(i32, f32)> = None;
    for (id, &logit) in (0..).zip(logits) {
        // Comparisons with NaN are false, so it never wins.
        if logit.is_finite() && best.is_none_or(|(_, highest)| logit > highest) {
            best = Some((id, logit));
        }
    }
    best.map(|(id, _)| LlamaToken(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(temperature: f32, seed: u32) -> Effective {
        Effective {
            max_tokens: 1,
            temperature,
            seed,
        }
    }

    fn draw(temperature: f32, seed: u32, logits: &[f32], count: usize) -> Vec<i32> {
        let mut sampler = Sampler::new(settings(temperature, seed));
        let mut candidates = Vec::new();
        (0..count)
            .map(|_| sampler.sample(logits, &mut candidates).unwrap().0)
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
            let mut sampler = Sampler::new(settings(temperature, 1));
            for logits in [[f32::NAN; 2], [f32::NEG_INFINITY; 2]] {
                assert_eq!(sampler.sample(&logits, &mut Vec::new()), Err(NoFiniteLogit));
            }
        }
    }
}
