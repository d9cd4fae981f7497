//! What can be wrong with a model file whose header is well formed: values of keys, and shapes and
//! types of tensors.

use std::fmt;

use super::{TinyArchitecture, TinyTensor, TinyValue};

/// Types of tensors to try: ggml's number, and the numbers and bytes of a block.
const TYPES: [(u32, u64, u64); 4] = [(1, 1, 2), (8, 32, 34), (12, 256, 144), (26, 1, 4)];
/// Whole numbers to try, besides those near the right one.
const NUMBERS: [u32; 8] = [0, 1, 2, 3, 7, 64, 513, u32::MAX];
/// Fractions to try.
const FLOATS: [f32; 6] = [0.0, -1.0, 1e-30, 1e30, f32::NAN, f32::INFINITY];

/// A damage of a [`TinyArchitecture`].
#[derive(Debug, Clone)]
pub enum Damage {
    /// A key has another value, or is missing.
    Key {
        /// The whole key.
        key: String,
        /// Its value.
        value: Option<TinyValue>,
    },
    /// A tensor is changed.
    Tensor {
        /// Its name.
        name: String,
        /// The change.
        change: TensorDamage,
    },
}

/// A change of a tensor.
#[derive(Debug, Clone)]
pub enum TensorDamage {
    /// The tensor is missing.
    Missing,
    /// The tensor has other dimensions.
    Dimensions(Vec<u64>),
    /// The tensor has the type with this number in ggml, with so many numbers and bytes in a block.
    Type(u32, u64, u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key, value: None } => write!(f, "`{key}` is missing"),
            Self::Key {
                key,
                value: Some(value),
            } => write!(f, "`{key}` = {value}"),
            Self::Tensor { name, change } => write!(f, "tensor `{name}`: {change:?}"),
        }
    }
}

impl TensorDamage {
    /// Dimensions, type and bytes of the changed tensor; `None` if it is missing.
    pub(super) fn of(
        &self,
        dimensions: &[u64],
        ty: u32,
        size: u64,
    ) -> Option<(Vec<u64>, u32, u64)> {
        let count = |dimensions: &[u64]| dimensions.iter().product::<u64>();
        match self {
            Self::Missing => None,
            Self::Dimensions(other) => Some((other.clone(), ty, count(other) * size)),
            Self::Type(ty, numbers, bytes) => {
                let blocks = count(dimensions).div_ceil(*numbers);
                Some((dimensions.to_vec(), *ty, blocks * bytes))
            }
        }
    }
}

impl TinyArchitecture {
    /// Every damage to try: of each key that llama.cpp reads, and of each tensor.
    #[must_use]
    pub fn damages(&self) -> Vec<Damage> {
        let mut all = Vec::new();
        for (key, value) in &self.keys {
            let mut key_is = |value| {
                let key = key.clone();
                all.push(Damage::Key { key, value });
            };
            key_is(None);
            self.values(value).into_iter().map(Some).for_each(key_is);
        }
        for (key, value) in &self.further {
            let values = self.values(value).into_iter().chain([value.clone()]);
            all.extend(values.map(|value| Damage::Key {
                key: key.clone(),
                value: Some(value),
            }));
        }
        // What holds for one layer between the first and the last holds for the others.
        let is_between = |tensor: &&TinyTensor| {
            let layer = tensor
                .name
                .strip_prefix("blk.")
                .and_then(|rest| rest.split_once('.'));
            let layer = layer.and_then(|(layer, _)| layer.parse().ok());
            layer.is_some_and(|layer: usize| layer > 1 && layer + 1 < self.layers)
        };
        for tensor in self.tensors.iter().filter(|tensor| !is_between(tensor)) {
            all.extend(shapes(&tensor.dimensions).into_iter().map(|change| {
                let name = tensor.name.clone();
                Damage::Tensor { name, change }
            }));
        }
        all
    }

