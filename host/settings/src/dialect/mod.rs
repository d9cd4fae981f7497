//! Settings from a document: the dialects that Mynah, llama.cpp's server and other `wasi:nn` hosts
//! write.
//!
//! Dialects differ in spelling. Keys can be in sections or flat, with underscores or hyphens, under
//! any of their names, in groups (`dynatemp: {range}`) or not. A document may mix all of these. The
//! reader reports all problems at once, each with its path and place. A document with an error sets
//! nothing.

mod elsewhere;
mod entry;
mod guest;
mod json;
#[cfg(test)]
mod migrating;
mod names;
#[cfg(test)]
mod tests;
mod toml;

pub use names::{OtherKey, OtherSection};
pub(crate) use names::{is_flat, spellings};

use std::collections::BTreeMap;

use super::problem::{Check, Fault, Place, Problem};
use super::{Operator, Result, SettingsError};
use entry::{Entry, Node, Unreadable};
use names::{Found, Names};

/// The result of reading a document.
#[derive(Debug, Default)]
pub struct Reading {
    operator: Operator,
    problems: Vec<Problem>,
    // The settings that were set: by canonical path, the spelling and the place.
    set: BTreeMap<String, Written>,
    others: Vec<OtherKey>,
}

#[derive(Debug, Clone)]
struct Written {
    path: String,
    place: Place,
    is_weak: bool,
}

impl Reading {
    /// Maximum number of bytes of a document, because a guest chooses how many it sends.
    pub const MAX_BYTES: usize = 256 << 10;

    /// Reads JSON. Never fails: [`for_guest`](Self::for_guest) and
    /// [`for_operator`](Self::for_operator) report the problems.
    #[must_use]
    pub fn json(document: &[u8]) -> Self {
        Self::of(document, json::read, &[])
    }

    /// Reads an operator's JSON, which may have other sections too.
    #[must_use]
    pub fn json_with(document: &[u8], others: &[OtherSection]) -> Self {
        Self::of(document, json::read, others)
    }

    /// Reads an operator's TOML, which may have other sections too.
    #[must_use]
    pub fn toml_with(document: &[u8], others: &[OtherSection]) -> Self {
        Self::of(document, toml::read, others)
    }

    fn of(
        document: &[u8],
        read: impl FnOnce(&[u8]) -> std::result::Result<Vec<Entry>, Unreadable>,
        others: &[OtherSection],
    ) -> Self {
        let mut reading = Self::default();
        if document.len() > Self::MAX_BYTES {
            let reason = format!(
                "the document has {} bytes, at most {} are read: leave out what isn't a setting",
                document.len(),
                Self::MAX_BYTES
            );
            reading.unreadable(reason, None);
            return reading;
        }
        let places = Places::of(document);
        match read(document) {
            Ok(entries) => {
                let mut walk = Walk {
                    reading: &mut reading,
                    places,
                    others,
                };
                walk.root(entries);
                let mut check = Check::default();
                reading.operator.settings.output.check_one(&mut check);
                reading.problems.extend(check.0);
            }
            Err(Unreadable { reason, at }) => {
                reading.unreadable(reason, at.map(|at| places.place(at)));
            }
        }
        reading.problems.sort_by_key(|problem| problem.place);
        reading
    }

    fn unreadable(&mut self, reason: String, place: Option<Place>) {
        self.problems.push(Problem {
            path: String::new(),
            place,
            fault: Fault::Unreadable { reason },
        });
    }

    fn no_effect(&mut self, canonical: &str, reason: &str) {
        let written = self.set.get(canonical);
        self.problems.push(Problem {
            path: written.map_or_else(|| canonical.to_owned(), |written| written.path.clone()),
            place: written.map(|written| written.place),
            fault: Fault::NoEffect {
                reason: reason.to_owned(),
            },
        });
    }

    /// The settings of an operator's document, and the warnings about it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] with all problems, unknown keys included. If `strict`, warnings are errors
    /// too.
    pub fn for_operator(self, strict: bool) -> Result<OperatorDocument> {
        self.check(|problem| problem.is_operators_error(strict))?;
        Ok(OperatorDocument {
            places: self.places(),
            operator: self.operator,
            warnings: self.problems,
        })
    }

