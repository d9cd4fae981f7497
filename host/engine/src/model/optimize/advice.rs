//! Chooses the conversion that suits a model on a CPU, if any. Pure.

use std::fmt;

use super::Quantisation;
use crate::model::gguf::kernels::{CpuFeatures, Kernel, kernel_for, speed_note};
use crate::model::gguf::{GgufHeader, TensorInfo, TensorType};

/// Share of weights without a fast kernel below which a conversion has no noticeable effect.
const MIN_SLOW_SHARE: f64 = 0.05;

/// Maximum growth of the file by a conversion. Every token that one sequence decodes reads all
/// weights once, so with more growth, answers would lose the speed that prompts gain.
const MAX_GROWTH: u128 = 2;

/// The conversion that suits a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// None, because the weights already have fast kernels.
    Fast,
    /// This one: of the types that are fast here and take at most twice the bytes, the most
    /// accurate.
    Convert(Quantisation),
    /// None: most of the slow weights have this type, and no type that is fast here keeps their
    /// accuracy in at most twice the bytes.
    NothingBetter(TensorType),
}

/// Chooses the conversion that suits a model on this CPU.
///
/// It is the first of [`Quantisation::ALL`] that has a fast kernel, at least as many bits as most
/// of the slow weights, a block size that fits all matrices, and at most twice their size.
#[must_use]
pub fn advise(header: &GgufHeader, cpu: CpuFeatures) -> Advice {
    let note = speed_note(header, cpu);
    let Some(slow) = note.slow_type else {
        return Advice::Fast;
    };
    if note.slow_share < MIN_SLOW_SHARE {
        return Advice::Fast;
    }
    let matrices: Vec<&TensorInfo> = header
        .tensors
        .iter()
        .filter(|tensor| tensor.dimensions.len() > 1)
        .collect();
    let suits = |quantisation: &Quantisation| {
        let ty = main_type(*quantisation);
        kernel_for(ty, cpu) != Kernel::Plain
            && is_as_fine(ty, slow)
            && fits(ty, &matrices)
            && is_small_enough(ty, &matrices)
    };
    Quantisation::ALL
        .into_iter()
        .find(suits)
        .map_or(Advice::NothingBetter(slow), Advice::Convert)
}

/// The type of most weights after a conversion.
#[must_use]
pub fn main_type(quantisation: Quantisation) -> TensorType {
    match quantisation {
        Quantisation::F16 => TensorType::F16,
        Quantisation::Q8_0 => TensorType::Q8_0,
        Quantisation::Q6K => TensorType::Q6K,
        Quantisation::Q5KM => TensorType::Q5K,
        Quantisation::Q4KM => TensorType::Q4K,
        Quantisation::Q4_0 => TensorType::Q4_0,
    }
}

/// Whether `ty` has at least as many bits a weight as `slow`.
fn is_as_fine(ty: TensorType, slow: TensorType) -> bool {
    let (weights, bytes) = ty.block();
    let (slow_weights, slow_bytes) = slow.block();
    bytes * slow_weights >= slow_bytes * weights
}

/// Whether all rows consist of whole blocks. llama.cpp stores other rows with other types, some of
/// which are slow.
fn fits(ty: TensorType, matrices: &[&TensorInfo]) -> bool {
    matrices.iter().all(|tensor| {
        let row = tensor.dimensions.first().copied().unwrap_or(0);
        row.is_multiple_of(ty.block().0)
    })
}

