//! Identifies the model that a state belongs to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use mynah_llama::ContextParams;
use sha2::{Digest, Sha256};

use crate::model::gguf::{GgufHeader, Part};

/// Samples of the weights that are hashed.
const SAMPLES: u64 = 256;

/// Bytes of a sample.
const SAMPLE_BYTES: u64 = 4096;

/// Identifies the model that a state belongs to: a hash of the model's file, of the form of its KV
/// cells, and of this program's version, which determines that of llama.cpp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a model. It hashes everything in its file before the weights, and a
    /// mebibyte of samples spread over the weights: hashing all of a large file would take longer
    /// than loading it. Two files whose weights differ only between the samples have the same
    /// fingerprint; training changes weights everywhere.
    ///
    /// # Errors
    ///
    /// The file's.
    pub(crate) fn of(path: &Path, header: &GgufHeader, params: &ContextParams) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        // llama.cpp restores a state only if there are as many streams as when it was saved
        // (`llama_kv_cache::state_read`).
        let streams = if params.split { params.sequences } else { 1 };
        let about = format!(
            "{}\n{}\n{}\n{streams}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            params.kv_type.name(),
            params.swa_full,
            header.file_bytes,
        );
        hasher.update(about);
        for part in header.files(path) {
            hash(&part, &mut hasher)?;
        }
        let digest = hasher.finalize();
        // Half of the hash tells all models apart, and is short enough for the name of a folder.
        let half = digest.iter().take(16);
        Ok(Self(half.map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The name of the model's folder.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Whether a folder of this name can be a model's.
    pub(crate) fn is_name(name: &str) -> bool {
        name.len() == 32
            && name
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// One that a test makes up.
    #[cfg(test)]
    pub(crate) fn made_up(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// Hashes what is before the weights of a file, and samples of these.
fn hash(part: &Part, hasher: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(&part.path)?;
    let weights = part.weight_bytes;
    let before = part.file_bytes.saturating_sub(weights);
    io::copy(&mut (&mut file).take(before), &mut Hashing(hasher))?;
    for sample in 0..SAMPLES {
        let last = weights.saturating_sub(SAMPLE_BYTES);
        file.seek(SeekFrom::Start(before + last * sample / (SAMPLES - 1)))?;
        let mut from = (&mut file).take(SAMPLE_BYTES);
        io::copy(&mut from, &mut Hashing(hasher))?;
    }
    Ok(())
}

/// Hashes what is written.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
