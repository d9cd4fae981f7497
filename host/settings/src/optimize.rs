//! The types that weights can be converted to, and their names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::kind::{Named, all_of};

/// The type of converted weights, ordered by accuracy, the best first.
///
/// Every type has fast kernels on some CPU and needs no importance matrix. Like llama.cpp's tools,
/// mixed types store the few most important matrices with more bits.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum Quantisation {
    /// 16 bits a weight.
    F16,
    /// 8.5 bits a weight. Nearly exact for weights that had fewer bits.
    Q8_0,
    /// 6.6 bits a weight.
    #[strum(serialize = "q6_k")]
    Q6K,
    /// 5.7 bits a weight, mixed.
    #[strum(serialize = "q5_k_m")]
    Q5KM,
    /// 4.9 bits a weight, mixed.
    #[strum(serialize = "q4_k_m")]
    Q4KM,
    /// 4.6 bits a weight. The fastest on most CPUs, and noticeably less accurate.
    Q4_0,
}

impl Quantisation {
    /// All types, best first.
    pub const ALL: [Self; <Self as strum::EnumCount>::COUNT] =
        all_of(<Self as strum::VariantArray>::VARIANTS);

    /// The name on a command line, such as `q4_k_m`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The name in file names of models, such as `Q4_K_M`.
impl fmt::Display for Quantisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().to_uppercase())
    }
}

/// The type to convert a model's weights to.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Target {
    /// The type that suits the machine. Often none does.
    #[default]
    Auto,
    /// This type, on any machine.
    To(Quantisation),
}

impl Target {
    /// All targets: `auto`, then all types, best first.
    pub const ALL: [Self; 7] = [
        Self::Auto,
        Self::To(Quantisation::F16),
        Self::To(Quantisation::Q8_0),
        Self::To(Quantisation::Q6K),
        Self::To(Quantisation::Q5KM),
        Self::To(Quantisation::Q4KM),
        Self::To(Quantisation::Q4_0),
    ];
}

impl Named for Target {
    const ALL: &'static [Self] = &Self::ALL;
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::To(quantisation) => quantisation.name(),
        })
    }
}

/// `auto` or a name of [`Quantisation`], in upper or lower case.
impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        Self::ALL
            .into_iter()
            .find(|target| text.eq_ignore_ascii_case(&target.to_string()))
            .ok_or_else(|| UnknownTarget {
                name: text.to_owned(),
            })
    }
}

/// An unknown name of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("weights can't be converted to `{name}`: give one of {}", targets())]
pub struct UnknownTarget {
    /// The unknown name.
    pub name: String,
}

fn targets() -> String {
    Target::ALL.map(|target| target.to_string()).join(", ")
}

/// Converts a model when it is loaded, and keeps the result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Optimize {
    /// The type to convert to.
    pub target: Target,
    /// The cache folder. The result is `optimized/HASH-TYPE.gguf` in it, where the hash is the
    /// SHA-256 of the source's contents. Therefore a changed source gets a new file, and a moved or
    /// renamed one does not. Nothing is ever deleted from the folder.
    pub cache: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_read_as_it_is_written() {
        let all = Quantisation::ALL.map(Target::To);
        for target in all.into_iter().chain([Target::Auto]) {
            assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
            let upper = target.to_string().to_uppercase();
            assert_eq!(upper.parse::<Target>().unwrap(), target);
        }
    }

    #[test]
    fn an_unknown_target_is_answered_with_all_that_there_are() {
        let text = "q4_1".parse::<Target>().unwrap_err().to_string();
        assert!(text.contains("`q4_1`") && text.contains("auto"), "{text}");
        for quantisation in Quantisation::ALL {
            assert!(text.contains(quantisation.name()), "{text}");
        }
    }

    #[test]
    fn a_type_is_shown_in_upper_case_and_a_target_as_it_is_written() {
        let types = Quantisation::ALL.map(|one| one.to_string());
        assert_eq!(types, ["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0"]);
        let targets = Target::ALL.map(|target| target.to_string());
        assert_eq!(
            targets,
            ["auto", "f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"]
        );
        let padded = format!("{:<5}|{:>5}|", Quantisation::F16, Target::Auto);
        assert_eq!(padded, "F16  | auto|");
    }
}
