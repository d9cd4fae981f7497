//! Reduces the vocabulary to the candidates before anything is sorted.
//!
//! A vocabulary has up to a quarter of a million tokens, of which a few dozen are likely enough.
//! Each cut keeps the tokens that the following samplers would keep, to the precision of a float.
//! So the result is the same, but the list is short.

use std::cmp::Ordering;

use mynah_core::TokenId;
use mynah_llama::Candidate;

/// How the vocabulary is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// This many most likely tokens, as top-k keeps.
    TopK(usize),
    /// Tokens within this many standard deviations of the highest logit, as top-n-sigma keeps.
    Sigma(f32),
    /// All tokens that have a chance at this temperature.
    Likely(f32),
}

impl Cut {
    /// Whether the candidates are sorted afterwards, the most likely one first.
    pub(super) fn sorts(self) -> bool {
        matches!(self, Self::TopK(_))
    }

    /// Fills `candidates` with the tokens that stay. `highest` is the highest finite logit. NaN and
    /// infinite logits are left out: they would poison the softmax.
    pub(super) fn fill(
        self,
        logits: &[f32],
        highest: f32,
        allowed: Option<&dyn Fn(TokenId) -> bool>,
        candidates: &mut Vec<Candidate>,
    ) {
        candidates.clear();
        let lowest = match self {
            Self::TopK(count) => {
                top(logits, highest, count, allowed, candidates);
                return;
            }
            Self::Sigma(count) => highest - count * deviation(logits, highest, allowed),
            Self::Likely(temperature) => highest - temperature * negligible(logits.len()),
        };
        let likely = (0..)
            .zip(logits)
            .filter(|(_, logit)| (lowest..=highest).contains(*logit))
            .map(|(id, &logit)| Candidate::new(TokenId(id), logit))
            .filter(|data| allowed.is_none_or(|allowed| allowed(data.id())));
        candidates.extend(likely);
    }
}

/// The `count` highest logits; among equal ones, the first.
fn top(
    logits: &[f32],
    highest: f32,
    count: usize,
    allowed: Option<&dyn Fn(TokenId) -> bool>,
    candidates: &mut Vec<Candidate>,
) {
    // Collects more than needed, and cuts back whenever there are twice as many. The bar rises
    // quickly, and then most logits are only compared with it.
    let mut bar = f32::NEG_INFINITY;
    let room = count.saturating_mul(2).max(64);
    for (id, &logit) in (0..).zip(logits) {
        if !(logit > bar && logit <= highest) {
            continue;
        }
        let token = TokenId(id);
        if allowed.is_some_and(|allowed| !allowed(token)) {
            continue;
        }
        candidates.push(Candidate::new(token, logit));
        if candidates.len() >= room {
            keep_top(candidates, count);
            // All kept logits are at least as high. An equal one that comes later loses.
            bar = candidates
                .iter()
                .map(Candidate::logit)
                .fold(f32::INFINITY, f32::min);
        }
    }
    keep_top(candidates, count);
    // Sorted as by llama.cpp's top-k, since a draw depends on the order.
    candidates.sort_unstable_by(higher_first);
}

fn keep_top(candidates: &mut Vec<Candidate>, count: usize) {
    if count < candidates.len() {
        candidates.select_nth_unstable_by(count, higher_first);
        candidates.truncate(count);
    }
}

/// Higher logits first; among equal ones, the lower id.
fn higher_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit()
        .total_cmp(&a.logit())
        .then(a.id().0.cmp(&b.id().0))
}

/// Standard deviation of the finite logits, as in llama.cpp's top-n-sigma.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a statistic"
)]
fn deviation(logits: &[f32], highest: f32, allowed: Option<&dyn Fn(TokenId) -> bool>) -> f32 {
    let numbers = || {
        (0..)
            .zip(logits)
            .filter(|(_, logit)| logit.is_finite() && **logit <= highest)
            .filter(|(id, _)| allowed.is_none_or(|allowed| allowed(TokenId(*id))))
            .map(|(_, logit)| f64::from(*logit))
    };
    let count = numbers().count().max(1) as f64;
    let mean = numbers().sum::<f64>() / count;
    let squares: f64 = numbers().map(|logit| (logit - mean) * (logit - mean)).sum();
    (squares / count).sqrt() as f32
}

/// How far below the highest logit, divided by the temperature, a token is left out. All tokens of
/// the vocabulary together at that distance have less than 2^-24 of the highest one's probability,
/// which is less than the precision of a float.
fn negligible(vocabulary: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a logarithm to a digit or two")]
    let tokens = vocabulary as f32;
    24.0 * std::f32::consts::LN_2 + tokens.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::highest::most_likely;
    use super::*;

    fn ids(cut: Cut, logits: &[f32]) -> Vec<i32> {
        let mut candidates = Vec::new();
        if let Some((_, highest)) = most_likely(logits) {
            cut.fill(logits, highest, None, &mut candidates);
        }
        candidates.sort_by(higher_first);
        candidates.iter().map(|data| data.id().0).collect()
    }

    #[test]
    fn top_n_sigma_keeps_what_is_near_the_highest() {
        // Mean 0, deviation 2.
        let logits = [4.0, 2.5, 0.0, 0.0, -1.0, -2.0, -3.5, 0.0];
        let deviation = deviation(&logits, 4.0, None);
        let expected = (logits.iter().map(|l: &f32| l * l).sum::<f32>() / 8.0).sqrt();
        assert!(
            (deviation - expected).abs() < 1e-5,
            "{deviation} {expected}"
        );
        assert_eq!(ids(Cut::Sigma(1.0), &logits), [0, 1]);
        assert_eq!(ids(Cut::Sigma(100.0), &logits).len(), 8);
    }

    proptest! {
        #[test]
        fn top_k_keeps_what_sorting_all_would_keep(
            logits in prop::collection::vec(
                prop_oneof![
                    9 => -20.0f32..20.0,
                    2 => (-3i8..3).prop_map(f32::from),
                    1 => Just(f32::NAN),
                    1 => Just(f32::NEG_INFINITY),
                ],
                1..600,
            ),
            count in 1usize..100,
        ) {
            let all = (0..).zip(logits.iter().copied());
            let mut all: Vec<(i32, f32)> = all.filter(|(_, logit)| logit.is_finite()).collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(count);
            let expected: Vec<i32> = all.into_iter().map(|(id, _)| id).collect();
            prop_assert_eq!(ids(Cut::TopK(count), &logits), expected);
        }
    }
}
