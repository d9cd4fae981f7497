//! llama.cpp's samplers, and their candidates.

use std::mem::ManuallyDrop;

use llama_cpp_2::sampling::LlamaSampler as Inner;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use mynah_core::TokenId;

use super::LlamaModel;

/// A candidate token with its logit and, once a sampler has computed it, its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(transparent)]
pub struct Candidate(LlamaTokenData);

impl Candidate {
    /// A candidate with this logit.
    #[must_use]
    pub fn new(token: TokenId, logit: f32) -> Self {
        Self(LlamaTokenData::new(LlamaToken(token.0), logit, 0.0))
    }

    /// The token.
    pub fn id(&self) -> TokenId {
        TokenId(self.0.id().0)
    }

    /// The token's logit.
    pub fn logit(&self) -> f32 {
        self.0.logit()
    }
}

/// A sampler or a chain of samplers.
#[derive(Debug)]
pub struct LlamaSampler(Inner);

impl LlamaSampler {
    /// A chain of samplers. To choose a token, the last one must be [`dist`](Self::dist) or a
    /// Mirostat sampler.
    pub fn chain(samplers: impl IntoIterator<Item = Self>) -> Self {
        let samplers = samplers.into_iter().map(|sampler| sampler.0);
        Self(Inner::chain(samplers, true))
    }

    /// Divides logits by `temperature`.
    pub fn temperature(temperature: f32) -> Self {
        Self(Inner::temp(temperature))
    }

    /// A temperature within `range` of `temperature`, depending on the entropy of the candidates.
    pub fn dynamic_temperature(temperature: f32, range: f32, exponent: f32) -> Self {
        Self(Inner::temp_ext(temperature, range, exponent))
    }

    /// Keeps the `count` most likely tokens.
    pub fn top_k(count: i32) -> Self {
        Self(Inner::top_k(count))
    }

    /// Keeps tokens within `count` standard deviations of the highest logit.
    pub fn top_n_sigma(count: f32) -> Self {
        Self(Inner::top_n_sigma(count))
    }

    /// Locally typical sampling: keeps the tokens whose information content is closest to the
    /// expected one, until their probabilities add up to `p`.
    pub fn typical_p(p: f32, min_keep: usize) -> Self {
        Self(Inner::typical(p, min_keep))
    }

    /// Keeps the most likely tokens until their probabilities add up to `p`.
    pub fn top_p(p: f32, min_keep: usize) -> Self {
        Self(Inner::top_p(p, min_keep))
    }

    /// Keeps tokens with at least `p` times the probability of the most likely one.
    pub fn min_p(p: f32, min_keep: usize) -> Self {
        Self(Inner::min_p(p, min_keep))
    }

    /// XTC: with `probability`, removes all tokens above `threshold` except the least likely of
    /// them.
    pub fn xtc(probability: f32, threshold: f32, min_keep: usize, seed: u32) -> Self {
        Self(Inner::xtc(probability, threshold, min_keep, seed))
    }

    /// Penalises tokens among the last `last_n`, which must not be negative.
    pub fn penalties(
        vocabulary: i32,
        last_n: i32,
        repeat: f32,
        frequency: f32,
        presence: f32,
    ) -> Self {
        Self(Inner::penalties(
            vocabulary, last_n, repeat, frequency, presence,
        ))
    }

    /// Penalises tokens that would continue a repetition (DRY). `None` if a breaker contains a NUL
    /// character, on which the binding would panic.
    pub fn dry(
        model: &LlamaModel,
        multiplier: f32,
        base: f32,
        allowed_length: i32,
        last_n: i32,
        breakers: &[String],
    ) -> Option<Self> {
        if breakers.iter().any(|text| text.contains('\0')) {
            return None;
        }
        Some(Self(Inner::dry(
            model.inner(),
            multiplier,
            base,
            allowed_length,
            last_n,
            breakers,
        )))
    }

    /// Mirostat 1, which chooses a token. It estimates the shape of the distribution from
    /// `estimated_from` tokens.
    pub fn mirostat(vocabulary: i32, seed: u32, tau: f32, eta: f32, estimated_from: i32) -> Self {
        Self(Inner::mirostat(vocabulary, seed, tau, eta, estimated_from))
    }

    /// Mirostat 2, which chooses a token.
    pub fn mirostat_v2(seed: u32, tau: f32, eta: f32) -> Self {
        Self(Inner::mirostat_v2(seed, tau, eta))
    }

    /// Draws a token by its probability.
    pub fn dist(seed: u32) -> Self {
        Self(Inner::dist(seed))
    }

    /// Tells the sampler that a token became part of the text.
    pub fn accept(&mut self, token: TokenId) {
        self.0.accept(LlamaToken(token.0));
    }

    /// Applies the sampler to the candidates: it changes their logits, removes some, sorts them, or
    /// chooses one, which is returned. `sorted` says that they are in descending order of their
    /// logits. There must be at least one candidate.
    pub fn apply(&mut self, candidates: &mut Vec<Candidate>, sorted: bool) -> Option<TokenId> {
        if candidates.is_empty() {
            return None;
        }
        let mut array = LlamaTokenDataArray::new(into_inner(std::mem::take(candidates)), sorted);
        array.apply_sampler(&mut self.0);
        let chosen = array.selected_token();
        *candidates = from_inner(array.data);
        chosen.map(|token| TokenId(token.0))
    }
}

fn into_inner(candidates: Vec<Candidate>) -> Vec<LlamaTokenData> {
    let mut candidates = ManuallyDrop::new(candidates);
    let (pointer, length) = (candidates.as_mut_ptr(), candidates.len());
    // SAFETY: the pointer, length and capacity are those of a vector that is not dropped, and
    // `Candidate` is `repr(transparent)` over `LlamaTokenData`.
    unsafe { Vec::from_raw_parts(pointer.cast(), length, candidates.capacity()) }
}

fn from_inner(data: Vec<LlamaTokenData>) -> Vec<Candidate> {
    let mut data = ManuallyDrop::new(data);
    let (pointer, length) = (data.as_mut_ptr(), data.len());
    // SAFETY: as in `into_inner`.
    unsafe { Vec::from_raw_parts(pointer.cast(), length, data.capacity()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_keep_their_memory_and_one_is_chosen() {
        let mut candidates = Vec::with_capacity(100);
        candidates.extend((0..10u8).map(|id| Candidate::new(TokenId(id.into()), f32::from(id))));
        let memory = candidates.as_ptr();
        let mut chain = LlamaSampler::chain([LlamaSampler::top_k(1), LlamaSampler::dist(1)]);
        assert_eq!(chain.apply(&mut candidates, false), Some(TokenId(9)));
        assert_eq!((candidates.as_ptr(), candidates.capacity()), (memory, 100));
        assert_eq!(candidates.len(), 1);
        assert_eq!(candidates[0].id(), TokenId(9));
        assert_eq!(chain.apply(&mut Vec::new(), false), None);
    }
}
