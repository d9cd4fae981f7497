//! The CPU features that this build of llama.cpp uses.

use mynah_gguf::kernels::CpuFeatures;
use mynah_llama::BuildFlags;

/// The features of this CPU that this build uses. AMX is only included if llama.cpp's kernels for
/// it are reliable.
#[must_use]
pub fn cpu_features() -> CpuFeatures {
    let cpu = CpuFeatures::detect();
    CpuFeatures {
        amx_int8: cpu.amx_int8 && BuildFlags::read().has_headers,
        ..cpu
    }
}
