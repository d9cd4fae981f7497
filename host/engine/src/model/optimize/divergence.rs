//! The divergence of two models: how different their predictions are on a fixed text.

use mynah_core::Result;
use mynah_llama::Batch;

use super::measure::{ROWS, Subject};
use crate::EngineError;

/// The text: prose, facts, speech, code and news, a few hundred tokens. Results on different texts
/// are not comparable, so it never changes.
const TEXT: &str = include_str!("text.txt");

/// Maximum number of tokens to compare, because some vocabularies split the text into more tokens
/// than others.
const MAX_TOKENS: usize = 512;

/// How far the predictions of one model are from those of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divergence {
    /// Kullback-Leibler divergence of the second model's prediction of the next token from the
    /// first one's, `sum(p * ln(p / q))` over the vocabulary, averaged over the tokens of the text.
    /// In nats; 0.0 for equal predictions. Below 0.01 is hard to notice; from 0.1 on, answers
    /// change often.
    pub mean_kl: f64,
    /// Share of the tokens for which both models predict the same most likely token, 0.0 to 1.0.
    pub same_top: f64,
    /// Number of compared tokens.
    pub tokens: usize,
}

/// Compares the predictions of both models for every token of the text, in chunks, so that memory
/// does not grow with the text.
pub(super) fn between(
    before: &mut Subject,
    after: &mut Subject,
    progress: &mut dyn FnMut(f32),
) -> Result<Divergence> {
    let mut tokens = before.tokens(TEXT);
    tokens.truncate(MAX_TOKENS.min(before.trained));
    if before.vocabulary() != after.vocabulary() || tokens.is_empty() {
        return Err(EngineError::Measure {
            reason: "the models have different vocabularies, or none".to_owned(),
        }
        .into());
    }
    before.clear();
    after.clear();
    let mut batch = Batch::default();
    let (mut sum, mut same, mut position) = (0.0, 0_u32, 0);
    for chunk in tokens.chunks(ROWS) {
        batch.clear();
        for &token in chunk {
            batch.push(token, position, 0, true);
            position += 1;
        }
        before.decode(&mut batch)?;
        after.decode(&mut batch)?;
        for index in 0..chunk.len() {
            let missing = || EngineError::Measure {
                reason: format!("llama.cpp gave no logits for token {index} of a batch"),
            };
            let p = before.logits(index).ok_or_else(missing)?;
            let q = after.logits(index).ok_or_else(missing)?;
            for (logits, which) in [(p, "first"), (q, "second")] {
                let none = not_numbers(logits);
                if none > 0 {
                    let of = logits.len();
                    let reason = format!(
                        "of what the {which} model predicts for token {index} of a batch, {none} \
                         of {of} are no numbers"
                    );
                    return Err(EngineError::Measure { reason }.into());
                }
            }
            sum += kl(p, q);
            same += u32::from(top(p) == top(q));
        }
        #[expect(clippy::cast_precision_loss, reason = "a share, to be shown")]
        progress(position as f32 / tokens.len() as f32);
    }
    let count = f64::from(position);
    Ok(Divergence {
        mean_kl: sum / count,
        same_top: f64::from(same) / count,
        tokens: tokens.len(),
    })
}

/// Number of NaN values. [`kl`] would treat them as equal.
fn not_numbers(logits: &[f32]) -> usize {
    logits.iter().filter(|logit| logit.is_nan()).count()
}

/// Kullback-Leibler divergence, in nats, of the distribution with logits `q` from the one with
/// logits `p`.
fn kl(p: &[f32], q: &[f32]) -> f64 {
    let (p_norm, q_norm) = (log_sum_exp(p), log_sum_exp(q));
    let sum: f64 = p
        .iter()
        .zip(q)
        .map(|(&p, &q)| {
            let (p, q) = (f64::from(p) - p_norm, f64::from(q) - q_norm);
            let share = p.exp();
            // An impossible token adds nothing, whatever the other model predicts.
            if share > 0.0 { share * (p - q) } else { 0.0 }
        })
        .sum();
    // Rounding may make the result for equal distributions slightly negative.
    sum.max(0.0)
}

/// `ln(sum(exp(x)))`, computed relative to the largest value to avoid an overflow.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits
        .iter()
        .map(|&logit| (f64::from(logit) - largest).exp())
        .sum();
    largest + sum.ln()
}

fn top(logits: &[f32]) -> Option<usize> {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn equal_distributions_do_not_diverge() {
        let logits = [0.5, -3.0, 12.0, 700.0];
        assert_eq!(kl(&logits, &logits), 0.0);
        let shifted = logits.map(|logit| logit - 100.0);
        assert!(
            is_close(kl(&logits, &shifted), 0.0),
            "only differences matter"
        );
    }

    #[test]
    fn the_divergence_of_known_distributions_is_known() {
        let logits = |shares: [f64; 2]| shares.map(|share| share.ln() as f32);
        let (p, q) = ([0.5, 0.5], [0.9, 0.1]);
        let known = 0.5 * (0.5_f64 / 0.9).ln() + 0.5 * (0.5_f64 / 0.1).ln();
        assert!(is_close(kl(&logits(p), &logits(q)), known));
        let back = 0.9 * (0.9_f64 / 0.5).ln() + 0.1 * (0.1_f64 / 0.5).ln();
        assert!(is_close(kl(&logits(q), &logits(p)), back), "not symmetric");
    }

    #[test]
    fn what_is_no_number_is_counted() {
        assert_eq!(not_numbers(&[0.0, f32::NEG_INFINITY]), 0);
        assert_eq!(not_numbers(&[0.0, f32::NAN]), 1);
    }

    #[test]
    fn a_token_that_cannot_come_adds_nothing() {
        let p = [0.0, f32::NEG_INFINITY];
        assert!(is_close(kl(&p, &[0.0, 0.0]), 2.0_f64.ln()));
        assert!(is_close(kl(&p, &p), 0.0));
    }
}
