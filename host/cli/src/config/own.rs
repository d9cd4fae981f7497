//! The sections of this program, `[models]` and `[run]`, read key by key so that every problem is
//! reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use mynah_core::Owner;
use mynah_settings::{Document, Fault, OtherKey, OtherSection, Place, Priority, Problem};

use crate::args::{Address, Compat, Control, Preload, Preopen, Size, Span, Variable};

/// The section with the models.
pub(super) const MODELS: &str = "models";
/// The section with the grants of a component.
pub(super) const RUN: &str = "run";

/// The keys of `[run]`.
pub(super) const RUN_KEYS: [&str; 18] = [
    "dirs",
    "state_dir",
    "env",
    "timeout",
    "grace",
    "max_memory",
    "allow_guest_models",
    "isolate_guest_models",
    "max_guest_processes",
    "allow_host_status",
    "metrics",
    "control",
    "instances",
    "owner",
    "weight",
    "max_priority",
    "nn_preload",
    "compat",
];

/// The sections of this program, which the engine must not reject.
pub(super) const OTHERS: [OtherSection; 2] = [
    OtherSection {
        name: MODELS,
        keys: None,
    },
    OtherSection {
        name: RUN,
        keys: Some(&RUN_KEYS),
    },
];

/// The sections of this program.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Model files by the name under which the component may load them.
    pub(super) models: BTreeMap<String, PathBuf>,
    pub(super) run: Run,
}

/// `[run]`: the grants of a component, and how `mynah run` runs it.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) dirs: Vec<Preopen>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) env: Vec<Variable>,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
    pub(super) max_memory: Option<ByteSize>,
    pub(super) allow_guest_models: Option<ByteSize>,
    pub(super) isolate_guest_models: Option<bool>,
    pub(super) max_guest_processes: Option<u32>,
    pub(super) allow_host_status: Option<bool>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) control: Option<Control>,
    pub(super) instances: Option<u32>,
    pub(super) owner: Option<String>,
    pub(super) weight: Option<u32>,
    pub(super) max_priority: Option<Priority>,
    pub(super) nn_preload: Vec<Preload>,
    pub(super) compat: Vec<Compat>,
}

impl Run {
    /// Default time that requests have to end after SIGTERM. Supervisors wait for 10 s or more
    /// before they kill.
    pub(super) const GRACE: Duration = Duration::from_secs(8);
    /// Default memory limit of an instance.
    pub(super) const MAX_MEMORY: ByteSize = ByteSize::gib(1);
    /// Default number of instances.
    pub(super) const INSTANCES: u32 = 1;
    /// Maximum number of instances: each has a store, a stack and its memory.
    pub(super) const MAX_INSTANCES: u32 = 1000;
    /// Maximum number of processes for guests' own models.
    pub(super) const MAX_GUEST_PROCESSES: u32 = 1000;
    /// Default weight of the owner.
    pub(super) const WEIGHT: u32 = 1;
    /// Default of the highest priority that the component may ask for.
    pub(super) const MAX_PRIORITY: Priority = Priority::Urgent;

    /// The default of a key, in words.
    pub(super) fn default_of(key: &str) -> String {
        match key {
            "grace" => format!("\"{}\"", humantime::format_duration(Self::GRACE)),
            "max_memory" => format!("\"{}\"", Self::MAX_MEMORY.display().iec()),
            "isolate_guest_models" => mynah_isolate::IS_AVAILABLE.to_string(),
            "max_guest_processes" => mynah_isolate::Processes::DEFAULT_MAX.to_string(),
            "allow_host_status" => "false".to_owned(),
            "control" => "a socket in a folder that only this user can enter".to_owned(),
            "instances" => Self::INSTANCES.to_string(),
            "owner" => "each instance by itself".to_owned(),
            "weight" => Self::WEIGHT.to_string(),
            "max_priority" => format!("\"{}\"", Self::MAX_PRIORITY),
            _ => "none".to_owned(),
        }
    }
}

impl Own {
    /// Reads the keys, and reports every problem.
    pub(super) fn read(keys: &[OtherKey]) -> (Self, Vec<Problem>) {
        let mut own = Self::default();
        let mut problems = Vec::new();
        for key in keys {
            let mut key = Key {
                key,
                problems: &mut problems,
            };
            match key.key.section {
                MODELS => {
                    let name = key.key.key.clone();
                    if name.is_empty() {
                        key.wrong("a name that is not empty");
                    } else if let Some(path) = key.path("model.gguf") {
                        own.models.insert(name, path);
                    }
                }
                _ => own.run.read(&mut key),
            }
        }
        own.check_names(keys, &mut problems);
        (own, problems)
    }

    /// Reports models that have the same name.
    fn check_names(&self, keys: &[OtherKey], problems: &mut Vec<Problem>) {
        let mut names: BTreeSet<&String> = self.models.keys().collect();
        let key = keys.iter().find(|key| key.key == "nn_preload");
        for Preload { model, .. } in &self.run.nn_preload {
            if !names.insert(&model.name) {
                let reason = format!("the model `{}` is granted twice", model.name);
                let place = key.map(|key| key.place);
                problems.push(unreadable("run.nn_preload", place, reason));
            }
        }
    }
}

