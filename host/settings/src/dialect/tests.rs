//! What documents are read as, and what is said about them.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{BiasTarget, LogColors, LogFormat, LogLevel, SamplerName, Seed};
use crate::{Priority, Settings};

mod sections;

/// The document that guests of other hosts send.
const NESTED: &str = r#"{
  "model":    {"n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 512, "batch_size": 512, "threads": 8},
  "sampling": {"temp": 0.7, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "typical_p": 1.0, "repeat_penalty": 1.10,
               "presence_penalty": 0.0, "frequency_penalty": 0.0, "penalty_last_n": 64,
               "mirostat": 0, "mirostat_tau": 5.0, "mirostat_eta": 0.1, "seed": -1},
  "stopping": {"stop": ["\n\n", "User:", "Assistant:"], "max_tokens": 512, "max_time_ms": 30000, "ignore_eos": false},
  "memory":   {"context_shifting": true, "cache_prompt": true, "max_cache_tokens": 10000},
  "backend":  {"max_sessions": 100, "idle_timeout_ms": 300000, "auto_cleanup": true, "max_concurrent": 8, "queue_size": 50}
}"#;

fn guest(document: &str) -> (Settings, Vec<String>) {
    let (settings, warnings) = Reading::json(document.as_bytes()).for_guest(false).unwrap();
    (settings, warnings.iter().map(ToString::to_string).collect())
}

/// The settings of a document that there is nothing to say about.
fn clean(document: &str) -> Settings {
    let (settings, warnings) = guest(document);
    assert!(warnings.is_empty(), "{document}: {warnings:?}");
    settings
}

fn refused(document: &[u8]) -> String {
    let error = Reading::json(document).for_guest(false).unwrap_err();
    error.to_string()
}

#[test]
fn a_priority_above_what_one_may_ask_for_is_told_with_all_else() {
    let document = b"{\"priority\": \"high\",\n \"temp\": -1}";
    let reading = Reading::json(document).with_max_priority(Priority::Normal);
    let told = reading.for_guest(false).unwrap_err().to_string();
    for words in [
        "1:14: `priority` is high, it must be normal",
        "2:10: `temp`",
    ] {
        assert!(told.contains(words), "`{words}` in: {told}");
    }
    let allowed = Reading::json(document).with_max_priority(Priority::High);
    let told = allowed.for_guest(false).unwrap_err().to_string();
    assert!(!told.contains("priority"), "{told}");
    let mut settings = Settings::default();
    settings.scheduling.priority = Some(Priority::Urgent);
    settings.sampling.temperature = Some(f32::NAN);
    let told = settings.check_up_to(Priority::Normal).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("`scheduling.priority` is urgent") && told.contains("`sampling.temperature`"),
        "{told}"
    );
}

fn operator(document: &str) -> OperatorDocument {
    Reading::json(document.as_bytes())
        .for_operator(false)
        .unwrap()
}

#[test]
fn the_nested_document_is_read_whole() {
    let document = operator(NESTED);
    let read = &document.operator;
    assert_eq!(read.model.n_gpu_layers, Some(98));
    assert_eq!(read.model.ctx_size, Some(2048));
    assert_eq!(read.model.batch_size, Some(512));
    assert_eq!(read.model.threads, Some(8));
    assert_eq!(read.backend.max_sessions, Some(100));
    assert_eq!(read.backend.max_concurrent, Some(8));
    assert_eq!(read.backend.queue_size, Some(50));
    let Settings {
        sampling, stopping, ..
    } = &read.settings;
    assert_eq!(sampling.temperature, Some(0.7));
    assert_eq!(sampling.top_p, Some(0.95));
    assert_eq!(sampling.top_k, Some(40));
    assert_eq!(sampling.min_p, Some(0.05));
    assert_eq!(sampling.typical_p, Some(1.0));
    assert_eq!(sampling.repeat_penalty, Some(1.1));
    assert_eq!(sampling.presence_penalty, Some(0.0));
    assert_eq!(sampling.frequency_penalty, Some(0.0));
    assert_eq!(sampling.penalty_last_n, Some(64));
    assert_eq!(sampling.mirostat, Some(0));
    assert_eq!(sampling.mirostat_tau, Some(5.0));
    assert_eq!(sampling.mirostat_eta, Some(0.1));
    assert_eq!(sampling.seed, Some(Seed::Random));
    let stops = ["\n\n", "User:", "Assistant:"].map(str::to_owned);
    assert_eq!(stopping.stop.as_deref(), Some(stops.as_slice()));
    assert_eq!(stopping.max_tokens, Some(512));
    assert_eq!(stopping.max_time, Some(Duration::from_secs(30)));
    assert_eq!(stopping.ignore_eos, Some(false));
    assert_eq!(document.operator.settings.memory.cache_prompt, Some(true));
    assert_eq!(document.operator.backend.auto_cleanup, Some(true));
    assert_eq!(document.warnings, []);
}

