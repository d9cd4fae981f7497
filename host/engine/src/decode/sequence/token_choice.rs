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

/// What comes before the form of an answer.
#[derive(Debug, Default)]
pub(crate) enum BeforeForm {
    /// The form begins with the first token.
    #[default]
    Nothing,
    /// The model may reason.
    Reasoning {
        /// The tokens with which the model begins to reason. None: it does so in the prompt or not
        /// at all.
        opening: Vec<TokenId>,
        /// The tokens that end an answer, which must not end before the form.
        ends: Vec<TokenId>,
    },
}

/// A form that has not begun.
#[derive(Debug)]
struct Waiting {
    opening: Vec<TokenId>,
    // How many tokens of `opening` have come.
    opened: usize,
    ends: Vec<TokenId>,
    is_reasoning: bool,
}

/// Chooses the tokens of one sequence.
#[derive(Debug)]
pub(super) struct TokenChoice {
    sampler: Sampler,
    constraint: Option<Constraint>,
    // Why the constraint is not in force yet.
    waiting: Option<Waiting>,
    // How many of the most likely tokens the reader gets with each token; 0: not even that one.
    n_probs: usize,
    // Those of the token that was chosen last.
    log_probs: Option<LogProbs>,
}

impl TokenChoice {
    /// `is_reasoning` tells whether the prompt has opened the reasoning.
    pub(super) fn new(
        sampler: Sampler,
        constraint: Option<Constraint>,
        before_form: BeforeForm,
        is_reasoning: bool,
        n_probs: u32,
    ) -> Self {
        let waiting = match before_form {
            BeforeForm::Reasoning { opening, ends } if is_reasoning || !opening.is_empty() => {
                Some(Waiting {
                    opening,
                    opened: 0,
                    ends,
                    is_reasoning,
                })
            }
            BeforeForm::Reasoning { .. } | BeforeForm::Nothing => None,
        };
        Self {
            sampler,
            constraint,
            waiting,
            n_probs: n_probs as usize,
            log_probs: None,
        }
    }

    /// Whether choosing means more than finding the highest logit.
    pub(super) fn is_costly(&self) -> bool {
        self.sampler.is_costly() || self.constraint.is_some()
    }

    /// Chooses the next token: the forced one, if there is one.
    pub(super) fn sample(
        &mut self,
        logits: &[f32],
        forced: Option<TokenId>,
    ) -> Result<TokenId, NoToken> {
        let token = match forced {
            Some(token) => token,
            None => self.draw(logits)?,
        };
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
        if let Some(waiting) = &self.waiting {
            if waiting.is_reasoning {
                let goes_on = |token: TokenId| !waiting.ends.contains(&token);
                return match goes_on(token) {
                    true => Ok(token),
                    false => Ok(self.sampler.sample_among(logits, Some(&goes_on))?),
                };
            }
            match waiting.opening.get(waiting.opened) {
                // It has begun to open its reasoning.
                Some(next) if waiting.opened > 0 => return Ok(*next),
                Some(next) if *next == token => return Ok(token),
                _ => {}
            }
        }
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

    /// Adds the token to the output form, if that has begun. `precedes_form` tells whether the next
    /// token is no part of it either. Returns whether the form is complete with it.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`] when the form can't be followed any further.
    pub(super) fn advance_form(
        &mut self,
        token: TokenId,
        precedes_form: bool,
    ) -> Result<bool, ConstraintError> {
        let Some(constraint) = &mut self.constraint else {
            return Ok(false);
        };
        if let Some(waiting) = &mut self.waiting {
            if waiting.is_reasoning {
                if !precedes_form {
                    // The form begins with the next token.
                    self.waiting = None;
                }
                return Ok(false);
            }
            if waiting.opening.get(waiting.opened) == Some(&token) {
                waiting.opened += 1;
                waiting.is_reasoning = waiting.opened == waiting.opening.len();
                return Ok(false);
            }
            self.waiting = None;
        }
        constraint.accept(token)?;
        Ok(constraint.is_complete())
    }
}
