//! Cases 16 to 20: the end of an answer. On the real model where the text matters.

use mynah_core::{Error, Event, FinishReason, Session};
use mynah_settings::Level;
use serde_json::json;

use super::{context, read, real, run, settings, tiny};
use crate::support::generations::text;

/// The document of all five cases; threads and layers are this machine's.
const DOCUMENT: &str = r#"{
  "model": {"ctx_size": 4096, "n_predict": 256, "batch_size": 512},
  "sampling": {"temp": 0.8, "top_p": 0.95, "top_k": 50, "penalty_last_n": 128},
  "stopping": {
    "stop_sequences": ["\n\n", "<|end|>", "</response>", "The end", ".\n"],
    "max_tokens": 200,
    "grammar_triggers": {"enabled": true, "patterns": ["^\\s*$", "[.!?]\\s*$", "\\b(END|STOP|DONE)\\b"]},
    "timeout_config": {"enabled": true, "max_inference_time_ms": 30000, "adaptive_timeout": true, "min_timeout_ms": 5000,
      "timeout_multiplier": 1.5},
    "semantic_stopping": {"enabled": true, "completion_confidence_threshold": 0.85, "repetition_detection": true,
      "max_repetition_count": 3},
    "token_filters": {"forbidden_tokens": ["<unk>", "<mask>"], "required_tokens": [".", "!", "?"],
      "pattern_based_triggers": ["^[A-Z][a-z]+\\.$"]}
  },
  "backend": {"max_sessions": 50, "max_concurrent": 2, "auto_cleanup_sessions": true}
}"#;

const STOPS: [&str; 5] = ["\n\n", "<|end|>", "</response>", "The end", ".\n"];

