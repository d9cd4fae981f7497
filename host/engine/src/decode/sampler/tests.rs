//! Tests of the effect of each setting on the drawn tokens.

use std::collections::BTreeSet;

use mynah_settings::{Sampling, Seed, Settings};

use super::*;

mod properties;

const VOCABULARY: u32 = 4096;

fn sampler(sampling: Sampling, seed: u32, prompt: &[i32]) -> Sampler {
    let settings = Settings {
        sampling,
        ..Settings::default()
    };
    settings.check().unwrap();
    let prompt: Vec<_> = prompt.iter().copied().map(TokenId).collect();
    let parts = SamplerParts::plain(VOCABULARY, 512);
    Sampler::new(&settings.resolve(|| seed), parts, &prompt)
}

fn drawn(sampler: &mut Sampler, logits: &[f32], count: usize) -> Vec<i32> {
    let draw = |_| {
        let token = sampler.sample(logits).unwrap();
        sampler.accept(token);
        token.0
    };
    (0..count).map(draw).collect()
}

/// Nothing but the temperature, and it changes nothing.
fn plain() -> Sampling {
    Sampling {
        temperature: Some(1.0),
        top_k: Some(0),
        top_p: Some(1.0),
        min_p: Some(0.0),
        ..Sampling::default()
    }
}

/// The share of draws that each token gets, drawn without remembering any.
fn shares(sampling: Sampling, logits: &[f32]) -> Vec<f64> {
    let mut sampler = sampler(sampling, 5, &[]);
    let mut counts = vec![0u32; logits.len()];
    for _ in 0..20_000 {
        counts[sampler.sample(logits).unwrap().0 as usize] += 1;
    }
    counts
        .into_iter()
        .map(|count| f64::from(count) / 20_000.0)
        .collect()
}

/// The tokens that are drawn at all.
fn support(sampling: Sampling, logits: &[f32]) -> BTreeSet<usize> {
    let shares = shares(sampling, logits);
    (0..logits.len()).filter(|&id| shares[id] > 0.0).collect()
}

fn near(share: f64, expected: f64) {
    assert!(
        (share - expected).abs() < 0.015,
        "{share}, expected {expected}"
    );
}

/// Probabilities 0.4, 0.3, 0.2, 0.1.
fn four() -> [f32; 4] {
    [0.4f32, 0.3, 0.2, 0.1].map(f32::ln)
}

#[test]
fn greedy_takes_the_first_of_the_highest() {
    let logits = [f32::NAN, 1.0, 3.0, 3.0, f32::NEG_INFINITY];
    assert_eq!(
        drawn(&mut sampler(Sampling::greedy(), 0, &[]), &logits, 3),
        [2, 2, 2]
    );
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let logits = vec![0.0; 64];
    let draw = |seed| drawn(&mut sampler(plain(), seed, &[]), &logits, 32);
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let fixed = |seed| Sampling {
        seed: Some(Seed::Fixed(seed)),
        ..plain()
    };
    assert_eq!(drawn(&mut sampler(fixed(7), 1, &[]), &logits, 32), draw(7));
}

#[test]
fn draws_follow_the_temperature() {
    // Logits 0 and 2: the second has probability e^(2/t) / (1 + e^(2/t)), 0.881 at 1.0 and 0.622 at
    // 4.0.
    for (temperature, expected) in [(1.0, 0.881), (4.0, 0.622)] {
        let sampling = Sampling {
            temperature: Some(temperature),
            ..plain()
        };
        near(shares(sampling, &[0.0, 2.0])[1], expected);
    }
}

#[test]
fn dynamic_temperature_moves_with_the_entropy() {
    let dynamic = |exponent| Sampling {
        dynatemp_range: Some(0.9),
        dynatemp_exponent: Some(exponent),
        ..plain()
    };
    // Nearly certain: little entropy, so the temperature falls towards 0.1 and the likely token
    // wins always.
    assert_eq!(shares(dynamic(1.0), &[4.0, 0.0])[0], 1.0);
    assert!(shares(plain(), &[4.0, 0.0])[0] < 0.99);
    // A high power makes less than the highest entropy count as little.
    assert!(shares(dynamic(50.0), &four())[0] > shares(dynamic(1.0), &four())[0] + 0.1);
}

