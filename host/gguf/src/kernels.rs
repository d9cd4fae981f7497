//! Which quantisations have fast matrix kernels on this CPU.
//!
//! According to the llama.cpp that the workspace pins (llama-cpp-sys-2 0.1.161):
//! `ggml-cpu/repack.cpp` (`ggml_repack_get_optimal_repack_type`) for weights that are repacked when
//! loaded, `ggml-cpu/amx/` for those that AMX multiplies, `ggml-cpu/tiled/tiled.cpp` and
//! `ggml-cpu/llamafile/sgemm.cpp` for tiled matrix products. All other types use one dot product at
//! a time.

use std::fmt;

use super::{GgufHeader, TensorType};

/// Whether the model has a matrix whose rows are a single block of 32 weights.
///
/// With 32 or more tokens, llama.cpp's AMX kernel adds a row's last block to the memory of the
/// result, assuming that the first block was stored there (`tinygemm_kernel_amx` in
/// `ggml-cpu/amx/mmq.cpp`). If the last block is the only one, the result includes old contents of
/// that memory.
#[must_use]
pub fn has_rows_of_one_block(header: &GgufHeader) -> bool {
    /// The block that AMX multiplies at once (`TILE_K`). Blocks of 256 have a different kernel,
    /// which is correct.
    const BLOCK: u64 = 32;

    let mut tensors = header.tensors.iter();
    tensors.any(|tensor| tensor.ty.block().0 == BLOCK && tensor.dimensions.first() == Some(&BLOCK))
}

/// CPU features that decide which kernels run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuFeatures {
    /// x86 AVX2.
    pub avx2: bool,
    /// x86 AVX-512 Foundation.
    pub avx512: bool,
    /// x86 AVX-512 VNNI.
    pub avx512_vnni: bool,
    /// x86 AVX-512 BF16.
    pub avx512_bf16: bool,
    /// x86 AMX for 8-bit integers.
    pub amx_int8: bool,
    /// Arm NEON.
    pub neon: bool,
    /// Arm dot product.
    pub dotprod: bool,
    /// Arm int8 matrix multiplication.
    pub matmul_int8: bool,
}

impl CpuFeatures {
    /// The features of this CPU.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            Self {
                avx2: std::arch::is_x86_feature_detected!("avx2"),
                avx512: std::arch::is_x86_feature_detected!("avx512f"),
                avx512_vnni: std::arch::is_x86_feature_detected!("avx512vnni"),
                avx512_bf16: std::arch::is_x86_feature_detected!("avx512bf16"),
                amx_int8: amx_int8(),
                ..Self::default()
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            Self {
                neon: std::arch::is_aarch64_feature_detected!("neon"),
                dotprod: std::arch::is_aarch64_feature_detected!("dotprod"),
                matmul_int8: std::arch::is_aarch64_feature_detected!("i8mm"),
                ..Self::default()
            }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            Self::default()
        }
    }

    /// The features with the names that llama.cpp prints for its build.
    #[must_use]
    pub fn named(self) -> [(&'static str, bool); 8] {
        [
            ("AVX2", self.avx2),
            ("AVX512", self.avx512),
            ("AVX512_VNNI", self.avx512_vnni),
            ("AVX512_BF16", self.avx512_bf16),
            ("AMX_INT8", self.amx_int8),
            ("NEON", self.neon),
            ("DOTPROD", self.dotprod),
            ("MATMUL_INT8", self.matmul_int8),
        ]
    }
}

/// Whether the CPU has AMX for 8-bit integers, which Rust cannot detect yet. Source: Intel's
/// manual, volume 2A, CPUID, leaf 7: EDX bits 24 (tiles) and 25 (8-bit integers).
#[cfg(target_arch = "x86_64")]
fn amx_int8() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    const TILES_OF_INT8: u32 = 0b11 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & TILES_OF_INT8 == TILES_OF_INT8
}

/// How matrix products of a weight type are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Repacked when loaded, then many rows at a time: the fastest.
    Repacked,
    /// Tiles of rows and columns.
    Tiled,
    /// One dot product at a time: slow for prompts.
    Plain,
}

