//! The table on the terminal and the list in the file: the same rows.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One measurement.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    unit: &'static str,
    ours: f64,
    /// llama.cpp's own server, where it takes part.
    peer: Option<f64>,
    /// The bare loop, or the bound.
    limit: f64,
    /// `ours / limit`, the median over the rounds.
    ratio: f64,
    /// Distance between the quartiles of the ratio over the rounds.
    spread: f64,
}

impl Row {
    /// A rate against that of the bare loop: pairs of ours and theirs, one a round.
    pub(crate) fn against_limit(
        name: &'static str,
        unit: &'static str,
        rounds: &[(f64, f64)],
    ) -> Self {
        let ours: Vec<f64> = rounds.iter().map(|&(ours, _)| ours).collect();
        let theirs: Vec<f64> = rounds.iter().map(|&(_, theirs)| theirs).collect();
        let ratios: Vec<f64> = rounds.iter().map(|&(ours, theirs)| ours / theirs).collect();
        Self {
            name,
            unit,
            ours: quantile(&ours, 0.5),
            peer: None,
            limit: quantile(&theirs, 0.5),
            ratio: quantile(&ratios, 0.5),
            spread: quantile(&ratios, 0.75) - quantile(&ratios, 0.25),
        }
    }

    /// A time against a bound.
    pub(crate) fn within(
        name: &'static str,
        unit: &'static str,
        rounds: &[f64],
        bound: f64,
    ) -> Self {
        let pairs: Vec<(f64, f64)> = rounds.iter().map(|&round| (round, bound)).collect();
        Self::against_limit(name, unit, &pairs)
    }
}

/// The value below which a share of all values lies, interpolated.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * sorted.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index: not negative, and small"
    )]
    let below = at.floor() as usize;
    let value = |index: usize| sorted.get(index).copied();
    match (value(below), value(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * at.fract(),
        (Some(low), None) => low,
        (None, _) => f64::NAN,
    }
}

impl Report {
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{:<18} {:>10} {:>10} {:>10}  {:>7} {:>8}  unit",
            "name", "ours", "peer", "limit", "ratio", "spread"
        )?;
        for row in &self.rows {
            let peer = row.peer.map_or("-".to_owned(), |peer| format!("{peer:.1}"));
            writeln!(
                out,
                "{:<18} {:>10.1} {peer:>10} {:>10.1}  {:>7.3} {:>8.3}  {}",
                row.name, row.ours, row.limit, row.ratio, row.spread, row.unit
            )?;
        }
        Ok(())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "unit": row.unit,
                    "ours": row.ours,
                    "peer": row.peer,
                    "limit": row.limit,
                    "ratio": row.ratio,
                    "spread": row.spread,
                })
            })
            .collect();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(quantile(&[1.0], 0.75), 1.0);
    }
}
