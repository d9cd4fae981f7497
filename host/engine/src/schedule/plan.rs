//! The plan of one decode step: how many tokens each running sequence computes.

/// What a sequence needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The token that was sampled last.
    Decode,
    /// So many tokens of its prompt.
    Prefill(u32),
    /// Nothing: it waits for its reader.
    Nothing,
}

/// Tokens that each sequence computes in this step, `budget` in all at most.
///
/// Every sequence that decodes gets its token first, so a long prompt never stalls running streams. The rest is dealt
/// out among the prompts in equal shares, and what a short prompt leaves of its share goes to the others, so a short
/// prompt never waits for a long one.
///
/// `budget` must cover one token for each sequence that decodes; those beyond it get none.
pub(crate) fn plan(needs: &[Need], budget: u32) -> Vec<u32> {
    let mut left = budget;
    let mut shares: Vec<u32> = needs
        .iter()
        .map(|need| {
            let decodes = u32::from(*need == Need::Decode).min(left);
            left -= decodes;
            decodes
        })
        .collect();
    // Shortest prompts first: whatever they leave of an equal share is there for the longer ones.
    let mut prompts: Vec<(u32, usize)> = needs
        .iter()
        .enumerate()
        .filter_map(|(index, need)| match need {
            Need::Prefill(tokens) => Some((*tokens, index)),
            Need::Decode | Need::Nothing => None,
        })
        .collect();
    prompts.sort_unstable();
    let mut waiting = u32::try_from(prompts.len()).unwrap_or(u32::MAX);
    for (tokens, index) in prompts {
        // Rounded up, so that the last token of the budget is used too.
        let share = tokens.min(left.div_ceil(waiting));
        if let Some(slot) = shares.get_mut(index) {
            *slot = share;
        }
        left -= share;
        waiting -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn running_streams_come_before_prompts() {
        let needs = [Need::Prefill(1000), Need::Decode, Need::Decode];
        assert_eq!(plan(&needs, 8), [6, 1, 1]);
    }

    #[test]
    fn a_short_prompt_is_read_whole_beside_a_long_one() {
        let needs = [Need::Prefill(4000), Need::Prefill(16)];
        assert_eq!(plan(&needs, 128), [112, 16]);
    }

    #[test]
    fn two_long_prompts_share_evenly() {
        assert_eq!(
            plan(&[Need::Prefill(500), Need::Prefill(400)], 128),
            [64, 64]
        );
    }

    fn need() -> impl Strategy<Value = Need> {
        prop_oneof![
            Just(Need::Decode),
            Just(Need::Nothing),
            (1u32..5000).prop_map(Need::Prefill),
        ]
    }

    proptest! {
        #[test]
        fn a_plan_keeps_its_promises(
            needs in prop::collection::vec(need(), 0..64),
            spare in 0u32..512,
        ) {
            let decoding = needs.iter().filter(|need| **need == Need::Decode).count() as u32;
            let budget = decoding + spare;
            let shares = plan(&needs, budget);
            prop_assert_eq!(shares.len(), needs.len());

            let mut wanted = 0;
            let mut unmet = Vec::new();
            for (need, share) in needs.iter().zip(&shares) {
                match need {
                    Need::Decode => prop_assert_eq!(*share, 1),
                    Need::Nothing => prop_assert_eq!(*share, 0),
                    Need::Prefill(tokens) => {
                        wanted += tokens;
                        prop_assert!(share <= tokens);
                        if share < tokens {
                            unmet.push(*share);
                        }
                    }
                }
            }
            // Nothing of the budget is left while a prompt wants it.
            prop_assert_eq!(shares.iter().sum::<u32>(), (decoding + wanted).min(budget));
            // Prompts that could use more have got the same, give or take the last token.
            let (least, most) = (unmet.iter().min(), unmet.iter().max());
            prop_assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1));
            // And no prompt got more than one that could use more.
            for (need, share) in needs.iter().zip(&shares) {
                if let (Need::Prefill(_), Some(most)) = (need, most) {
                    prop_assert!(share <= most);
                }
            }
        }
    }
}
