//! The state of the display: the host's latest status, and a history for the charts.

use std::collections::{BTreeMap, VecDeque};

use mynah_core::Report;

use super::watch::Told;
use crate::metrics::OwnerReport;

/// Maximum number of moments in a chart's history.
const KEPT: usize = 1000;

/// The state of the display.
#[derive(Debug)]
pub(super) struct State {
    /// The host's address.
    pub(super) at: String,
    /// The host's name; empty before its first answer.
    pub(super) host: String,
    pub(super) models: BTreeMap<String, Watched>,
    /// The name of the model whose figures are shown.
    pub(super) selected: Option<String>,
    /// The error of the last attempt to read the status.
    pub(super) trouble: Option<String>,
    pub(super) help: bool,
    /// Whether a narrow terminal shows the owners instead of queue, times and charts.
    pub(super) shows_owners: bool,
    /// The names of the models that the host still loads.
    pub(super) loading: Vec<String>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// A model's latest report and its history.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) report: Report,
    pub(super) owners: Vec<OwnerReport>,
    pub(super) past: VecDeque<Moment>,
}

/// The values of one moment in the charts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moment {
    /// Generated tokens per second.
    pub(super) generated: f64,
    /// Prompt tokens per second.
    pub(super) prompt: f64,
    /// Requests that run, wait or are parked.
    pub(super) requests: f64,
    /// KV cells that hold a token.
    pub(super) cells: f64,
}

impl Moment {
    #[expect(clippy::cast_precision_loss, reason = "a height in a chart")]
    fn of(report: &Report) -> Self {
        let queue = &report.queue;
        Self {
            generated: report.performance.now.generated,
            prompt: report.performance.now.prompt,
            requests: queue.running as f64 + queue.length as f64 + queue.parked as f64,
            cells: report.memory.cells_used as f64,
        }
    }
}

impl State {
    pub(super) fn new(at: String) -> Self {
        Self {
            at,
            host: String::new(),
            models: BTreeMap::new(),
            selected: None,
            trouble: None,
            help: false,
            shows_owners: false,
            loading: Vec::new(),
            now: 0,
        }
    }

    /// Takes a new status or an error.
    pub(super) fn take(&mut self, told: Told) {
        let (at, mut status) = match told {
            Told::Status { at, status } => (at, *status),
            Told::Nothing(trouble) => {
                self.trouble = Some(trouble);
                return;
            }
        };
        let host = format!(
            "{}, process {}, mynah {}",
            status.component, status.pid, status.version
        );
        if host != self.host {
            // The history belongs to another host.
            self.models.clear();
        }
        self.trouble = None;
        self.loading = status.loading;
        self.at = at;
        self.host = host;
        self.models
            .retain(|name, _| status.models.contains_key(name));
        for (name, report) in status.models {
            let owners = status.owners.remove(&name).unwrap_or_default();
            let moment = Moment::of(&report);
            let watched = self.models.entry(name).or_insert_with(|| Watched {
                report: report.clone(),
                owners: Vec::new(),
                past: VecDeque::new(),
            });
            watched.report = report;
            watched.owners = owners;
            watched.past.push_back(moment);
            if watched.past.len() > KEPT {
                watched.past.pop_front();
            }
        }
        let is_there = |name: &String| self.models.contains_key(name);
        if !self.selected.as_ref().is_some_and(is_there) {
            self.selected = self.models.keys().next().cloned();
        }
    }

    /// The index of the selected model in the list.
    pub(super) fn place(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.models.keys().position(|name| name == selected)
    }

    /// Selects the model this number of places further, and wraps around.
    pub(super) fn select(&mut self, by: isize) {
        let Some(place) = self.place() else {
            return;
        };
        let count = self.models.len();
        let next = place.checked_add_signed(by).unwrap_or(count - 1) % count;
        self.selected = self.models.keys().nth(next).cloned();
    }

    /// The selected model.
    pub(super) fn shown(&self) -> Option<&Watched> {
        self.models.get(self.selected.as_ref()?)
    }
}