#[test]
fn a_guest_sets_how_text_is_made_and_is_told_what_is_not_its_to_set() {
    let (settings, warnings) = guest(NESTED);
    assert_eq!(settings.sampling.temperature, Some(0.7));
    assert_eq!(settings.stopping.max_tokens, Some(512));
    let queue = warnings
        .iter()
        .find(|warning| warning.contains("`backend.queue_size`"));
    assert!(
        queue.is_some_and(|warning| warning.contains("operator")),
        "{warnings:?}"
    );
    // Strict, that is an error.
    let strict = Reading::json(NESTED.as_bytes())
        .for_guest(true)
        .unwrap_err();
    assert!(strict.to_string().contains("`model.ctx_size`"), "{strict}");
}

#[test]
fn what_is_logged_is_the_operators_to_set() {
    let text = r#"{"logging": {"level": "debug", "enable_debug": true, "timestamps": false, "colors": false,
        "file": "host.log", "format": "json", "content": false, "max_file_age_ms": 1000}}"#;
    let document = operator(text);
    assert_eq!(document.warnings, []);
    let logging = document.operator.logging;
    assert_eq!(logging.level, Some(LogLevel::Debug));
    assert_eq!(logging.enable_debug, Some(true));
    assert_eq!(logging.timestamps, Some(false));
    assert_eq!(logging.colors, Some(LogColors::Never));
    assert_eq!(logging.file.as_deref(), Some("host.log"));
    assert_eq!(logging.format, Some(LogFormat::Json));
    assert_eq!(logging.max_file_age, Some(Duration::from_secs(1)));
    let (settings, warnings) = guest(text);
    assert_eq!(settings, Settings::default());
    assert_eq!(warnings.len(), 8, "{warnings:?}");
    for warning in &warnings {
        let words = "has no effect: only the operator sets what is logged";
        assert!(warning.contains(words), "{warning}");
    }
    for (bad, words) in [
        (
            r#"{"logging": {"level": "loud"}}"#,
            "`logging.level` is \"loud\", it must be one of off, error",
        ),
        (r#"{"logging": {"colors": 1}}"#, "`logging.colors` is 1"),
        (
            r#"{"logging": {"file": ""}}"#,
            "`logging.file` is an empty text",
        ),
        (r#"{"logging": {"max_file_age_ms": 1}}"#, "(a year)"),
        // Flat, such words may mean anything.
        (r#"{"file": "host.log"}"#, "it belongs in `logging`"),
    ] {
        let told = Reading::json(bad.as_bytes())
            .for_operator(true)
            .unwrap_err();
        assert!(told.to_string().contains(words), "`{words}` in: {told}");
    }
}

#[test]
fn the_flat_document_is_read_with_sampling_keys_in_it() {
    let flat = r#"{"n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 512, "batch_size": 512, "threads": 8,
        "temp": 0.5, "top_p": 0.9, "repeat_penalty": 1.2}"#;
    let document = operator(flat);
    assert!(document.warnings.is_empty(), "{:?}", document.warnings);
    let read = document.operator;
    assert_eq!(read.model.n_gpu_layers, Some(98));
    assert_eq!(read.model.ctx_size, Some(2048));
    assert_eq!(read.model.batch_size, Some(512));
    assert_eq!(read.model.threads, Some(8));
    assert_eq!(read.settings.stopping.max_tokens, Some(512));
    assert_eq!(read.settings.sampling.temperature, Some(0.5));
    assert_eq!(read.settings.sampling.top_p, Some(0.9));
    assert_eq!(read.settings.sampling.repeat_penalty, Some(1.2));
}

#[test]
fn every_spelling_of_every_setting_is_read_flat_hyphenated_and_in_its_section() {
    for (section, keys) in spellings() {
        for info in keys {
            // A value that isn't the default, so that nothing is left out in silence.
            let Ok(value) = (info.default)() else {
                continue;
            };
            for spelling in std::iter::once(&info.name).chain(info.also) {
                let hyphens = spelling.replace('_', "-");
                for document in [
                    json!({ section: { *spelling: value } }),
                    json!({ section: { &*hyphens: value } }),
                    json!({ *spelling: value }),
                    json!({ &*hyphens: value }),
                ] {
                    if document.get(section).is_none() && !is_flat(section) {
                        continue;
                    }
                    let reading = Reading::json(document.to_string().as_bytes());
                    assert!(
                        reading.problems().is_empty(),
                        "{document}: {:?}",
                        reading.problems()
                    );
                    let path = format!("{section}.{}", info.name);
                    assert!(
                        reading.set.contains_key(&path),
                        "{document} sets {:?}",
                        reading.set
                    );
                }
            }
        }
    }
}

#[test]
fn groups_are_read_as_their_joined_names() {
    let grouped = clean(r#"{"sampling": {"dynatemp": {"range": 0.1, "exponent": 1.2}}}"#);
    assert_eq!(
        grouped,
        clean(r#"{"dynatemp_range": 0.1, "sampling": {"dynatemp-exponent": 1.2}}"#)
    );
    let dry =
        clean(r#"{"dry": {"multiplier": 0.8, "sequence-breakers": ["x"], "penalty_last_n": 9}}"#);
    assert_eq!(dry.sampling.dry_multiplier, Some(0.8));
    assert_eq!(dry.sampling.dry_penalty_last_n, Some(9));
    let mirostat = clean(r#"{"mirostat": {"mode": 2, "tau": 3}}"#);
    assert_eq!(
        (mirostat.sampling.mirostat, mirostat.sampling.mirostat_tau),
        (Some(2), Some(3.0))
    );
}

#[test]
fn the_hyphenated_dialect_is_read() {
    let settings = clean(
        r#"{"n-predict": -1, "top-k": 7, "reverse-prompt": "User:", "json-schema": "{\"type\":\"object\"}", "typ-p": 0.5,
            "last-n-penalty": 3, "dry-multipier": 0.5, "grammar": ""}"#,
    );
    assert_eq!(settings.stopping.max_tokens, Some(u32::MAX));
    assert_eq!(
        clean(r#"{"n-predict": -2}"#).stopping,
        clean(r#"{"n-predict": -1}"#).stopping
    );
    assert_eq!(settings.stopping.stop, Some(vec!["User:".to_owned()]));
    assert_eq!(settings.sampling.top_k, Some(7));
    assert_eq!(settings.sampling.penalty_last_n, Some(3));
    let form = settings.resolve(|| 0).output;
    assert_eq!(
        form,
        Some(crate::OutputForm::JsonSchema(
            r#"{"type":"object"}"#.to_owned()
        ))
    );
}

#[test]
fn an_empty_grammar_means_none() {
    let settings = clean(r#"{"grammar": ""}"#);
    let model = Settings {
        output: crate::OutputForm::Regex("a".into()).into(),
        ..Settings::default()
    };
    assert_eq!(settings.or(&model).resolve(|| 0).output, None);
}

#[test]
fn lists_are_read_in_all_their_forms() {
    let biases = clean(r#"{"logit_bias": [[5, -1.5], ["no", false]]}"#)
        .sampling
        .logit_bias
        .unwrap();
    assert_eq!(biases[0].target, BiasTarget::Token(5));
    assert_eq!((biases[0].bias, biases[1].bias), (-1.5, f32::NEG_INFINITY));
    let table = clean(r#"{"sampling": {"logit_bias": {"5": -1.5, "no": false}}}"#)
        .sampling
        .logit_bias
        .unwrap();
    assert_eq!(biases, table);
    let samplers = Some(vec![
        SamplerName::TopK,
        SamplerName::TypicalP,
        SamplerName::Temperature,
    ]);
    for document in [
        r#"{"samplers": ["top_k", "typ_p", "temp"]}"#,
        r#"{"samplers": "top-k;typical_p;temperature"}"#,
    ] {
        assert_eq!(clean(document).sampling.samplers, samplers);
    }
    assert_eq!(
        clean(r#"{"samplers": []}"#).sampling.samplers,
        Some(Vec::new())
    );
    let schema =
        clean(r#"{"output": {"json_schema": {"type": "object", "properties": {"a": {}}}}}"#);
    let schema = schema.output.json_schema.unwrap().0;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&schema).unwrap()["type"],
        "object"
    );
}

#[test]
fn null_is_as_if_it_were_not_there() {
    let document = r#"{"temp": null, "sampling": {"seed": null}}"#;
    assert_eq!(clean(document), Settings::default());
}

#[test]
fn a_random_seed_has_two_spellings() {
    for document in [r#"{"seed": -1}"#, r#"{"seed": 4294967295}"#] {
        assert_eq!(clean(document).sampling.seed, Some(Seed::Random));
    }
    assert_eq!(clean(r#"{"seed": 0}"#).sampling.seed, Some(Seed::Fixed(0)));
    assert!(refused(br#"{"seed": -2}"#).contains("or -1 (random)"));
}

#[test]
fn all_problems_are_told_at_once_with_path_place_value_and_range() {
    let document = "{\n  \"sampling\": {\"temp\": -1,\n    \"top_p\": \"much\"},\n  \
        \"n_predict\": 0, \"stop\": [1]\n}";
    let told = refused(document.as_bytes());
    for words in [
        "2:24: `sampling.temp` is -1, it must be a number from 0.0 to 100.0",
        "3:14: `sampling.top_p` is \"much\", it must be a number from 0.0 to 1.0",
        "4:16: `n_predict` is 0, it must be a whole number, 1 or more",
        "4:27: `stop` is a list of 1, it must be",
    ] {
        assert!(told.contains(words), "`{words}` in: {told}");
    }
}

#[test]
fn documents_that_are_none_are_refused() {
    let nested = |open: &str, close: &str| [open.repeat(10_000), close.repeat(10_000)].concat();
    for (document, words) in [
        ("", "not JSON"),
        ("temp = 1", "not JSON"),
        ("{\"temp\": NaN}", "not JSON"),
        ("{\"temp\": Infinity}", "not JSON"),
        ("{\"temp\": 1", "not JSON"),
        ("{} x", "not JSON"),
        ("[]", "a JSON object, this is a list"),
        ("42", "this is a number"),
        ("null", "this is null"),
        (&nested("[", "]"), "this is a list"),
        (
            &format!("{{\"temp\": {}}}", nested("[", "]")),
            "`temp`: this value can't be read",
        ),
        ("{\"sampling\": 5}", "`sampling` is 5, it must be a section"),
        ("{\"temp\": 1e300}", "`temp` is inf"),
        (
            "{\"temp\": 1e999}",
            "`temp`: this value can't be read: number out of range",
        ),
        ("{\"top_k\": 1.5}", "`top_k` is 1.5"),
        ("{\"seed\": 99999999999999999999999}", "`seed` is 1e23"),
        ("{\"temp\": [0.5]}", "`temp` is a list of 1"),
        ("{\"top_p\": 1.01}", "`top_p` is 1.01"),
    ] {
        let told = refused(document.as_bytes());
        assert!(
            told.contains(words),
            "`{words}` in: {}",
            told.chars().take(300).collect::<String>()
        );
    }
    assert!(refused(&[b'{', 0xff, b'}']).contains("not JSON"));
    assert!(refused(&vec![b'x'; 1 << 20]).contains("at most 262144"));
}

#[test]
fn an_unknown_key_is_reported_with_what_may_have_been_meant() {
    for (document, words) in [
        (r#"{"tempp": 1}"#, "did you mean `sampling.temp`?"),
        (
            r#"{"sampling": {"top_q": 1}}"#,
            "`sampling.top_q` is no setting: did you mean",
        ),
        (
            r#"{"sampling": {"max_tokens": 1}}"#,
            "it belongs in `stopping`",
        ),
        (
            r#"{"samplin": {"temp": 1}}"#,
            "did you mean the section `sampling`?",
        ),
        (
            r#"{"sampling": {"frobnicate": 1}}"#,
            "`sampling` has `temperature`, `dynatemp_range`",
        ),
        (r#"{"frobnicate": {}}"#, "the sections are `sampling`"),
        (
            r#"{"ubatch-size": 64}"#,
            "`ubatch-size` has no effect: steps are planned",
        ),
        (
            r#"{"dry": {"strength": 1}}"#,
            "`dry.strength` is no setting",
        ),
    ] {
        let (settings, warnings) = guest(document);
        assert_eq!(settings, Settings::default());
        assert!(
            warnings.len() == 1 && warnings[0].contains(words),
            "`{words}` in: {warnings:?}"
        );
        let strict = Reading::json(document.as_bytes())
            .for_guest(true)
            .unwrap_err();
        assert!(strict.to_string().contains(words), "{strict}");
    }
    let deep = [
        "{\"sampling\":".repeat(10_000),
        "1".to_owned(),
        "}".repeat(10_000),
    ]
    .concat();
    assert!(guest(&deep).1[0].contains("`sampling.sampling` is no setting"));
    let long = format!("{{\"{}\": 1}}", "x".repeat(200_000));
    assert_eq!(guest(&long).1.len(), 1);
}

#[test]
fn the_same_setting_twice_is_told() {
    let (settings, warnings) = guest(r#"{"temp": 0.5, "sampling": {"temperature": 0.5}}"#);
    assert_eq!(settings.sampling.temperature, Some(0.5));
    assert!(
        warnings[0].contains("`sampling.temperature` repeats `temp`"),
        "{warnings:?}"
    );
    for document in [
        r#"{"temp": 0.5, "temperature": 0.6}"#,
        r#"{"temp": 0.5, "temp": 0.6}"#,
    ] {
        assert!(refused(document.as_bytes()).contains("contradicts `temp`"));
    }
}

#[test]
fn n_predict_in_the_model_gives_way_to_max_tokens() {
    for document in [
        r#"{"model": {"n_predict": 5}, "stopping": {"max_tokens": 6}}"#,
        r#"{"stopping": {"max_tokens": 6}, "model": {"n_predict": 5}}"#,
    ] {
        let (settings, warnings) = guest(document);
        assert_eq!(settings.stopping.max_tokens, Some(6), "{document}");
        assert!(
            warnings[0].contains("`model.n_predict` has no effect: `stopping.max_tokens`"),
            "{warnings:?}"
        );
    }
    assert_eq!(
        clean(r#"{"model": {"n_predict": 5}}"#).stopping.max_tokens,
        Some(5)
    );
}

#[test]
fn two_forms_exclude_each_other() {
    let told = refused(br#"{"regex": "a", "grammar": "root ::= \"a\""}"#);
    assert!(told.contains("`output` is 2 forms"), "{told}");
}