impl Run {
    fn read(&mut self, key: &mut Key<'_>) {
        match key.key.key.as_str() {
            "dirs" => self.dirs = key.texts("./data::/data"),
            "state_dir" => self.state_dir = key.path("states"),
            "env" => self.env = key.texts("LANG=en"),
            "timeout" => self.timeout = key.text("30s").map(|Span(time)| time),
            "grace" => self.grace = key.text("8s").map(|Span(time)| time),
            "max_memory" => self.max_memory = key.text("1GiB").map(|Size(size)| size),
            "allow_guest_models" => {
                self.allow_guest_models = key.text("64MiB").map(|Size(size)| size);
            }
            "isolate_guest_models" => self.isolate_guest_models = key.switch(),
            "max_guest_processes" => {
                self.max_guest_processes = key.whole(Self::MAX_GUEST_PROCESSES);
            }
            "allow_host_status" => self.allow_host_status = key.switch(),
            "metrics" => self.metrics = key.text("127.0.0.1:9464").map(|Address(at)| at),
            "control" => self.control = key.text("mynah.sock"),
            "instances" => self.instances = key.whole(Self::MAX_INSTANCES),
            "owner" => self.owner = key.text("team-a"),
            "weight" => self.weight = key.whole(Owner::MAX_WEIGHT),
            "max_priority" => self.max_priority = key.text("high"),
            "nn_preload" => self.nn_preload = key.texts("default:GGML:AUTO:model.gguf"),
            "compat" => self.compat = key.texts("lenient-output-size"),
            // Not in `RUN_KEYS`: the reader of the document has reported it.
            _ => {}
        }
    }
}

/// A key that is being read.
struct Key<'a> {
    key: &'a OtherKey,
    problems: &'a mut Vec<Problem>,
}

impl Key<'_> {
    /// A value that is written as a string, in the same syntax as on the command line.
    fn text<T: FromStr<Err: fmt::Display>>(&mut self, example: &str) -> Option<T> {
        self.parsed(&self.key.value, self.key.place, example)
    }

    /// A list of such values.
    fn texts<T: FromStr<Err: fmt::Display>>(&mut self, example: &str) -> Vec<T> {
        let Document::List(items) = &self.key.value else {
            self.wrong(&format!("a list of texts in quotes, such as [{example:?}]"));
            return Vec::new();
        };
        let places = self.key.items.iter().copied().map(Some);
        let places = places.chain(std::iter::repeat(None));
        items
            .iter()
            .zip(places)
            .filter_map(|(item, place)| self.parsed(item, place.unwrap_or(self.key.place), example))
            .collect()
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        value: &Document,
        place: Place,
        example: &str,
    ) -> Option<T> {
        let Document::Text(text) = value else {
            self.wrong_at(
                value,
                place,
                &format!("a text in quotes, such as {example:?}"),
            );
            return None;
        };
        let parsed = text.parse();
        parsed
            .map_err(|error| {
                let reason = format!("{value}: {error}");
                self.problems
                    .push(unreadable(&self.path_of(), Some(place), reason));
            })
            .ok()
    }

    fn path(&mut self, example: &str) -> Option<PathBuf> {
        let path: PathBuf = self.text(example)?;
        if path.as_os_str().is_empty() {
            self.wrong(&format!("a path, such as {example:?}"));
            return None;
        }
        Some(path)
    }

    fn switch(&mut self) -> Option<bool> {
        match self.key.value {
            Document::Bool(is_on) => Some(is_on),
            _ => {
                self.wrong("true or false");
                None
            }
        }
    }

    /// A whole number from 1 to `most`.
    fn whole(&mut self, most: u32) -> Option<u32> {
        let whole = match self.key.value {
            Document::Integer(whole) => u32::try_from(whole).ok(),
            _ => None,
        };
        let whole = whole.filter(|whole| (1..=most).contains(whole));
        if whole.is_none() {
            self.wrong(&format!("a whole number from 1 to {most}"));
        }
        whole
    }

    fn wrong(&mut self, allowed: &str) {
        self.wrong_at(&self.key.value, self.key.place, allowed);
    }

    fn wrong_at(&mut self, value: &Document, place: Place, allowed: &str) {
        self.problems.push(Problem {
            place: Some(place),
            ..Problem::new(self.path_of(), value, allowed)
        });
    }

    fn path_of(&self) -> String {
        format!("{}.{}", self.key.section, self.key.key)
    }
}

/// A problem of a key, with the reason.
pub(super) fn unreadable(path: &str, place: Option<Place>, reason: String) -> Problem {
    Problem {
        path: path.to_owned(),
        place,
        fault: Fault::Unreadable { reason },
    }
}
