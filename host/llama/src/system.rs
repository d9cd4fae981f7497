//! The build of llama.cpp, and the devices that it finds on this machine.

use std::ffi::CStr;
use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use llama_cpp_sys_2 as sys;

use super::{LlamaError, llama_backend};

/// The build of llama.cpp, and the devices that it finds on this machine.
#[derive(Debug, Clone)]
pub struct SystemInfo {
    /// Version of ggml, llama.cpp's tensor library, such as `0.26.0`.
    pub ggml_version: String,
    /// The CPU features for which the kernels were compiled, such as `AVX512 = 1`, in llama.cpp's
    /// format.
    pub features: Vec<String>,
    /// The devices that llama.cpp can compute on, including the CPU.
    pub devices: Vec<Device>,
}

/// The version of llama.cpp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlamaBuild {
    /// Version of ggml, llama.cpp's tensor library, such as `0.26.0`.
    pub ggml_version: String,
    /// The commit of the build; `None` if the sources do not contain it, as in the binding's crate.
    pub commit: Option<String>,
}

impl LlamaBuild {
    /// Reads the version from llama.cpp.
    #[must_use]
    pub fn read() -> Self {
        // SAFETY: both return a static NUL-terminated string; it is copied at once.
        let (version, commit) = unsafe { (text(sys::ggml_version()), text(sys::ggml_commit())) };
        Self {
            ggml_version: version,
            commit: Some(commit).filter(|commit| !commit.is_empty() && commit != "unknown"),
        }
    }

    /// A number that grows with each version of ggml: `0.26.1` is 26001. llama.cpp's own build
    /// number is not in the sources of the binding's crate.
    #[must_use]
    pub fn number(&self) -> u32 {
        let parts = self.ggml_version.split('.');
        parts.take(3).fold(0, |number: u32, part| {
            let part = part.parse().unwrap_or(0);
            number.saturating_mul(1000).saturating_add(part)
        })
    }
}

/// A device that llama.cpp can compute on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Short name, such as `CPU` or `Vulkan0`.
    pub name: String,
    /// The product's name.
    pub description: String,
    /// The kind of device.
    pub kind: DeviceKind,
    /// Total memory in bytes.
    pub memory_total: u64,
    /// Free memory in bytes.
    pub memory_free: u64,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics card with its own memory.
    Gpu,
    /// Graphics that share the processor's memory.
    IntegratedGpu,
    /// Anything else.
    Other,
}

impl SystemInfo {
    /// Reads the information from llama.cpp.
    ///
    /// # Errors
    ///
    /// [`LlamaError::Start`] if llama.cpp cannot be started.
    pub fn read() -> Result<Self, LlamaError> {
        llama_backend()?;
        // SAFETY: it returns a static NUL-terminated string; it is copied at once.
        let version = unsafe { text(sys::ggml_version()) };
        Ok(Self {
            ggml_version: version,
            features: features().to_vec(),
            devices: list_llama_ggml_backend_devices()
                .into_iter()
                .map(|device| Device {
                    name: device.name,
                    description: device.description,
                    kind: match device.device_type {
                        LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
                        LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
                        LlamaBackendDeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
                        LlamaBackendDeviceType::Accelerator | LlamaBackendDeviceType::Unknown => {
                            DeviceKind::Other
                        }
                    },
                    memory_total: device.memory_total as u64,
                    memory_free: device.memory_free as u64,
                })
                .collect(),
        })
    }

    /// Whether llama.cpp has a graphics card for layers.
    #[must_use]
    pub fn has_gpu() -> bool {
        llama_backend().is_ok_and(LlamaBackend::supports_gpu_offload)
    }

    /// Whether the kernels were compiled for `feature` (`AVX512`, `NEON`, ...).
    #[must_use]
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.iter().any(|entry| {
            entry
                .rsplit(':')
                .next()
                .unwrap_or(entry)
                .split_once('=')
                .is_some_and(|(name, value)| name.trim() == feature && value.trim() == "1")
        })
    }
}

/// The CPU features for which the kernels were compiled. Read once: llama.cpp builds the text anew
/// for each call, in one buffer that all threads share, and several threads load models.
fn features() -> &'static [String] {
    static FEATURES: OnceLock<Vec<String>> = OnceLock::new();
    FEATURES.get_or_init(|| {
        // SAFETY: it returns a NUL-terminated string that changes with the next call. This is the
        // only call.
        let features = unsafe { text(sys::llama_print_system_info()) };
        let features = features.split('|').map(|feature| feature.trim().to_owned());
        features.filter(|feature| !feature.is_empty()).collect()
    })
}

/// Used and total memory of all graphics cards in bytes; `None` if there are none.
pub fn device_memory() -> Option<(u64, u64)> {
    if !SystemInfo::has_gpu() {
        return None;
    }
    let cards: Vec<_> = list_llama_ggml_backend_devices()
        .into_iter()
        .filter(|device| {
            matches!(
                device.device_type,
                LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu
            )
        })
        .collect();
    let total: usize = cards.iter().map(|card| card.memory_total).sum();
    let free: usize = cards.iter().map(|card| card.memory_free).sum();
    (total > 0).then(|| (total.saturating_sub(free) as u64, total as u64))
}

/// # Safety
///
/// `pointer` is null or a NUL-terminated string that lives during the call.
unsafe fn text(pointer: *const std::ffi::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

/// Weights and bytes per block of a tensor type in the linked ggml.
#[cfg(test)]
fn type_block(number: sys::ggml_type) -> (u64, u64) {
    // SAFETY: both look a number up in a table; the tests pass numbers that ggml has.
    let (weights, bytes) = unsafe { (sys::ggml_blck_size(number), sys::ggml_type_size(number)) };
    (weights.unsigned_abs(), bytes as u64)
}

#[cfg(test)]
mod tests {
    use mynah_gguf::TensorType;

    use super::*;

    #[test]
    fn sizes_of_tensor_types_are_those_of_ggml() {
        for &(number, ty) in TensorType::ALL {
            assert_eq!(type_block(number), ty.block(), "{ty} is not as ggml has it");
        }
    }

    #[test]
    fn many_may_ask_at_once() {
        let expected = SystemInfo::read().unwrap().features;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert_eq!(SystemInfo::read().unwrap().features, expected);
                    }
                });
            }
        });
    }

    #[test]
    fn a_build_has_a_number_that_grows_with_its_version() {
        let number = |version: &str| {
            let ggml_version = version.to_owned();
            let commit = None;
            LlamaBuild {
                ggml_version,
                commit,
            }
            .number()
        };
        assert_eq!(number("0.26.1"), 26_001);
        assert!(number("1.0.0") > number("0.99.9"));
        assert_eq!(number("unknown"), 0);
        assert!(LlamaBuild::read().number() > 0);
    }
}
