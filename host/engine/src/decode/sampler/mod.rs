//! From logits to the next token.
//!
//! The samplers themselves are llama.cpp's; what is done here is to spare them the vocabulary.
//! Bias, penalties and DRY change few logits, so they are applied to those alone; then the
//! candidates are cut (`candidates`), and the rest of the chain sees a short list.

mod candidates;
mod highest;
mod log_probs;
mod parts;
#[cfg(test)]
mod tests;

pub(super) use log_probs::{LogProbs, log_probs};
pub(crate) use parts::SamplerParts;

use std::cell::RefCell;

use crate::llama::TokenId;
use crate::llama::{Candidate, LlamaSampler};

use crate::{Effective, SamplerName};
use candidates::Cut;
use highest::most_likely;
use mynah_settings::SamplingInForce;

/// Chooses the next token of one generation.
#[derive(Debug)]
pub(crate) struct Sampler {
    // Added to the logits of these tokens, whatever comes.
    biases: Vec<(TokenId, f32)>,
    // Penalties and DRY, where they come first: they change only tokens that came before.
    first: Vec<LlamaSampler>,
    // The last tokens, as many as the samplers of `first` look at.
    recent: Recent,
    choice: Choice,
}

/// What is done after the logits are changed.
#[derive(Debug)]
enum Choice {
    /// Always the most likely token.
    Greedy,
    /// A cut, and the rest of the chain, which ends in a draw.
    Random { cut: Cut, chain: LlamaSampler },
}

/// Logits without a single finite value: the model computed nonsense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the logits have no finite value: the model file may be damaged, or a bias forbids every token"
)]
pub(crate) struct NoFiniteLogit;

impl Sampler {
    /// `parts` are what depends on the model; `prompt` counts for penalties as what is generated
    /// does.
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

    /// The next token. Nothing is remembered of it until it is [accepted](Self::accept), but for
    /// the draw.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<TokenId, NoFiniteLogit> {
        self.sample_among(logits, None)
    }

    /// The next token among those that are allowed.
    ///
    /// Where a token was drawn among all and isn't allowed, drawing again here gives each allowed
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

    /// A token is part of the text.
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

/// Whether the highest logit stays the highest through these samplers: penalties after a cut may
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
    // A thread that samples needs room for one vocabulary, however many sequences there are.
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

/// Makes llama.cpp's samplers from settings.
struct Links<'a> {
    sampling: &'a SamplingInForce,
    seed: u32,
    vocabulary: u32,
    context: u32,
    dry: Option<LlamaSampler>,
}

