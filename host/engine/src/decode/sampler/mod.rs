//! Chooses the next token from logits.
//!
//! The samplers themselves are llama.cpp's. This module keeps the whole vocabulary away from them.
//! Bias, penalties and DRY change few logits, so they are applied to those alone. Then the
//! candidates are cut (`candidates`), and the rest of the chain gets a short list.

mod candidates;
mod highest;
mod links;
mod log_probs;
mod parts;
#[cfg(test)]
mod tests;

pub(super) use log_probs::{LogProbs, log_probs};
pub(crate) use parts::SamplerParts;

use std::cell::RefCell;

use candidates::Cut;
use highest::most_likely;
use links::Links;
use mynah_core::TokenId;
use mynah_llama::{Candidate, LlamaSampler};

use mynah_settings::{Effective, SamplerName};

/// Chooses the next token of one generation.
#[derive(Debug)]
pub(crate) struct Sampler {
    // Added to the logits of these tokens.
    biases: Vec<(TokenId, f32)>,
    // Penalties and DRY if they come first: they change only the logits of recent tokens.
    first: Vec<LlamaSampler>,
    // As many of the last tokens as the samplers of `first` look at.
    recent: Recent,
    choice: Choice,
}

/// How a token is chosen from the changed logits.
#[derive(Debug)]
enum Choice {
    /// Always the most likely token.
    Greedy,
    /// By a cut and the rest of the chain, which ends in a draw.
    Random { cut: Cut, chain: LlamaSampler },
}

/// The logits have no finite value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the logits have no finite value: the model file may be damaged, or a bias forbids every token"
)]
pub(crate) struct NoFiniteLogit;

impl Sampler {
    /// `parts` depend on the model. For penalties, tokens of the `prompt` count like generated
    /// ones.
    pub(crate) fn new(settings: &Effective, parts: SamplerParts, prompt: &[TokenId]) -> Self {
        let sampling = &settings.sampling;
        let is_greedy =
            |name: &SamplerName| *name == SamplerName::Temperature && sampling.temperature <= 0.0;
        let takes_the_top = |name: &SamplerName| match name {
            SamplerName::TypicalP => sampling.typical_p < 1.0,
            SamplerName::Xtc => sampling.xtc_probability > 0.0,
            _ => false,
        };
        let names = &sampling.samplers;
        let SamplerParts {
            biases,
            mut dry,
            vocabulary,
            context,
        } = parts;
        let mut links = Links {
            sampling,
            seed: settings.seed,
            vocabulary,
            context,
            dry: dry.take(),
        };
        let mut first = Vec::new();
        let mut rest: Vec<SamplerName> = Vec::new();
        let on: Vec<SamplerName> = names
            .iter()
            .copied()
            .filter(|name| links.is_on(*name))
            .collect();
        for name in on {
            let changes_few = matches!(name, SamplerName::Penalties | SamplerName::Dry);
            if changes_few && rest.is_empty() {
                first.extend(links.link(name));
            } else {
                rest.push(name);
            }
        }
        let choice = if names.iter().any(is_greedy)
            && !names.iter().any(takes_the_top)
            && first_changes_all(&rest)
        {
            Choice::Greedy
        } else {
            let cut = links.cut(&mut rest);
            let mut chain: Vec<LlamaSampler> = if sampling.mirostat > 0 {
                links.mirostat()
            } else {
                rest.into_iter()
                    .filter_map(|name| links.link(name))
                    .collect()
            };
            if sampling.mirostat == 0 {
                // A chain must end in a sampler that selects, else llama.cpp aborts.
                chain.push(LlamaSampler::dist(settings.seed));
            }
            Choice::Random {
                cut,
                chain: LlamaSampler::chain(chain),
            }
        };
        let looks_at = links.looks_at();
        let mut sampler = Self {
            biases,
            first,
            recent: Recent::new(looks_at),
            choice,
        };
        let from = prompt.len().saturating_sub(looks_at);
        for &token in prompt.get(from..).unwrap_or_default() {
            sampler.accept(token);
        }
        sampler
    }

    /// Whether choosing means more than finding the highest logit.
    pub(crate) fn is_costly(&self) -> bool {
        !matches!(self.choice, Choice::Greedy) || self.changes_logits()
    }

    fn changes_logits(&self) -> bool {
        !self.biases.is_empty() || !self.first.is_empty()
    }

