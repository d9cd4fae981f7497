//! Measures the cost of settings: reading a document, and restricting an answer to a JSON schema.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use mynah_core::{FinishReason, Model, Owner, Prompt};
use mynah_settings::{ModelConfig, OutputForm, Reading, Settings, Stopping};

use crate::Bench;
use crate::ours;
use crate::report::{Bounds, Kind, Round, Row};

/// Reading a document and merging it with the other levels.
pub(crate) const RESOLVE: &str = "config.resolve";
/// Answers with a JSON schema against free answers, on the benchmark's model.
pub(crate) const SCHEMA: &str = "schema.smollm2";
/// The same on Gemma, whose vocabulary is five times as large.
pub(crate) const SCHEMA_GEMMA: &str = "schema.gemma";

/// Maximum time for a document in microseconds.
const MOST: f64 = 50.0;
/// Number of documents in a round. The time of one is too short to measure.
const DOCUMENTS: u32 = 2000;
/// Tokens of an answer. The schema needs more, so both sides generate the same number.
const ANSWER: u32 = 96;
/// Minimum speed of an answer with a schema, as a share of the free speed.
const BOUNDS: Bounds = Bounds {
    limit: Some(0.9),
    peer: None,
};

/// A document as guests of other hosts send it.
const DOCUMENT: &str = r#"{
  "model":    {"n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 512, "batch_size": 512, "threads": 8},
  "sampling": {"temp": 0.7, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "typical_p": 1.0, "repeat_penalty": 1.10,
               "presence_penalty": 0.0, "frequency_penalty": 0.0, "penalty_last_n": 64,
               "mirostat": 0, "mirostat_tau": 5.0, "mirostat_eta": 0.1, "seed": -1},
  "stopping": {"stop": ["\n\n", "User:", "Assistant:"], "max_tokens": 512, "max_time_ms": 30000, "ignore_eos": false},
  "memory":   {"context_shifting": true, "cache_prompt": true, "max_cache_tokens": 10000},
  "backend":  {"max_sessions": 100, "idle_timeout_ms": 300000, "auto_cleanup": true, "max_concurrent": 8, "queue_size": 50}
}"#;

/// A list of objects that is longer than the answer may be.
const FORM: &str = r#"{"type": "array", "minItems": 50, "items": {"type": "object", "required": ["name", "age", "tags"],
    "additionalProperties": false, "properties": {"name": {"type": "string", "maxLength": 40},
    "age": {"type": "integer", "minimum": 0, "maximum": 120},
    "tags": {"type": "array", "maxItems": 4, "items": {"enum": ["red", "green", "blue"]}}}}}"#;

/// `config.resolve`, in microseconds.
pub(crate) fn resolve(rounds: usize) -> Result<Row> {
    let operator = Settings::greedy();
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..DOCUMENTS {
            let (settings, warnings) =
                Reading::json(black_box(DOCUMENT.as_bytes())).for_guest(false)?;
            settings.check()?;
            let merged = settings.or(&Settings::default()).or(black_box(&operator));
            black_box((merged, warnings));
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(DOCUMENTS));
    }
    Ok(Row::within(RESOLVE, "microseconds", &times, MOST))
}

/// `schema.smollm2` or `schema.gemma`: tokens per second of the same request with and without a
/// schema.
pub(crate) fn schema(bench: &Bench, name: &'static str, path: &Path) -> Result<Row> {
    let model = mynah_engine::load(path, ModelConfig::default(), |_| {})?;
    let mut rounds = Vec::new();
    // The first round warms both up.
    for round in 0..=bench.rounds {
        let form = || bench.runtime.block_on(speed(&model, Some(FORM)));
        let free = || bench.runtime.block_on(speed(&model, None));
        let (ours, limit) = if round % 2 == 0 {
            let limit = free()?;
            (form()?, limit)
        } else {
            let ours = form()?;
            (ours, free()?)
        };
        if round > 0 {
            rounds.push(Round {
                ours,
                limit: Some(limit),
                peer: None,
            });
        }
    }
    Ok(Row::new(name, "tokens/s", Kind::Rate, &rounds, BOUNDS))
}

async fn speed(model: &Model, form: Option<&str>) -> Result<f64> {
    let settings = Settings {
        stopping: Stopping {
            max_tokens: Some(ANSWER),
            // The free answer gets the same length as the other.
            ignore_eos: Some(form.is_none()),
            ..Stopping::default()
        },
        output: form
            .map(|form| OutputForm::JsonSchema(form.to_owned()).into())
            .unwrap_or_default(),
        ..Settings::default()
    };
    let mut session = model.session(Owner::unique())?;
    let prompt = "A JSON list of people, each with a name, an age and tags:\n";
    let mut generation = session
        .start(Prompt::Text(prompt.to_owned()), settings)
        .await?;
    let outcome = ours::outcome(&mut generation).await?;
    ensure!(outcome.reason == FinishReason::MaxTokens, "{outcome:?}");
    Ok(f64::from(outcome.usage.generated_tokens) / outcome.usage.decode_time.as_secs_f64())
}
