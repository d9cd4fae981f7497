//! ggml's tensor types with their sizes.

use std::fmt;

/// Defines the types: name, number in the file, weights per block, bytes per block.
macro_rules! tensor_types {
    ($($name:ident = $number:literal, $shown:literal, $weights:literal, $bytes:literal;)*) => {
        /// A tensor type: how weights are stored (`enum ggml_type` in `ggml.h`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "ggml's own names")]
        #[non_exhaustive]
        pub enum TensorType { $($name,)* }

        impl TensorType {
            /// The type with this number in a file; `None` for numbers that ggml does not have or
            /// no longer has.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// ggml's name, such as `Q4_K`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $shown,)* }
            }

            /// Weights and bytes per block (`ggml-common.h`).
            #[must_use]
            pub fn block(self) -> (u64, u64) {
                match self { $(Self::$name => ($weights, $bytes),)* }
            }

            /// All of them, each with its number in a file.
            pub const ALL: &[(u32, Self)] = &[$(($number, Self::$name),)*];
        }
    };
}

tensor_types! {
    F32 = 0, "F32", 1, 4;
    F16 = 1, "F16", 1, 2;
    Q4_0 = 2, "Q4_0", 32, 18;
    Q4_1 = 3, "Q4_1", 32, 20;
    Q5_0 = 6, "Q5_0", 32, 22;
    Q5_1 = 7, "Q5_1", 32, 24;
    Q8_0 = 8, "Q8_0", 32, 34;
    Q8_1 = 9, "Q8_1", 32, 36;
    Q2K = 10, "Q2_K", 256, 84;
    Q3K = 11, "Q3_K", 256, 110;
    Q4K = 12, "Q4_K", 256, 144;
    Q5K = 13, "Q5_K", 256, 176;
    Q6K = 14, "Q6_K", 256, 210;
    Q8K = 15, "Q8_K", 256, 292;
    Iq2Xxs = 16, "IQ2_XXS", 256, 66;
    Iq2Xs = 17, "IQ2_XS", 256, 74;
    Iq3Xxs = 18, "IQ3_XXS", 256, 98;
    Iq1S = 19, "IQ1_S", 256, 50;
    Iq4Nl = 20, "IQ4_NL", 32, 18;
    Iq3S = 21, "IQ3_S", 256, 110;
    Iq2S = 22, "IQ2_S", 256, 82;
    Iq4Xs = 23, "IQ4_XS", 256, 136;
    I8 = 24, "I8", 1, 1;
    I16 = 25, "I16", 1, 2;
    I32 = 26, "I32", 1, 4;
    I64 = 27, "I64", 1, 8;
    F64 = 28, "F64", 1, 8;
    Iq1M = 29, "IQ1_M", 256, 56;
    Bf16 = 30, "BF16", 1, 2;
    Tq1_0 = 34, "TQ1_0", 256, 54;
    Tq2_0 = 35, "TQ2_0", 256, 66;
    Mxfp4 = 39, "MXFP4", 32, 17;
    Nvfp4 = 40, "NVFP4", 64, 36;
    Q1_0 = 41, "Q1_0", 128, 18;
    Q2_0 = 42, "Q2_0", 64, 18;
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Name of a file's quantisation (`enum llama_ftype` in `llama.h`).
pub(super) fn file_type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        19 => "IQ2_XXS",
        20 => "IQ2_XS",
        21 => "Q2_K_S",
        22 => "IQ3_XS",
        23 => "IQ3_XXS",
        24 => "IQ1_S",
        25 => "IQ4_NL",
        26 => "IQ3_S",
        27 => "IQ3_M",
        28 => "IQ2_S",
        29 => "IQ2_M",
        30 => "IQ4_XS",
        31 => "IQ1_M",
        32 => "BF16",
        36 => "TQ1_0",
        37 => "TQ2_0",
        38 => "MXFP4_MOE",
        39 => "NVFP4",
        40 => "Q1_0",
        41 => "Q2_0",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_its_number_and_shown_by_its_name() {
        for &(number, ty) in TensorType::ALL {
            assert_eq!(TensorType::from_number(number), Some(ty));
        }
        // Numbers that ggml no longer has, and the first that it does not have yet.
        for number in [4, 5, 31, 33, 36, 38, 43, u32::MAX] {
            assert_eq!(TensorType::from_number(number), None, "{number}");
        }
        assert_eq!(
            format!("{:>5}|{}", TensorType::Q4K, TensorType::Iq2Xxs),
            " Q4_K|IQ2_XXS"
        );
    }

    #[test]
    fn the_number_of_a_quantisation_has_its_name() {
        let named = (0..100).filter_map(|number| Some((number, file_type_name(number)?)));
        let told: Vec<String> = named
            .map(|(number, name)| format!("{number}={name}"))
            .collect();
        assert_eq!(
            told.join(" "),
            "0=F32 1=F16 2=Q4_0 3=Q4_1 7=Q8_0 8=Q5_0 9=Q5_1 10=Q2_K 11=Q3_K_S 12=Q3_K_M \
             13=Q3_K_L 14=Q4_K_S 15=Q4_K_M 16=Q5_K_S 17=Q5_K_M 18=Q6_K 19=IQ2_XXS 20=IQ2_XS \
             21=Q2_K_S 22=IQ3_XS 23=IQ3_XXS 24=IQ1_S 25=IQ4_NL 26=IQ3_S 27=IQ3_M 28=IQ2_S \
             29=IQ2_M 30=IQ4_XS 31=IQ1_M 32=BF16 36=TQ1_0 37=TQ2_0 38=MXFP4_MOE 39=NVFP4 \
             40=Q1_0 41=Q2_0"
        );
    }
}
