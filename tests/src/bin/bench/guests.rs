//! Measurements through guests, which print their results as `name=value` pairs.

use std::time::Instant;

use anyhow::{Result, ensure};
use mynah_core::Model;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::{Guest, Started, tiny_with};

use crate::ours::value;
use crate::report::Row;
use crate::single::Phases;

/// Rows that are timed inside the host.
pub(crate) const CROSSING: &str = "guest.crossing";
pub(crate) const START: &str = "component.start";
/// Maximum time in microseconds for one event from the host into the guest.
const CROSSING_LIMIT: f64 = 10.0;
/// Maximum time in microseconds for starting a compiled component.
const START_LIMIT: f64 = 100.0;
/// Number of instances started in one measurement.
const INSTANCES: u32 = 500;

/// Runs a guest that streams `count` tokens after the prompt.
pub(crate) async fn stream(model: &Model, prompt: &[u32], count: u32) -> Result<Phases> {
    let ids: Vec<String> = prompt.iter().map(ToString::to_string).collect();
    let printed = Guest::new("bench_stream")
        .model(model.clone())
        .args(&[&count.to_string(), &ids.join(",")])
        .stdout()
        .await;
    let generated = value(&printed, "tokens")?;
    ensure!(
        generated == f64::from(count),
        "the model ended after {generated} of {count} tokens: choose another prompt"
    );
    Ok(Phases {
        prefill: value(&printed, "prefill_us")? / 1e6,
        decode: value(&printed, "decode_us")? / 1e6,
    })
}

/// Microseconds for one event from the host into the guest, once the host has it.
pub(crate) async fn crossing(rounds: usize) -> Result<Row> {
    let model = tiny_with(ModelConfig {
        // On all cores the model would compete with the guest while the guest is timed.
        threads: Some(1),
        defaults: Settings::greedy(),
        ..ModelConfig::default()
    });
    let mut rounds_us = Vec::new();
    for _ in 0..rounds {
        let printed = Guest::new("bench_crossing")
            .model(model.clone())
            .args(&["200"])
            .stdout()
            .await;
        rounds_us.push(value(&printed, "crossing_us")?);
    }
    Ok(Row::within(CROSSING, "us", &rounds_us, CROSSING_LIMIT))
}

/// Microseconds from a compiled component to a callable instance, including its store and grants.
pub(crate) async fn start(rounds: usize) -> Result<Row> {
    let started = Started::new("bench_stream")?;
    let mut rounds_us = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        for _ in 0..INSTANCES {
            started.instantiate().await?;
        }
        rounds_us.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(INSTANCES));
    }
    Ok(Row::within(START, "us", &rounds_us, START_LIMIT))
}