/// The kernel for weights of this type on this CPU.
#[must_use]
pub fn kernel_for(ty: TensorType, cpu: CpuFeatures) -> Kernel {
    use TensorType as T;

    let arm = cpu.neon && (cpu.dotprod || cpu.matmul_int8);
    let amx = cpu.amx_int8 && cpu.avx512_vnni;
    let repacked = match ty {
        T::Q4_0 | T::Q4K | T::Iq4Nl | T::Mxfp4 => cpu.avx2 || arm,
        T::Q2K => cpu.avx512,
        T::Q4_1 | T::Iq4Xs => amx,
        T::Q5K | T::Q6K | T::Q8_0 => amx || arm,
        T::Q1_0 => arm,
        _ => false,
    };
    let tiled = match ty {
        T::F32 | T::F16 => cpu.avx2 || cpu.neon,
        T::Bf16 => cpu.avx2,
        T::Q8_0 | T::Q4_0 => cpu.avx2 || cpu.dotprod,
        T::Q5_0 | T::Iq4Nl => cpu.avx2,
        // `ggml-cpu/tiled/`, for batches of 8 rows or more.
        T::Q2K
        | T::Q3K
        | T::Q4K
        | T::Q5K
        | T::Q6K
        | T::Iq4Xs
        | T::Iq2Xxs
        | T::Iq2Xs
        | T::Iq2S
        | T::Iq3Xxs
        | T::Iq3S
        | T::Iq1S
        | T::Iq1M => cpu.avx2,
        _ => false,
    };
    if repacked {
        Kernel::Repacked
    } else if tiled {
        Kernel::Tiled
    } else {
        Kernel::Plain
    }
}

/// The speed of a model's weights on a CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedNote {
    /// Share of matrix weights without a fast kernel, 0.0 to 1.0.
    pub slow_share: f64,
    /// The most common type among them.
    pub slow_type: Option<TensorType>,
}

/// The speed of a model's weights on this CPU. Vectors (norms, biases) do not count, because they
/// are not part of matrix products.
#[must_use]
pub fn speed_note(header: &GgufHeader, cpu: CpuFeatures) -> SpeedNote {
    let matrices = |slow: bool| {
        header
            .tensors
            .iter()
            .filter(move |tensor| tensor.dimensions.len() > 1)
            .filter(move |tensor| !slow || kernel_for(tensor.ty, cpu) == Kernel::Plain)
    };
    let sum = |slow: bool| {
        matrices(slow)
            .map(|tensor| u128::from(tensor.elements))
            .sum::<u128>()
    };
    #[expect(clippy::cast_precision_loss, reason = "a share, to be shown")]
    let slow_share = if sum(false) == 0 {
        0.0
    } else {
        sum(true) as f64 / sum(false) as f64
    };
    SpeedNote {
        slow_share,
        slow_type: header
            .weights_by_type()
            .into_iter()
            .map(|(ty, ..)| ty)
            .find(|&ty| kernel_for(ty, cpu) == Kernel::Plain && slow_share > 0.0),
    }
}

impl fmt::Display for SpeedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slow_type {
            Some(ty) if self.slow_share >= 0.005 => write!(
                f,
                "{:.0} % of the weights have no fast kernel on this CPU (mostly {ty}): `mynah \
                 models optimize` converts them, prompts are read about twice as fast then",
                self.slow_share * 100.0
            ),
            _ => f.write_str("fast: all weights have fast kernels on this CPU"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEN4: CpuFeatures = CpuFeatures {
        avx2: true,
        avx512: true,
        avx512_vnni: true,
        avx512_bf16: true,
        amx_int8: false,
        neon: false,
        dotprod: false,
        matmul_int8: false,
    };

    #[test]
    fn q4_1_is_slow_on_x86_and_q4_0_is_repacked() {
        assert_eq!(kernel_for(TensorType::Q4_1, ZEN4), Kernel::Plain);
        assert_eq!(kernel_for(TensorType::Q4_0, ZEN4), Kernel::Repacked);
        assert_eq!(kernel_for(TensorType::Q8_0, ZEN4), Kernel::Tiled);
    }

    #[test]
    fn amx_multiplies_q4_1() {
        let xeon = CpuFeatures {
            amx_int8: true,
            ..ZEN4
        };
        assert_eq!(kernel_for(TensorType::Q4_1, xeon), Kernel::Repacked);
        assert_eq!(kernel_for(TensorType::Q5_1, xeon), Kernel::Plain);
    }

    #[test]
    fn a_cpu_without_features_has_no_fast_kernels() {
        let none = CpuFeatures::default();
        for ty in [TensorType::F32, TensorType::Q4_0, TensorType::Q8_0] {
            assert_eq!(kernel_for(ty, none), Kernel::Plain);
        }
    }
}
