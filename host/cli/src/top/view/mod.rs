//! The layout for any size of the terminal.

mod charts;
mod panels;
mod style;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::figures::{count, percent, rate, share};
use super::state::{State, Watched};
use style::{FAINT, TITLE, block};

/// Below this size the panels do not fit, and only the most important figures are shown as text.
const SMALLEST: (u16, u16) = (64, 18);

/// Rows of the panels of one model.
const PANELS: u16 = 8;

/// Figures of a host that has ended.
const PAST: Style = FAINT.add_modifier(Modifier::DIM);

const TROUBLE: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

/// Width from which the owners of requests stand beside the charts.
const WIDE: u16 = 120;

/// Columns of the owners beside the charts.
const OWNERS: u16 = 56;

const KEYS: [(&str, &str); 5] = [
    ("q, Esc, Ctrl-C", "quit"),
    ("Tab, Down, j", "next model"),
    ("Shift-Tab, Up, k", "model before"),
    ("o", "owners or figures"),
    ("?", "this help"),
];

/// Draws the whole display.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ]);
    let [head, body, foot] = area.layout(&rows);
    frame.render_widget(header(state, area.width), head);
    frame.render_widget(footer(state), foot);
    match state.shown() {
        Some(shown) if area.width >= SMALLEST.0 && area.height >= SMALLEST.1 => {
            whole(frame, body, state, shown);
        }
        Some(shown) => frame.render_widget(in_words(state, shown), body),
        None if state.loading.is_empty() => {
            frame.render_widget(Paragraph::new("The host has no models."), body);
        }
        None => {
            let loading = format!("The host loads: {}", state.loading.join(", "));
            frame.render_widget(Paragraph::new(loading), body);
        }
    }
    if state.trouble.is_some() {
        // They are no longer live.
        frame.buffer_mut().set_style(body, PAST);
    }
    if state.help {
        help(frame, area);
    }
}

fn header(state: &State, width: u16) -> Line<'_> {
    if let Some(trouble) = &state.trouble {
        return Line::styled(
            format!("The host is gone, asking again: {trouble}"),
            TROUBLE,
        );
    }
    let before = [
        Span::styled("mynah top", TITLE),
        Span::raw(format!("  {}  ", state.host)),
    ];
    let used: usize = before.iter().map(Span::width).sum();
    let at = shortened(&state.at, usize::from(width).saturating_sub(used));
    let mut line = Line::from(before.to_vec());
    line.push_span(Span::styled(at, FAINT));
    line
}

/// An address in this many columns. If it is longer, its beginning is left out, because its end
/// tells one host from another.
fn shortened(address: &str, room: usize) -> String {
    let length = address.chars().count();
    if length <= room {
        return address.to_owned();
    }
    let kept: String = address.chars().skip(length + 1 - room.max(1)).collect();
    // Whole names of folders, if one begins in what is kept.
    match kept.split_once('/') {
        Some((_, names)) if !names.is_empty() => format!("…/{names}"),
        _ if room > 1 => format!("…{kept}"),
        _ => String::new(),
    }
}

fn footer(state: &State) -> Line<'static> {
    if state.trouble.is_some() {
        return Line::styled("the host has ended: last known figures   q quit", TROUBLE);
    }
    Line::styled("q quit   Tab next model   o owners   ? help", FAINT)
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'_>> = KEYS
        .iter()
        .map(|(key, does)| Line::raw(format!("{key:18}{does}")))
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let [across] = area.layout(&Layout::horizontal([Constraint::Length(36)]).flex(Flex::Center));
    let [place] =
        across.layout(&Layout::vertical([Constraint::Length(height + 2)]).flex(Flex::Center));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block("keys")), place);
}

/// Draws all panels and charts.
fn whole(frame: &mut Frame<'_>, area: Rect, state: &State, shown: &Watched) {
    let memory = 2 + panels::memory_rows(&shown.report);
    // The charts get the remaining rows, at least three. Before they would get fewer, the list of
    // models becomes shorter and scrolls.
    let models = u16::try_from(state.models.len()).unwrap_or(u16::MAX);
    let left = area.height.saturating_sub(PANELS + memory + 3);
    let models = models.saturating_add(3).min(left.max(4));
    let rows = Layout::vertical([
        Constraint::Length(models),
        Constraint::Length(PANELS),
        Constraint::Fill(1),
        Constraint::Length(memory),
    ]);
    let [models, figures, throughput, memory] = area.layout(&rows);
    panels::models(frame, models, state);
    panels::memory(frame, memory, &shown.report);
    let is_wide = area.width >= WIDE;
    if state.shows_owners && !is_wide {
        panels::owners(frame, figures.union(throughput), &shown.owners);
        return;
    }
    let columns = Layout::horizontal([
        Constraint::Fill(17),
        Constraint::Fill(10),
        Constraint::Fill(13),
    ]);
    let [queue, sessions, speed] = figures.layout(&columns);
    panels::queue(frame, queue, &shown.report);
    panels::sessions(frame, sessions, &shown.report);
    panels::speed(frame, speed, &shown.report);
    if is_wide {
        let columns = Layout::horizontal([Constraint::Fill(1), Constraint::Length(OWNERS)]);
        let [throughput, owners] = throughput.layout(&columns);
        charts::all(frame, throughput, shown);
        panels::owners(frame, owners, &shown.owners);
    } else {
        charts::all(frame, throughput, shown);
    }
}

/// The most important figures as text, for a small terminal.
fn in_words(state: &State, shown: &Watched) -> Paragraph<'static> {
    let report = &shown.report;
    let (queue, memory) = (&report.queue, &report.memory);
    let name = state.selected.clone().unwrap_or_default();
    let lines = [
        name,
        format!("{} run, {} wait", count(queue.running), count(queue.length)),
        format!("{} tokens/s", rate(report.performance.now.generated)),
        format!(
            "{} of KV cells",
            percent(share(memory.cells_used, memory.cells_total))
        ),
        format!("{} sessions", count(report.sessions.open)),
        format!("pressure {}", memory.pressure),
        "(a larger terminal shows more)".to_owned(),
    ];
    Paragraph::new(lines.map(Line::raw).to_vec())
}
