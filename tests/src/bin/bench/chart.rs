//! A chart of the rows: bars for the ratios, with their bounds.
//!
//! The output is an SVG whose text uses the reader's sans-serif font, so no font files are needed.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::{Against, Kind, Row};

const WIDTH: u32 = 900;
/// Left edge of the bars, and the length of the longest one.
const LEFT: i32 = 250;
const REACH: i32 = 540;
/// Height of a bar with its margin.
const LINE: i32 = 22;
const BAR: i32 = 14;
/// Space above the first panel, and above the bars of each panel.
const HEAD: i32 = 64;
const PANEL_HEAD: i32 = 44;

const BACKGROUND: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(110, 116, 126);
const RULE: RGBColor = RGBColor(215, 219, 225);
const LIMIT: RGBColor = RGBColor(78, 121, 167);
const PEER: RGBColor = RGBColor(225, 142, 60);
const MISSED: RGBColor = RGBColor(190, 40, 45);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One bar.
struct Bar {
    label: String,
    against: Against,
    colour: RGBColor,
}

/// Draws the chart.
pub(crate) fn draw(rows: &[Row], about: &str, path: &Path) -> Result<()> {
    let panels = [
        (
            Kind::Rate,
            "Speed: ours as a multiple of theirs, more is better",
        ),
        (
            Kind::Time,
            "Waiting: ours as a multiple of theirs, less is better (logarithmic)",
        ),
    ]
    .map(|(kind, title)| (kind, title, bars(rows, kind)));
    let height: i32 = panels.iter().map(|(.., bars)| panel_height(bars)).sum();
    let height = u32::try_from(HEAD + height + LINE)?;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    let drawn = (|| {
        root.fill(&BACKGROUND)?;
        legend(&root, about)?;
        let mut top = HEAD;
        for (kind, title, bars) in &panels {
            if !bars.is_empty() {
                panel(&root, top, *kind, title, bars)?;
            }
            top += panel_height(bars);
        }
        root.present()
    })();
    drawn.map_err(|error| anyhow!("{} can't be drawn: {error}", path.display()))
}

type Drawn<'a> =
    std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn bars(rows: &[Row], kind: Kind) -> Vec<Bar> {
    let mut bars = Vec::new();
    for row in rows.iter().filter(|row| row.kind == kind) {
        for (against, colour) in [(row.limit, LIMIT), (row.peer, PEER)] {
            let Some(against) = against else { continue };
            // Only the first bar of a row has the row's name.
            let is_first = bars.last().is_none_or(|bar: &Bar| bar.label != row.name)
                && !(colour == PEER && row.limit.is_some());
            bars.push(Bar {
                label: if is_first {
                    row.name.to_owned()
                } else {
                    String::new()
                },
                against,
                colour,
            });
        }
    }
    bars
}

fn panel_height(bars: &[Bar]) -> i32 {
    if bars.is_empty() {
        return 0;
    }
    PANEL_HEAD + LINE * i32::try_from(bars.len()).unwrap_or(i32::MAX / LINE / 2)
}

fn text(size: i32, colour: &RGBColor, side: HPos) -> TextStyle<'_> {
    TextStyle::from(("sans-serif", size).into_font())
        .color(colour)
        .pos(Pos::new(side, VPos::Center))
}

fn legend<'a>(root: &Area<'a>, about: &str) -> Drawn<'a> {
    root.draw(&Text::new(
        about.to_owned(),
        (20, 20),
        text(12, &FAINT, HPos::Left),
    ))?;
    let mut left = 20;
    for (colour, name) in [
        (
            LIMIT,
            "against a bare llama.cpp loop, or the greatest time allowed",
        ),
        (PEER, "against llama.cpp's server"),
    ] {
        let square = [(left, 38), (left + 12, 50)];
        root.draw(&Rectangle::new(square, colour.filled()))?;
        root.draw(&Text::new(
            name,
            (left + 18, 44),
            text(12, &INK, HPos::Left),
        ))?;
        left += 400;
    }
    let mark = [(left - 200, 36), (left - 200, 52)];
    root.draw(&PathElement::new(mark, INK.stroke_width(2)))?;
    root.draw(&Text::new(
        "bound",
        (left - 192, 44),
        text(12, &INK, HPos::Left),
    ))
}

