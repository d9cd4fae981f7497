//! Flags for compatibility with other hosts of core modules: models with an encoding and a target,
//! and workarounds for guests.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{anyhow, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::NamedModel;

/// Encodings that mean a GGUF model.
const ENCODINGS: [&str; 3] = ["ggml", "gguf", "autodetect"];

/// `NAME:ENCODING:TARGET:PATH`, the syntax of other hosts of core modules for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preload {
    pub(crate) model: NamedModel,
    pub(crate) target: Target,
}

/// The device that computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The processor.
    Cpu,
    /// A graphics card.
    Gpu,
    /// Chosen by the host.
    Auto,
}

impl FromStr for Preload {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        // The path may contain colons.
        let mut parts = text.splitn(4, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (Some(name), Some(encoding), Some(target), Some(path)) =
            (part(), part(), part(), part())
        else {
            bail!("give NAME:ENCODING:TARGET:PATH, such as `default:GGML:AUTO:model.gguf`");
        };
        if !ENCODINGS.contains(&encoding.to_lowercase().as_str()) {
            bail!("the encoding `{encoding}` is not served here: give GGML, or AUTODETECT");
        }
        let Ok(target) = <Target as ValueEnum>::from_str(target, true) else {
            bail!("there is no target `{target}` here: give CPU, GPU or AUTO");
        };
        Ok(Self {
            model: NamedModel {
                name: name.to_owned(),
                path: PathBuf::from(path),
            },
            target,
        })
    }
}

/// A workaround for guests that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    /// A buffer of length 0 counts as long as the answer.
    LenientOutputSize,
}

impl FromStr for Compat {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        <Self as ValueEnum>::from_str(text, false).map_err(|_| {
            let all = Self::value_variants().iter();
            let values: Vec<_> = all.filter_map(Self::to_possible_value).collect();
            let names: Vec<_> = values.iter().map(PossibleValue::get_name).collect();
            anyhow!("`{text}` is not supported: give {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preload(text: &str) -> anyhow::Result<Preload> {
        text.parse()
    }

    #[test]
    fn a_preload_keeps_the_colons_of_its_path_and_no_letters_case() {
        let read = preload("default:gGmL:aUtO:C:/models/a:b.gguf").unwrap();
        assert_eq!(read.model.name, "default");
        assert_eq!(read.model.path, PathBuf::from("C:/models/a:b.gguf"));
        assert_eq!(read.target, Target::Auto);
        assert_eq!(preload("a:AUTODETECT:GPU:b").unwrap().target, Target::Gpu);
    }

    #[test]
    fn a_preload_that_cannot_be_is_explained() {
        for (text, words) in [
            ("model.gguf", "NAME:ENCODING:TARGET:PATH"),
            ("default:GGML:AUTO:", "NAME:ENCODING:TARGET:PATH"),
            (":GGML:AUTO:a.gguf", "NAME:ENCODING:TARGET:PATH"),
            ("default:OpenVINO:CPU:a.xml", "`OpenVINO` is not served"),
            ("default:GGML:TPU:a.gguf", "no target `TPU`"),
        ] {
            let error = preload(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn an_unknown_quirk_is_told_with_those_that_there_are() {
        assert_eq!(
            "lenient-output-size".parse::<Compat>().unwrap(),
            Compat::LenientOutputSize
        );
        let error = "lenient".parse::<Compat>().unwrap_err().to_string();
        assert!(error.contains("lenient-output-size"), "{error}");
    }
}