#[test]
fn top_k_keeps_the_most_likely() {
    let keep = |top_k| Sampling {
        top_k: Some(top_k),
        ..plain()
    };
    assert_eq!(support(keep(2), &four()), [0, 1].into());
    near(shares(keep(2), &four())[0], 4.0 / 7.0);
    for all in [0, -1] {
        assert_eq!(support(keep(all), &four()).len(), 4);
    }
}

#[test]
fn top_p_keeps_what_makes_up_its_mass_and_min_keep_more() {
    let sampling = Sampling {
        top_p: Some(0.6),
        ..plain()
    };
    assert_eq!(support(sampling.clone(), &four()), [0, 1].into());
    let keep = Sampling {
        min_keep: Some(3),
        ..sampling
    };
    assert_eq!(support(keep, &four()), [0, 1, 2].into());
}

#[test]
fn min_p_keeps_what_has_its_share_of_the_most_likely() {
    let sampling = Sampling {
        min_p: Some(0.45),
        ..plain()
    };
    assert_eq!(support(sampling.clone(), &four()), [0, 1, 2].into());
    let keep = Sampling {
        min_keep: Some(4),
        ..sampling
    };
    assert_eq!(support(keep, &four()).len(), 4);
}

#[test]
fn typical_p_keeps_what_is_as_surprising_as_expected() {
    // The most likely token has the lowest surprise. Tokens close to the entropy come first.
    let logits = [0.5f32, 0.1, 0.1, 0.1, 0.1, 0.1].map(f32::ln);
    let sampling = Sampling {
        typical_p: Some(0.3),
        ..plain()
    };
    let kept = support(sampling, &logits);
    assert_ne!(kept, support(plain(), &logits));
    assert!(kept.len() < 6, "{kept:?}");
}

#[test]
fn top_n_sigma_keeps_what_is_near_the_highest() {
    let mut logits = vec![0.0f32; 100];
    logits[3] = 10.0;
    logits[4] = 9.5;
    let sampling = Sampling {
        top_n_sigma: Some(1.0),
        temperature: Some(50.0),
        ..plain()
    };
    assert_eq!(support(sampling, &logits), [3, 4].into());
}

#[test]
fn xtc_leaves_out_all_likely_ones_but_the_last() {
    let xtc = |probability| Sampling {
        xtc_probability: Some(probability),
        xtc_threshold: Some(0.25),
        ..plain()
    };
    assert_eq!(support(xtc(1.0), &four()), [1, 2, 3].into());
    near(shares(xtc(0.5), &four())[0], 0.2);
    // It does so at temperature 0 too.
    let cold = Sampling {
        temperature: Some(0.0),
        ..xtc(1.0)
    };
    assert_eq!(support(cold, &four()), [1].into());
}

#[test]
fn penalties_count_prompt_and_answer_within_their_window() {
    let greedy = |sampling: Sampling| Sampling {
        temperature: Some(0.0),
        ..sampling
    };
    let logits = [3.0, 2.0, -1.0];
    let repeat = greedy(Sampling {
        repeat_penalty: Some(2.0),
        ..plain()
    });
    assert_eq!(
        drawn(&mut sampler(repeat.clone(), 0, &[0]), &logits, 1),
        [1],
        "the prompt counts"
    );
    assert_eq!(
        drawn(&mut sampler(repeat.clone(), 0, &[]), &logits, 3),
        [0, 1, 0],
        "3, then 1.5 against 2, then 1.5 against 1"
    );
    for (sampling, expected) in [
        (
            Sampling {
                presence_penalty: Some(1.5),
                ..plain()
            },
            [0, 1, 0, 0],
        ),
        (
            Sampling {
                frequency_penalty: Some(0.6),
                ..plain()
            },
            [0, 0, 1, 0],
        ),
    ] {
        assert_eq!(
            drawn(&mut sampler(greedy(sampling), 0, &[]), &logits, 4),
            expected
        );
    }
    let window = |penalty_last_n| Sampling {
        penalty_last_n: Some(penalty_last_n),
        ..repeat.clone()
    };
    assert_eq!(
        drawn(&mut sampler(window(1), 0, &[0, 2]), &logits, 1),
        [0],
        "out of the window"
    );
    assert_eq!(
        drawn(&mut sampler(window(0), 0, &[0]), &logits, 1),
        [0],
        "no window"
    );
    for all in [-1, i32::MAX] {
        let prompt = [vec![0], vec![2; 400]].concat();
        assert_eq!(
            drawn(&mut sampler(window(all), 0, &prompt), &logits, 1),
            [1],
            "the whole context"
        );
    }
}

