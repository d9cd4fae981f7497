//! Tiny models of every architecture that llama.cpp knows and Mynah serves, from the table
//! `architectures.txt`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use super::damage::Damage;
use super::gguf::{F32, I32, Parts, Random, STRING, U32, U64, string};
use super::{tokenizer_of, vocabulary};

const TABLE: &str = include_str!("architectures.txt");
/// ggml's types of the tensors that a model has, and the bytes of a number.
pub(super) const TENSOR_F32: (u32, u64) = (0, 4);
pub(super) const TENSOR_I32: (u32, u64) = (26, 4);

/// A tiny model of an architecture.
#[derive(Debug, Clone)]
pub struct TinyArchitecture {
    /// Its name in a file, such as `qwen3moe`.
    pub name: &'static str,
    /// Its keys with their values.
    pub keys: BTreeMap<String, TinyValue>,
    /// Further keys that llama.cpp reads, each with some value of its type.
    pub further: BTreeMap<String, TinyValue>,
    /// Its tensors.
    pub tensors: Vec<TinyTensor>,
    /// Its number of layers.
    pub layers: usize,
}

/// A tensor of a tiny model.
#[derive(Debug, Clone)]
pub struct TinyTensor {
    /// The tensor's name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// The tensor's dimensions.
    pub dimensions: Vec<u64>,
    /// Whether llama.cpp does without.
    pub is_optional: bool,
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum TinyValue {
    /// A whole number.
    Number(u32),
    /// A fraction.
    Float(f32),
    /// A truth value.
    Flag(bool),
    /// A text.
    Text(String),
    /// An array of whole numbers.
    Numbers(Vec<u32>),
    /// An array of whole numbers with a sign.
    Signed(Vec<i32>),
    /// An array of long whole numbers.
    Longs(Vec<u64>),
    /// An array of fractions.
    Floats(Vec<f32>),
    /// An array of texts.
    Texts(Vec<String>),
}

impl fmt::Display for TinyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{self:?}");
        match text.char_indices().nth(60) {
            Some((end, _)) => write!(f, "{}..", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

impl TinyValue {
    /// Parses a value of the table. `None` stands for some value of the type.
    fn of(ty: &str, text: Option<&str>) -> Option<Self> {
        let items: Vec<&str> = text
            .unwrap_or_default()
            .split(['[', ',', ' ', ']'])
            .filter(|item| !item.is_empty())
            .collect();
        let first = items.first().copied();
        let is_list = ty.ends_with('s') || text.is_some_and(|text| text.starts_with('['));
        Some(match (ty.trim_end_matches(['s', '|']), is_list) {
            ("u32", false) => Self::Number(first.unwrap_or("1").parse().ok()?),
            ("f32", false) => Self::Float(first.unwrap_or("1.0").parse().ok()?),
            ("bool", false) => Self::Flag(first.unwrap_or("true") == "true"),
            ("str", false) => Self::Text(first.unwrap_or("a").to_owned()),
            ("u32", true) => Self::Numbers(parsed(&items)?),
            ("i32", true) => Self::Signed(parsed(&items)?),
            ("u64", true) => Self::Longs(parsed(&items)?),
            ("f32", true) => Self::Floats(parsed(&items)?),
            ("str", true) => Self::Texts(parsed(&items)?),
            _ => return None,
        })
    }

    fn write(&self, key: &str, parts: &mut Parts) {
        match self {
            Self::Number(number) => parts.number(key, *number),
            Self::Float(number) => parts.float(key, *number),
            Self::Flag(flag) => parts.flag(key, *flag),
            Self::Text(text) => parts.text(key, text),
            Self::Numbers(list) => {
                parts.array(key, U32, list.len(), &bytes_of(list, u32::to_le_bytes));
            }
            Self::Signed(list) => {
                parts.array(key, I32, list.len(), &bytes_of(list, i32::to_le_bytes));
            }
            Self::Longs(list) => {
                parts.array(key, U64, list.len(), &bytes_of(list, u64::to_le_bytes));
            }
            Self::Floats(list) => {
                parts.array(key, F32, list.len(), &bytes_of(list, f32::to_le_bytes));
            }
            Self::Texts(list) => {
                let texts: Vec<u8> = list.iter().flat_map(|text| string(text)).collect();
                parts.array(key, STRING, list.len(), &texts);
            }
        }
    }
}

fn parsed<T: std::str::FromStr>(items: &[&str]) -> Option<Vec<T>> {
    items.iter().map(|item| item.parse().ok()).collect()
}

fn bytes_of<T: Copy, const N: usize>(list: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    list.iter().flat_map(|&number| bytes(number)).collect()
}

impl TinyArchitecture {
    /// All architectures of the table, in the order of their names.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut sections = TABLE.split("\narch ");
        let head = sections.next().unwrap_or_default();
        let mut known = BTreeMap::new();
        let mut common = Vec::new();
        for line in head.lines() {
            match line.split_once(' ') {
                Some(("key", key)) => {
                    let mut words = key.splitn(3, ' ');
                    if let (Some(name), Some(ty)) = (words.next(), words.next()) {
                        known.insert(name, (ty, words.next()));
                    }
                }
                Some(("all", names)) => common.extend(names.split(' ')),
                _ => {}
            }
        }
        sections
            .map(|section| Self::parse(section, &known, &common))
            .collect()
    }

    fn parse(
        section: &'static str,
        known: &BTreeMap<&str, (&str, Option<&str>)>,
        common: &[&str],
    ) -> Self {
        let mut lines = section.lines();
        let name = lines.next().unwrap_or_default();
        let key = |short: &str| match short.strip_prefix('!') {
            Some(whole) => whole.to_owned(),
            None => format!("{name}.{short}"),
        };
        let value = |short: &str, own: Option<&str>| {
            let (ty, usual) = known.get(short)?;
            TinyValue::of(ty, own.or(*usual))
        };
        let mut architecture = Self {
            name,
            keys: BTreeMap::new(),
            further: BTreeMap::new(),
            tensors: Vec::new(),
            layers: 0,
        };
        let mut rows = Vec::new();
        for line in lines {
            match line.split_once(' ') {
                Some(("has", keys)) => {
                    architecture.keys.extend(keys.split(' ').filter_map(|one| {
                        let (short, own) = match one.split_once('=') {
                            Some((short, own)) => (short, Some(own)),
                            None => (one, None),
                        };
                        Some((key(short), value(short, own)?))
                    }))
                }
                Some(("may", keys)) => architecture.further.extend(
                    keys.split(' ')
                        .filter_map(|short| Some((key(short), value(short, None)?))),
                ),
                Some(row) => rows.push(row),
                None => {}
            }
        }
        let common = common
            .iter()
            .filter_map(|short| Some((key(short), value(short, None)?)));
        architecture.further.extend(common);
        architecture.layers = match architecture.keys.get(&key("block_count")) {
            Some(TinyValue::Number(layers)) => *layers as usize,
            _ => 0,
        };
        for (dimensions, names) in rows {
            let dimensions: Vec<u64> = dimensions
                .split('x')
                .filter_map(|size| size.parse().ok())
                .collect();
            for name in names.split(' ') {
                architecture.add(name, &dimensions);
            }
        }
        architecture
    }

    fn add(&mut self, name: &str, dimensions: &[u64]) {
        let is_optional = name.starts_with('?');
        let name = name.trim_start_matches('?');
        let count = if name.contains('*') { self.layers } else { 1 };
        for layer in 0..count {
            self.tensors.push(TinyTensor {
                name: name.replace('*', &layer.to_string()),
                dimensions: dimensions.to_vec(),
                is_optional,
            });
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Any error of writing a file.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.bytes())
    }

    /// The bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.damaged(None)
    }

    /// The bytes of the file with a damage.
    #[must_use]
    pub fn damaged(&self, damage: Option<&Damage>) -> Vec<u8> {
        let mut parts = Parts::default();
        parts.text("general.architecture", self.name);
        parts.text("general.name", "tiny random test model");
        let rows = |tensor: &TinyTensor| match tensor.name.as_str() {
            "token_embd.weight" => tensor.dimensions.get(1).copied(),
            _ => None,
        };
        let tokens = self.tensors.iter().find_map(rows).unwrap_or(0);
        let tokens = usize::try_from(tokens).unwrap_or(0).max(vocabulary());
        tokenizer_of(&mut parts, "llama", tokens);
        parts.number("tokenizer.ggml.token_type_count", 2);
        let mut keys = self.keys.clone();
        if let Some(Damage::Key { key, value }) = damage {
            keys.remove(key);
            keys.extend(value.clone().map(|value| (key.clone(), value)));
        }
        for (key, value) in &keys {
            value.write(key, &mut parts);
        }
        let mut random = Random::new(1);
        for tensor in &self.tensors {
            let (ty, size) = match tensor.name.contains("tid2eid") {
                true => TENSOR_I32,
                false => TENSOR_F32,
            };
            let change = match damage {
                Some(Damage::Tensor { name, change }) if *name == tensor.name => Some(change),
                _ => None,
            };
            let Some((dimensions, ty, bytes)) = (match change {
                Some(change) => change.of(&tensor.dimensions, ty, size),
                None => {
                    let bytes = tensor.dimensions.iter().product::<u64>() * size;
                    Some((tensor.dimensions.clone(), ty, bytes))
                }
            }) else {
                continue;
            };
            let is_state = tensor.name.contains("ssm_a");
            let mut weight = || match ty {
                // The state must decay.
                0 if is_state => -1.0,
                0 => random.next(),
                // Zeros are valid in every other type.
                _ => 0.0,
            };
            let data = (0..bytes.div_ceil(4)).flat_map(|_| weight().to_le_bytes());
            parts.raw_tensor(&tensor.name, &dimensions, ty, data.collect());
        }
        parts.into_file()
    }
}
