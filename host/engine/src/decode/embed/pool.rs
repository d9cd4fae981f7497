//! Makes the vector of a text from those of its tokens.

use mynah_gguf::GgufHeader;

/// How the vectors of a text's tokens become one (`<architecture>.pooling_type` in a GGUF,
/// `llama_pooling_type` in llama.cpp).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
    /// The last one.
    Last,
}

impl Pooling {
    /// The pooling type in a model's file. The mean if there is no number, or if the
    /// number means no pooling.
    ///
    /// # Errors
    ///
    /// The reason, if the model has no vectors for texts.
    pub(crate) fn of(header: &GgufHeader) -> Result<Self, String> {
        if !header.has_vectors() {
            return Err(
                "llama.cpp can't read them from a model with several streams of hidden states"
                    .to_owned(),
            );
        }
        Self::of_number(header.of_architecture("pooling_type")).map_err(|number| {
            format!("its file says pooling type {number}, which ranks texts or isn't known")
        })
    }

    /// The pooling type with this number, or the number itself if there is none.
    fn of_number(number: Option<u32>) -> Result<Self, u32> {
        match number {
            None | Some(0 | 1) => Ok(Self::Mean),
            Some(2) => Ok(Self::First),
            Some(3) => Ok(Self::Last),
            Some(other) => Err(other),
        }
    }
}

/// The vectors of the tokens of a text that have been computed.
#[derive(Debug)]
pub(super) struct Pool {
    pooling: Pooling,
    /// In double precision: a text may have a hundred thousand tokens.
    sum: Vec<f64>,
    tokens: u32,
}

impl Pool {
    pub(super) fn new(pooling: Pooling) -> Self {
        Self {
            pooling,
            sum: Vec::new(),
            tokens: 0,
        }
    }

    /// Adds the vector of the next token.
    pub(super) fn add(&mut self, row: &[f32]) {
        let takes = match self.pooling {
            Pooling::Mean | Pooling::Last => true,
            Pooling::First => self.tokens == 0,
        };
        if takes {
            if self.sum.is_empty() || self.pooling == Pooling::Last {
                self.sum.clear();
                self.sum.resize(row.len(), 0.0);
            }
            for (sum, value) in self.sum.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        self.tokens += 1;
    }

    /// The text's vector, of length 1. A zero vector stays zero.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "of length 1, so in single precision"
    )]
    pub(super) fn vector(self) -> Vec<f32> {
        // The sum has the same direction as the mean.
        let length = self
            .sum
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        self.sum
            .iter()
            .map(|value| (value * scale) as f32)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooled(pooling: Pooling) -> Vec<f32> {
        let mut pool = Pool::new(pooling);
        for row in [[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]] {
            pool.add(&row);
        }
        pool.vector()
    }

    #[test]
    fn the_vectors_of_the_tokens_become_one_of_length_1() {
        assert_eq!(pooled(Pooling::Mean), [0.6, 0.8]);
        assert_eq!(pooled(Pooling::First), [1.0, 0.0]);
        assert_eq!(pooled(Pooling::Last), [0.0, 1.0]);
        let mut nothing = Pool::new(Pooling::Mean);
        nothing.add(&[0.0, 0.0]);
        assert_eq!(nothing.vector(), [0.0, 0.0]);
    }

    #[test]
    fn the_file_says_which_and_the_mean_is_the_default() {
        let of =
            [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(9)].map(Pooling::of_number);
        let mean = Ok(Pooling::Mean);
        let (first, last) = (Ok(Pooling::First), Ok(Pooling::Last));
        assert_eq!(of, [mean, mean, mean, first, last, Err(4), Err(9)]);
    }
}
