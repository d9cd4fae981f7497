//! Embeddings: vectors that represent texts.

use crate::bindings::mynah::llm::{embedding, generation};
use crate::{Options, Prompt, Result, Session};

/// The vectors of one or more texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One vector for each text, in the same order. All have the same dimension and length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Number of tokens of all texts.
    pub prompt_tokens: u32,
}

impl Session {
    /// Computes a vector for each text, for comparing and searching: texts of similar meaning have
    /// vectors of similar direction. All vectors have length 1, so [`cosine`] of two is the sum of
    /// their products.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let session = mynah_guest::Model::load("default")?.session()?;
    /// let found = session.embed(["a parrot", "a grey bird that speaks", "a tax return"])?;
    /// let close = mynah_guest::cosine(&found.vectors[0], &found.vectors[1]);
    /// println!("{close}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// No text, more than 256, or one that is empty
    /// ([`InvalidArgument`](crate::Error::InvalidArgument)), a text that the context can't hold, a
    /// model that has no vectors ([`Unsupported`](crate::Error::Unsupported)), a full queue
    /// ([`Busy`](crate::Error::Busy)), and time that was over ([`Timeout`](crate::Error::Timeout)).
    pub fn embed<P: Into<Prompt>>(&self, texts: impl IntoIterator<Item = P>) -> Result<Embeddings> {
        self.embed_with(texts, Options::new())
    }

    /// [`Session::embed`] with options for this request. Only the scheduling options and the time
    /// limits apply.
    ///
    /// # Errors
    ///
    /// As [`Session::embed`].
    pub fn embed_with<P: Into<Prompt>>(
        &self,
        texts: impl IntoIterator<Item = P>,
        options: impl Into<Options>,
    ) -> Result<Embeddings> {
        let texts: Vec<generation::Prompt> = texts
            .into_iter()
            .map(|text| generation::Prompt::from(text.into()))
            .collect();
        let options = options.into().or(self.options.clone());
        let found = embedding::embed(self.context(), &texts, &options.into())?;
        Ok(Embeddings {
            vectors: found.vectors,
            prompt_tokens: found.prompt_tokens,
        })
    }
}

/// Cosine similarity of two vectors of length 1, from -1.0 to 1.0. If one vector is longer, its
/// extra numbers are ignored.
#[must_use]
pub fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_opposite_and_unlike() {
        assert!((cosine(&[0.6, 0.8], &[0.6, 0.8]) - 1.0).abs() < 1e-6);
        assert!((cosine(&[0.6, 0.8], &[-0.6, -0.8]) + 1.0).abs() < 1e-6);
        assert!(cosine(&[1.0, 0.0], &[0.0, 1.0]).abs() < 1e-6);
    }
}
