//! The panels: the list of models, and the queue, sessions, speed and memory of one model.

use mynah_core::{MemoryUse, ModelState, PressureLevel, Report};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph, Row, Table, TableState};

use super::style::{FAINT, TITLE, block};
use crate::metrics::OwnerReport;
use crate::top::figures::{bytes, count, p50_and_p99, percent, rate, seconds, share, whole_millis};
use crate::top::state::State;

/// Terminal width from which the list of models has more columns.
const WIDE: u16 = 120;

/// Maximum width of the column of names in a wide terminal.
const MOST_OF_A_NAME: u16 = 40;

/// The list of models, scrolled to the selected one.
pub(super) fn models(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let is_wide = area.width >= WIDE;
    let rows = state.models.iter().map(|(name, watched)| {
        let Report {
            queue,
            performance,
            model,
            ..
        } = &watched.report;
        let mut cells = vec![
            name.clone(),
            model.architecture.clone(),
            model.quantisation.clone(),
            state_name(model.state).to_owned(),
            count(queue.running),
            format!("{}/{}", count(queue.length), count(queue.capacity)),
            rate(performance.now.generated),
        ];
        if is_wide {
            cells.extend([
                model.name.clone(),
                count(model.parameters),
                bytes(model.bytes),
                format!("{}/{}", model.context_size, model.context_trained),
                format!("{}/{}", model.layers_on_device, model.layers),
                since(state.now, model.loaded_since),
                until(state.now, model.kept_until),
            ]);
        }
        Row::new(cells)
    });
    let mut titles = vec![
        "name", "arch", "type", "state", "running", "waiting", "tokens/s",
    ];
    let longest = state
        .models
        .keys()
        .map(|name| Line::raw(name).width())
        .max();
    let longest = u16::try_from(longest.unwrap_or_default()).unwrap_or(u16::MAX);
    let mut widths = vec![
        if is_wide {
            Constraint::Length(longest.clamp(10, MOST_OF_A_NAME))
        } else {
            Constraint::Fill(1)
        },
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(8),
    ];
    if is_wide {
        titles.extend([
            "model in the file",
            "weights",
            "size",
            "context",
            "on device",
            "loaded",
            "kept",
        ]);
        widths.push(Constraint::Fill(1));
        widths.extend([7, 10, 13, 9, 8, 8].map(Constraint::Length));
    }
    let table = Table::new(rows, widths)
        .header(Row::new(titles).style(FAINT))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(block("models"));
    let mut selected = TableState::new().with_selected(state.place());
    frame.render_stateful_widget(table, area, &mut selected);
}

fn state_name(state: ModelState) -> &'static str {
    match state {
        ModelState::Loaded => "loaded",
        ModelState::Loading => "loading",
        ModelState::Unloaded => "unloaded",
    }
}

/// The time since a moment.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn since(now: u64, at: Option<u64>) -> String {
    at.map_or("-".to_owned(), |at| seconds(now.saturating_sub(at) as f64))
}

/// The time until a moment.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn until(now: u64, at: Option<u64>) -> String {
    at.map_or("-".to_owned(), |at| seconds(at.saturating_sub(now) as f64))
}

