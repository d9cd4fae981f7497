//! The names of settings in documents, and hints for unknown names.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use crate::block::{Block, KeyInfo};
use crate::problem::Place;
use crate::similar::closest;
use crate::value::Value;
use crate::{LoggingSettings, ModelSettings, Operator, Stopping};

/// Groups of settings that some dialects write under one name: `dynatemp: {range}` is
/// `dynatemp_range`.
const GROUPS: [&str; 5] = ["dynatemp", "dry", "xtc", "mirostat", "penalty"];

/// A key of `model` that is a setting of `stopping`: in llama.cpp's older documents, `n_predict` is
/// in the section of the model.
const WEAK: (&str, &str, &str) = (ModelSettings::SECTION, Stopping::SECTION, "n_predict");

/// A section of an operator's document that another part of the program reads.
#[derive(Debug, Clone, Copy)]
pub struct OtherSection {
    /// The name of the section.
    pub name: &'static str,
    /// Its keys; `None`: any.
    pub keys: Option<&'static [&'static str]>,
}

/// A key of another section, for the part of the program that reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherKey {
    /// The name of the section.
    pub section: &'static str,
    /// The key, as it was written.
    pub key: String,
    /// The value. Never null.
    pub value: Value,
    /// The place of the value.
    pub place: Place,
    /// The places of the items, if the value is a list.
    pub items: Vec<Place>,
}

/// A key's name in the form of the lookup table.
pub(super) fn normal(key: &str) -> String {
    key.replace('-', "_")
}

/// The setting that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Index of the block. The blocks of a request come before the operator's.
    pub(super) block: usize,
    /// Index of the key in the block.
    pub(super) key: usize,
    /// Whether it yields to the same setting in its own section.
    pub(super) is_weak: bool,
}

/// All names.
#[derive(Debug)]
pub(super) struct Names {
    sections: Vec<Section>,
    // Every spelling of the settings that may be written without their section.
    flat: HashMap<&'static str, Found>,
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    spellings: BTreeMap<&'static str, Found>,
    canonical: Vec<&'static str>,
}

impl Names {
    pub(super) fn get() -> &'static Self {
        static NAMES: OnceLock<Names> = OnceLock::new();
        NAMES.get_or_init(Self::collect)
    }

    fn collect() -> Self {
        let mut sections = Vec::new();
        let mut flat = HashMap::new();
        for (block, (name, keys)) in spellings().into_iter().enumerate() {
            let mut section = Section {
                name,
                spellings: BTreeMap::new(),
                canonical: Vec::new(),
            };
            for (key, info) in keys.into_iter().enumerate() {
                let found = Found {
                    block,
                    key,
                    is_weak: false,
                };
                section.canonical.push(info.name);
                for spelling in std::iter::once(&info.name).chain(info.also) {
                    section.spellings.insert(spelling, found);
                    if is_flat(name) {
                        flat.insert(*spelling, found);
                    }
                }
            }
            sections.push(section);
        }
        let (weak_in, _, weak) = WEAK;
        if let Some(found) = flat.get(weak).copied() {
            let section = sections.iter_mut().find(|section| section.name == weak_in);
            if let Some(section) = section {
                let is_weak = true;
                section.spellings.insert(weak, Found { is_weak, ..found });
            }
        }
        Self { sections, flat }
    }

    pub(super) fn is_section(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name)
    }

    /// Whether a table with this name is a group of settings.
    pub(super) fn is_group(&self, section: Option<&str>, key: &str) -> bool {
        GROUPS.contains(&key) && section.is_none_or(|section| section == "sampling")
    }

    pub(super) fn find(&self, section: Option<&str>, key: &str) -> Option<Found> {
        match section {
            Some(name) => {
                let section = self.sections.iter().find(|section| section.name == name)?;
                section.spellings.get(key).copied()
            }
            None => self.in_any(key),
        }
    }

    pub(super) fn in_any(&self, key: &str) -> Option<Found> {
        self.flat.get(key).copied()
    }

    /// The hint for an unknown key.
    pub(super) fn hint(&self, section: Option<&str>, key: &str, others: &[OtherSection]) -> String {
        let here = self.sections.iter().find(|one| Some(one.name) == section);
        if let Some(other) = self.elsewhere(key, others) {
            return format!("it belongs in `{other}`");
        }
        let spellings = |section: &Section| section.spellings.keys().copied().collect::<Vec<_>>();
        if let Some(close) = here.and_then(|here| closest(key, &spellings(here))) {
            return format!("did you mean `{close}`?");
        }
        let elsewhere = self.sections.iter().find_map(|other| {
            let close = closest(key, &spellings(other))?;
            Some(format!("did you mean `{}.{close}`?", other.name))
        });
        if let Some(hint) = elsewhere {
            return hint;
        }
        match here {
            Some(here) => format!("`{}` has {}", here.name, list(&here.canonical)),
            None => {
                let own = self.sections.iter().map(|section| section.name);
                let names: Vec<&str> = own.chain(others.iter().map(|other| other.name)).collect();
                closest(key, &names).map_or_else(
                    || format!("the sections are {}", list(&names)),
                    |close| format!("did you mean the section `{close}`?"),
                )
            }
        }
    }

    /// The section with exactly this key.
    fn elsewhere(&self, key: &str, others: &[OtherSection]) -> Option<&'static str> {
        let own = self
            .sections
            .iter()
            .find(|section| section.spellings.contains_key(key));
        let other = others
            .iter()
            .find(|other| other.keys.is_some_and(|keys| keys.contains(&key)));
        own.map(|section| section.name)
            .or(other.map(|other| other.name))
    }
}

/// The hint for an unknown key of another section.
pub(super) fn hint_among(
    key: &str,
    section: &str,
    keys: &[&str],
    others: &[OtherSection],
) -> String {
    let names = Names::get();
    let key = normal(key);
    if let Some(other) = names.elsewhere(&key, others) {
        return format!("it belongs in `{other}`");
    }
    match closest(&key, keys) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("`{section}` has {}", list(keys)),
    }
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Whether the keys of a section may be written without it. Words like `file` and `format` mean
/// other things in other documents.
pub(crate) fn is_flat(section: &str) -> bool {
    section != LoggingSettings::SECTION
}

/// All settings by section, in declaration order: those of a request, then the operator's.
pub(crate) fn spellings() -> Vec<(&'static str, Vec<&'static KeyInfo>)> {
    let operator = Operator::default();
    let blocks = operator.blocks().into_iter();
    blocks
        .map(|block| {
            let keys = (0..block.len()).filter_map(|index| block.info(index));
            (block.section(), keys.collect())
        })
        .collect()
}