fn panel<'a>(root: &Area<'a>, top: i32, kind: Kind, title: &str, bars: &[Bar]) -> Drawn<'a> {
    root.draw(&Text::new(
        title.to_owned(),
        (20, top + PANEL_HEAD / 2),
        text(15, &INK, HPos::Left),
    ))?;
    let scale = Scale::new(kind, bars);
    let first = top + PANEL_HEAD;
    let bottom = first + LINE * i32::try_from(bars.len()).unwrap_or_default();
    // The line at ratio 1.
    let one = scale.at(1.0);
    root.draw(&PathElement::new([(one, first - 4), (one, bottom)], RULE))?;
    root.draw(&Text::new(
        "1",
        (one, first - 10),
        text(11, &FAINT, HPos::Center),
    ))?;
    for (bar, y) in bars.iter().zip((first..).step_by(LINE as usize)) {
        draw_bar(root, y, kind, &scale, bar)?;
    }
    Ok(())
}

fn draw_bar<'a>(root: &Area<'a>, y: i32, kind: Kind, scale: &Scale, bar: &Bar) -> Drawn<'a> {
    let middle = y + LINE / 2;
    let (high, low) = (middle - BAR / 2, middle + BAR / 2);
    root.draw(&Text::new(
        bar.label.clone(),
        (LEFT - 10, middle),
        text(13, &INK, HPos::Right),
    ))?;
    let end = scale.at(bar.against.ratio);
    root.draw(&Rectangle::new(
        [(LEFT, high), (end, low)],
        bar.colour.filled(),
    ))?;
    let mut after = end;
    if let Some(bound) = bar.against.bound {
        let at = scale.at(bound);
        let mark = [(at, high - 3), (at, low + 3)];
        root.draw(&PathElement::new(mark, INK.stroke_width(2)))?;
        after = after.max(at);
    }
    let missed = bar.against.holds(kind) == Some(false);
    let colour = if missed { MISSED } else { INK };
    let bound = match (bar.against.bound, kind) {
        (None, _) => String::new(),
        (Some(bound), Kind::Rate) => format!(" (at least {bound})"),
        (Some(bound), Kind::Time) => format!(" (at most {bound})"),
    };
    root.draw(&Text::new(
        format!("{:.3}{bound}", bar.against.ratio),
        (after + 8, middle),
        text(12, &colour, HPos::Left),
    ))
}

/// Maps a ratio to an x coordinate.
struct Scale {
    kind: Kind,
    least: f64,
    greatest: f64,
}

impl Scale {
    fn new(kind: Kind, bars: &[Bar]) -> Self {
        let values = bars
            .iter()
            .flat_map(|bar| [Some(bar.against.ratio), bar.against.bound, Some(1.0)])
            .flatten()
            .filter(|value| value.is_finite() && *value > 0.0);
        let (least, greatest) = values.fold((1.0_f64, 1.0_f64), |(least, greatest), value| {
            (least.min(value), greatest.max(value))
        });
        Self {
            kind,
            least: least / 2.0,
            greatest: greatest * 1.05,
        }
    }

    fn at(&self, ratio: f64) -> i32 {
        let share = match self.kind {
            Kind::Rate => ratio / self.greatest,
            Kind::Time => (ratio / self.least).ln() / (self.greatest / self.least).ln(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "clamped to a screen")]
        let across = (share.clamp(0.0, 1.0) * f64::from(REACH)) as i32;
        LEFT + across
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_names_each_row_and_needs_no_font() {
        let rows = [
            Row::within("a.b", "us", &[1.0], 4.0),
            Row::within("c.d", "us", &[9.0], 4.0),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.svg");
        draw(&rows, "this machine", &path).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        for name in [
            "a.b",
            "c.d",
            "this machine",
            "0.250 (at most 1)",
            "sans-serif",
        ] {
            assert!(svg.contains(name), "{name} is missing in {svg}");
        }
        assert!(!svg.contains("@font-face"));
    }
}