/// A list of names with right-aligned values, as many as there is room for.
fn list(frame: &mut Frame<'_>, area: Rect, figures: &[(&str, String)]) {
    let width = usize::from(area.width);
    let lines = figures.iter().map(|(name, value)| {
        // A blank separates the name and the value also where the name is cut.
        let room = width.saturating_sub(value.chars().count() + 1);
        Line::from(vec![
            Span::styled(format!("{name:<room$.room$} "), FAINT),
            Span::raw(value.clone()),
        ])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// Waiting and running requests, and the counts of finished requests by result.
pub(super) fn queue(frame: &mut Frame<'_>, area: Rect, report: &Report) {
    let queue = &report.queue;
    let block = block("queue");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let halves = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2);
    let [left, right] = inner.layout(&halves);
    let waiting = format!("{}/{}", count(queue.length), count(queue.capacity));
    let on_their_way = [
        ("running", count(queue.running)),
        ("waiting", waiting),
        ("oldest", whole_millis(queue.oldest_wait_ms)),
        ("to wait", whole_millis(queue.estimated_wait_ms)),
        ("parked", count(queue.parked)),
        (
            "made way",
            count(queue.preempted.saturating_add(queue.exhausted)),
        ),
    ];
    let ended = [
        ("accepted", count(queue.accepted)),
        ("completed", count(queue.completed)),
        ("refused", count(queue.refused)),
        ("timed out", count(queue.timed_out)),
        ("cancelled", count(queue.cancelled)),
        ("failed", count(queue.failed)),
    ];
    list(frame, left, &on_their_way);
    list(frame, right, &ended);
}

pub(super) fn sessions(frame: &mut Frame<'_>, area: Rect, report: &Report) {
    let sessions = &report.sessions;
    let block = block("sessions");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let figures = [
        ("open", count(sessions.open)),
        ("busy", count(sessions.busy)),
        ("idle", count(sessions.idle)),
        ("in cells", count(sessions.resident)),
        ("in memory", count(sessions.parked)),
        ("closed", count(sessions.closed)),
    ];
    list(frame, inner, &figures);
}

/// Latencies. The title names the percentiles.
pub(super) fn speed(frame: &mut Frame<'_>, area: Rect, report: &Report) {
    let performance = &report.performance;
    let block = block("times, p50 / p99");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let figures = [
        ("first", p50_and_p99(&performance.first_token)),
        ("next", p50_and_p99(&performance.between_tokens)),
        ("step", p50_and_p99(&performance.step)),
        ("batch fill", percent(performance.batch_fill)),
        ("sampling", percent(performance.sampling_share)),
        ("failed steps", count(performance.failed_steps)),
    ];
    list(frame, inner, &figures);
}

/// The owners of requests, those with most requests first, as many as there is room for.
pub(super) fn owners(frame: &mut Frame<'_>, area: Rect, owners: &[OwnerReport]) {
    let busy = owners.iter().filter(|owner| owner.requests > 0).count();
    let title = format!("owners: {} with requests, {} known", busy, owners.len());
    let rows = owners.iter().map(|owner| {
        Row::new([
            owner.name.clone(),
            count(owner.requests),
            count(owner.served_tokens),
            owner.weight.to_string(),
        ])
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(6),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(["owner", "requests", "tokens", "weight"]).style(FAINT))
        .block(block(&title));
    frame.render_widget(table, area);
}

/// Number of rows of [`memory`].
pub(super) fn memory_rows(report: &Report) -> u16 {
    let memory = &report.memory;
    [memory.process.is_some(), memory.device.is_some()]
        .into_iter()
        .map(u16::from)
        .sum::<u16>()
        + 2
}

/// KV cells and memory as bars, and the prefix cache.
pub(super) fn memory(frame: &mut Frame<'_>, area: Rect, report: &Report) {
    let memory = &report.memory;
    let block = block("memory");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut rows = inner.rows();
    let mut bar = |name: &str, told: String, share: f64, color: Color| {
        if let Some(row) = rows.next() {
            gauge(frame, row, (name, told), share, color);
        }
    };
    let cells = format!(
        "{} of {}, {} idle",
        count(memory.cells_used),
        count(memory.cells_total),
        count(memory.cells_idle)
    );
    let used = share(memory.cells_used, memory.cells_total);
    bar("KV cells", cells, used, Color::Magenta);
    let color = match memory.pressure {
        PressureLevel::None => Color::Green,
        PressureLevel::Drop | PressureLevel::Park => Color::Yellow,
        PressureLevel::Close | PressureLevel::Refuse => Color::Red,
    };
    let of = |memory: MemoryUse| {
        let told = format!("{} of {}", bytes(memory.used), bytes(memory.limit));
        (told, share(memory.used, memory.limit))
    };
    if let Some((told, used)) = memory.process.map(of) {
        let told = format!("{told}, pressure {}", memory.pressure);
        bar("process", told, used, color);
    }
    if let Some((told, used)) = memory.device.map(of) {
        bar("device", told, used, Color::Blue);
    }
    if let Some(row) = rows.next() {
        let prefixes = Line::from(vec![
            Span::styled("prefixes  ", FAINT),
            Span::raw(format!(
                "{} tokens, {}, {} hits, {} evicted, {} shifts",
                count(memory.prefix_tokens),
                bytes(memory.prefix_bytes),
                percent(memory.hit_rate),
                count(memory.evictions),
                count(memory.shifts)
            )),
        ]);
        frame.render_widget(prefixes, row);
    }
}

fn gauge(frame: &mut Frame<'_>, row: Rect, label: (&str, String), share: f64, color: Color) {
    let (name, told) = label;
    let columns = Layout::horizontal([
        Constraint::Length(10),
        Constraint::Fill(2),
        Constraint::Fill(3),
    ]);
    let [of, bar, words] = row.layout(&columns);
    frame.render_widget(Line::styled(name, FAINT), of);
    let gauge = LineGauge::default()
        .ratio(share)
        .label(Line::styled(format!("{:>5}", percent(share)), TITLE))
        // Distinguishable without colours, too.
        .filled_symbol("█")
        .unfilled_symbol("░")
        .filled_style(Style::new().fg(color))
        .unfilled_style(FAINT);
    frame.render_widget(gauge, bar);
    frame.render_widget(Line::raw(format!("  {told}")), words);
}
