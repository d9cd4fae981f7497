//! The soak test: for some minutes, a hundred sessions open, talk, idle, continue and close, with
//! everything enabled that keeps state: host memory, disk, context shifting, closing of idle
//! sessions. Among them is a component that attacks the host all the time. With `--cycles` it loads
//! and unloads a model 300 times. `cargo xtask soak` builds and runs both.
//!
//! The model is tiny and has random weights: the test is about the host, and a fast model exercises
//! it more. It fails if memory grows after the warm-up, or if a cell, a request or a saved state
//! was lost.

#![forbid(unsafe_code)]

/// Prints a line, to stdout.
macro_rules! say {
    ($($text:tt)*) => {{
        // If stdout is closed, the text cannot be printed.
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod attacker;
mod cycles;
mod memory;
mod visitor;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use memory::Memories;
use mynah_core::{Model, Status};
use mynah_settings::{Memory, ModelConfig, Settings};
use mynah_tests::{Started, tiny_with};
use visitor::{Counts, Visitor};

/// Number of concurrent sessions.
const VISITORS: u32 = 100;

/// Share of the time in which memory may grow, because caches, parked states and the allocator fill
/// up to their limits.
const WARM_UP: f64 = 0.4;

/// Maximum difference between the mean of the last quarter and that of the first.
const MOST_GROWTH: f64 = 0.02;

/// Runs a hundred sessions for some minutes and checks that memory does not grow and nothing is
/// lost.
#[derive(Debug, Parser)]
struct Args {
    /// Duration in minutes.
    #[arg(long, default_value_t = 30.0, value_parser = minutes)]
    minutes: f64,

    /// Load and unload a model repeatedly instead.
    #[arg(long, conflicts_with = "minutes")]
    cycles: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.5..=1440.0).contains(&minutes) => Ok(minutes),
        _ => Err("give minutes from 0.5 to 1440".to_owned()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let soaked = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| match args.cycles {
            true => runtime.block_on(cycles::run(MOST_GROWTH)),
            false => runtime.block_on(soak(&args)),
        });
    match soaked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Small limits, so that all of them are reached during the warm-up.
fn config(states: &std::path::Path) -> ModelConfig {
    ModelConfig {
        ctx_size: Some(512),
        // Several threads would wait for each other in every step of such a small model.
        threads: Some(1),
        max_concurrent: 8,
        kv_cells: Some(2048),
        queue_size: 2 * VISITORS,
        max_sessions: VISITORS - 10,
        idle_timeout: Duration::from_secs(2),
        auto_cleanup: true,
        default_task_timeout: Duration::from_secs(3600),
        max_parked_bytes: 6 << 20,
        state_dir: Some(states.to_owned()),
        max_state_bytes: 12 << 20,
        store_after: Duration::from_millis(20),
        defaults: Settings {
            memory: Memory {
                context_shifting: Some(true),
                max_cache_tokens: Some(8000),
                ..Memory::default()
            },
            ..Settings::greedy()
        },
        ..ModelConfig::default()
    }
}

async fn soak(args: &Args) -> Result<()> {
    let states = tempfile::tempdir()?;
    let config = config(states.path());
    let model = tiny_with(config.clone());
    let guest = Arc::new(Started::new("nn_complete")?);
    let begun = Instant::now();
    let time = Duration::from_secs_f64(args.minutes * 60.0);
    let until = begun + time;
    let tasks: Vec<_> = (0..VISITORS)
        .map(|number| {
            let visitor = Visitor::new(number, model.clone(), Arc::clone(&guest), until);
            tokio::spawn(visitor.stay())
        })
        .collect();

    let attacker = tokio::spawn(attacker::attack(model.clone(), until));

    let mut memories = Memories::default();
    let mut told = begun;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(250)).await;
        memories.note(begun.elapsed());
        if told.elapsed() >= Duration::from_secs(30) {
            told = Instant::now();
            tell(begun.elapsed(), &model.status(), memories.last());
        }
    }
    let mut counts = Counts::default();
    for task in tasks {
        counts += task.await??;
    }
    let (attacks, taken) = attacker.await??;
    say!("{attacks} attacks, with {taken} requests");
    counts.asked += taken;
    let status = settled(&model).await;
    tell(begun.elapsed(), &status, memories.last());
    say!("{counts:?}");
    say!("{:#?}", status.cache);
    say!("{:#?}", status.disk);
    check(&config, &status, &counts)?;
    memories.check(time.mul_f64(WARM_UP), MOST_GROWTH)
}

fn tell(at: Duration, status: &Status, memory: Option<u64>) {
    let memory = memory.map_or_else(|| "?".to_owned(), |bytes| (bytes >> 20).to_string());
    say!(
        "{:5.0} s: {memory} MiB; {} sessions, {} queued, {} running, {} parked; {} requests, {} \
         evictions, {} shifts",
        at.as_secs_f64(),
        status.sessions,
        status.queued,
        status.running,
        status.parked,
        status.requests.accepted,
        status.cache.evictions,
        status.cache.shifts,
    );
}

/// Waits until no request is left, and returns the status.
async fn settled(model: &Model) -> Status {
    for _ in 0..600 {
        let status = model.status();
        if status.queued + status.running + status.parked == 0 {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    model.status()
}

fn check(config: &ModelConfig, status: &Status, counts: &Counts) -> Result<()> {
    let requests = &status.requests;
    let left = status.queued + status.running + status.parked;
    ensure!(left == 0, "{left} requests have not ended");
    ensure!(
        requests.accepted == requests.ended() && requests.accepted == counts.asked,
        "requests were lost: {requests:?}, {counts:?}"
    );
    ensure!(
        requests.failed + requests.timed_out == 0 && counts.failed == 0 && counts.answered > 0,
        "requests failed: {requests:?}, {counts:?}"
    );
    ensure!(
        status.cells_used == status.cells_idle && status.cells_idle <= status.cells_total,
        "cells were lost: {status:#?}"
    );
    ensure!(
        status.cache.saved_bytes <= config.max_parked_bytes && status.parked_bytes == 0,
        "host memory is beyond its bound: {:#?}",
        status.cache
    );
    let disk = status.disk.unwrap_or_default();
    ensure!(
        disk.bytes <= config.max_state_bytes && disk.failed + disk.damaged == 0 && disk.written > 0,
        "states on disk were lost: {disk:#?}"
    );
    ensure!(
        status.cache.hits > 0
            && status.cache.shifts > 0
            && status.sessions_closed > 0
            && disk.read > 0,
        "not everything was seen: {status:#?}"
    );
    Ok(())
}
