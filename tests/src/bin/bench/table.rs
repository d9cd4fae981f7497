//! The rows as a text table, with a description of the machine.

use std::fmt::Write;

use crate::report::{Against, Kind, Row};

/// Formats the table, after a line about the machine.
pub(crate) fn table(rows: &[Row], about: &str) -> String {
    let mut text = format!("{about}\n\n");
    push(
        &mut text,
        ["name", "ours", "limit", "peer", "ours/limit", "ours/peer"],
        ["rounds", "holds", "unit"],
    );
    for row in rows {
        let value = |against: Option<Against>| against.map_or("-".to_owned(), |a| amount(a.value));
        let ratio =
            |against: Option<Against>| against.map_or("-".to_owned(), |a| told(a, row.kind));
        let holds = match row.holds() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        push(
            &mut text,
            [
                row.name,
                &amount(row.ours),
                &value(row.limit),
                &value(row.peer),
                &ratio(row.limit),
                &ratio(row.peer),
            ],
            [&row.rounds.to_string(), holds, row.unit],
        );
    }
    text
}

fn push(text: &mut String, columns: [&str; 6], rest: [&str; 3]) {
    let [name, ours, limit, peer, to_limit, to_peer] = columns;
    let [rounds, holds, unit] = rest;
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "{name:<18} {ours:>8} {limit:>8} {peer:>8}  {to_limit:<22} {to_peer:<22} {rounds:>6}  \
         {holds:<5}  {unit}"
    );
}

/// A number with its significant digits.
fn amount(value: f64) -> String {
    let digits = if value.abs() >= 10.0 { 1 } else { 3 };
    format!("{value:.digits$}")
}

/// A ratio with its spread and its bound.
fn told(against: Against, kind: Kind) -> String {
    let sign = match kind {
        Kind::Rate => ">=",
        Kind::Time => "<=",
    };
    let bound = against
        .bound
        .map_or(String::new(), |bound| format!(" ({sign} {bound})"));
    format!("{:.3} ±{:.3}{bound}", against.ratio, against.spread / 2.0)
}
