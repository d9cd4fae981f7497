//! Plans steps when each sequence has its own KV cells: the decoding sequences together, then one
//! prompt after the other.
//!
//! llama.cpp splits a batch of such sequences into groups with equal numbers of tokens per
//! sequence, and computes one group after the other. Prompts next to each other, or next to
//! streams, are fragmented: the rest of an attention tile costs as much as a whole tile, and each
//! group reads the weights again. Computing eight prompts side by side took nearly twice as long as
//! computing them in turn (`docs/performance.md`).

use super::pace::TILE;
use super::plan::{Need, Want};

/// Maximum length of a prompt, or of its rest, that is computed together with the decoding
/// sequences: a tile with so few extra tokens takes longer together than separately.
const FEW: u32 = 16;

/// A prompt with tokens left to compute.
#[derive(Debug, Clone, Copy)]
struct Prompt {
    index: usize,
    id: u32,
    left: u32,
}

/// Plans turns. In a *round*, prompts are computed until the budget is used, and all sequences that
/// decode or have few prompt tokens left have one common turn. In a *lap*, each of the other
/// prompts has one turn, shortest remaining first. A prompt that arrives meanwhile joins the next
/// lap, so no prompt waits for more than one or two turns of each other.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Sequences that still have a turn in this lap, the next one last.
    lap: Vec<u32>,
    /// Prompt tokens computed in and since the last common turn.
    read: u32,
    /// Whether some of them were computed since that turn.
    has_begun: bool,
}

impl Rounds {
    /// Tokens of each sequence in the next turn; all are 0 if no sequence needs any. A round has
    /// `budget` tokens including those that decode, and at least one prompt token.
    pub(super) fn next(&mut self, wants: &[Want], budget: u32) -> Vec<u32> {
        let mut decoding = 0;
        let mut somebody_waits = false;
        let mut prompts = Vec::new();
        for (index, want) in wants.iter().enumerate().filter(|(_, want)| !want.alone) {
            match want.need {
                Need::Decode => decoding += 1,
                Need::Prefill(left) if left > FEW => prompts.push(Prompt {
                    index,
                    id: want.id,
                    left,
                }),
                Need::Prefill(_) => somebody_waits = true,
                Need::Nothing => {}
            }
        }
        somebody_waits |= decoding > 0;
        let budget = budget.saturating_sub(decoding).max(1);
        if !somebody_waits {
            (self.read, self.has_begun) = (0, false);
        }
        let Some((index, tokens)) = self.of_a_prompt(&prompts, budget) else {
            // The other half of the budget is for longer prompts in the next round.
            return self.common(wants, budget.div_ceil(2));
        };
        if somebody_waits {
            self.read += tokens;
            self.has_begun = true;
        }
        let mut turn = vec![0; wants.len()];
        if let Some(own) = turn.get_mut(index) {
            *own = tokens;
        }
        turn
    }

    /// The index of the prompt whose turn it is, and its tokens. `None` if the round's budget is
    /// used up.
    fn of_a_prompt(&mut self, prompts: &[Prompt], budget: u32) -> Option<(usize, u32)> {
        let prompt = self.first(prompts)?;
        let share = budget / u32::try_from(prompts.len()).unwrap_or(u32::MAX);
        let left = budget.saturating_sub(self.read);
        let tokens = match piece(prompt.left, share, left) {
            0 if !self.has_begun => prompt.left.min(left.max(1)),
            tokens => tokens,
        };
        if tokens == 0 {
            return None;
        }
        self.lap.pop();
        Some((prompt.index, tokens))
    }

    /// The common turn of decoding sequences, with at most `most` tokens of prompts that have few
    /// left.
    fn common(&mut self, wants: &[Want], most: u32) -> Vec<u32> {
        (self.read, self.has_begun) = (0, false);
        let tokens = |want: &Want| match want.need {
            _ if want.alone => 0,
            Need::Decode => 1,
            Need::Prefill(left) if left <= FEW => {
                let few = left.min(most - self.read);
                self.read += few;
                few
            }
            Need::Prefill(_) | Need::Nothing => 0,
        };
        wants.iter().map(tokens).collect()
    }

