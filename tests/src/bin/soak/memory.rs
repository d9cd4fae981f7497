//! The process's memory over time.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Measurements of memory at several times.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    noted: Vec<(Duration, u64)>,
}

impl Memories {
    /// Records the current memory, if the system reports it.
    pub(crate) fn note(&mut self, at: Duration) {
        if let Some(bytes) = resident() {
            self.noted.push((at, bytes));
        }
    }

    /// The last measurement in bytes.
    pub(crate) fn last(&self) -> Option<u64> {
        self.noted.last().map(|(_, bytes)| *bytes)
    }

    /// Compares the mean of the last quarter after the warm-up with that of the first quarter.
    ///
    /// # Errors
    ///
    /// They differ by more than the share `most`.
    pub(crate) fn check(&self, warm_up: Duration, most: f64) -> Result<()> {
        if self.noted.is_empty() {
            say!("memory: this system does not report it, so it was not checked");
            return Ok(());
        }
        let after: Vec<u64> = self
            .noted
            .iter()
            .filter(|(at, _)| *at >= warm_up)
            .map(|(_, bytes)| *bytes)
            .collect();
        let means: Vec<f64> = after.chunks(after.len().div_ceil(4)).map(mean).collect();
        let in_mib: Vec<String> = means
            .iter()
            .map(|bytes| format!("{:.1}", bytes / f64::from(1 << 20)))
            .collect();
        say!(
            "memory after the warm-up, a quarter each: {} MiB",
            in_mib.join(", ")
        );
        let (first, last) = means
            .first()
            .zip(means.last())
            .context("nothing was noted")?;
        let growth = last / first - 1.0;
        say!("last against first: {:+.2} %", growth * 100.0);
        ensure!(
            growth <= most,
            "memory grew by {:.2} %, {:.0} % are allowed",
            growth * 100.0,
            most * 100.0
        );
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean of bytes, to be compared"
)]
fn mean(of: &[u64]) -> f64 {
    of.iter().sum::<u64>() as f64 / of.len() as f64
}

/// Resident memory of the process in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
