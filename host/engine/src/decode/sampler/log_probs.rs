//! How likely tokens were, for requests that ask for it.

use mynah_core::TokenId;

/// How likely the chosen token and the most likely ones were: natural logarithms of the model's own
/// probabilities, before any sampler.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::decode) struct LogProbs {
    /// The chosen token's.
    pub(crate) chosen: f32,
    /// The most likely tokens, falling.
    pub(crate) top: Vec<(TokenId, f32)>,
}

/// The log-probabilities of `chosen` and of the `count` most likely tokens.
pub(crate) fn log_probs(logits: &[f32], chosen: TokenId, count: usize) -> LogProbs {
    let finite = || (0..).zip(logits).filter(|(_, logit)| logit.is_finite());
    let highest = finite()
        .map(|(_, logit)| *logit)
        .fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = finite()
        .map(|(_, logit)| f64::from(logit - highest).exp())
        .sum();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a logarithm for people to read"
    )]
    let norm = highest + sum.ln() as f32;
    let mut top: Vec<(TokenId, f32)> = Vec::new();
    for (id, &logit) in finite() {
        let is_full = top.len() >= count;
        if is_full && top.last().is_none_or(|(_, lowest)| logit <= *lowest) {
            continue;
        }
        let at = top.partition_point(|(_, other)| *other >= logit);
        top.insert(at, (TokenId(id), logit));
        top.truncate(count);
    }
    for (_, logit) in &mut top {
        *logit -= norm;
    }
    let index = usize::try_from(chosen.0).ok();
    let logit = index.and_then(|index| logits.get(index)).copied();
    LogProbs {
        chosen: logit.map_or(f32::NEG_INFINITY, |logit| logit - norm),
        top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_those_of_the_softmax() {
        let logits = [0.0f32, 2.0, f32::NAN, 1.0, f32::NEG_INFINITY];
        let probs = log_probs(&logits, TokenId(3), 2);
        let sum: f32 = [0.0f32, 2.0, 1.0].iter().map(|l| l.exp()).sum();
        assert!((probs.chosen - (1.0 - sum.ln())).abs() < 1e-5, "{probs:?}");
        let ids: Vec<i32> = probs.top.iter().map(|(token, _)| token.0).collect();
        assert_eq!(ids, [1, 3]);
        assert!(
            (probs.top[0].1 - (2.0 - sum.ln())).abs() < 1e-5,
            "{probs:?}"
        );
        assert!(log_probs(&logits, TokenId(0), 0).top.is_empty());
        assert_eq!(log_probs(&logits, TokenId(0), 100).top.len(), 3);
    }
}
