//! The cache of converted models, each stored under the hash of its source.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use mynah_core::{Result, files};
use sha2::{Digest, Sha256};

use super::{Advice, Optimize, Quantisation, Target, advise, optimize};
use crate::EngineError;
use crate::model::cpu_features;
use crate::model::gguf::{GgufError, GgufHeader};
use crate::model::weights::read_header;

/// Name of the subfolder for converted models.
const FOLDER: &str = "optimized";

/// Share of the progress for hashing. The rest is for the conversion.
const HASHING: f32 = 0.125;

/// Number of bytes to read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// The file to load instead of `source`, from the cache or converted now. `None` if `source` should
/// be loaded unchanged: the target is [`Target::Auto`], and [`advise`] finds nothing better for
/// this CPU.
///
/// Reads the whole source to hash it. A damaged file in the cache is replaced. Any number of
/// processes and threads may do this at once: each writes its own file, and the last one stays.
/// `progress` receives the completed share, from 0.0 to 1.0.
///
/// # Errors
///
/// Those of [`optimize`]; [`EngineError::Write`] if the cache folder cannot be created.
pub fn optimized(
    source: &Path,
    Optimize { target, cache }: &Optimize,
    threads: u32,
    progress: &mut dyn FnMut(f32),
) -> Result<Option<PathBuf>> {
    let header = read_header(source)?;
    let to = match target {
        Target::To(quantisation) => *quantisation,
        Target::Auto => match advise(&header, cpu_features()) {
            Advice::Convert(quantisation) => quantisation,
            advice @ Advice::Fast => {
                tracing::info!("{}: loaded as it is, {advice}", source.display());
                return Ok(None);
            }
            // It was requested but is not possible, so it is logged.
            advice @ Advice::NothingBetter(_) => {
                tracing::warn!("{}: loaded as it is, {advice}", source.display());
                return Ok(None);
            }
        },
    };
    let folder = cache.join(FOLDER);
    files::private_folder(&folder).map_err(|refused| EngineError::Write {
        path: folder.clone(),
        error: std::io::Error::other(refused),
    })?;
    let files = header.files(source).into_iter().map(|part| part.path);
    let path = folder.join(entry(&hash(&files.collect::<Vec<_>>(), progress)?, to));
    match GgufHeader::read(&path) {
        Ok(_) => {
            progress(1.0);
            return Ok(Some(path));
        }
        Err(damage) if path.exists() => tracing::warn!("{damage}. It is made again"),
        Err(_) => {}
    }
    optimize(source, &path, to, threads, &mut |share| {
        progress(HASHING + share * (1.0 - HASHING));
    })?;
    Ok(Some(path))
}

/// Name of a converted model in the cache.
fn entry(hash: &str, to: Quantisation) -> String {
    format!("{hash}-{}.gguf", to.name())
}

/// SHA-256 of the contents of all files of a model, in hexadecimal.
fn hash(files: &[PathBuf], progress: &mut dyn FnMut(f32)) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut length = 0;
    for path in files {
        length += std::fs::metadata(path).map_err(unreadable(path))?.len();
    }
    let mut block = vec![0; BLOCK_BYTES];
    let mut done: u64 = 0;
    for path in files {
        let mut file = File::open(path).map_err(unreadable(path))?;
        loop {
            let count = file.read(&mut block).map_err(unreadable(path))?;
            let Some(read) = block.get(..count).filter(|read| !read.is_empty()) else {
                break;
            };
            hasher.update(read);
            done += count as u64;
            #[expect(clippy::cast_precision_loss, reason = "a share, to be shown")]
            let share = done as f32 / length.max(done) as f32;
            progress(share * HASHING);
        }
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> EngineError + '_ {
    |error| {
        EngineError::from(GgufError {
            path: path.to_owned(),
            problem: error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, bytes).unwrap();
        hash(&[path], &mut |_| {}).unwrap()
    }

    #[test]
    fn an_entry_is_named_by_contents_and_type() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_of(b"abc"), abc);
        assert_eq!(entry(abc, Quantisation::Q8_0), format!("{abc}-q8_0.gguf"));
        let long = vec![7; BLOCK_BYTES * 2 + 5];
        assert_ne!(hash_of(&long), hash_of(long.get(1..).unwrap()));
    }

    #[test]
    fn hashing_tells_its_share_of_the_progress() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, vec![0; BLOCK_BYTES * 3]).unwrap();
        let mut told = Vec::new();
        hash(&[path], &mut |share| told.push(share)).unwrap();
        assert!(
            told.is_sorted() && told.last() == Some(&HASHING),
            "{told:?}"
        );
    }
}
