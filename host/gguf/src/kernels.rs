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
    use crate::testing::{header, tensor};

    const NONE: CpuFeatures = CpuFeatures {
        avx2: false,
        avx512: false,
        avx512_vnni: false,
        avx512_bf16: false,
        amx_int8: false,
        neon: false,
        dotprod: false,
        matmul_int8: false,
    };
    const AVX2: CpuFeatures = CpuFeatures { avx2: true, ..NONE };
    const NEON: CpuFeatures = CpuFeatures { neon: true, ..NONE };
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
        assert_eq!(CpuFeatures::default(), NONE);
        assert_eq!(with_kernel(Kernel::Repacked, NONE), "");
        assert_eq!(with_kernel(Kernel::Tiled, NONE), "");
    }

    /// The types that a CPU computes with this kernel.
    fn with_kernel(kernel: Kernel, cpu: CpuFeatures) -> String {
        let types = TensorType::ALL.iter().map(|(_, ty)| *ty);
        let types = types.filter(|ty| kernel_for(*ty, cpu) == kernel);
        types.map(TensorType::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_cpu_repacks_and_tiles_the_types_that_llama_cpp_has_kernels_for() {
        let avx512 = CpuFeatures {
            avx512: true,
            ..AVX2
        };
        let xeon = CpuFeatures {
            amx_int8: true,
            avx512_vnni: true,
            ..avx512
        };
        let dotprod = CpuFeatures {
            dotprod: true,
            ..NEON
        };
        let matmul = CpuFeatures {
            matmul_int8: true,
            ..NEON
        };
        for (cpu, repacked) in [
            (AVX2, "Q4_0 Q4_K IQ4_NL MXFP4"),
            (avx512, "Q4_0 Q2_K Q4_K IQ4_NL MXFP4"),
            (
                xeon,
                "Q4_0 Q4_1 Q8_0 Q2_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4",
            ),
            (NEON, ""),
            (dotprod, "Q4_0 Q8_0 Q4_K Q5_K Q6_K IQ4_NL MXFP4 Q1_0"),
            (matmul, "Q4_0 Q8_0 Q4_K Q5_K Q6_K IQ4_NL MXFP4 Q1_0"),
            // One feature of two is not enough.
            (
                CpuFeatures {
                    amx_int8: true,
                    ..AVX2
                },
                "Q4_0 Q4_K IQ4_NL MXFP4",
            ),
            (
                CpuFeatures {
                    avx512_vnni: true,
                    ..AVX2
                },
                "Q4_0 Q4_K IQ4_NL MXFP4",
            ),
            (
                CpuFeatures {
                    dotprod: true,
                    ..NONE
                },
                "",
            ),
        ] {
            assert_eq!(with_kernel(Kernel::Repacked, cpu), repacked, "{cpu:?}");
        }
        for (cpu, tiled) in [
            (
                AVX2,
                "F32 F16 Q5_0 Q8_0 Q2_K Q3_K Q5_K Q6_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ3_S IQ2_S \
                 IQ4_XS IQ1_M BF16",
            ),
            (NEON, "F32 F16"),
            (dotprod, "F32 F16"),
            (
                CpuFeatures {
                    dotprod: true,
                    ..NONE
                },
                "Q4_0 Q8_0",
            ),
        ] {
            assert_eq!(with_kernel(Kernel::Tiled, cpu), tiled, "{cpu:?}");
        }
    }

    #[test]
    fn features_are_told_by_the_names_of_llama_cpp() {
        let every = CpuFeatures {
            amx_int8: true,
            neon: true,
            dotprod: true,
            matmul_int8: true,
            ..ZEN4
        };
        let names = |cpu: CpuFeatures| {
            let named = cpu.named().into_iter().filter(|(_, has)| *has);
            named.map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        let all = "AVX2 AVX512 AVX512_VNNI AVX512_BF16 AMX_INT8 NEON DOTPROD MATMUL_INT8";
        assert_eq!(names(every), all);
        assert_eq!(
            (names(NEON), names(NONE)),
            ("NEON".to_owned(), String::new())
        );
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_features_of_this_cpu_are_told_each_by_itself() {
        let cpu = CpuFeatures::detect();
        for (told, is_there) in [
            (cpu.avx2, std::arch::is_x86_feature_detected!("avx2")),
            (cpu.avx512, std::arch::is_x86_feature_detected!("avx512f")),
            (
                cpu.avx512_vnni,
                std::arch::is_x86_feature_detected!("avx512vnni"),
            ),
            (
                cpu.avx512_bf16,
                std::arch::is_x86_feature_detected!("avx512bf16"),
            ),
        ] {
            assert_eq!(told, is_there, "{cpu:?}");
        }
        assert!(!cpu.neon && !cpu.dotprod && !cpu.matmul_int8);
    }

    #[test]
    fn the_share_of_slow_weights_is_that_of_matrices() {
        let of = |tensors| speed_note(&header::<&str>([], tensors), AVX2);
        let slow = of(vec![
            tensor("fast", TensorType::Q8_0, &[32, 3]),
            tensor("slow", TensorType::Q4_1, &[32, 1]),
            // Vectors don't count.
            tensor("norm", TensorType::Q5_1, &[3200]),
        ]);
        assert_eq!(slow.slow_share, 0.25);
        let fast = of(vec![
            tensor("fast", TensorType::Q8_0, &[32, 3]),
            tensor("vector", TensorType::Q4_1, &[32]),
        ]);
        assert_eq!((fast.slow_share, fast.slow_type), (0.0, None));
        let none = of(vec![tensor("vector", TensorType::Q4_1, &[32])]);
        assert_eq!((none.slow_share, none.slow_type), (0.0, None));
        let mixed = of(vec![
            tensor("a", TensorType::Q5_1, &[32, 3]),
            tensor("b", TensorType::Q4_1, &[32, 5]),
        ]);
        assert_eq!(
            (mixed.slow_share, mixed.slow_type),
            (1.0, Some(TensorType::Q4_1))
        );
    }

    #[test]
    fn half_a_percent_of_slow_weights_is_worth_a_note() {
        let note = |slow_share, slow_type| {
            SpeedNote {
                slow_share,
                slow_type,
            }
            .to_string()
        };
        let told = note(0.005, Some(TensorType::Q4_1));
        assert!(
            told.starts_with("0 % of the weights") && told.contains("mostly Q4_1"),
            "{told}"
        );
        let told = note(0.25, Some(TensorType::Q4_1));
        assert!(told.starts_with("25 % of the weights"), "{told}");
        assert!(note(0.0049, Some(TensorType::Q4_1)).starts_with("fast:"));
        assert!(note(1.0, None).starts_with("fast:"));
    }

    #[test]
    fn only_rows_of_one_small_block_are_such_rows() {
        let has = |ty, dimensions: &[u64]| {
            has_rows_of_one_block(&header::<&str>([], vec![tensor("w", ty, dimensions)]))
        };
        assert!(has(TensorType::Q8_0, &[32, 4]));
        assert!(!has(TensorType::Q8_0, &[64, 4]));
        assert!(!has(TensorType::F32, &[32, 4]));
        assert!(!has(TensorType::Q4K, &[256, 4]));
    }
}