fn is_small_enough(ty: TensorType, matrices: &[&TensorInfo]) -> bool {
    let sum = |of: fn(&TensorInfo) -> u64| -> u128 {
        matrices.iter().map(|tensor| u128::from(of(tensor))).sum()
    };
    let (weights, bytes) = ty.block();
    let after = sum(|tensor| tensor.elements) * u128::from(bytes) / u128::from(weights.max(1));
    after <= sum(|tensor| tensor.bytes) * MAX_GROWTH
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fast => f.write_str("the weights have fast kernels on this CPU as they are"),
            Self::Convert(to) => write!(f, "{to} has fast kernels on this CPU"),
            Self::NothingBetter(slow) => write!(
                f,
                "{slow} has no fast kernel on this CPU, but nothing that has one keeps these \
                 weights in at most twice the bytes: name what to convert to if speed on prompts \
                 matters more"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use TensorType as T;

    fn x86() -> CpuFeatures {
        CpuFeatures {
            avx2: true,
            avx512: true,
            ..CpuFeatures::default()
        }
    }

    fn arm() -> CpuFeatures {
        CpuFeatures {
            neon: true,
            dotprod: true,
            ..CpuFeatures::default()
        }
    }

    /// A model with a matrix of these types and rows, each of 64 rows, and a norm.
    fn model(matrices: &[(T, u64)]) -> GgufHeader {
        let tensor = |ty: T, dimensions: Vec<u64>| {
            let elements = dimensions.iter().product();
            let (weights, bytes) = ty.block();
            TensorInfo {
                name: "a.weight".into(),
                dimensions,
                ty,
                elements,
                bytes: elements / weights * bytes,
            }
        };
        let mut tensors: Vec<_> = matrices
            .iter()
            .map(|&(ty, row)| tensor(ty, vec![row, 64]))
            .collect();
        tensors.push(tensor(T::F32, vec![64]));
        GgufHeader {
            version: 3,
            metadata: BTreeMap::new(),
            tensors,
            file_bytes: 0,
            parts: Vec::new(),
        }
    }

    fn advice(ty: T, cpu: CpuFeatures) -> Advice {
        advise(&model(&[(ty, 1024)]), cpu)
    }

    #[test]
    fn weights_that_are_fast_stay_as_they_are() {
        for ty in [T::Q4_0, T::Q8_0, T::Q4K, T::Q6K, T::F16, T::F32] {
            assert_eq!(advice(ty, x86()), Advice::Fast, "{ty}");
        }
        assert_eq!(advice(T::Q4_0, arm()), Advice::Fast);
    }

    #[test]
    fn four_and_five_bits_without_fast_kernels_become_q8_0() {
        for ty in [T::Q4_1, T::Q5_1] {
            assert_eq!(advice(ty, x86()), Advice::Convert(Quantisation::Q8_0));
        }
        assert_eq!(
            advice(T::Q5_0, arm()),
            Advice::Convert(Quantisation::Q8_0),
            "tiled on x86 only"
        );
    }

    #[test]
    fn few_bits_become_what_is_at_most_twice_as_large() {
        assert_eq!(advice(T::Q3K, arm()), Advice::Convert(Quantisation::Q6K));
        assert_eq!(advice(T::Q2K, arm()), Advice::Convert(Quantisation::Q4KM));
        assert_eq!(advice(T::Tq1_0, x86()), Advice::NothingBetter(T::Tq1_0));
    }

    #[test]
    fn sixteen_bits_keep_sixteen() {
        assert_eq!(advice(T::Bf16, arm()), Advice::Convert(Quantisation::F16));
    }

    #[test]
    fn blocks_that_do_not_fit_the_rows_are_passed_over() {
        let odd = model(&[(T::Q3K, 1024), (T::F16, 576)]);
        assert!(
            matches!(advise(&odd, arm()), Advice::Convert(to) if main_type(to).block().0 == 32)
        );
    }

    #[test]
    fn a_few_slow_weights_are_not_worth_a_conversion() {
        let mostly_fast = model(&[(T::Q4K, 65_536), (T::Q4_1, 1024)]);
        assert_eq!(advise(&mostly_fast, x86()), Advice::Fast);
    }

    #[test]
    fn a_cpu_without_fast_kernels_gets_no_conversion() {
        let none = CpuFeatures::default();
        assert_eq!(advice(T::Q4_1, none), Advice::NothingBetter(T::Q4_1));
    }
}