#[test]
fn mirostat_aims_at_a_surprise() {
    let logits: Vec<f32> = (0..200u16).map(|id| -f32::from(id) / 20.0).collect();
    let mean = |mirostat, tau| {
        let sampling = Sampling {
            mirostat: Some(mirostat),
            mirostat_tau: Some(tau),
            mirostat_eta: Some(0.2),
            ..plain()
        };
        let ids = drawn(&mut sampler(sampling, 3, &[]), &logits, 3000);
        f64::from(ids.iter().sum::<i32>()) / 3000.0
    };
    for version in [1, 2] {
        let (low, high) = (mean(version, 2.0), mean(version, 5.0));
        assert!(
            low < high,
            "mirostat {version}: {low} at 2 bits, {high} at 5"
        );
    }
    let slow = Sampling {
        mirostat: Some(2),
        mirostat_tau: Some(2.0),
        mirostat_eta: Some(0.0),
        ..plain()
    };
    // One that learns nothing stays at twice its aim.
    assert_ne!(
        drawn(&mut sampler(slow.clone(), 3, &[]), &logits, 200),
        drawn(
            &mut sampler(
                Sampling {
                    mirostat_eta: Some(1.0),
                    ..slow
                },
                3,
                &[]
            ),
            &logits,
            200
        )
    );
}

#[test]
fn the_order_of_the_samplers_counts() {
    // At temperature 3 before it, top-p keeps more than at 1.
    let order = |samplers: &[SamplerName]| Sampling {
        temperature: Some(3.0),
        top_p: Some(0.6),
        samplers: Some(samplers.to_vec()),
        ..plain()
    };
    let logits = [0.7f32, 0.2, 0.1].map(f32::ln);
    assert_eq!(
        support(
            order(&[SamplerName::TopP, SamplerName::Temperature]),
            &logits
        ),
        [0].into()
    );
    assert_eq!(
        support(
            order(&[SamplerName::Temperature, SamplerName::TopP]),
            &logits
        ),
        [0, 1].into()
    );
}

#[test]
fn no_samplers_at_all_draw_from_the_models_own_distribution() {
    let none = Sampling {
        samplers: Some(Vec::new()),
        ..Sampling::greedy()
    };
    near(shares(none, &four())[0], 0.4);
}

#[test]
fn a_token_without_a_number_is_never_drawn() {
    let logits = [f32::NAN, 0.0, f32::NEG_INFINITY];
    assert_eq!(drawn(&mut sampler(plain(), 1, &[]), &logits, 50), [1; 50]);
}

#[test]
fn logits_without_a_finite_value_are_an_error() {
    for sampling in [Sampling::greedy(), plain(), Sampling::default()] {
        for logits in [[f32::NAN; 2], [f32::NEG_INFINITY; 2]] {
            assert_eq!(
                sampler(sampling.clone(), 1, &[]).sample(&logits),
                Err(NoFiniteLogit)
            );
        }
    }
}

#[test]
fn a_draw_among_some_has_the_probabilities_that_they_have_among_themselves() {
    let mut sampler = sampler(plain(), 9, &[]);
    let allowed = |token: TokenId| token.0 != 0;
    let mut counts = [0u32; 4];
    for _ in 0..20_000 {
        let free = sampler.sample(&four()).unwrap();
        let token = if allowed(free) {
            free
        } else {
            sampler.sample_among(&four(), Some(&allowed)).unwrap()
        };
        counts[token.0 as usize] += 1;
    }
    assert_eq!(counts[0], 0);
    near(f64::from(counts[1]) / 20_000.0, 0.5);
    let nothing = |_: TokenId| false;
    assert_eq!(
        sampler.sample_among(&four(), Some(&nothing)),
        Err(NoFiniteLogit)
    );
}
