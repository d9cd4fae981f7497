//! What makes this build of llama.cpp slower than it could be on this machine, and the remedy.

use std::fmt;
use std::sync::Once;

use mynah_gguf::kernels::CpuFeatures;
use mynah_llama::{BuildFlags, SystemInfo};

use crate::EngineError;

/// A reason why models are slower than they could be, with its remedy.
///
/// The flags of llama.cpp's build come from the program that is built, which is not always this
/// workspace. So the build is checked when the first model is loaded, and each reason is a warning
/// in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildAdvice {
    /// What was found.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for BuildAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.remedy)
    }
}

/// The reasons why models are slower with this build of llama.cpp than they could be on this
/// machine. Empty if there are none.
///
/// # Errors
///
/// [`EngineError::Backend`] if llama.cpp cannot be started.
pub fn build_advice() -> Result<Vec<BuildAdvice>, EngineError> {
    let system = SystemInfo::read()?;
    Ok(advice(CpuFeatures::detect(), &system, BuildFlags::read()))
}

/// Writes the advice to the log, once in a process.
pub(super) fn warn_of_slow_build() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| match build_advice() {
        Ok(all) => {
            for BuildAdvice { reason, remedy } in all {
                tracing::warn!(%remedy, "models are slower than they could be: {reason}");
            }
        }
        // Loading a model reports it.
        Err(error) => tracing::debug!(%error, "the build of llama.cpp cannot be checked"),
    });
}

fn advice(cpu: CpuFeatures, system: &SystemInfo, flags: BuildFlags) -> Vec<BuildAdvice> {
    let mut advice = Vec::new();
    let lacking = cpu.named().into_iter();
    let lacking = lacking.filter(|(name, present)| *present && !system.has_feature(name));
    let lacking: Vec<_> = lacking.map(|(name, _)| name).collect();
    if !lacking.is_empty() {
        advice.push(BuildAdvice {
            reason: format!(
                "this CPU has {}, and llama.cpp was built without",
                lacking.join(", ")
            ),
            remedy: "build on this machine with RUSTFLAGS=\"-C target-cpu=native\"".to_owned(),
        });
    }
    // The headers change nothing else.
    let need_headers = [
        (
            system.has_feature("AMX_INT8"),
            "its kernels for AMX are not used",
        ),
        (flags.half_floats, "attention over half-floats is slow"),
    ];
    let needed: Vec<_> = need_headers.iter().filter(|(built, _)| *built).collect();
    if !flags.has_headers && !needed.is_empty() {
        let effects: Vec<_> = needed.iter().map(|(_, effect)| *effect).collect();
        advice.push(BuildAdvice {
            reason: format!(
                "llama.cpp was built without Mynah's headers for the compiler, so {}",
                effects.join(" and ")
            ),
            remedy: format!(
                "build with the folder {} in CPLUS_INCLUDE_PATH",
                BuildFlags::HEADERS
            ),
        });
    }
    if !flags.is_optimised() {
        advice.push(BuildAdvice {
            reason: format!("llama.cpp was built as {}", flags.profile),
            remedy: "build with LLAMA_LIB_PROFILE=Release".to_owned(),
        });
    }
    if !system.has_feature("OPENMP") {
        advice.push(BuildAdvice {
            reason: "llama.cpp was built without OpenMP".to_owned(),
            remedy: "build with a compiler that has it".to_owned(),
        });
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(features: &[&str]) -> SystemInfo {
        SystemInfo {
            ggml_version: "0.26.0".to_owned(),
            features: features.iter().map(|name| format!("{name} = 1")).collect(),
            devices: Vec::new(),
        }
    }

    fn told(
        cpu: CpuFeatures,
        features: &[&str],
        has_headers: bool,
        profile: &'static str,
    ) -> String {
        let flags = BuildFlags {
            has_headers,
            profile,
            half_floats: false,
        };
        let all = advice(cpu, &built(features), flags);
        all.iter().map(|one| format!("{one}\n")).collect()
    }

    #[test]
    fn a_build_that_fits_the_machine_needs_no_advice() {
        let cpu = CpuFeatures {
            avx2: true,
            amx_int8: true,
            ..CpuFeatures::default()
        };
        let features = ["AVX2", "AMX_INT8", "OPENMP"];
        assert_eq!(told(cpu, &features, true, "Release"), "");
        // The headers only matter to kernels that were built.
        let older = CpuFeatures {
            avx2: true,
            ..CpuFeatures::default()
        };
        assert_eq!(told(older, &["AVX2", "OPENMP"], false, "Release"), "");
    }

    #[test]
    fn each_reason_is_told_with_its_remedy() {
        let cpu = CpuFeatures {
            avx2: true,
            avx512: true,
            amx_int8: true,
            ..CpuFeatures::default()
        };
        let told = told(cpu, &["AVX2", "AMX_INT8"], false, "RelWithDebInfo");
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(
            lines[0].contains("AVX512,") && lines[0].contains("target-cpu=native"),
            "{told}"
        );
        assert!(!lines[0].contains("AVX2"), "{told}");
        assert!(
            lines[1].contains("native/gcc in CPLUS_INCLUDE_PATH"),
            "{told}"
        );
        assert!(lines[2].contains("LLAMA_LIB_PROFILE=Release"), "{told}");
        assert!(lines[3].contains("OpenMP"), "{told}");
    }
}
