//! What is shown: what the host told last, and what it told before, for the charts.

use std::collections::{BTreeMap, VecDeque};

use mynah_engine::Report;

use super::watch::Told;

/// Moments that a chart can go back.
const KEPT: usize = 1000;

/// What is shown.
#[derive(Debug)]
pub(super) struct State {
    /// Where the host is.
    pub(super) at: String,
    /// Which it is; empty before it has told.
    pub(super) host: String,
    pub(super) models: BTreeMap<String, Watched>,
    /// The name of the model whose figures are shown.
    pub(super) selected: Option<String>,
    /// Why the host tells nothing any more.
    pub(super) trouble: Option<String>,
    pub(super) help: bool,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// A model: now, and before.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) report: Report,
    pub(super) past: VecDeque<Moment>,
}

/// What a chart has of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moment {
    /// Tokens of answers per second.
    pub(super) generated: f64,
    /// Tokens of prompts per second.
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
            now: 0,
        }
    }

    /// Takes what the host told.
    pub(super) fn take(&mut self, told: Told) {
        let (at, status) = match told {
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
            // Another one: what was before is not its past.
            self.models.clear();
        }
        self.trouble = None;
        self.at = at;
        self.host = host;
        self.models
            .retain(|name, _| status.models.contains_key(name));
        for (name, report) in status.models {
            let moment = Moment::of(&report);
            let watched = self.models.entry(name).or_insert_with(|| Watched {
                report: report.clone(),
                past: VecDeque::new(),
            });
            watched.report = report;
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

    /// The place of the selected model in the list.
    pub(super) fn place(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.models.keys().position(|name| name == selected)
    }

    /// Goes on to another model, so many further, round and round.
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
