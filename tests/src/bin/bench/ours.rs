//! Our side: a model served by Mynah, and guests that use it. Other modules do not call the engine.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mynah_core::{Event, Generation, Model, Outcome, Owner, Prompt, Session};
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::{Ended, Guest, Running, Started, greedy};
use tokio::runtime::Handle;

/// Queue timeout, longer than any round: waiting requests are measured, not refused.
const PATIENCE: Duration = Duration::from_secs(600);

/// Loads a model for this number of concurrent greedy generations with `ctx_size` tokens each.
pub(crate) fn load(path: &Path, parallel: usize, ctx_size: u32) -> Result<Model> {
    Ok(mynah_engine::load(
        path,
        config(parallel, ctx_size)?,
        |_| {},
    )?)
}

/// As [`load`], with a changed configuration.
pub(crate) fn load_with(
    path: &Path,
    parallel: usize,
    ctx_size: u32,
    change: impl FnOnce(&mut ModelConfig),
) -> Result<Model> {
    let mut config = config(parallel, ctx_size)?;
    change(&mut config);
    Ok(mynah_engine::load(path, config, |_| {})?)
}

/// As [`load`], for guests that share prefixes. Generations continue after an end-of-generation
/// token.
pub(crate) fn load_sharing(path: &Path, parallel: usize, ctx_size: u32) -> Result<Model> {
    load_with(path, parallel, ctx_size, |config| {
        config.share_prefixes = true;
        config.defaults.stopping.ignore_eos = Some(true);
    })
}

fn config(parallel: usize, ctx_size: u32) -> Result<ModelConfig> {
    Ok(ModelConfig {
        ctx_size: Some(ctx_size),
        max_concurrent: u32::try_from(parallel)?,
        queue_size: 1000,
        default_task_timeout: PATIENCE,
        defaults: Settings::greedy(),
        ..ModelConfig::default()
    })
}

/// Starts a greedy generation without a guest.
pub(crate) async fn generate(
    model: &Model,
    prompt: &[u32],
    count: u32,
) -> Result<(Session, Generation)> {
    let mut session = model.session(Owner::unique())?;
    let generation = session
        .start(Prompt::Tokens(prompt.to_vec()), greedy(count))
        .await?;
    Ok((session, generation))
}

/// Reads a generation to its end.
pub(crate) async fn outcome(generation: &mut Generation) -> Result<Outcome> {
    loop {
        for event in generation.next().await? {
            if let Event::Finished(outcome) = event {
                return Ok(outcome);
            }
        }
    }
}

/// A compiled guest of the benchmark, and the model that is granted to its instances.
pub(crate) struct Program {
    name: &'static str,
    started: Started,
    model: Model,
    runtime: Handle,
}

impl Program {
    pub(crate) fn new(name: &'static str, model: Model, runtime: &Handle) -> Result<Self> {
        Ok(Self {
            name,
            started: Started::new(name)?,
            model,
            runtime: runtime.clone(),
        })
    }

    /// Starts an instance that generates `count` tokens after a prompt.
    pub(crate) fn start(&self, prompt: &[u32], count: u32) -> Instance {
        let ids: Vec<String> = prompt.iter().map(ToString::to_string).collect();
        let guest = Guest::new(self.name)
            .model(self.model.clone())
            .args(&[&count.to_string(), &ids.join(",")]);
        let _runtime = self.runtime.enter();
        Instance {
            begun: Instant::now(),
            running: guest.spawn(&self.started),
            runtime: self.runtime.clone(),
        }
    }
}

/// An instance in its own store.
pub(crate) struct Instance {
    begun: Instant,
    running: Running,
    runtime: Handle,
}

impl Instance {
    /// Waits for the end of the instance and returns its output.
    pub(crate) fn printed(self) -> Result<String> {
        let ended = self.runtime.block_on(self.running.ended());
        ensure!(matches!(ended.code, Ok(0)), "a guest failed: {ended:?}");
        Ok(ended.stdout)
    }

    /// Waits for the end of the instance and returns the time of each piece of its answer.
    pub(crate) fn finish(self) -> Result<Vec<Instant>> {
        let begun = self.begun;
        arrivals(begun, &self.printed()?)
    }

    /// Drops the instance in the middle of its answer and returns the time of each piece.
    pub(crate) fn stop(self) -> Result<Vec<Instant>> {
        let Ended { stdout, code, .. } = self.runtime.block_on(self.running.stop());
        ensure!(
            code.is_err(),
            "the stream ended before it was stopped: choose another prompt"
        );
        arrivals(self.begun, &stdout)
    }
}

/// The times in a guest's output. The guest counts from its own start, a few microseconds after
/// `begun`.
fn arrivals(begun: Instant, printed: &str) -> Result<Vec<Instant>> {
    let lines = printed.lines();
    lines
        .filter_map(|line| line.strip_prefix("arrival_us="))
        .map(|us| Ok(begun + Duration::from_micros(us.parse().context(us.to_owned())?)))
        .collect()
}

/// The number after `name=` in a guest's output.
pub(crate) fn value(printed: &str, name: &str) -> Result<f64> {
    printed
        .split_whitespace()
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        .with_context(|| format!("the guest printed no `{name}`: {printed}"))?
        .parse()
        .with_context(|| format!("`{name}` is not a number: {printed}"))
}
