//! One answer in its output form, followed token by token.

use std::fmt;

use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::{SimpleVob, TokEnv};
use mynah_core::TokenId;

use super::schema::{FreeNames, Keys};
use super::{ConstraintError, limits};

/// Objects and arrays inside one another beyond which none begins, unless there is no other way to
/// go on. `serde_json` and others read 128, and refuse the whole answer beyond.
const MAX_DEPTH: usize = 100;

/// How many objects and arrays one token may begin before the depth is looked at.
const MAX_OPENED: usize = 20;

/// Maximum number of states that are looked at to find out whether a name of a property can go on.
/// If all of them lead to names that are there already, the token is not allowed.
const MAX_LOOKED_AT: usize = 256;

/// The state of one answer in its output form.
pub struct Constraint {
    matcher: Matcher,
    env: TokEnv,
    // Where the answer to a JSON Schema is, and the names of properties so far.
    keys: Option<Keys>,
    names: FreeNames,
    notes: Vec<String>,
    // What to say if there are too many ways to go on.
    too_many_ways: Option<&'static str>,
    // The length of the answer in bytes.
    length: usize,
    // The tokens that may come next, if they have been computed.
    pub(super) allowed: Option<Allowed>,
}

/// The tokens that may come next; there is at least one.
#[derive(Debug)]
pub struct Allowed(SimpleVob);

impl Constraint {
    /// The state at the beginning of an answer. Fails if no answer can have the form, or if the
    /// first token cannot be computed within the limits.
    pub(super) fn new(
        matcher: Matcher,
        env: TokEnv,
        names: Option<FreeNames>,
        notes: Vec<String>,
        too_many_ways: Option<&'static str>,
    ) -> Result<Self, ConstraintError> {
        let mut constraint = Self {
            matcher,
            env,
            keys: names.map(|_| Keys::new()),
            names: names.unwrap_or(FreeNames::None),
            notes,
            too_many_ways,
            length: 0,
            allowed: None,
        };
        constraint.allowed()?;
        Ok(constraint)
    }

    /// What of the form is followed with less than its meaning, each with its place.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
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
        let valid = valid.map_err(|error| self.failed(error))? > 0;
        if valid && self.is_too_deep(id) {
            // It depends on the other tokens.
            return Ok(self.allowed()?.has(token));
        }
        Ok(valid && self.keeps_names_apart(id)?)
    }

    /// Whether a token begins an object or array that is too deep inside others.
    fn is_too_deep(&self, id: u32) -> bool {
        let bytes = self.env.tok_trie().token(id);
        let keys = self.keys.as_ref();
        keys.is_some_and(|keys| keys.depth_after(bytes) > MAX_DEPTH && opens(bytes))
    }

    /// Whether no name of a property is there twice with this token, nor has to be later.
    fn keeps_names_apart(&mut self, id: u32) -> Result<bool, ConstraintError> {
        let Some(keys) = &self.keys else {
            return Ok(true);
        };
        if self.names == FreeNames::None || !keys.has_names() {
            return Ok(true);
        }
        let bytes = self.env.tok_trie().token(id);
        if keys.would_repeat(bytes) {
            return Ok(false);
        }
        if self.names != FreeNames::RunOut {
            return Ok(true);
        }
        let after = keys.after(bytes);
        if !after.may_repeat() {
            return Ok(true);
        }
        let mut matcher = self.matcher.clone();
        matcher
            .consume_token(id)
            .map_err(|error| self.failed(error))?;
        let mut left = MAX_LOOKED_AT;
        self.goes_on(matcher, &after, &mut left)
    }

    /// Whether a name of a property that is begun can become one that is not there yet. `keys` are
    /// the open names where `matcher` is.
    fn goes_on(
        &self,
        mut matcher: Matcher,
        keys: &Keys,
        left: &mut usize,
    ) -> Result<bool, ConstraintError> {
        if matcher.is_stopped() {
            return Ok(true);
        }
        let Some(fewer) = left.checked_sub(1) else {
            return Ok(false);
        };
        *left = fewer;
        let mask = match matcher.compute_mask() {
            Ok(mask) => mask,
            Err(error) if error.to_string().starts_with(&dead_end()) => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        };
        let trie = self.env.tok_trie();
        let mut doubtful = Vec::new();
        for id in mask.iter() {
            let bytes = trie.token(id);
            if bytes.is_empty() || keys.would_repeat(bytes) {
                continue;
            }
            let after = keys.after(bytes);
            if !after.may_repeat() {
                return Ok(true);
            }
            doubtful.push((id, after));
        }
        for (id, after) in doubtful {
            let mut next = matcher.clone();
            next.consume_token(id).map_err(|error| self.failed(error))?;
            if self.goes_on(next, &after, left)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes out the tokens that would lead to a name of a property that is there twice, and those
    /// that begin something too deep, if others are left.
    fn restricted(&mut self, mask: SimpleVob) -> Result<Allowed, ConstraintError> {
        let Some(keys) = &self.keys else {
            return Ok(Allowed(mask));
        };
        let has_names = self.names != FreeNames::None && keys.has_names();
        let is_deep = keys.depth_after(&[]) >= MAX_DEPTH - MAX_OPENED;
        if !has_names && !is_deep {
            return Ok(Allowed(mask));
        }
        let mut apart = mask.clone();
        for id in mask.iter() {
            if has_names && !self.keeps_names_apart(id)? {
                apart.disallow_token(id);
            }
        }
        let mut flat = apart.clone();
        for id in apart.iter() {
            if self.is_too_deep(id) {
                flat.disallow_token(id);
            }
        }
        if !flat.is_zero() {
            Ok(Allowed(flat))
        } else if !apart.is_zero() {
            Ok(Allowed(apart))
        } else {
            Err(ConstraintError::DeadEnd)
        }
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
                Ok(mask) => self.restricted(mask)?,
                Err(error) => {
                    let is_dead_end = error.to_string().starts_with(&dead_end());
                    return Err(if is_dead_end {
                        ConstraintError::DeadEnd
                    } else {
                        self.failed(error)
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
        let bytes = self.env.tok_trie().token(id);
        self.length += bytes.len();
        if let Some(keys) = &mut self.keys {
            keys.advance(bytes);
        }
        let accepted = self.matcher.consume_token(id);
        accepted.map_err(|error| self.failed(error))
    }

    /// An error of llguidance, in the words of the form.
    fn failed(&self, error: impl fmt::Display) -> ConstraintError {
        let message = error.to_string();
        // Each way to go on is an item.
        ConstraintError::Failed(match self.too_many_ways {
            Some(remedy) if message.contains(" items") => format!(
                "after {} bytes of the answer, the grammar has too many ways to go on: {remedy}",
                self.length
            ),
            _ => limits::summary(&message),
        })
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

/// Whether a token may begin an object or an array.
fn opens(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'{' | b'['))
}

/// llguidance's message when no token is allowed.
fn dead_end() -> String {
    StopReason::NoExtensionBias.to_string()
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraint")
            .field("stop_reason", &self.matcher.stop_reason())
            .finish_non_exhaustive()
    }
}
