//! One answer in its output form, followed token by token.

use std::fmt;

use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::{SimpleVob, TokEnv};
use mynah_core::TokenId;

use super::{ConstraintError, limits};

/// The state of one answer in its output form.
pub struct Constraint {
    matcher: Matcher,
    env: TokEnv,
    // The tokens that may come next, if they have been computed.
    pub(super) allowed: Option<Allowed>,
}

/// The tokens that may come next; there is at least one.
#[derive(Debug)]
pub struct Allowed(SimpleVob);

impl Constraint {
    /// The state at the beginning of an answer. Fails if no answer can have the form, or if the
    /// first token cannot be computed within the limits.
    pub(super) fn new(matcher: Matcher, env: TokEnv) -> Result<Self, ConstraintError> {
        let mut constraint = Self {
            matcher,
            env,
            allowed: None,
        };
        constraint.allowed()?;
        Ok(constraint)
    }

    /// Whether the token may come next. A token that ends the answer may come if the answer is
    /// complete.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`]: it took more than the limits allow.
    pub fn allows(&mut self, token: TokenId) -> Result<bool, ConstraintError> {
        let Ok(id) = u32::try_from(token.0) else {
            return Ok(false);
        };
        if let Some(allowed) = &self.allowed {
            return Ok(id < self.vocabulary() && allowed.has(token));
        }
        // A token without text would change nothing and could repeat for ever.
        if id >= self.vocabulary() || self.env.tok_trie().token(id).is_empty() {
            return Ok(false);
        }
        let valid = self.matcher.validate_tokens(&[id]);
        valid.map(|count| count > 0).map_err(failed)
    }

    /// All tokens that may come next.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`]: there is none, or it took more than the limits allow.
    pub fn allowed(&mut self) -> Result<&Allowed, ConstraintError> {
        let allowed = match self.allowed.take() {
            Some(allowed) => allowed,
            None => match self.matcher.compute_mask() {
                Ok(allowed) => Allowed(allowed),
                Err(error) => {
                    let is_dead_end = error.to_string().starts_with(&dead_end());
                    return Err(if is_dead_end {
                        ConstraintError::DeadEnd
                    } else {
                        failed(error)
                    });
                }
            },
        };
        Ok(self.allowed.insert(allowed))
    }

    /// The token comes next. It must be allowed, and must not end the answer.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`]: it took more than the limits allow.
    pub fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        self.allowed = None;
        let id = u32::try_from(token.0).map_err(|_| ConstraintError::DeadEnd)?;
        self.matcher.consume_token(id).map_err(failed)
    }

    /// Whether the answer is complete and nothing may follow.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(
            self.matcher.stop_reason(),
            StopReason::NoExtension | StopReason::EndOfSentence
        )
    }

    fn vocabulary(&self) -> u32 {
        u32::try_from(self.env.tok_trie().vocab_size()).unwrap_or(u32::MAX)
    }
}

impl Allowed {
    /// Whether the token is allowed.
    #[must_use]
    pub fn has(&self, token: TokenId) -> bool {
        let id = u32::try_from(token.0).ok();
        // `is_allowed` panics beyond the length.
        id.is_some_and(|id| (id as usize) < self.0.len() && self.0.is_allowed(id))
    }
}

/// llguidance's message when no token is allowed.
fn dead_end() -> String {
    StopReason::NoExtensionBias.to_string()
}

fn failed(error: impl fmt::Display) -> ConstraintError {
    ConstraintError::Failed(limits::summary(&error.to_string()))
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraint")
            .field("stop_reason", &self.matcher.stop_reason())
            .finish_non_exhaustive()
    }
}
