//! What holds for all settings.

use std::time::Duration;

use super::*;

fn sampling(sampling: Sampling) -> Settings {
    Settings {
        sampling,
        ..Settings::default()
    }
}

fn stopping(stopping: Stopping) -> Settings {
    Settings {
        stopping,
        ..Settings::default()
    }
}

fn told(settings: &Settings) -> String {
    settings.check().unwrap_err().to_string()
}

#[test]
fn the_request_wins_over_the_model_and_the_model_over_the_default() {
    let request = stopping(Stopping {
        max_tokens: Some(7),
        ..Stopping::default()
    });
    let model = Settings {
        stopping: Stopping {
            max_tokens: Some(9),
            ignore_eos: Some(true),
            ..Stopping::default()
        },
        ..sampling(Sampling {
            seed: Some(Seed::Fixed(3)),
            ..Sampling::default()
        })
    };
    let effective = request
        .clone()
        .or(&model)
        .resolve(|| unreachable!("a seed is set"));
    assert_eq!(effective.stopping.max_tokens, 7);
    assert!(effective.stopping.ignore_eos);
    assert_eq!(effective.seed, 3);
    assert_eq!(effective.sampling.temperature, 0.8);
    let levels = [(Level::Request, &request), (Level::Model, &model)];
    let all = in_force(&levels);
    let level = |path: &str| all.iter().find(|one| one.path == path).unwrap().level;
    assert_eq!(level("stopping.max_tokens"), Level::Request);
    assert_eq!(level("stopping.ignore_eos"), Level::Model);
    assert_eq!(level("sampling.temperature"), Level::Default);
}

#[test]
fn a_form_that_is_set_takes_away_every_other() {
    let request = Settings {
        output: OutputForm::Regex("a+".into()).into(),
        ..Settings::default()
    };
    let model = Settings {
        output: OutputForm::Gbnf("root ::= \"b\"".into()).into(),
        ..Settings::default()
    };
    let effective = request.clone().or(&model).resolve(|| 0);
    assert_eq!(effective.output, Some(OutputForm::Regex("a+".into())));
    let all = in_force(&[(Level::Request, &request), (Level::Model, &model)]);
    let grammar = all.iter().find(|one| one.path == "output.grammar").unwrap();
    assert!(grammar.value.is_null(), "{grammar:?}");
    let free = Settings {
        output: Output::free(),
        ..Settings::default()
    };
    assert_eq!(free.or(&model).resolve(|| 0).output, None);
}

#[test]
fn values_out_of_range_are_refused_with_key_value_and_range() {
    for temperature in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.5, 100.5] {
        let text = told(&sampling(Sampling {
            temperature: Some(temperature),
            ..Sampling::default()
        }));
        assert!(
            text.contains("`sampling.temperature`") && text.contains("100.0"),
            "{text}"
        );
    }
    let text = told(&stopping(Stopping {
        max_tokens: Some(0),
        max_time: Some(Duration::ZERO),
        ..Stopping::default()
    }));
    assert!(text.contains("`stopping.max_tokens` is 0"), "{text}");
    assert!(text.contains("`stopping.max_time_ms` is 0"), "{text}");
}

#[test]
fn stop_strings_out_of_range_are_refused() {
    let stop = |stop: Vec<String>| {
        stopping(Stopping {
            stop: Some(stop),
            ..Stopping::default()
        })
    };
    for (bad, words) in [
        (
            vec!["x".to_owned(); 65],
            "a list of 65, it must be a list of at most 64",
        ),
        (vec![String::new()], "a string of 0 bytes"),
        (vec!["x".repeat(257)], "strings of 1 to 256 bytes"),
    ] {
        let text = told(&stop(bad));
        assert!(
            text.contains("`stopping.stop` is") && text.contains(words),
            "{text}"
        );
    }
    stop(vec!["x".repeat(256); 64]).check().unwrap();
    stop(Vec::new()).check().unwrap();
}

#[test]
fn lists_of_samplers_and_biases_are_checked() {
    let text = told(&sampling(Sampling {
        samplers: Some(vec![
            SamplerName::TopK,
            SamplerName::TopP,
            SamplerName::TopK,
        ]),
        logit_bias: Some(vec![LogitBias {
            target: BiasTarget::Token(1),
            bias: f32::NAN,
        }]),
        seed: Some(Seed::Fixed(u32::MAX)),
        ..Sampling::default()
    }));
    assert!(text.contains("a list with `top_k` twice"), "{text}");
    assert!(text.contains("NaN for token 1"), "{text}");
    assert!(text.contains("`sampling.seed` is 4294967295"), "{text}");
}

#[test]
fn two_forms_at_once_are_refused() {
    let text = told(&Settings {
        output: Output {
            regex: Some(FormText("a".into())),
            ..OutputForm::Lark("start: \"a\"".into()).into()
        },
        ..Settings::default()
    });
    assert!(text.contains("`output` is 2 forms"), "{text}");
}

#[test]
fn a_request_may_have_less_remembered_than_the_operator_allows_and_not_more() {
    let remembered = |tokens| Memory {
        max_cache_tokens: Some(tokens),
        ..Memory::default()
    };
    let config = ModelConfig {
        defaults: Settings {
            memory: remembered(500),
            ..Settings::default()
        },
        ..ModelConfig::default()
    };
    let check = |tokens| config.check_cache_tokens(&remembered(tokens).in_force());
    check(0).unwrap();
    check(500).unwrap();
    let error = check(501).unwrap_err().to_string();
    assert!(
        error.contains("`memory.max_cache_tokens` is 501, it must be at most 500"),
        "{error}"
    );
}

#[test]
fn the_ends_of_the_ranges_are_allowed() {
    for temperature in [0.0, -0.0, 100.0] {
        let settings = Settings {
            stopping: Stopping {
                max_tokens: Some(1),
                max_time: Some(Duration::from_secs(24 * 60 * 60)),
                ..Stopping::default()
            },
            ..sampling(Sampling {
                temperature: Some(temperature),
                seed: Some(Seed::Fixed(u32::MAX - 1)),
                samplers: Some(Vec::new()),
                penalty_last_n: Some(i32::MAX),
                ..Sampling::default()
            })
        };
        settings.check().unwrap();
    }
}

#[test]
fn every_default_is_in_its_own_range() {
    let mut operator = Operator::default();
    for block in operator.blocks_mut() {
        for index in 0..block.len() {
            let info = block.info(index).unwrap();
            if let Ok(default) = (info.default)() {
                assert!(
                    block.read(index, &default.clone().into()),
                    "{}: {default}",
                    info.name
                );
                assert_eq!(block.refuse(index), None, "{}", info.name);
                assert_eq!(block.json(index), Some(default), "{}", info.name);
            }
        }
    }
}
