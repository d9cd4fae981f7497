//! Makes llama.cpp's samplers from settings.

use mynah_llama::LlamaSampler;
use mynah_settings::{SamplerName, SamplingInForce};

use super::candidates::Cut;

/// Makes llama.cpp's samplers from settings.
pub(super) struct Links<'a> {
    pub(super) sampling: &'a SamplingInForce,
    pub(super) seed: u32,
    pub(super) vocabulary: u32,
    pub(super) context: u32,
    pub(super) dry: Option<LlamaSampler>,
}

impl Links<'_> {
    /// Whether a sampler has any effect with these settings.
    pub(super) fn is_on(&self, name: SamplerName) -> bool {
        let s = self.sampling;
        // Mirostat replaces all samplers that cut, and the temperature.
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

    /// The cut that comes first. A sampler whose work it does is taken out of `rest`.
    pub(super) fn cut(&self, rest: &mut Vec<SamplerName>) -> Cut {
        let s = self.sampling;
        let first = rest.first();
        let is_shrunk = first.is_some_and(|name| {
            matches!(
                name,
                SamplerName::TopK | SamplerName::TopP | SamplerName::MinP | SamplerName::TypicalP
            )
        });
        match first {
            // Mirostat 1 estimates the shape of the distribution from unlikely tokens too.
            _ if s.mirostat == 1 => Cut::Likely(f32::INFINITY),
            // The dynamic temperature uses the maximum entropy of this number of candidates.
            _ if s.dynatemp_range > 0.0 && !is_shrunk => Cut::Likely(f32::INFINITY),
            Some(SamplerName::TopK) => {
                rest.remove(0);
                Cut::TopK(usize::try_from(s.top_k).unwrap_or(1))
            }
            Some(SamplerName::TopNSigma) => {
                rest.remove(0);
                Cut::Sigma(s.top_n_sigma)
            }
            // A temperature above 1 may flatten the distribution before other cuts, which then keep
            // more tokens. One below 1 sharpens it, so the bound is that of temperature 1.
            _ => Cut::Likely((s.temperature + s.dynatemp_range).max(1.0)),
        }
    }

    /// The number of tokens that `last_n` means, limited to the context size so that a request
    /// cannot choose the amount of memory.
    fn window(&self, last_n: i32) -> i32 {
        let all = i32::try_from(self.context).unwrap_or(i32::MAX);
        if last_n < 0 { all } else { last_n.min(all) }
    }

    /// How many of the last tokens penalties and DRY look at.
    pub(super) fn looks_at(&self) -> usize {
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

    /// The sampler of this name, as llama.cpp has it.
    pub(super) fn link(&mut self, name: SamplerName) -> Option<LlamaSampler> {
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

    /// Temperature, then mirostat, which draws: as in llama.cpp's own programs.
    pub(super) fn mirostat(&self) -> Vec<LlamaSampler> {
        /// How many tokens mirostat 1 estimates the distribution from, as in its paper.
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
