//! Finds the highest of many logits.

use mynah_core::TokenId;

/// Logits that are compared at once, so that the compiler uses the widest instructions.
const LANES: usize = 16;

/// The first token with the highest finite logit, and that logit.
pub(super) fn most_likely(logits: &[f32]) -> Option<(TokenId, f32)> {
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
        // None is finite, or one is +infinity. This is rare, so looking again costs little.
        return most_likely_finite(logits);
    }
    let index = logits.iter().position(|&logit| logit == most)?;
    Some((TokenId(i32::try_from(index).ok()?), most))
}

fn most_likely_finite(logits: &[f32]) -> Option<(TokenId, f32)> {
    let mut best: Option<(i32, f32)> = None;
    for (id, &logit) in (0..).zip(logits) {
        if logit.is_finite() && best.is_none_or(|(_, highest)| logit > highest) {
            best = Some((id, logit));
        }
    }
    best.map(|(id, logit)| (TokenId(id), logit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
