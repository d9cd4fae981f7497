//! Charts of the recent past, with the latest value at the right.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::widgets::Sparkline;

use super::style::block;
use crate::top::figures::rate;
use crate::top::state::{Moment, Watched};

/// Resolution of a chart's height: charts are drawn in whole numbers.
const STEPS: u64 = 10_000;

/// Chart area height from which there are two rows of charts.
const TWO_ROWS: u16 = 12;

/// A chart: its title, the value that it shows, and its colour.
type Chart = (&'static str, fn(&Moment) -> f64, Color);

const ANSWERS: Chart = ("answers, tokens/s", |moment| moment.generated, Color::Green);
const PROMPTS: Chart = ("prompts, tokens/s", |moment| moment.prompt, Color::Cyan);
const REQUESTS: Chart = ("requests", |moment| moment.requests, Color::Yellow);
const CELLS: Chart = ("KV cells", |moment| moment.cells, Color::Magenta);

/// Draws as many charts as there is room for.
pub(super) fn all(frame: &mut Frame<'_>, area: Rect, shown: &Watched) {
    let halves = Layout::horizontal([Constraint::Fill(1); 2]);
    let [upper, lower] = if area.height >= TWO_ROWS {
        area.layout(&Layout::vertical([Constraint::Fill(1); 2]))
    } else {
        [area, Rect::ZERO]
    };
    let rows = [(upper, [ANSWERS, PROMPTS]), (lower, [REQUESTS, CELLS])];
    for (row, charts) in rows {
        if row.is_empty() {
            continue;
        }
        let places: [Rect; 2] = row.layout(&halves);
        for (place, chart) in places.into_iter().zip(charts) {
            one(frame, place, shown, chart);
        }
    }
}

fn one(frame: &mut Frame<'_>, area: Rect, shown: &Watched, (name, of, color): Chart) {
    let width = usize::from(area.width.saturating_sub(2));
    let all: Vec<f64> = shown.past.iter().map(of).collect();
    let first = all.len().saturating_sub(width);
    let seen = all.get(first..).unwrap_or_default();
    let finite = |value: &&f64| value.is_finite();
    let most = seen.iter().filter(finite).fold(0.0_f64, |a, b| a.max(*b));
    let now = seen.last().copied().unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "from 0 to STEPS; `as` turns NaN into 0"
    )]
    let heights = seen.iter().map(|value| {
        let share = if most > 0.0 { value / most } else { 0.0 };
        // A small value is still visible.
        let least = if *value > 0.0 { STEPS / 8 } else { 0 };
        ((share * STEPS as f64) as u64).clamp(least, STEPS)
    });
    // The latest value is at the right edge even if the chart is not full yet.
    let empty = std::iter::repeat_n(0, width - seen.len());
    let data: Vec<u64> = empty.chain(heights).collect();
    let title = format!("{name}: {}, most {}", rate(now), rate(most));
    let chart = Sparkline::default()
        .block(block(&title))
        .style(Style::new().fg(color))
        .max(STEPS)
        .data(data);
    frame.render_widget(chart, area);
}
