//! What this CPU can do with this build of llama.cpp.

use mynah_gguf::kernels::CpuFeatures;
use mynah_llama::has_amx_header;

/// The features of this CPU that this build uses: AMX only where llama.cpp's kernels for it can be
/// trusted.
#[must_use]
pub fn cpu_features() -> CpuFeatures {
    let cpu = CpuFeatures::detect();
    CpuFeatures {
        amx_int8: cpu.amx_int8 && has_amx_header(),
        ..cpu
    }
}
