//! A status as a table: one line per figure, grouped by kind.

use std::fmt::Write;

use mynah_guest::{MemoryUse, Percentiles, Rate, Status};

/// Printed for a figure that is absent.
const NONE: &str = "-";

/// Formats the status as a table.
pub fn of(status: &Status) -> String {
    let mut table = Table(String::new());
    model(&mut table, status);
    sessions(&mut table, status);
    queue(&mut table, status);
    memory(&mut table, status);
    performance(&mut table, status);
    table.0
}

struct Table(String);

impl Table {
    fn head(&mut self, kind: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{kind}");
    }

    fn row(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "  {name:<16} {value}");
    }

    fn hidden(&mut self, kind: &str) {
        let _ = writeln!(
            self.0,
            "{kind}\n  (not for this component: --allow-host-status)"
        );
    }
}

fn model(table: &mut Table, status: &Status) {
    let model = &status.model;
    table.head("model");
    table.row("name", &model.name);
    table.row("architecture", &model.architecture);
    table.row(
        "weights",
        format_args!("{} of {}", model.parameters, model.quantisation),
    );
    table.row("bytes", model.bytes);
    table.row(
        "context",
        format_args!(
            "{} tokens, {} trained",
            model.context_size, model.context_trained
        ),
    );
    table.row(
        "layers",
        format_args!(
            "{}, {} on a graphics card",
            model.layers, model.layers_on_device
        ),
    );
    table.row("state", format_args!("{:?}", model.state));
    if let Some(served) = model.requests_served {
        table.row("requests served", served);
    }
}

fn sessions(table: &mut Table, status: &Status) {
    table.head("sessions");
    for session in &status.sessions.mine {
        table.row(
            "mine",
            format_args!(
                "{}: {:?}, {} tokens, used {} ms ago",
                session.id, session.state, session.tokens, session.last_used_ms
            ),
        );
    }
    if let Some(all) = &status.sessions.all {
        table.row(
            "all",
            format_args!(
                "{} open, {} busy, {} in cells, {} parked, {} closed",
                all.open, all.busy, all.resident, all.parked, all.closed
            ),
        );
    }
}

fn queue(table: &mut Table, status: &Status) {
    let Some(queue) = &status.queue else {
        return table.hidden("queue");
    };
    table.head("queue");
    table.row(
        "waiting",
        format_args!("{} of {}", queue.length, queue.capacity),
    );
    table.row(
        "running",
        format_args!("{}, {} parked", queue.running, queue.parked),
    );
    table.row(
        "completed",
        format_args!("{} of {}", queue.completed, queue.accepted),
    );
    table.row("refused", queue.refused);
    table.row("timed out", queue.timed_out);
    table.row("cancelled", queue.cancelled);
    table.row("failed", queue.failed);
}

fn memory(table: &mut Table, status: &Status) {
    let Some(memory) = &status.memory else {
        return table.hidden("memory");
    };
    table.head("memory");
    table.row(
        "KV cells",
        format_args!(
            "{} of {}, {} idle",
            memory.cells_used, memory.cells_total, memory.cells_idle
        ),
    );
    table.row(
        "remembered",
        format_args!(
            "{} tokens, {} bytes",
            memory.prefix_tokens, memory.prefix_bytes
        ),
    );
    table.row(
        "hits",
        format_args!("{} of {}", memory.hits, memory.hits + memory.misses),
    );
    table.row(
        "parked",
        format_args!(
            "{} sessions, {} bytes of requests",
            memory.parked_sessions, memory.parked_bytes
        ),
    );
    table.row("evictions", memory.evictions);
    table.row("shifts", memory.shifts);
    table.row("process", bytes(memory.process.as_ref()));
    table.row("graphics cards", bytes(memory.device.as_ref()));
    table.row("pressure", format_args!("{:?}", memory.pressure));
}

fn performance(table: &mut Table, status: &Status) {
    let Some(performance) = &status.performance else {
        return table.hidden("performance");
    };
    table.head("performance");
    table.row("now", rate(&performance.now));
    table.row("a minute", rate(&performance.minute));
    table.row("first token", times(&performance.first_token));
    table.row("between tokens", times(&performance.between_tokens));
    table.row("step", times(&performance.step));
    table.row("batch fill", percent(performance.batch_fill));
    table.row("sampling", percent(performance.sampling_share));
}

fn bytes(memory: Option<&MemoryUse>) -> String {
    memory.map_or(NONE.to_owned(), |memory| {
        format!("{} of {} bytes", memory.used, memory.limit)
    })
}

fn rate(rate: &Rate) -> String {
    format!(
        "{:.1} prompt tokens/s, {:.1} generated tokens/s",
        rate.prompt, rate.generated
    )
}

fn times(times: &Percentiles) -> String {
    let one = |time: Option<f64>| time.map_or(NONE.to_owned(), |time| format!("{time:.1} ms"));
    format!(
        "{} (p50), {} (p90), {} (p99)",
        one(times.p50_ms),
        one(times.p90_ms),
        one(times.p99_ms)
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
