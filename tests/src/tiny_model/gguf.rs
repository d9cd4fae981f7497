//! Builds a GGUF file in memory.

/// Alignment of tensor data in the file.
const ALIGNMENT: usize = 32;
/// Type numbers of GGUF values, and of ggml's F32.
const U16: u32 = 2;
pub(super) const U32: u32 = 4;
pub(super) const I32: u32 = 5;
pub(super) const F32: u32 = 6;
const BOOL: u32 = 7;
pub(super) const STRING: u32 = 8;
const ARRAY: u32 = 9;
pub(super) const U64: u32 = 10;
const TENSOR_F32: u32 = 0;

/// The parts of a file under construction.
#[derive(Default)]
pub(super) struct Parts {
    keys: u64,
    metadata: Vec<u8>,
    tensors: Vec<Tensor>,
    /// Numbers to write instead of those that [`Parts::number`] is given, by key.
    pub(super) instead: Vec<(String, u32)>,
}

/// A tensor: its description up to its offset, and its data.
struct Tensor {
    info: Vec<u8>,
    data: Vec<u8>,
}

impl Parts {
    /// Joins the parts.
    pub(super) fn into_file(self) -> Vec<u8> {
        file(self.keys, &self.metadata, &self.tensors)
    }

    /// Joins the parts to several files, as llama.cpp splits them: the metadata is in the first.
    pub(super) fn into_files(mut self, count: u16) -> Vec<Vec<u8>> {
        let each = self.tensors.len().div_ceil(usize::from(count)).max(1);
        let all = i32::try_from(self.tensors.len()).unwrap_or(i32::MAX);
        let tensors = std::mem::take(&mut self.tensors);
        let mut chunks = tensors.chunks(each);
        (0..count)
            .map(|number| {
                let mut of_file = std::mem::take(&mut self);
                of_file.value("split.no", U16, &number.to_le_bytes());
                of_file.value("split.count", U16, &count.to_le_bytes());
                of_file.value("split.tensors.count", I32, &all.to_le_bytes());
                let tensors = chunks.next().unwrap_or_default();
                file(of_file.keys, &of_file.metadata, tensors)
            })
            .collect()
    }

    fn value(&mut self, key: &str, ty: u32, bytes: &[u8]) {
        self.keys += 1;
        self.metadata.extend(string(key));
        self.metadata.extend(ty.to_le_bytes());
        self.metadata.extend(bytes);
    }

    pub(super) fn number(&mut self, key: &str, value: u32) {
        let instead = self.instead.iter().find(|(name, _)| name == key);
        let value = instead.map_or(value, |(_, value)| *value);
        self.value(key, U32, &value.to_le_bytes());
    }

    pub(super) fn float(&mut self, key: &str, value: f32) {
        self.value(key, F32, &value.to_le_bytes());
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.value(key, BOOL, &[u8::from(value)]);
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.value(key, STRING, &string(value));
    }

    pub(super) fn array(&mut self, key: &str, ty: u32, length: usize, elements: &[u8]) {
        let length = (length as u64).to_le_bytes();
        let array = [&ty.to_le_bytes()[..], &length, elements].concat();
        self.value(key, ARRAY, &array);
    }

    /// A tensor whose data are given, whether or not they fit its dimensions and type.
    pub(super) fn raw_tensor(&mut self, name: &str, dimensions: &[u64], ty: u32, data: Vec<u8>) {
        let mut info = string(name);
        info.extend(u32_of(dimensions.len()).to_le_bytes());
        for dimension in dimensions {
            info.extend(dimension.to_le_bytes());
        }
        info.extend(ty.to_le_bytes());
        self.tensors.push(Tensor { info, data });
    }

    pub(super) fn tensor(
        &mut self,
        name: &str,
        dimensions: &[usize],
        mut weight: impl FnMut(usize) -> f32,
    ) {
        let weights = 0..dimensions.iter().product();
        let data = weights
            .flat_map(|index| weight(index).to_le_bytes())
            .collect();
        let dimensions: Vec<u64> = dimensions.iter().map(|&size| size as u64).collect();
        self.raw_tensor(name, &dimensions, TENSOR_F32, data);
    }
}

fn file(keys: u64, metadata: &[u8], tensors: &[Tensor]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(b"GGUF");
    file.extend(3u32.to_le_bytes());
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend(keys.to_le_bytes());
    file.extend(metadata);
    let mut data: Vec<u8> = Vec::new();
    for tensor in tensors {
        file.extend(&tensor.info);
        file.extend((data.len() as u64).to_le_bytes());
        data.extend(&tensor.data);
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    }
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
    file.extend(data);
    file
}

/// Converts a number that is known to be small.
pub(super) fn u32_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Random numbers from -0.5 to 0.5: the upper bits of Knuth's MMIX generator.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(self.0 >> 48).unwrap_or(0)) / 65_536.0 - 0.5
    }
}
