//! Plans a decode step: how many tokens each sequence computes.

use super::rounds::Rounds;

/// What a sequence needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The token that was sampled last.
    Decode,
    /// This number of tokens of its prompt, or of tokens to compute again.
    Prefill(u32),
    /// Nothing, because it waits for its reader.
    Nothing,
}

/// The needs of a running sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Its number in the context.
    pub id: u32,
    /// What it needs next.
    pub need: Need,
    /// Whether it is computed in steps of its own.
    pub alone: bool,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// For all sequences that share steps: the number of tokens of each, in order.
    Shared(Vec<u32>),
    /// For a single sequence.
    Alone {
        /// Its index among the sequences.
        index: usize,
        /// Number of tokens.
        tokens: u32,
    },
}

/// Plans steps.
#[derive(Debug)]
pub struct Planner {
    budget: u32,
    /// Set if each sequence has its own KV cells.
    rounds: Option<Rounds>,
    chunk: u32,
    // The sequence that had the last step of its own.
    last_alone: Option<u32>,
    alone_is_next: bool,
}

impl Planner {
    /// Prompt tokens per step of a sequence that computes alone. The shape of its steps must not
    /// depend on anything but the model's `batch_size`. Small, so that shared steps are not delayed
    /// for long.
    const ALONE_CHUNK: u32 = 64;

    /// A planner for steps of at most `budget` tokens, for sequences with their own KV cells
    /// (`split`) or a shared pool.
    pub fn new(budget: u32, split: bool) -> Self {
        Self {
            budget,
            rounds: split.then(Rounds::default),
            chunk: budget.min(Self::ALONE_CHUNK),
            last_alone: None,
            alone_is_next: false,
        }
    }

    /// Prompt tokens per step of a sequence that computes alone.
    pub fn chunk(&self) -> u32 {
        self.chunk
    }

    /// The next step; `None` if no sequence needs one. `shared_budget` limits the tokens of a
    /// shared step further. `free_cells` limits the tokens of any step if sequences share a pool of
    /// KV cells.
    ///
    /// Shared steps and steps of a single sequence alternate: the shared ones get every other step,
    /// and single sequences take turns for the rest.
    pub fn next(
        &mut self,
        wants: &[Want],
        shared_budget: u32,
        free_cells: Option<u64>,
    ) -> Option<Turn> {
        let budget = free_cells.map_or(self.budget, |cells| {
            u32::try_from(cells).map_or(self.budget, |cells| cells.min(self.budget))
        });
        let needs_shared = |want: &Want| !want.alone && want.need != Need::Nothing;
        let has_shared = budget > 0 && wants.iter().any(needs_shared);
        match self.next_alone(wants, budget) {
            Some((id, turn)) if self.alone_is_next || !has_shared => {
                self.alone_is_next = false;
                self.last_alone = Some(id);
                Some(turn)
            }
            _ if has_shared => {
                self.alone_is_next = true;
                Some(Turn::Shared(self.shares(wants, budget.min(shared_budget))))
            }
            _ => None,
        }
    }

    /// Tokens for each sequence of a shared step.
    fn shares(&mut self, wants: &[Want], budget: u32) -> Vec<u32> {
        if let Some(rounds) = &mut self.rounds {
            return rounds.next(wants, budget);
        }
        let needs = wants
            .iter()
            .map(|want| if want.alone { Need::Nothing } else { want.need });
        share(&needs.collect::<Vec<_>>(), budget)
    }

    /// The next sequence with a step of its own, round-robin in the order of sequence numbers.
    fn next_alone(&self, wants: &[Want], budget: u32) -> Option<(u32, Turn)> {
        let after = |id: u32| {
            let first = self.last_alone.map_or(0, |last| last.wrapping_add(1));
            id.wrapping_sub(first)
        };
        let candidates = wants.iter().enumerate().filter_map(|(index, want)| {
            let tokens = match want.need {
                _ if !want.alone => 0,
                Need::Nothing => 0,
                Need::Decode => 1,
                Need::Prefill(tokens) => tokens.min(self.chunk),
            };
            // Deterministic sequences require separate cells, so `budget` does not limit them.
            let tokens = tokens.min(budget);
            (tokens > 0).then_some((want.id, Turn::Alone { index, tokens }))
        });
        candidates.min_by_key(|(id, _)| after(*id))
    }
}

