//! Ranking: how well documents answer a query.

use crate::bindings::mynah::llm::ranking;
use crate::{Options, Result, Session};

/// Scores of documents for a query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ranking {
    /// One score for each document, in the same order: the higher, the better it answers the query.
    /// Scores compare documents of one query, and have no scale of their own.
    pub scores: Vec<f32>,
    /// Number of tokens of everything that was read.
    pub prompt_tokens: u32,
}

impl Ranking {
    /// The indices of the documents, best first. Documents of equal score keep their order.
    #[must_use]
    pub fn best_first(&self) -> Vec<usize> {
        let mut scored: Vec<(usize, f32)> = self.scores.iter().copied().enumerate().collect();
        scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        scored.into_iter().map(|(index, _)| index).collect()
    }
}

impl Session {
    /// Scores documents by how well they answer a query. The model must be one that ranks (a
    /// reranker).
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let session = mynah_guest::Model::load("reranker")?.session()?;
    /// let documents = ["Parrots live in pairs.", "Taxes are due in May."];
    /// let ranking = session.rank("How do parrots live?", documents)?;
    /// assert_eq!(ranking.best_first(), [0, 1]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// No document, more than 256, or one that is empty
    /// ([`InvalidArgument`](crate::Error::InvalidArgument)), a document that does not fit the
    /// context with the query, a model that does not rank
    /// ([`Unsupported`](crate::Error::Unsupported)), a full queue ([`Busy`](crate::Error::Busy)),
    /// and time that was over ([`Timeout`](crate::Error::Timeout)).
    pub fn rank(
        &self,
        query: &str,
        documents: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Ranking> {
        self.rank_with(query, documents, Options::new())
    }

    /// [`Session::rank`] with options for this request. Only the scheduling options and the time
    /// limits apply.
    ///
    /// # Errors
    ///
    /// As [`Session::rank`].
    pub fn rank_with(
        &self,
        query: &str,
        documents: impl IntoIterator<Item = impl Into<String>>,
        options: impl Into<Options>,
    ) -> Result<Ranking> {
        let documents: Vec<String> = documents.into_iter().map(Into::into).collect();
        let options = options.into().or(self.options.clone());
        let found = ranking::rank(self.context(), query, &documents, &options.into())?;
        Ok(Ranking {
            scores: found.scores,
            prompt_tokens: found.prompt_tokens,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_document_comes_first_and_equal_ones_stay_in_order() {
        let ranking = Ranking {
            scores: vec![0.5, -1.0, 2.0, 0.5],
            prompt_tokens: 1,
        };
        assert_eq!(ranking.best_first(), [2, 0, 3, 1]);
    }
}
