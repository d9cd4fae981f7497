//! `mynah status`: prints the status of the models of a running host.

use std::process::ExitCode;

use anyhow::{Context, Result};
use bytesize::ByteSize;
use mynah_core::{Percentiles, Report};

use crate::args::{HostAddress, HostArgs};
use crate::control::{self, Host};
use crate::metrics::{HostStatus, OwnerReport};
use crate::output::{self, Table};

/// Asks a host and prints its answer.
pub(crate) fn status(args: &HostArgs, as_json: bool) -> Result<ExitCode> {
    let (told, at) = control::runtime()?.block_on(async {
        let host = Host::find(args).await?;
        anyhow::Ok((host.get("status").await?, host.at))
    })?;
    if as_json {
        return output::print(&format_args!("{told}\n"));
    }
    let status = read(&told, &at)?;
    let mut table = Table::default();
    table.row(
        "host",
        format!("process {}, {}", status.pid, status.component),
    );
    if !status.loading.is_empty() {
        table.row("loading", status.loading.join(", "));
    }
    for (name, report) in &status.models {
        rows(&mut table, name, report);
        owners(&mut table, status.owners.get(name));
    }
    output::print(&table)
}

/// Parses a host's answer.
pub(crate) fn read(told: &str, at: &HostAddress) -> Result<HostStatus> {
    serde_json::from_str(told)
        .with_context(|| format!("{at} answers, but not as this version of mynah"))
}

fn rows(table: &mut Table, name: &str, report: &Report) {
    let Report {
        queue,
        memory,
        sessions,
        performance,
        model,
    } = report;
    table.row("model", name);
    table.row(
        "what it is",
        format!(
            "{}, {}, {}",
            model.name, model.architecture, model.quantisation
        ),
    );
    table.row("context", format!("{} tokens", model.context_size));
    table.row(
        "requests",
        format!(
            "{} running, {} waiting of {}, {} parked",
            queue.running, queue.length, queue.capacity, queue.parked
        ),
    );
    table.row(
        "ended",
        format!(
            "{} completed, {} refused, {} timed out, {} cancelled, {} failed",
            queue.completed, queue.refused, queue.timed_out, queue.cancelled, queue.failed
        ),
    );
    table.row(
        "sessions",
        format!(
            "{} open: {} busy, {} in cells, {} in host memory",
            sessions.open, sessions.busy, sessions.resident, sessions.parked
        ),
    );
    table.row(
        "KV cells",
        format!(
            "{} of {} used, {} of them idle",
            memory.cells_used, memory.cells_total, memory.cells_idle
        ),
    );
    table.row(
        "prefixes",
        format!(
            "{} tokens, {:.0} % hits, {} tokens saved",
            memory.prefix_tokens,
            memory.hit_rate * 100.0,
            memory.cached_tokens
        ),
    );
    if let Some(process) = memory.process {
        table.row(
            "memory",
            format!(
                "{} of {}, pressure: {}",
                ByteSize(process.used).display().iec(),
                ByteSize(process.limit).display().iec(),
                memory.pressure
            ),
        );
    }
    table.row(
        "speed",
        format!(
            "{:.1} tokens/s of answers, {:.1} of prompts (a minute: {:.1}, {:.1})",
            performance.now.generated,
            performance.now.prompt,
            performance.minute.generated,
            performance.minute.prompt
        ),
    );
    if !model.ignored_keys.is_empty() {
        let keys = model.ignored_keys.iter();
        let keys: Vec<String> = keys
            .map(|one| format!("`{}`: {}", one.key, one.hint))
            .collect();
        table.row("ignored settings", keys.join("\n"));
    }
    table.row("first token", times(&performance.first_token));
    table.row("between tokens", times(&performance.between_tokens));
}

/// The owners that have requests now.
fn owners(table: &mut Table, owners: Option<&Vec<OwnerReport>>) {
    let owners = owners.into_iter().flatten();
    let busy: Vec<String> = owners
        .filter(|owner| owner.requests > 0)
        .map(|owner| {
            format!(
                "{}: {} requests, {} tokens so far",
                owner.name, owner.requests, owner.served_tokens
            )
        })
        .collect();
    if !busy.is_empty() {
        table.row("owners", busy.join("\n"));
    }
}

fn times(times: &Percentiles) -> String {
    let one = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.0} ms"));
    format!("{} (p50), {} (p99)", one(times.p50_ms), one(times.p99_ms))
}
