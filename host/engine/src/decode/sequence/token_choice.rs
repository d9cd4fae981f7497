//! Chooses a sequence's next token from logits: the sampler draws it among the tokens that the
//! output form allows.

use mynah_core::{TokenId, TokenProb, TokenProbs};
use mynah_grammar::{Constraint, ConstraintError};

use crate::decode::Sampler;
use crate::decode::sampler::{LogProbs, NoFiniteLogit, log_probs};

/// Why there is no next token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::decode) enum NoToken {
    #[error(transparent)]
    Logits(#[from] NoFiniteLogit),
    #[error(transparent)]
    Form(#[from] ConstraintError),
}

/// Chooses the tokens of one sequence.
#[derive(Debug)]
pub(super) struct TokenChoice {
    sampler: Sampler,
    constraint: Option<Constraint>,
    // How many of the most likely tokens the reader gets with each token; 0: not even that one.
    n_probs: usize,
    // Those of the token that was chosen last.
    log_probs: Option<LogProbs>,
}

impl TokenChoice {
    pub(super) fn new(sampler: Sampler, constraint: Option<Constraint>, n_probs: u32) -> Self {
        Self {
            sampler,
            constraint,
            n_probs: n_probs as usize,
            log_probs: None,
        }
    }

    /// Whether choosing means more than finding the highest logit.
    pub(super) fn is_costly(&self) -> bool {
        self.sampler.is_costly() || self.constraint.is_some()
    }

    /// Chooses the next token.
    pub(super) fn sample(&mut self, logits: &[f32]) -> Result<TokenId, NoToken> {
        let token = self.draw(logits)?;
        if self.n_probs > 0 {
            self.log_probs = Some(log_probs(logits, token, self.n_probs));
        }
        Ok(token)
    }

    fn draw(&mut self, logits: &[f32]) -> Result<TokenId, NoToken> {
        let token = self.sampler.sample(logits)?;
        let Some(constraint) = &mut self.constraint else {
            return Ok(token);
        };
        if constraint.allows(token)? {
            return Ok(token);
        }
        let allowed = constraint.allowed()?;
        let among = |token: TokenId| allowed.has(token);
        match self.sampler.sample_among(logits, Some(&among)) {
            Ok(token) => Ok(token),
            // Something else, such as a bias, excludes all allowed tokens.
            Err(NoFiniteLogit) => Err(ConstraintError::DeadEnd.into()),
        }
    }

    /// The chosen token and how likely it was, if the request asks for that. `piece` gives the
    /// bytes of a token.
    pub(super) fn take_probs(
        &mut self,
        token: TokenId,
        piece: impl Fn(TokenId) -> Vec<u8>,
    ) -> Option<TokenProbs> {
        let LogProbs { chosen, top } = self.log_probs.take()?;
        let prob = |token: TokenId, log_prob: f32| TokenProb {
            // Ids are never negative.
            id: u32::try_from(token.0).unwrap_or_default(),
            bytes: piece(token),
            log_prob,
        };
        Some(TokenProbs {
            chosen: prob(token, chosen),
            top: top
                .into_iter()
                .map(|(token, log_prob)| prob(token, log_prob))
                .collect(),
        })
    }

    /// Records the next token of the answer.
    pub(super) fn accept(&mut self, token: TokenId) {
        self.sampler.accept(token);
    }

    /// Adds the token to the output form. Returns whether the form is complete with it.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`] when the form can't be followed any further.
    pub(super) fn advance_form(&mut self, token: TokenId) -> Result<bool, ConstraintError> {
        let Some(constraint) = &mut self.constraint else {
            return Ok(false);
        };
        constraint.accept(token)?;
        Ok(constraint.is_complete())
    }
}
