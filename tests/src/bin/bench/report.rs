//! The rows and their JSON form in `results.json`. The table is in `table`, the chart in `chart`.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

/// What a row measures, which decides whether more or less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Work per time: more is better, and bounds are minimum values.
    Rate,
    /// Time: less is better, and bounds are maximum values.
    Time,
}

/// Bounds of the ratios; `None` if a ratio is only reported.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    /// Bound of `ours / limit`.
    pub(crate) limit: Option<f64>,
    /// Bound of `ours / peer`.
    pub(crate) peer: Option<f64>,
}

/// The results of one round. Sides that do not take part are `None`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    pub(crate) ours: f64,
    pub(crate) limit: Option<f64>,
    pub(crate) peer: Option<f64>,
}

/// One measurement: medians over its rounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
    pub(crate) rounds: usize,
    pub(crate) ours: f64,
    /// The bare loop. For some times, the bound itself.
    pub(crate) limit: Option<Against>,
    /// llama.cpp's own server.
    pub(crate) peer: Option<Against>,
}

/// Our result compared with another side's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Against {
    /// The other side's result.
    pub(crate) value: f64,
    /// `ours / value`: the median of the rounds' ratios.
    pub(crate) ratio: f64,
    /// Distance between the quartiles of the rounds' ratios.
    pub(crate) spread: f64,
    pub(crate) bound: Option<f64>,
}

impl Row {
    pub(crate) fn new(
        name: &'static str,
        unit: &'static str,
        kind: Kind,
        rounds: &[Round],
        bounds: Bounds,
    ) -> Self {
        let ours: Vec<f64> = rounds.iter().map(|round| round.ours).collect();
        let against = |theirs: &dyn Fn(&Round) -> Option<f64>, bound| {
            let values: Vec<f64> = rounds.iter().filter_map(theirs).collect();
            let ratios: Vec<f64> = rounds
                .iter()
                .filter_map(|round| Some(round.ours / theirs(round)?))
                .collect();
            (!values.is_empty()).then(|| Against {
                value: quantile(&values, 0.5),
                ratio: quantile(&ratios, 0.5),
                spread: quantile(&ratios, 0.75) - quantile(&ratios, 0.25),
                bound,
            })
        };
        Self {
            name,
            unit,
            kind,
            rounds: rounds.len(),
            ours: quantile(&ours, 0.5),
            limit: against(&|round| round.limit, bounds.limit),
            peer: against(&|round| round.peer, bounds.peer),
        }
    }

    /// A time that is only compared with a maximum.
    pub(crate) fn within(
        name: &'static str,
        unit: &'static str,
        rounds: &[f64],
        bound: f64,
    ) -> Self {
        let rounds: Vec<Round> = rounds
            .iter()
            .map(|&ours| Round {
                ours,
                limit: Some(bound),
                peer: None,
            })
            .collect();
        let bounds = Bounds {
            limit: Some(1.0),
            peer: None,
        };
        Self::new(name, unit, Kind::Time, &rounds, bounds)
    }

    /// Whether all bounds hold; `None` without a bound.
    pub(crate) fn holds(&self) -> Option<bool> {
        let each = [self.limit, self.peer].into_iter().flatten();
        each.filter_map(|against| against.holds(self.kind))
            .reduce(|one, other| one && other)
    }
}

impl Against {
    /// Whether the bound holds; `None` without a bound.
    pub(crate) fn holds(&self, kind: Kind) -> Option<bool> {
        self.bound.map(|bound| match kind {
            Kind::Rate => self.ratio >= bound,
            Kind::Time => self.ratio <= bound,
        })
    }
}

/// The quantile of the values at `share`, interpolated.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
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

/// Writes all rows as a JSON list.
pub(crate) fn write(rows: &[Row], path: &Path) -> Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let (limit, peer) = (row.limit.as_ref(), row.peer.as_ref());
            json!({
                "name": row.name,
                "unit": row.unit,
                "better": match row.kind { Kind::Rate => "higher", Kind::Time => "lower" },
                "rounds": row.rounds,
                "ours": row.ours,
                "limit": limit.map(|a| a.value),
                "ratio": limit.map(|a| a.ratio),
                "spread": limit.map(|a| a.spread),
                "bound": limit.and_then(|a| a.bound),
                "peer": peer.map(|a| a.value),
                "peer_ratio": peer.map(|a| a.ratio),
                "peer_spread": peer.map(|a| a.spread),
                "peer_bound": peer.and_then(|a| a.bound),
                "holds": row.holds(),
            })
        })
        .collect();
    std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    Ok(())
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

    fn row(kind: Kind, limit: Option<f64>, peer: Option<f64>) -> Row {
        let round = Round {
            ours: 10.0,
            limit: Some(10.0),
            peer: Some(5.0),
        };
        Row::new("a", "b", kind, &[round], Bounds { limit, peer })
    }

    #[test]
    fn a_row_holds_when_all_its_bounds_do() {
        for (kind, limit, peer, holds) in [
            (Kind::Rate, Some(0.95), Some(1.5), Some(true)),
            (Kind::Rate, Some(0.95), Some(2.5), Some(false)),
            (Kind::Rate, Some(1.1), Some(1.5), Some(false)),
            (Kind::Rate, None, None, None),
            (Kind::Time, None, Some(2.5), Some(true)),
            (Kind::Time, Some(0.5), Some(2.5), Some(false)),
        ] {
            let row = row(kind, limit, peer);
            assert_eq!(row.holds(), holds, "{kind:?} {limit:?} {peer:?}");
        }
    }

    #[test]
    fn a_side_that_takes_no_part_has_no_numbers() {
        let row = Row::within("a", "us", &[1.0, 2.0, 3.0], 4.0);
        assert!(row.peer.is_none());
        let limit = row.limit.unwrap();
        assert_eq!((limit.value, limit.ratio, limit.spread), (4.0, 0.5, 0.25));
    }
}
