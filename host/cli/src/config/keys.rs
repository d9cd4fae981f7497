//! Which keys a configuration file may have, and what to say about one that it may not.
//!
//! The names come from the structs that the file is read into, so that no list of them can lag behind.

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use toml::de::{DeTable, DeValue};

use super::source::Problem;

/// Names that a setting has elsewhere, on the command line or in messages, with its name in the file.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("queue_timeout", "default_task_timeout_ms"),
    ("queue_timeout_ms", "default_task_timeout_ms"),
    ("ageing", "ageing_ms"),
    ("max_time", "max_time_ms"),
    ("priority", "default_priority"),
];

/// A section and its keys.
#[derive(Debug)]
pub(super) struct Section {
    name: &'static str,
    /// `None` where the keys are names of the operator's own.
    keys: Option<&'static [&'static str]>,
}

impl Section {
    /// The section that is read into `T`.
    pub(super) fn of<T: DeserializeOwned>(name: &'static str) -> Self {
        let mut keys: &'static [&'static str] = &[];
        // It ends with an error, once the struct has said what its fields are.
        let _ = T::deserialize(Fields(&mut keys));
        Self {
            name,
            keys: Some(keys),
        }
    }

    /// A section whose keys are names of the operator's own.
    pub(super) fn of_any_keys(name: &'static str) -> Self {
        Self { name, keys: None }
    }

    pub(super) fn keys(&self) -> &'static [&'static str] {
        self.keys.unwrap_or_default()
    }
}

/// A deserializer that takes down which fields a struct asks for.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only its fields were asked for"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// All keys that a file may not have.
pub(super) fn check(root: &DeTable<'_>, sections: &[Section]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in root {
        let section = sections
            .iter()
            .find(|section| section.name == name.get_ref());
        match (section, value.get_ref()) {
            (Some(section), DeValue::Table(table)) => {
                let unknown = table.keys().filter(|key| {
                    let known = section.keys;
                    known.is_some_and(|known| !known.contains(&key.get_ref().as_ref()))
                });
                problems.extend(unknown.map(|key| {
                    let hint = hint_in(section, key.get_ref(), sections);
                    let name = section.name;
                    Problem {
                        at: key.span().start,
                        what: format!("unknown key `{}` in [{name}]: {hint}", key.get_ref()),
                    }
                }));
            }
            (Some(Section { name, .. }), _) => problems.push(Problem {
                at: value.span().start,
                what: format!("`{name}` is a section: write [{name}], and its keys below it"),
            }),
            (None, value) => problems.push(Problem {
                at: name.span().start,
                what: if value.is_table() {
                    let hint = hint_for_section(name.get_ref(), sections);
                    format!("unknown section [{}]: {hint}", name.get_ref())
                } else {
                    let hint = hint_outside(name.get_ref(), sections);
                    format!(
                        "unknown key `{}` outside of a section: {hint}",
                        name.get_ref()
                    )
                },
            }),
        }
    }
    problems
}

/// What to say about a key that its section doesn't have.
fn hint_in(section: &Section, key: &str, sections: &[Section]) -> String {
    belongs(key, sections)
        .or_else(|| {
            let close = closest(key, section.keys())?;
            Some(format!("did you mean `{close}`?"))
        })
        .or_else(|| close_elsewhere(key, sections))
        .unwrap_or_else(|| format!("[{}] has {}", section.name, list(section.keys(), '`', '`')))
}

/// What to say about a key that is in no section.
fn hint_outside(key: &str, sections: &[Section]) -> String {
    belongs(key, sections)
        .or_else(|| close_elsewhere(key, sections))
        .unwrap_or_else(|| hint_for_section(key, sections))
}

/// What to say about a section that there isn't.
fn hint_for_section(name: &str, sections: &[Section]) -> String {
    let names: Vec<&str> = sections.iter().map(|section| section.name).collect();
    closest(name, &names).map_or_else(
        || format!("there are {}", list(&names, '[', ']')),
        |close| format!("did you mean [{close}]?"),
    )
}

/// The section that has this very key.
fn belongs(key: &str, sections: &[Section]) -> Option<String> {
    sections
        .iter()
        .find(|section| section.keys().contains(&key))
        .map(|section| format!("it belongs in [{}]", section.name))
}

fn close_elsewhere(key: &str, sections: &[Section]) -> Option<String> {
    sections.iter().find_map(|section| {
        let close = closest(key, section.keys())?;
        Some(format!("did you mean `{close}` in [{}]?", section.name))
    })
}

/// The known name that was probably meant: at most a third of its letters are other ones.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    let name = OTHER_NAMES
        .iter()
        .find(|(other, _)| *other == name)
        .map_or(name.as_str(), |(_, here)| *here);
    known
        .iter()
        .map(|known| (strsim::osa_distance(name, known), *known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min()
        .map(|(_, known)| known)
}

/// All names, in the order in which they are declared.
fn list(names: &[&str], before: char, after: char) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{before}{name}{after}"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;

    fn hints(text: &str) -> Vec<String> {
        let root = DeTable::parse(text).unwrap();
        check(root.get_ref(), &file::sections())
            .into_iter()
            .map(|problem| problem.what)
            .collect()
    }

    fn hint(text: &str) -> String {
        let mut hints = hints(text);
        assert_eq!(hints.len(), 1, "{hints:?}");
        hints.remove(0)
    }

    #[test]
    fn the_keys_are_those_of_the_structs() {
        assert!(hints("[model]\nctx_size = 1\n[run]\ndirs = []\n").is_empty());
        let run = Section::of::<file::Run>("run");
        assert!(run.keys().contains(&"instances"), "{run:?}");
    }

    #[test]
    fn the_names_of_models_are_free() {
        assert!(hints("[models]\nanything = \"x\"\n\"of any kind\" = \"y\"\n").is_empty());
    }

    #[test]
    fn a_close_key_is_proposed() {
        for (text, words) in [
            ("[backend]\nqueue_sice = 1\n", "did you mean `queue_size`?"),
            ("[backend]\nQueue-Size = 1\n", "did you mean `queue_size`?"),
            ("[run]\ndir = 1\n", "did you mean `dirs`?"),
            (
                "[backend]\nqueue_timeout = 1\n",
                "did you mean `default_task_timeout_ms`?",
            ),
            (
                "[model]\nqueue_sice = 1\n",
                "did you mean `queue_size` in [backend]?",
            ),
            ("[modell]\nctx_size = 1\n", "did you mean [model]?"),
            ("[backends]\n", "did you mean [backend]?"),
        ] {
            let told = hint(text);
            assert!(told.ends_with(words), "`{words}` in: {told}");
        }
    }

    #[test]
    fn a_key_of_another_section_is_sent_there() {
        let told = hint("[model]\nqueue_size = 1\n");
        assert!(told.ends_with("it belongs in [backend]"), "{told}");
        let told = hint("queue_size = 1\n");
        assert!(told.contains("outside of a section"), "{told}");
        assert!(told.ends_with("it belongs in [backend]"), "{told}");
    }

    #[test]
    fn where_nothing_is_close_all_names_are_listed() {
        let told = hint("[model]\nfrobnicate = 1\n");
        assert!(
            told.contains("[model] has `ctx_size`, `batch_size`"),
            "{told}"
        );
        let told = hint("[frobnicate]\n");
        assert!(told.contains("[models], [model], [sampling]"), "{told}");
    }
}