    fn check(&self, is_error: impl Fn(&Problem) -> bool) -> Result<()> {
        let problems: Vec<_> = self
            .problems
            .iter()
            .filter(|problem| is_error(problem))
            .cloned()
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(SettingsError { problems })
        }
    }

    /// All errors and warnings.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The settings that could be read, also of a document with errors.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The place of a setting in the document, by its canonical path.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Place> {
        self.set.get(path).map(|written| written.place)
    }

    /// The place of each setting, by its canonical path. Includes the keys of other sections.
    #[must_use]
    pub fn places(&self) -> BTreeMap<String, Place> {
        let places = self.set.iter();
        places
            .map(|(path, written)| (path.clone(), written.place))
            .collect()
    }

    /// The keys of other sections, in the order of the document. A key without a value (null) is
    /// not among them.
    #[must_use]
    pub fn others(&self) -> &[OtherKey] {
        &self.others
    }
}

/// An operator's document as it was read.
#[derive(Debug, Default)]
pub struct OperatorDocument {
    /// The settings.
    pub operator: Operator,
    /// The warnings.
    pub warnings: Vec<Problem>,
    /// The place of each setting, by its canonical path. Includes the keys of other sections.
    pub places: BTreeMap<String, Place>,
}

/// Converts byte offsets to lines and columns.
#[derive(Debug, Clone)]
struct Places {
    text: String,
    line_starts: Vec<usize>,
}

impl Places {
    fn of(document: &[u8]) -> Self {
        let text = String::from_utf8_lossy(document).into_owned();
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            line_starts: std::iter::once(0).chain(starts).collect(),
            text,
        }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place {
            line: count(line),
            column: count(before.chars().count() + 1),
        }
    }
}

/// Walks through a document.
struct Walk<'a> {
    reading: &'a mut Reading,
    places: Places,
    others: &'a [OtherSection],
}