/// The tokens of each sequence in a shared step with a pool of cells, at most `budget` in total.
///
/// Every decoding sequence gets its token first, so a long prompt cannot stall running streams. The
/// rest is shared equally among the prompts. What a short prompt does not need of its share goes to
/// the others, so a short prompt does not wait for a long one.
///
/// `budget` must cover one token for each decoding sequence; those beyond it get none.
fn share(needs: &[Need], budget: u32) -> Vec<u32> {
    let mut left = budget;
    let mut shares: Vec<u32> = needs
        .iter()
        .map(|need| {
            let decodes = u32::from(*need == Need::Decode).min(left);
            left -= decodes;
            decodes
        })
        .collect();
    // Shortest prompts first, so that what they leave of an equal share is available to longer
    // ones.
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
        // Rounded up, so that the last token of the budget is used, too.
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
        assert_eq!(share(&needs, 8), [6, 1, 1]);
    }

    #[test]
    fn a_short_prompt_is_read_whole_beside_a_long_one() {
        let needs = [Need::Prefill(4000), Need::Prefill(16)];
        assert_eq!(share(&needs, 128), [112, 16]);
    }

    #[test]
    fn two_long_prompts_share_evenly() {
        assert_eq!(
            share(&[Need::Prefill(500), Need::Prefill(400)], 128),
            [64, 64]
        );
    }

    fn want(id: u32, need: Need, alone: bool) -> Want {
        Want { id, need, alone }
    }

    #[test]
    fn shared_and_single_steps_take_turns() {
        let wants = [
            want(0, Need::Decode, false),
            want(1, Need::Decode, true),
            want(2, Need::Prefill(100), true),
            want(3, Need::Decode, false),
        ];
        let mut planner = Planner::new(128, false);
        let turns: Vec<Turn> = (0..6)
            .map(|_| planner.next(&wants, u32::MAX, None).unwrap())
            .collect();
        let shared = Turn::Shared(vec![1, 0, 0, 1]);
        let alone = |index, tokens| Turn::Alone { index, tokens };
        assert_eq!(
            turns,
            [
                shared.clone(),
                alone(1, 1),
                shared.clone(),
                alone(2, 64),
                shared,
                alone(1, 1)
            ]
        );
    }

    #[test]
    fn free_cells_and_the_budget_bound_a_step() {
        let wants = [
            want(0, Need::Decode, false),
            want(1, Need::Prefill(100), false),
        ];
        let turn = Planner::new(128, false).next(&wants, 128, Some(30));
        assert_eq!(turn, Some(Turn::Shared(vec![1, 29])));
        let turn = Planner::new(128, false).next(&wants, 20, None);
        assert_eq!(turn, Some(Turn::Shared(vec![1, 19])));
        assert_eq!(Planner::new(128, false).next(&wants, 128, Some(0)), None);
    }

    #[test]
    fn a_prompt_that_computes_alone_takes_the_same_pieces_whatever_others_need() {
        assert_eq!(Planner::new(128, true).chunk(), 64);
        assert_eq!(Planner::new(63, true).chunk(), 63);
        let alone = |tokens| Some(Turn::Alone { index: 0, tokens });
        for (left, tokens) in [(1, 1), (63, 63), (64, 64), (65, 64)] {
            let wants = [want(0, Need::Prefill(left), true)];
            let turn = Planner::new(512, true).next(&wants, u32::MAX, None);
            assert_eq!(turn, alone(tokens), "{left}");
        }
        let wants = [want(0, Need::Prefill(100), true)];
        let next = |cells| Planner::new(128, false).next(&wants, 1, Some(cells));
        assert_eq!(next(u64::from(u32::MAX) + 1), alone(64));
        assert_eq!((next(7), next(0)), (alone(7), None));
    }

    #[test]
    fn sequences_that_compute_alone_take_turns_by_number_and_not_by_place() {
        let mut planner = Planner::new(128, false);
        let mut next = |ids: &[u32]| {
            let wants: Vec<Want> = ids.iter().map(|id| want(*id, Need::Decode, true)).collect();
            match planner.next(&wants, u32::MAX, None)? {
                Turn::Alone { index, .. } => Some(ids[index]),
                Turn::Shared(_) => None,
            }
        };
        assert_eq!(next(&[7, 3, 5]), Some(3));
        assert_eq!(next(&[7, 3, 5]), Some(5));
        // One that joins has its turn when its number comes.
        assert_eq!(next(&[6, 7, 3]), Some(6));
        assert_eq!(next(&[6, 7, 3]), Some(7));
        assert_eq!(next(&[6, 7, 3]), Some(3));
        assert_eq!(next(&[u32::MAX, 3]), Some(u32::MAX));
        assert_eq!(next(&[u32::MAX, 3]), Some(3));
    }

    #[test]
    fn streams_beyond_the_budget_get_no_token_and_the_last_token_is_used() {
        let decode = Need::Decode;
        assert_eq!(
            share(&[decode, Need::Nothing, decode, decode], 2),
            [1, 0, 1, 0]
        );
        let prompts = [Need::Prefill(9), Need::Prefill(9), Need::Prefill(9)];
        assert_eq!(share(&prompts, 10), [4, 3, 3]);
        assert_eq!(share(&prompts, 0), [0, 0, 0]);
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
            let shares = share(&needs, budget);
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
            // The budget is used up if prompts want more.
            prop_assert_eq!(shares.iter().sum::<u32>(), (decoding + wanted).min(budget));
            // Prompts that could use more got the same number, up to one token.
            let (least, most) = (unmet.iter().min(), unmet.iter().max());
            prop_assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1));
            // No prompt got more than one that could use more, up to one token.
            for (need, share) in needs.iter().zip(&shares) {
                if let (Need::Prefill(_), Some(most)) = (need, most) {
                    prop_assert!(*share <= most + 1);
                }
            }
        }

        /// Every sequence that needs a step gets one, however many others do.
        #[test]
        fn every_sequence_gets_its_turn(
            wants in prop::collection::vec((need(), any::<bool>()), 1..40),
            split: bool,
        ) {
            let wants: Vec<Want> = (0..)
                .zip(wants)
                .map(|(id, (need, alone))| want(id, need, alone))
                .collect();
            let mut planner = Planner::new(64, split);
            let mut served = vec![0u32; wants.len()];
            // With separate cells, each prompt and the group of decoding sequences take turns in
            // every other step.
            for _ in 0..2 * wants.len() + 2 {
                match planner.next(&wants, u32::MAX, None) {
                    None => prop_assert!(wants.iter().all(|want| want.need == Need::Nothing)),
                    Some(Turn::Shared(shares)) => {
                        for ((want, tokens), served) in wants.iter().zip(shares).zip(&mut served) {
                            prop_assert!(tokens == 0 || !want.alone);
                            *served += tokens;
                        }
                    }
                    Some(Turn::Alone { index, tokens }) => {
                        prop_assert!(wants[index].alone && tokens > 0);
                        served[index] += tokens;
                    }
                }
            }
            let decodes = |want: &&Want| !want.alone && want.need == Need::Decode;
            let decoding = wants.iter().filter(decodes).count();
            for (want, served) in wants.iter().zip(served) {
                let starves = want.need != Need::Nothing && served == 0;
                // At most forty sequences decode, fewer than the budget.
                prop_assert!(!starves, "{want:?} beside {decoding} that decode");
            }
        }
    }
}
