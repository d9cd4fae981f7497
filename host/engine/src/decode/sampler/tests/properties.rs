//! What holds for any settings and any logits.

use proptest::prelude::*;

use super::*;

fn any_sampling() -> impl Strategy<Value = Sampling> {
    let first = (
        0.0f32..3.0,
        0.0f32..1.0,
        -1i32..60,
        0.0f32..1.0,
        0.0f32..1.0,
        0.0f32..1.0,
        -1.0f32..3.0,
    );
    let second = (
        0.0f32..1.0,
        0.0f32..1.0,
        0.5f32..2.0,
        -1.0f32..1.0,
        -1i32..100,
        0u32..3,
        0u32..10,
    );
    let order = Just(SamplerName::DEFAULT.to_vec()).prop_shuffle();
    (first, second, order, 0usize..10).prop_map(|(first, second, mut order, length)| {
        let (temperature, range, top_k, top_p, min_p, typical_p, top_n_sigma) = first;
        let (xtc, threshold, repeat, presence, last_n, mirostat, min_keep) = second;
        order.truncate(length);
        Sampling {
            temperature: Some(temperature),
            dynatemp_range: Some(range),
            top_k: Some(top_k),
            top_p: Some(top_p),
            min_p: Some(min_p),
            typical_p: Some(typical_p),
            top_n_sigma: Some(top_n_sigma),
            xtc_probability: Some(xtc),
            xtc_threshold: Some(threshold),
            repeat_penalty: Some(repeat),
            presence_penalty: Some(presence),
            penalty_last_n: Some(last_n),
            mirostat: Some(mirostat),
            min_keep: Some(min_keep),
            samplers: Some(order),
            ..Sampling::default()
        }
    })
}

proptest! {
    #[test]
    fn whatever_the_settings_a_token_with_a_finite_logit_is_drawn(
        sampling in any_sampling(),
        logits in prop::collection::vec(
            prop_oneof![
                8 => -30.0f32..30.0,
                1 => Just(f32::NAN),
                1 => Just(f32::NEG_INFINITY),
                1 => Just(f32::INFINITY),
            ],
            1..300,
        ),
        prompt in prop::collection::vec(0i32..300, 0..80),
    ) {
        let mut sampler = sampler(sampling, 1, &prompt);
        for _ in 0..5 {
            match sampler.sample(&logits) {
                Ok(token) => {
                    prop_assert!(logits[token.0 as usize].is_finite());
                    sampler.accept(token);
                }
                Err(NoFiniteLogit) => prop_assert!(logits.iter().all(|logit| !logit.is_finite())),
            }
        }
    }

    #[test]
    fn the_cut_changes_no_draw(
        sampling in any_sampling(),
        logits in prop::collection::vec(-12.0f32..12.0, 1..300),
    ) {
        // The same chain on the whole list, as llama.cpp would run it. llama.cpp's typical-p takes
        // what top-n-sigma left at minus infinity for no number; the cut leaves it out.
        let no_sigma = sampling.top_n_sigma.is_some_and(|sigma| sigma <= 0.0);
        let sampling = Sampling {
            presence_penalty: None,
            repeat_penalty: None,
            typical_p: sampling.typical_p.filter(|_| no_sigma),
            ..sampling
        };
        let settings = Settings { sampling, ..Settings::default() };
        let effective = settings.resolve(|| 3);
        let mut ours = Sampler::new(&effective, SamplerParts::plain(VOCABULARY, 512), &[]);
        let mut links = Links {
            sampling: &effective.sampling,
            seed: 3,
            vocabulary: VOCABULARY,
            context: 512,
            dry: None,
        };
        let mut chain: Vec<LlamaSampler> = if effective.sampling.mirostat > 0 {
            links.mirostat()
        } else {
            let names = effective.sampling.samplers.clone();
            let on: Vec<_> = names.into_iter().filter(|name| links.is_on(*name)).collect();
            on.into_iter().filter_map(|name| links.link(name)).collect()
        };
        if effective.sampling.mirostat == 0 {
            chain.push(LlamaSampler::dist(3));
        }
        let mut chain = LlamaSampler::chain(chain);
        for _ in 0..3 {
            let whole = (0..).zip(&logits);
            let mut whole = whole
                .map(|(id, &logit)| Candidate::new(TokenId(id), logit))
                .collect();
            let expected = chain.apply(&mut whole, false);
            let drawn = ours.sample(&logits).unwrap();
            prop_assert_eq!(Some(drawn), expected);
        }
    }
}