impl Links<'_> {
    /// Whether a sampler does anything.
    fn is_on(&self, name: SamplerName) -> bool {
        let s = self.sampling;
        // Mirostat takes the place of all that cuts.
        let cuts = s.mirostat == 0;
        match name {
            SamplerName::Penalties => {
                let is_changed = s.repeat_penalty != 1.0
                    || s.presence_penalty != 0.0
                    || s.frequency_penalty != 0.0;
                self.window(s.penalty_last_n) > 0 && is_changed
            }
            SamplerName::Dry => self.dry.is_some() && self.window(s.dry_penalty_last_n) > 0,
            SamplerName::TopNSigma => cuts && s.top_n_sigma > 0.0,
            SamplerName::TopK => cuts && s.top_k > 0,
            SamplerName::TypicalP => cuts && s.typical_p < 1.0,
            SamplerName::TopP => cuts && s.top_p < 1.0,
            SamplerName::MinP => cuts && s.min_p > 0.0,
            SamplerName::Xtc => cuts && s.xtc_probability > 0.0 && s.xtc_threshold <= 0.5,
            SamplerName::Temperature => cuts,
        }
    }

    /// The cut that comes first; a sampler that it does the work of is taken out of `rest`.
    fn cut(&self, rest: &mut Vec<SamplerName>) -> Cut {
        let s = self.sampling;
        let first = rest.first();
        let is_shrunk = first.is_some_and(|name| {
            matches!(
                name,
                SamplerName::TopK | SamplerName::TopP | SamplerName::MinP | SamplerName::TypicalP
            )
        });
        match first {
            // It estimates the shape of the distribution from tokens that have no chance, too.
            _ if s.mirostat == 1 => Cut::Likely(f32::INFINITY),
            // It compares with the entropy that so many candidates could have.
            _ if s.dynatemp_range > 0.0 && !is_shrunk => Cut::Likely(f32::INFINITY),
            Some(SamplerName::TopK) => {
                rest.remove(0);
                Cut::TopK(usize::try_from(s.top_k).unwrap_or(1))
            }
            Some(SamplerName::TopNSigma) => {
                rest.remove(0);
                Cut::Sigma(s.top_n_sigma)
            }
            // The temperature may flatten before or after other cuts; where it sharpens, they look
            // at what was before.
            _ => Cut::Likely((s.temperature + s.dynatemp_range).max(1.0)),
        }
    }

    /// Tokens that `last_n` means: never more than there can be, so that nobody chooses how much
    /// memory that takes.
    fn window(&self, last_n: i32) -> i32 {
        let all = i32::try_from(self.context).unwrap_or(i32::MAX);
        if last_n < 0 { all } else { last_n.min(all) }
    }

    /// Tokens that penalties and DRY look at, from the last.
    fn looks_at(&self) -> usize {
        let s = self.sampling;
        let of = |is_used: bool, last_n: i32| if is_used { self.window(last_n) } else { 0 };
        let is_used = |name| s.samplers.contains(&name);
        let penalties = of(is_used(SamplerName::Penalties), s.penalty_last_n);
        let dry = of(
            is_used(SamplerName::Dry) && s.dry_multiplier > 0.0,
            s.dry_penalty_last_n,
        );
        usize::try_from(penalties.max(dry)).unwrap_or_default()
    }

    fn link(&mut self, name: SamplerName) -> Option<LlamaSampler> {
        let s = self.sampling;
        let min_keep = s.min_keep as usize;
        Some(match name {
            SamplerName::Penalties => LlamaSampler::penalties(
                i32::try_from(self.vocabulary).unwrap_or(i32::MAX),
                self.window(s.penalty_last_n),
                s.repeat_penalty,
                s.frequency_penalty,
                s.presence_penalty,
            ),
            SamplerName::Dry => return self.dry.take(),
            SamplerName::TopNSigma => LlamaSampler::top_n_sigma(s.top_n_sigma),
            SamplerName::TopK => LlamaSampler::top_k(s.top_k),
            SamplerName::TypicalP => LlamaSampler::typical_p(s.typical_p, min_keep),
            SamplerName::TopP => LlamaSampler::top_p(s.top_p, min_keep),
            SamplerName::MinP => LlamaSampler::min_p(s.min_p, min_keep),
            SamplerName::Xtc => {
                LlamaSampler::xtc(s.xtc_probability, s.xtc_threshold, min_keep, self.seed)
            }
            SamplerName::Temperature => self.temperature(),
        })
    }

    fn temperature(&self) -> LlamaSampler {
        let s = self.sampling;
        if s.dynatemp_range > 0.0 {
            LlamaSampler::dynamic_temperature(s.temperature, s.dynatemp_range, s.dynatemp_exponent)
        } else {
            LlamaSampler::temperature(s.temperature)
        }
    }

    /// As llama.cpp's own programs make it: temperature, then mirostat, which draws.
    fn mirostat(&self) -> Vec<LlamaSampler> {
        /// Tokens that mirostat 1 estimates the distribution from, as in its paper.
        const ESTIMATED_FROM: i32 = 100;

        let s = self.sampling;
        let draw = if s.mirostat == 1 {
            let vocabulary = i32::try_from(self.vocabulary).unwrap_or(i32::MAX);
            LlamaSampler::mirostat(
                vocabulary,
                self.seed,
                s.mirostat_tau,
                s.mirostat_eta,
                ESTIMATED_FROM,
            )
        } else {
            LlamaSampler::mirostat_v2(self.seed, s.mirostat_tau, s.mirostat_eta)
        };
        vec![self.temperature(), draw]
    }
}