impl Walk<'_> {
    fn root(&mut self, entries: Vec<Entry>) {
        let names = Names::get();
        for entry in entries {
            let name = names::normal(&entry.key);
            let other = self.others.iter().find(|other| other.name == name);
            if let Some(other) = other {
                self.other(other, entry);
            } else if names.is_section(&name) && names.in_any(&name).is_none() {
                self.section(&name, entry);
            } else {
                let key = entry.key.clone();
                self.setting(None, &name, key, entry);
            }
        }
    }

    fn other(&mut self, other: &OtherSection, section: Entry) {
        let Node::Table(entries) = section.node else {
            self.no_section(&section);
            return;
        };
        for entry in entries {
            let path = format!("{}.{}", other.name, entry.key);
            if let Some(keys) = other.keys
                && !keys.contains(&entry.key.as_str())
            {
                let hint = names::hint_among(&entry.key, other.name, keys, self.others);
                self.unknown(path, entry.at, hint);
                continue;
            }
            self.other_key(other.name, path, entry);
        }
    }

    fn other_key(&mut self, section: &'static str, path: String, entry: Entry) {
        let value = match entry.node.value() {
            Ok(super::value::Value::Null) => return,
            Ok(value) => value,
            Err(reason) => {
                self.problem(path, entry.value_at, Fault::Unreadable { reason });
                return;
            }
        };
        let earlier = |other: &&OtherKey| (other.section, &other.key) == (section, &entry.key);
        if let Some(first) = self.reading.others.iter().find(earlier) {
            let is_equal = first.value == value;
            let first = path.clone();
            self.problem(path, entry.at, Fault::Twice { first, is_equal });
            return;
        }
        let place = self.places.place(entry.value_at);
        let written = Written {
            path: path.clone(),
            place,
            is_weak: false,
        };
        self.reading.set.insert(path, written);
        let items = entry.items_at.iter();
        self.reading.others.push(OtherKey {
            section,
            key: entry.key,
            value,
            place,
            items: items.map(|at| self.places.place(*at)).collect(),
        });
    }

    fn section(&mut self, name: &str, section: Entry) {
        let Node::Table(entries) = section.node else {
            self.no_section(&section);
            return;
        };
        for entry in entries {
            let key = names::normal(&entry.key);
            let path = format!("{}.{}", section.key, entry.key);
            self.setting(Some(name), &key, path, entry);
        }
    }

    fn no_section(&mut self, entry: &Entry) {
        let path = &entry.key;
        let value = entry.node.to_string();
        self.problem(
            entry.key.clone(),
            entry.value_at,
            Fault::Value {
                value,
                allowed: format!("a section: settings in a table under `{path}`"),
            },
        );
    }

    /// Reads a setting or a group of settings. `key` is the normalised name, `path` the name as
    /// written.
    fn setting(&mut self, section: Option<&str>, key: &str, path: String, entry: Entry) {
        let names = Names::get();
        if let (Node::Table(_), true) = (&entry.node, names.is_group(section, key)) {
            let Node::Table(entries) = entry.node else {
                return;
            };
            for inner in entries {
                let joined = format!("{key}_{}", names::normal(&inner.key));
                let path = format!("{path}.{}", inner.key);
                self.setting(section, &joined, path, inner);
            }
            return;
        }
        match names.find(section, key) {
            Some(found) => self.set(found, path, &entry),
            None => {
                if let Some(reason) = elsewhere::reason(key) {
                    self.problem(
                        path,
                        entry.at,
                        Fault::NoEffect {
                            reason: reason.to_owned(),
                        },
                    );
                } else {
                    let hint = names.hint(section, key, self.others);
                    self.unknown(path, entry.at, hint);
                }
            }
        }
    }

    fn unknown(&mut self, path: String, at: usize, hint: String) {
        self.problem(path, at, Fault::Unknown { hint });
    }

    fn problem(&mut self, path: String, at: usize, fault: Fault) {
        self.reading.problems.push(Problem {
            path,
            place: Some(self.places.place(at)),
            fault,
        });
    }

    fn set(&mut self, found: Found, path: String, entry: &Entry) {
        let place = self.places.place(entry.value_at);
        let value = match entry.node.value() {
            Ok(value) => value,
            Err(reason) => {
                self.problem(path, entry.value_at, Fault::Unreadable { reason });
                return;
            }
        };
        // Null counts as an absent key.
        if value == super::value::Value::Null {
            return;
        }
        let mut blocks = self.reading.operator.blocks_mut();
        let Some(block) = blocks.get_mut(found.block) else {
            return;
        };
        let Some(info) = block.info(found.key) else {
            return;
        };
        let canonical = format!("{}.{}", block.section(), info.name);
        let before = block.json(found.key);
        let first = self.reading.set.get(&canonical).cloned();
        let mut blocks = self.reading.operator.blocks_mut();
        let Some(block) = blocks.get_mut(found.block) else {
            return;
        };
        let refused = if block.read(found.key, &value) {
            block.refuse(found.key)
        } else {
            Some(value.to_string())
        };
        if let Some(value) = refused {
            let allowed = (info.allowed)();
            self.problem(path, entry.value_at, Fault::Value { value, allowed });
            return;
        }
        let is_equal = before == block.json(found.key);
        let written = Written {
            path: path.clone(),
            place,
            is_weak: found.is_weak,
        };
        match first {
            Some(first) if first.is_weak != found.is_weak => {
                // The weak key gives way, whichever comes first.
                let (weak, strong) = if first.is_weak {
                    (&first, &written)
                } else {
                    (&written, &first)
                };
                if !is_equal {
                    let reason = format!("`{}` says otherwise, and wins", strong.path);
                    let (path, place) = (weak.path.clone(), weak.place);
                    let fault = Fault::NoEffect { reason };
                    self.reading.problems.push(Problem {
                        path,
                        place: Some(place),
                        fault,
                    });
                }
                if found.is_weak {
                    self.restore(found, before);
                    return;
                }
            }
            Some(first) => {
                let first = first.path;
                self.problem(path, entry.at, Fault::Twice { first, is_equal });
            }
            None => {}
        }
        self.reading.set.insert(canonical, written);
    }

    /// Restores the previous value of a setting.
    fn restore(&mut self, found: Found, before: Option<serde_json::Value>) {
        if let (Some(block), Some(before)) = (
            self.reading.operator.blocks_mut().get_mut(found.block),
            before,
        ) {
            block.read(found.key, &before.into());
        }
    }
}
