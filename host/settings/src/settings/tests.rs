//! Tests of levels, and of each block of a request.

use std::time::Duration;

use super::*;
use crate::{BackendSettings, LoggingSettings, ModelSettings, Operator};

/// Settings that set one key of each block, to a value that is out of range if `is_bad`.
fn one_of_each(is_bad: bool) -> Operator {
    let time = Duration::from_secs(if is_bad { 0 } else { 2 });
    let text = "x".repeat(if is_bad { 70_000 } else { 1 });
    Operator {
        settings: Settings {
            sampling: Sampling {
                top_p: Some(if is_bad { 2.0 } else { 0.5 }),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_time: Some(time),
                ..Stopping::default()
            },
            memory: Memory {
                n_keep: Some(if is_bad { -2 } else { 3 }),
                ..Memory::default()
            },
            scheduling: Scheduling {
                queue_timeout: Some(time),
                ..Scheduling::default()
            },
            reasoning: Reasoning {
                budget: Some(if is_bad { 2_000_000 } else { 10 }),
                ..Reasoning::default()
            },
            output: OutputForm::Regex(text).into(),
        },
        model: ModelSettings {
            ctx_size: Some(if is_bad { 0 } else { 512 }),
            ..ModelSettings::default()
        },
        backend: BackendSettings {
            idle_timeout: Some(time),
            ..BackendSettings::default()
        },
        logging: LoggingSettings {
            max_file_bytes: Some(if is_bad { 0 } else { 4096 }),
            ..LoggingSettings::default()
        },
    }
}

const KEYS: [&str; 9] = [
    "sampling.top_p",
    "stopping.max_time_ms",
    "memory.n_keep",
    "scheduling.queue_timeout_ms",
    "reasoning.budget",
    "output.regex",
    "model.ctx_size",
    "backend.idle_timeout_ms",
    "logging.max_file_bytes",
];

#[test]
fn every_block_is_checked() {
    one_of_each(false).check().unwrap();
    let problems = one_of_each(true).check().unwrap_err().problems;
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(paths, KEYS);
    let settings = one_of_each(true).settings;
    assert_eq!(settings.check().unwrap_err().problems.len(), 6);
    one_of_each(false).settings.check().unwrap();
}

#[test]
fn a_priority_is_refused_above_the_one_that_is_allowed() {
    let mut settings = one_of_each(false).settings;
    settings.check_up_to(Priority::Low).unwrap();
    settings.scheduling.priority = Some(Priority::High);
    settings.check_up_to(Priority::High).unwrap();
    let error = settings
        .check_up_to(Priority::Normal)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("`scheduling.priority` is high, it must be normal at most"),
        "{error}"
    );
    // Together with all else.
    settings.sampling.top_p = Some(2.0);
    let problems = settings.check_up_to(Priority::Normal).unwrap_err().problems;
    assert_eq!(problems.len(), 2);
}

#[test]
fn each_block_takes_what_is_unset_from_the_next_level() {
    let (all, none) = (one_of_each(false), Operator::default());
    assert_eq!(none.clone().or(&all), all);
    assert_eq!(all.clone().or(&none), all);
    let other = one_of_each(true);
    assert_eq!(all.clone().or(&other), all);
    assert_eq!(none.settings.clone().or(&all.settings), all.settings);
}

#[test]
fn the_configuration_of_a_model_has_all_that_the_operator_sets() {
    let all = one_of_each(false);
    let config = all.config();
    assert_eq!(config.defaults, all.settings);
    assert_eq!(
        (config.ctx_size, config.idle_timeout),
        (Some(512), Duration::from_secs(2))
    );
}

#[test]
fn every_setting_is_told_with_its_level() {
    let all = one_of_each(false);
    let told = all.in_force();
    let set = told.iter().filter(|one| one.level != Level::Default);
    let set: Vec<&str> = set.map(|one| one.path.as_str()).collect();
    // A form that is set excludes the others, so all of them are set.
    assert!(KEYS.iter().all(|key| set.contains(key)), "{set:?}");
    let others: Vec<&&str> = set.iter().filter(|path| !KEYS.contains(path)).collect();
    assert!(
        others.iter().all(|path| path.starts_with("output.")),
        "{others:?}"
    );
    let counts = Operator::default()
        .blocks()
        .iter()
        .map(|block| block.len())
        .sum::<usize>();
    assert_eq!(told.len(), counts);
    let levels = [
        (Level::Session, &all.settings),
        (Level::Model, &all.settings),
    ];
    let request = in_force(&levels);
    let top_p = request
        .iter()
        .find(|one| one.path == "sampling.top_p")
        .unwrap();
    assert_eq!(
        (&top_p.value, top_p.level),
        (&serde_json::json!(0.5), Level::Session)
    );
}

#[test]
fn levels_are_named() {
    let all = [
        Level::Request,
        Level::Session,
        Level::Model,
        Level::File,
        Level::Default,
    ];
    let names = all.map(Level::name);
    assert_eq!(names, ["request", "session", "model", "file", "default"]);
}

#[test]
fn vectors_are_computed_only_if_asked_for_and_a_seed_is_drawn_only_if_none_is_set() {
    let mut settings = Settings::greedy();
    assert_eq!(settings.sampling, Sampling::greedy());
    for (embedding, is_on) in [(None, false), (Some(false), false), (Some(true), true)] {
        settings.output.embedding = embedding;
        let effective = settings.clone().resolve(|| 7);
        assert_eq!((effective.embedding, effective.seed), (is_on, 7));
    }
    settings.sampling.seed = Some(Seed::Fixed(3));
    assert_eq!(settings.resolve(|| unreachable!("it is set")).seed, 3);
}

#[test]
fn a_block_knows_its_keys_and_no_others() {
    let mut sampling = Sampling::default();
    let block: &mut dyn AnyBlock = &mut sampling;
    assert_eq!(block.section(), "sampling");
    let (last, beyond) = (block.len() - 1, block.len());
    assert_eq!(block.info(last).unwrap().name, "n_probs");
    assert!(block.info(beyond).is_none());
    let one = crate::Document::Integer(1);
    assert!(block.read(last, &one) && !block.read(beyond, &one));
    assert!(!block.read(last, &crate::Document::Bool(true)));
    assert_eq!(
        (block.json(last), block.json(beyond)),
        (Some(serde_json::json!(1)), None)
    );
    block.give(last, crate::FlagValue::Whole(101)).unwrap();
    assert_eq!(
        (block.refuse(last), block.refuse(beyond)),
        (Some("101".to_owned()), None)
    );
    block.give(beyond, crate::FlagValue::Whole(1)).unwrap();
    block
        .give(last, crate::FlagValue::Switch(true))
        .unwrap_err();
}