    /// The prompt whose turn it is in the lap. A new lap begins when all have had their turn.
    fn first(&mut self, prompts: &[Prompt]) -> Option<Prompt> {
        let of = |id: u32| prompts.iter().find(|prompt| prompt.id == id).copied();
        while let Some(&id) = self.lap.last() {
            if let Some(prompt) = of(id) {
                return Some(prompt);
            }
            self.lap.pop();
        }
        let mut lap: Vec<Prompt> = prompts.to_vec();
        lap.sort_unstable_by_key(|prompt| std::cmp::Reverse((prompt.left, prompt.index)));
        self.lap = lap.iter().map(|prompt| prompt.id).collect();
        lap.last().copied()
    }
}

/// The tokens of a prompt in its turn, given the number `left` and the maximum `most`. They are
/// whole tiles, about `share` and at least one. All that is left is computed if that is less than a
/// tile more and not just a few tokens. 0 if neither fits.
fn piece(left: u32, share: u32, most: u32) -> u32 {
    let share = (share / TILE * TILE).max(TILE);
    let is_end = left <= TILE || left % TILE > FEW;
    if left <= most && left / TILE * TILE <= share && is_end {
        return left;
    }
    let tiles = share.min(left.min(most) / TILE * TILE);
    let after = left - tiles;
    if after < TILE && after > FEW && tiles > TILE {
        // Leaves a whole tile for the next turn rather than the end of one.
        tiles - TILE
    } else {
        tiles
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wants(needs: &[Need]) -> Vec<Want> {
        let want = |(id, need): (u32, &Need)| Want {
            id,
            need: *need,
            alone: false,
        };
        (0..).zip(needs).map(want).collect()
    }

    /// The needs after a turn. A sequence with a finished prompt decodes.
    fn after(needs: &mut [Need], turn: &[u32]) {
        for (need, tokens) in needs.iter_mut().zip(turn) {
            if let Need::Prefill(left) = need {
                *need = match *left - tokens {
                    0 => Need::Decode,
                    left => Need::Prefill(left),
                };
            }
        }
    }

    /// The turns until no prompt is left.
    fn turns(mut needs: Vec<Need>, budget: u32) -> Vec<Vec<u32>> {
        let mut rounds = Rounds::default();
        let mut turns = Vec::new();
        while needs.iter().any(|need| matches!(need, Need::Prefill(_))) {
            let turn = rounds.next(&wants(&needs), budget);
            assert!(turn.iter().any(|tokens| *tokens > 0), "{needs:?}");
            after(&mut needs, &turn);
            turns.push(turn);
            assert!(turns.len() < 1000, "{needs:?} get nowhere");
        }
        turns
    }

    #[test]
    fn prompts_are_read_whole_one_after_the_other() {
        let needs = [100, 108, 120, 110].map(Need::Prefill).to_vec();
        assert_eq!(
            turns(needs, 512),
            [
                [100, 0, 0, 0],
                [0, 108, 0, 0],
                [0, 0, 0, 110],
                [0, 0, 120, 0]
            ]
        );
    }

    #[test]
    fn a_few_tokens_are_computed_with_those_that_decode() {
        let needs = [Need::Decode, Need::Prefill(65), Need::Prefill(70)].to_vec();
        assert_eq!(turns(needs, 256), [[0, 64, 0], [0, 0, 64], [1, 1, 6]]);
        let few = || [16; 3].map(Need::Prefill).to_vec();
        assert_eq!(turns(few(), 256), [[16; 3]]);
        // They share one half of the budget, rounded up.
        assert_eq!(turns(few(), 41)[0], [16, 5, 0]);
    }

    #[test]
    fn streams_have_their_turn_when_a_round_has_no_tile_left() {
        let needs = vec![
            Need::Decode,
            Need::Prefill(90),
            Need::Prefill(90),
            Need::Prefill(90),
        ];
        assert_eq!(
            turns(needs, 200),
            [[0, 90, 0, 0], [0, 0, 90, 0], [1, 1, 1, 0], [0, 0, 0, 90]]
        );
    }

    #[test]
    fn a_long_prompt_is_read_in_tiles_and_its_end_whole() {
        let long = |tokens| turns(vec![Need::Prefill(tokens)], 128);
        assert_eq!(long(300), [[128], [64], [108]]);
        assert_eq!(long(180), [[64], [116]]);
        assert_eq!(long(130), [[128], [2]]);
    }

    #[test]
    fn a_piece_is_whole_tiles_or_all_that_is_left() {
        for (left, share, most, tokens) in [
            // All, if it is less than a tile more than the share and the budget holds it.
            (100, 128, 100, 100),
            (100, 128, 99, 64),
            (191, 128, 999, 191),
            (192, 128, 999, 128),
            // A share is rounded down, and a tile at least.
            (999, 191, 999, 128),
            (999, 63, 999, 64),
            (64, 0, 999, 64),
            // A few tokens behind a tile are left for a common turn.
            (80, 128, 999, 64),
            (81, 128, 999, 81),
            (144, 128, 999, 128),
            // A whole tile is left rather than the end of one, if there is another.
            (145, 128, 140, 64),
            (100, 64, 70, 64),
            (100, 64, 63, 0),
        ] {
            assert_eq!(piece(left, share, most), tokens, "{left}, {share}, {most}");
        }
    }

    #[test]
    fn long_prompts_take_turns_of_an_equal_share_of_the_budget() {
        let needs = [1000, 1000, 1000].map(Need::Prefill).to_vec();
        let turns = turns(needs, 400);
        assert_eq!(
            turns[..4],
            [[128, 0, 0], [0, 128, 0], [0, 0, 128], [128, 0, 0]]
        );
    }

    #[test]
    fn a_short_prompt_waits_for_a_turn_of_a_long_one_at_most() {
        let mut rounds = Rounds::default();
        let mut needs = [Need::Prefill(4000), Need::Nothing];
        assert_eq!(rounds.next(&wants(&needs), 256), [256, 0]);
        needs = [Need::Prefill(3744), Need::Prefill(40)];
        assert_eq!(rounds.next(&wants(&needs), 256), [0, 40]);
        needs = [Need::Prefill(3744), Need::Decode];
        assert_eq!(rounds.next(&wants(&needs), 256), [192, 0]);
        assert_eq!(rounds.next(&wants(&needs), 256), [0, 1]);
    }

    #[test]
    fn a_budget_of_less_than_a_tile_gets_on_too() {
        let needs = vec![Need::Decode, Need::Prefill(40)];
        assert_eq!(
            turns(needs, 9),
            [
                [0, 8],
                [1, 0],
                [0, 8],
                [1, 0],
                [0, 8],
                [1, 4],
                [1, 4],
                [1, 4],
                [1, 4]
            ]
        );
    }

    proptest! {
        /// No sequence computes more than it needs, and no round exceeds its budget. The decoding
        /// sequences have one common turn, and the next one only after a waiting prompt was
        /// computed.
        #[test]
        fn rounds_keep_their_promises(
            mut needs in prop::collection::vec(prop_oneof![
                Just(Need::Decode),
                Just(Need::Nothing),
                (1u32..2000).prop_map(Need::Prefill),
            ], 1..40),
            spare in 1u32..600,
        ) {
            let budget = needs.len() as u32 + spare;
            let mut rounds = Rounds::default();
            // Prompt tokens in and since the last common turn.
            let mut read = 0;
            while needs.iter().any(|need| matches!(need, Need::Prefill(_))) {
                let turn = rounds.next(&wants(&needs), budget);
                let mut decoding = 0;
                let mut decoded = Vec::new();
                let mut prompts = Vec::new();
                for (need, tokens) in needs.iter().zip(&turn) {
                    match need {
                        Need::Decode => {
                            decoding += 1;
                            decoded.push(*tokens);
                        }
                        Need::Nothing => prop_assert_eq!(*tokens, 0),
                        Need::Prefill(left) => {
                            prop_assert!(tokens <= left);
                            if *tokens > 0 {
                                prompts.push((*left, *tokens));
                            }
                        }
                    }
                }
                let is_short = |need: &Need| matches!(need, Need::Prefill(left) if *left <= FEW);
                let is_long = |need: &Need| matches!(need, Need::Prefill(left) if *left > FEW);
                let few = needs.iter().any(is_short);
                let of_prompts: u32 = prompts.iter().map(|(_, tokens)| tokens).sum();
                prop_assert!(of_prompts + decoding > 0);
                let is_theirs = decoded.iter().all(|tokens| *tokens == 1)
                    && prompts.iter().all(|(left, _)| *left <= FEW);
                if decoding == 0 && !few {
                    read = 0;
                } else if is_theirs {
                    let waits = needs.iter().any(is_long);
                    prop_assert!(read > 0 || !waits || of_prompts > 0, "prompts wait");
                    read = of_prompts;
                } else {
                    prop_assert!(decoded.iter().all(|tokens| *tokens == 0));
                    prop_assert_eq!(prompts.len(), 1);
                    let (left, tokens) = prompts[0];
                    let is_whole = tokens == left || tokens % TILE == 0;
                    prop_assert!(is_whole || budget < read + decoding + 2 * TILE);
                    read += tokens;
                }
                let most = budget.max(decoding + 1);
                prop_assert!(read + decoding <= most, "{read} beside {decoding} of {budget}");
                after(&mut needs, &turn);
            }
        }

        /// Whatever prompts arrive meanwhile, a waiting prompt has its turn before any other has a
        /// third one, if a few tokens of each fit into half a round.
        #[test]
        fn nobody_has_a_third_turn_before_one_that_waits(
            prompts in prop::collection::vec((1u32..3000, 0usize..40), 2..30),
            budget in 2u32..1500,
        ) {
            let mut rounds = Rounds::default();
            let few_fit = budget / 2 > FEW * prompts.len() as u32;
            let mut left: Vec<u32> = prompts.iter().map(|(tokens, _)| *tokens).collect();
            // For each waiting prompt, the turns of the others since it arrived or had its last
            // turn.
            let mut others = vec![vec![0; left.len()]; left.len()];
            for step in 0.. {
                let needs: Vec<Need> = left
                    .iter()
                    .zip(&prompts)
                    .map(|(left, (_, comes))| match left {
                        0 => Need::Nothing,
                        _ if step < *comes => Need::Nothing,
                        tokens => Need::Prefill(*tokens),
                    })
                    .collect();
                let turn = rounds.next(&wants(&needs), budget);
                for (index, tokens) in turn.iter().enumerate().filter(|(_, tokens)| **tokens > 0) {
                    left[index] -= tokens;
                    others[index].fill(0);
                }
                let all = needs.iter().enumerate();
                for (waiting, _) in all.filter(|(_, need)| **need != Need::Nothing) {
                    for (index, tokens) in turn.iter().enumerate() {
                        // A few tokens delay others only briefly, however many turns they take.
                        let is_turn = *tokens > 0
                            && matches!(needs[index], Need::Prefill(left) if left > FEW);
                        others[waiting][index] += u32::from(turn[waiting] == 0 && is_turn);
                        // A prompt with few tokens left waits for the end of the round, which may
                        // be longer than a lap.
                        let most = if left[waiting] > FEW { 2 } else { 3 };
                        let is_few = left[waiting] <= FEW && !few_fit;
                        let holds = others[waiting][index] <= most || is_few;
                        prop_assert!(holds, "{index} before {waiting}, {left:?}");
                    }
                }
                if step > 40 && turn.iter().all(|tokens| *tokens == 0) {
                    break;
                }
            }
            prop_assert!(left.iter().all(|left| *left == 0));
        }
    }
}