/// Case 16, `advanced_stopping_criteria`.
#[tokio::test]
async fn stop_strings_of_a_document_are_in_force_and_keys_without_effect_are_named() {
    // Each unsupported key has a warning that names the supported one; all others are in force.
    let told = read(DOCUMENT).unwrap();
    for key in [
        "grammar_triggers",
        "timeout_config",
        "semantic_stopping",
        "token_filters",
    ] {
        let words = format!("`stopping.{key}` has no effect: ");
        let count = told
            .warnings
            .iter()
            .filter(|warning| warning.contains(&words))
            .count();
        assert_eq!(count, 1, "{key}: {:?}", told.warnings);
    }
    // `max_tokens` overrides the model's `n_predict`, with a warning.
    assert_eq!(told.warnings.len(), 5, "{:?}", told.warnings);
    assert!(told.config.auto_cleanup);

    let model = real(DOCUMENT);
    let mut session = context(&model);
    let effective = session.effective();
    let stop = effective
        .iter()
        .find(|setting| setting.path == "stopping.stop")
        .unwrap();
    assert_eq!((&stop.value, stop.level), (&json!(STOPS), Level::Model));
    for seed in 1..=3 {
        let prompt = "Explain artificial intelligence in simple terms.";
        let (said, outcome) = run(&mut session, prompt, &format!(r#"{{"seed": {seed}}}"#))
            .await
            .unwrap();
        for stop in STOPS {
            assert!(!said.contains(stop), "{stop:?} in {said:?}");
        }
        assert!(outcome.usage.generated_tokens <= 200, "{outcome:?}");
        assert_ne!(outcome.reason, FinishReason::ContextFull);
    }
}

/// Case 17, `grammar_based_stopping`.
#[tokio::test]
async fn a_grammar_ends_an_answer_and_a_malformed_one_is_refused() {
    let model = real(r#"{"ctx_size": 512, "temp": 0}"#);
    let mut session = context(&model);
    let grammar = r#"{"grammar": "root ::= [A-Z] [a-z ]{1,40} \".\"", "max_tokens": 60}"#;
    let prompt = "Write a sentence that ends with a period and then stop.";
    let (said, outcome) = run(&mut session, prompt, grammar).await.unwrap();
    assert_eq!(outcome.reason, FinishReason::EndOfGeneration, "{said:?}");
    let body = said.strip_suffix('.').unwrap_or_else(|| panic!("{said:?}"));
    assert!(
        body.starts_with(|c: char| c.is_ascii_uppercase()),
        "{said:?}"
    );
    assert!(
        body.chars()
            .skip(1)
            .all(|c| c == ' ' || c.is_ascii_lowercase()),
        "{said:?}"
    );
    // A malformed grammar is an error before any work, and the host continues.
    for broken in [
        r#"{"grammar": "root ::= ("}"#,
        r#"{"json_schema": "{\"type\": 7}"}"#,
    ] {
        let refused = run(&mut session, prompt, broken).await;
        assert!(
            matches!(refused, Err(Error::OutputForm { .. })),
            "{broken}: {refused:?}"
        );
    }
    run(&mut session, prompt, r#"{"max_tokens": 1}"#)
        .await
        .unwrap();
}

/// Case 18, `dynamic_timeout_stopping`.
#[tokio::test]
async fn a_time_limit_ends_an_answer() {
    let model = real(r#"{"ctx_size": 8192, "temp": 0, "ignore_eos": true, "max_tokens": -1}"#);
    let prompt = "Generate a very long detailed explanation about machine learning algorithms.";
    let (_, outcome) = run(&mut context(&model), prompt, r#"{"max_time_ms": 400}"#)
        .await
        .unwrap();
    // The text so far is returned. 8,000 tokens take far longer on any machine.
    assert_eq!(outcome.reason, FinishReason::MaxTime, "{outcome:?}");
    let refused = settings(r#"{"max_time_ms": 0}"#).unwrap_err();
    assert!(
        refused.to_string().contains("from 1 to 86400000"),
        "{refused}"
    );
}

/// The tokens of an answer.
async fn chosen(session: &mut Session, document: &str) -> Vec<u32> {
    let prompt = text("List three benefits");
    let mut generation = session
        .start(prompt, settings(document).unwrap())
        .await
        .unwrap();
    let mut chosen = Vec::new();
    loop {
        let events = generation.next().await.unwrap();
        if events.is_empty() {
            return chosen;
        }
        chosen.extend(events.into_iter().filter_map(|event| match event {
            Event::Token(token) => Some(token.chosen.id),
            _ => None,
        }));
    }
}

/// Case 19, `token_pattern_stopping`.
#[tokio::test]
async fn a_forbidden_token_never_comes_and_a_stop_string_is_not_said() {
    let model = tiny(r#"{"ctx_size": 256, "temp": 0, "max_tokens": 12, "n_probs": 1}"#);
    let mut session = context(&model);
    let free = chosen(&mut session, "{}").await;
    assert_eq!(free.len(), 12);
    // A token of the free answer is forbidden and never occurs.
    let forbidden = free[0];
    let document = format!(r#"{{"logit_bias": [[{forbidden}, false]]}}"#);
    let chosen = chosen(&mut session, &document).await;
    assert!(
        chosen.len() == 12 && !chosen.contains(&forbidden),
        "{forbidden} in {chosen:?}"
    );
    // A text of the free answer is a stop string: the answer ends before it.
    let (said, _) = run(&mut session, "List three benefits", "{}")
        .await
        .unwrap();
    let middle: String = said.chars().skip(2).take(2).collect();
    let document = json!({"stop": [middle]}).to_string();
    let (stopped, outcome) = run(&mut session, "List three benefits", &document)
        .await
        .unwrap();
    assert_eq!(outcome.reason, FinishReason::StopString);
    assert!(
        said.starts_with(&stopped) && !stopped.contains(&middle),
        "{stopped:?} of {said:?}"
    );
}

/// Case 20, `advanced_stopping_integration`.
#[tokio::test]
async fn whichever_limit_comes_first_ends_the_answer() {
    const UNSAID: &str = "never said by anybody";

    // All limits at once: the first that is reached ends the answer, and is its reason.
    let model = tiny(r#"{"ctx_size": 256, "temp": 0}"#);
    let mut session = context(&model);
    let (said, _) = run(&mut session, "Tell me a story", r#"{"max_tokens": 40}"#)
        .await
        .unwrap();
    let stop: String = said.chars().skip(3).take(3).collect();
    let long = r#""grammar": "root ::= [a-z]+""#;
    let stopped = json!({"stop": [stop, "The end"], "max_tokens": 40, "max_time_ms": 600_000});
    let counted = json!({"stop": [UNSAID], "max_tokens": 5, "max_time_ms": 600_000});
    let unbounded = json!({"stop": [UNSAID], "max_tokens": -1, "ignore_eos": true});
    let formed = json!({"grammar": "root ::= \"END\"", "max_tokens": 40, "stop": [UNSAID]});
    let cases = [
        (stopped.to_string(), FinishReason::StopString),
        (counted.to_string(), FinishReason::MaxTokens),
        (unbounded.to_string(), FinishReason::ContextFull),
        (formed.to_string(), FinishReason::EndOfGeneration),
        (
            format!(r#"{{{long}, "max_tokens": 3}}"#),
            FinishReason::MaxTokens,
        ),
    ];
    for (document, reason) in cases {
        let (said, outcome) = run(&mut session, "Tell me a story", &document)
            .await
            .unwrap();
        assert_eq!(outcome.reason, reason, "{document}: {said:?}");
    }
}