    /// The next token. Until it is [accepted](Self::accept), only the random number generator has
    /// changed.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<TokenId, NoFiniteLogit> {
        self.sample_among(logits, None)
    }

    /// The next token among those that are allowed.
    ///
    /// If a token that was drawn among all is not allowed, drawing again here gives each allowed
    /// token the probability that it has among the allowed ones.
    pub(crate) fn sample_among(
        &mut self,
        logits: &[f32],
        allowed: Option<&dyn Fn(TokenId) -> bool>,
    ) -> Result<TokenId, NoFiniteLogit> {
        if !self.changes_logits() {
            return self.choose(logits, allowed);
        }
        LOGITS.with_borrow_mut(|changed| {
            changed.clear();
            changed.extend_from_slice(logits);
            self.change(changed);
            self.choose(changed, allowed)
        })
    }

    /// Notes that a token has become part of the text.
    pub(crate) fn accept(&mut self, token: TokenId) {
        self.recent.push(token);
        for sampler in &mut self.first {
            sampler.accept(token);
        }
        if let Choice::Random { chain, .. } = &mut self.choice {
            chain.accept(token);
        }
    }

    /// Applies bias, penalties and DRY.
    fn change(&mut self, logits: &mut [f32]) {
        for (token, bias) in &self.biases {
            if let Some(logit) = logit_of(logits, *token) {
                *logit += bias;
            }
        }
        if self.first.is_empty() {
            return;
        }
        let recent = self.recent.distinct().into_iter().filter_map(|token| {
            let logit = *logit_of(logits, token)?;
            Some(Candidate::new(token, logit))
        });
        let mut candidates: Vec<Candidate> = recent.collect();
        for sampler in &mut self.first {
            sampler.apply(&mut candidates, false);
        }
        for data in &candidates {
            if let Some(logit) = logit_of(logits, data.id()) {
                *logit = data.logit();
            }
        }
    }

    fn choose(
        &mut self,
        logits: &[f32],
        allowed: Option<&dyn Fn(TokenId) -> bool>,
    ) -> Result<TokenId, NoFiniteLogit> {
        let (best, highest) = match allowed {
            None => most_likely(logits),
            Some(allowed) => most_likely_among(logits, allowed),
        }
        .ok_or(NoFiniteLogit)?;
        match &mut self.choice {
            Choice::Greedy => Ok(best),
            Choice::Random { cut, chain } => {
                let drawn = CANDIDATES.with_borrow_mut(|candidates| {
                    cut.fill(logits, highest, allowed, candidates);
                    chain.apply(candidates, cut.sorts())
                });
                Ok(drawn.unwrap_or(best))
            }
        }
    }
}

/// Whether the highest logit stays the highest through these samplers. Penalties after a cut may
/// change that.
fn first_changes_all(rest: &[SamplerName]) -> bool {
    !rest
        .iter()
        .any(|name| matches!(name, SamplerName::Penalties | SamplerName::Dry))
}

fn logit_of(logits: &mut [f32], token: TokenId) -> Option<&mut f32> {
    logits.get_mut(usize::try_from(token.0).ok()?)
}

fn most_likely_among(logits: &[f32], allowed: &dyn Fn(TokenId) -> bool) -> Option<(TokenId, f32)> {
    let mut best: Option<(TokenId, f32)> = None;
    for (id, &logit) in (0..).zip(logits) {
        let is_higher = logit.is_finite() && best.is_none_or(|(_, highest)| logit > highest);
        if is_higher && allowed(TokenId(id)) {
            best = Some((TokenId(id), logit));
        }
    }
    best
}

thread_local! {
    // A thread needs room for one vocabulary only, for any number of sequences.
    static CANDIDATES: RefCell<Vec<Candidate>> = const { RefCell::new(Vec::new()) };
    static LOGITS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// The last tokens.
#[derive(Debug)]
struct Recent {
    tokens: std::collections::VecDeque<TokenId>,
    most: usize,
}

impl Recent {
    fn new(most: usize) -> Self {
        Self {
            tokens: std::collections::VecDeque::new(),
            most,
        }
    }

    fn push(&mut self, token: TokenId) {
        if self.most == 0 {
            return;
        }
        if self.tokens.len() >= self.most {
            self.tokens.pop_front();
        }
        self.tokens.push_back(token);
    }

    fn distinct(&self) -> Vec<TokenId> {
        let mut tokens: Vec<TokenId> = self.tokens.iter().copied().collect();
        tokens.sort_unstable_by_key(|token| token.0);
        tokens.dedup();
        tokens
    }
}
