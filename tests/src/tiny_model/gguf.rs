//! Builds a GGUF file in memory.

/// Alignment of tensor data in the file.
const ALIGNMENT: usize = 32;
/// Type numbers of GGUF values, and of ggml's F32.
const U32: u32 = 4;
pub(super) const I32: u32 = 5;
pub(super) const F32: u32 = 6;
const BOOL: u32 = 7;
pub(super) const STRING: u32 = 8;
const ARRAY: u32 = 9;
const TENSOR_F32: u32 = 0;

/// The parts of a file under construction.
#[derive(Default)]
pub(super) struct Parts {
    keys: u64,
    metadata: Vec<u8>,
    tensors: u64,
    infos: Vec<u8>,
    data: Vec<u8>,
}

impl Parts {
    /// Joins the parts.
    pub(super) fn into_file(self) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(b"GGUF");
        file.extend(3u32.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.keys.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.infos);
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        file.extend(self.data);
        file
    }

    fn value(&mut self, key: &str, ty: u32, bytes: &[u8]) {
        self.keys += 1;
        self.metadata.extend(string(key));
        self.metadata.extend(ty.to_le_bytes());
        self.metadata.extend(bytes);
    }

    pub(super) fn number(&mut self, key: &str, value: u32) {
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

    pub(super) fn tensor(
        &mut self,
        name: &str,
        dimensions: &[usize],
        mut weight: impl FnMut(usize) -> f32,
    ) {
        self.tensors += 1;
        self.infos.extend(string(name));
        self.infos.extend(u32_of(dimensions.len()).to_le_bytes());
        for &dimension in dimensions {
            self.infos.extend((dimension as u64).to_le_bytes());
        }
        self.infos.extend(TENSOR_F32.to_le_bytes());
        self.infos.extend((self.data.len() as u64).to_le_bytes());
        for index in 0..dimensions.iter().product() {
            self.data.extend(weight(index).to_le_bytes());
        }
        self.data
            .resize(self.data.len().next_multiple_of(ALIGNMENT), 0);
    }
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