    /// Values to try instead of this one.
    fn values(&self, value: &TinyValue) -> Vec<TinyValue> {
        use TinyValue::{Flag, Float, Floats, Longs, Number, Numbers, Signed, Text, Texts};

        let layers = self.layers;
        let wrong = match value {
            Text(_) | Texts(_) => Number(1),
            _ => Text("a".to_owned()),
        };
        let mut values: Vec<TinyValue> = match value {
            Number(number) => {
                let near = [number.wrapping_add(1), number.wrapping_mul(2), number / 2];
                let numbers = NUMBERS.iter().copied().chain(near).map(Number);
                let mut last_none = vec![*number; layers];
                last_none.last_mut().into_iter().for_each(|last| *last = 0);
                let mut first_none = vec![*number; layers];
                first_none
                    .first_mut()
                    .into_iter()
                    .for_each(|first| *first = 0);
                let arrays = [
                    vec![*number; layers],
                    vec![0; layers],
                    last_none,
                    first_none,
                    vec![*number; layers + 1],
                    vec![u32::MAX; layers],
                    Vec::new(),
                    vec![*number; 600],
                ];
                numbers.chain(arrays.map(Numbers)).collect()
            }
            Float(_) => {
                let arrays = [vec![1.0; layers], vec![1.0; layers + 1], Vec::new()];
                FLOATS
                    .map(Float)
                    .into_iter()
                    .chain(arrays.map(Floats))
                    .collect()
            }
            Flag(flag) => vec![Flag(!flag), Numbers(vec![1; layers])],
            Text(_) => vec![Text(String::new()), Text("b".to_owned())],
            Numbers(list) => lists(list, &[0, 1, 2, 7, u32::MAX])
                .into_iter()
                .map(Numbers)
                .chain(NUMBERS.map(Number))
                .collect(),
            Signed(list) => lists(list, &[0, -1, 7, i32::MAX, i32::MIN])
                .into_iter()
                .map(Signed)
                .chain(NUMBERS.map(Number))
                .collect(),
            Longs(list) => lists(list, &[0, 1, 7, u64::MAX])
                .into_iter()
                .map(Longs)
                .collect(),
            Floats(list) => lists(list, &FLOATS).into_iter().map(Floats).collect(),
            Texts(_) => vec![Texts(vec!["a".to_owned()]), Texts(vec![String::new(); 600])],
        };
        values.push(wrong);
        values.retain(|other| other != value);
        values
    }
}

/// Lists to try instead of this one: of other lengths, and with other elements.
fn lists<T: Copy>(list: &[T], elements: &[T]) -> Vec<Vec<T>> {
    let mut lists = vec![Vec::new()];
    if let Some((last, rest)) = list.split_last() {
        lists.push(rest.to_vec());
        lists.push([list, &[*last]].concat());
        lists.push(vec![*last; 600]);
    }
    for &element in elements {
        lists.push(vec![element; list.len().max(1)]);
        lists.extend((0..list.len()).map(|at| with(list, at, element)));
    }
    lists
}

/// The list with another element at a place.
fn with<T: Copy>(list: &[T], place: usize, element: T) -> Vec<T> {
    let mut changed = list.to_vec();
    changed.splice(place..=place, [element]);
    changed
}

/// The changes to try of a tensor with these dimensions.
fn shapes(dimensions: &[u64]) -> Vec<TensorDamage> {
    let mut changes = vec![TensorDamage::Missing];
    for (at, &size) in dimensions.iter().enumerate() {
        for other in [0, 1, size + 1, size * 2] {
            changes.push(TensorDamage::Dimensions(with(dimensions, at, other)));
        }
    }
    changes.push(TensorDamage::Dimensions(
        dimensions.iter().rev().copied().collect(),
    ));
    let flat = dimensions.iter().product();
    changes.push(TensorDamage::Dimensions(vec![flat]));
    changes
        .retain(|change| !matches!(change, TensorDamage::Dimensions(other) if other == dimensions));
    let row = dimensions.first().copied().unwrap_or(1);
    let fits = |(_, numbers, _): &(u32, u64, u64)| row.is_multiple_of(*numbers);
    let types = TYPES.into_iter().filter(fits);
    changes.extend(types.map(|(ty, numbers, bytes)| TensorDamage::Type(ty, numbers, bytes)));
    changes
}
