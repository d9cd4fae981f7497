//! How the next token is chosen.

use super::builder::builder;
use crate::bindings::mynah::llm::settings as wit;

builder! {
    /// How the next token is chosen. The host defines ranges and defaults, and refuses a value out
    /// of range.
    ///
    /// ```
    /// use mynah_guest::{Options, Sampling};
    ///
    /// let careful = Options::from(Sampling::new().temperature(0.3).top_p(0.9)).max_tokens(64);
    /// let exact = Options::from(Sampling::greedy());
    /// # let _ = (careful, exact);
    /// ```
    pub struct Sampling {
        /// Divides the logits before the draw. 0.0 always takes the most likely token (greedy), 1.0
        /// draws from the model's own distribution, and higher values flatten it. From 0.0 to
        /// 100.0; default 0.8.
        temperature: f32;
        /// How far the temperature moves with the entropy of the candidates. From 0.0 (off) to
        /// 100.0; default 0.0.
        dynatemp_range: f32;
        /// Exponent of the dynamic temperature, applied to the entropy as a share of its maximum.
        /// From 0.0 to 100.0; default 1.0.
        dynatemp_exponent: f32;
        /// Keeps this number of most likely tokens; 0 and -1 keep all. Default 40.
        top_k: i32;
        /// Keeps the most likely tokens whose probabilities add up to this value. From 0.0 to 1.0
        /// (all); default 0.95.
        top_p: f32;
        /// Keeps tokens that have at least this share of the most likely token's probability. From
        /// 0.0 (all) to 1.0; default 0.05.
        min_p: f32;
        /// Locally typical sampling: keeps the tokens whose information content is closest to the
        /// expected one, until their probabilities add up to this value. From 0.0 to 1.0 (all);
        /// default 1.0.
        typical_p: f32;
        /// Keeps tokens whose logit is within this number of standard deviations of the highest
        /// logit. From -1.0 to 100.0; 0.0 or less keeps all; default -1.0.
        top_n_sigma: f32;
        /// Minimum number of candidates that top-p, typical-p, min-p and XTC keep. From 0 to
        /// 1,000,000; default 0.
        min_keep: u32;
        /// Probability of applying XTC, which removes every token above
        /// [`xtc_threshold`](Self::xtc_threshold) except the least likely of them. From 0.0 (off)
        /// to 1.0; default 0.0.
        xtc_probability: f32;
        /// Token probability from which XTC may remove a token. From 0.0 to 1.0; above 0.5 XTC is
        /// off; default 0.1.
        xtc_threshold: f32;
        /// Number of last tokens of prompt and answer that the penalties look at; 0 is none, -1 is
        /// all. Default 64.
        penalty_last_n: i32;
        /// Divides the logit of a token that occurred before, or multiplies it if it is negative.
        /// From 0.01 to 100.0; default 1.0.
        repeat_penalty: f32;
        /// Subtracted from the logit of a token that occurred before. From -100.0 to 100.0; default
        /// 0.0.
        presence_penalty: f32;
        /// Subtracted from the logit of a token once for each time that it occurred before. From
        /// -100.0 to 100.0; default 0.0.
        frequency_penalty: f32;
        /// Strength of DRY, which penalises a token that would extend a repeated sequence. From 0.0
        /// (off) to 100.0; default 0.0.
        dry_multiplier: f32;
        /// Base of the DRY penalty: the multiplier times this base, raised to the repeated length
        /// minus the allowed length. From 1.0 to 100.0; default 1.75.
        dry_base: f32;
        /// Length of a repeated sequence that DRY does not penalise, in tokens. Default 2.
        dry_allowed_length: u32;
        /// Number of last tokens in which DRY looks for repetitions; 0 is none, -1 is all. Default
        /// -1.
        dry_penalty_last_n: i32;
        /// Texts that end a sequence for DRY. Up to 16 texts of 1 to 40 bytes each; default a line
        /// feed, `:`, `"` and `*`.
        dry_sequence_breakers: Vec<String> as texts;
        /// Mirostat version 1 or 2. It replaces all samplers except penalties, logit bias and
        /// temperature. Default 0, off.
        mirostat: u32;
        /// Target surprise of Mirostat, in bits. From 0.0 to 100.0; default 5.0.
        mirostat_tau: f32;
        /// Learning rate of Mirostat. From 0.0 to 100.0; default 0.1.
        mirostat_eta: f32;
        /// Seed of the random draws. The same seed, prompt and settings give the same text. Default
        /// random; the [outcome](crate::Outcome::seed) contains the seed that was used.
        seed: Seed as into;
        /// Values added to the logits of tokens. Up to 1024; default none.
        logit_bias: Vec<LogitBias> as into;
        /// The samplers to apply, in this order, each at most once. An empty list draws from the
        /// model's own distribution.
        samplers: Vec<SamplerName> as into;
        /// Number of most likely tokens to report for each token of the answer, with their
        /// log-probabilities ([`Stream::tokens`](crate::Stream::tokens)). The chosen token is
        /// always reported. From 0 (off) to 100; default 0.
        n_probs: u32;
    }
}

impl Sampling {
    /// Temperature 0.0: always takes the most likely token.
    #[must_use]
    pub fn greedy() -> Self {
        Self::new().temperature(0.0)
    }

    /// A preset for varied text: temperature 1.0, min-p 0.02 in place of top-k and top-p, and a
    /// weak DRY penalty (0.8) against repetition.
    #[must_use]
    pub fn creative() -> Self {
        Self::new()
            .temperature(1.0)
            .top_k(0)
            .top_p(1.0)
            .min_p(0.02)
            .dry_multiplier(0.8)
    }
}

/// Seed of the random draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seed {
    /// A new random seed for each generation.
    Random,
    /// This seed, from 0 to 4,294,967,294.
    Fixed(u32),
}

impl From<u32> for Seed {
    fn from(seed: u32) -> Self {
        Self::Fixed(seed)
    }
}

/// A value added to the logits of one or more tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitBias {
    target: Target,
    bias: f32,
}

#[derive(Debug, Clone, PartialEq)]
enum Target {
    Token(u32),
    Text(String),
}

impl LogitBias {
    /// A bias for the token with this id, from -1000.0 to 1000.0, or negative infinity, which
    /// forbids the token.
    #[must_use]
    pub fn token(id: u32, bias: f32) -> Self {
        let target = Target::Token(id);
        Self { target, bias }
    }

    /// A bias for each token of this text, which has 1 to 256 bytes.
    #[must_use]
    pub fn text(text: impl Into<String>, bias: f32) -> Self {
        let target = Target::Text(text.into());
        Self { target, bias }
    }
}

/// A sampler of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SamplerName {
    /// Repeat, presence and frequency penalty.
    Penalties,
    /// DRY.
    Dry,
    /// Top-n-sigma.
    TopNSigma,
    /// Top-k.
    TopK,
    /// Locally typical sampling.
    TypicalP,
    /// Top-p.
    TopP,
    /// Min-p.
    MinP,
    /// XTC.
    Xtc,
    /// Temperature.
    Temperature,
}

impl From<Sampling> for wit::Sampling {
    fn from(sampling: Sampling) -> Self {
        Self {
            temperature: sampling.temperature,
            dynatemp_range: sampling.dynatemp_range,
            dynatemp_exponent: sampling.dynatemp_exponent,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            typical_p: sampling.typical_p,
            top_n_sigma: sampling.top_n_sigma,
            min_keep: sampling.min_keep,
            xtc_probability: sampling.xtc_probability,
            xtc_threshold: sampling.xtc_threshold,
            penalty_last_n: sampling.penalty_last_n,
            repeat_penalty: sampling.repeat_penalty,
            presence_penalty: sampling.presence_penalty,
            frequency_penalty: sampling.frequency_penalty,
            dry_multiplier: sampling.dry_multiplier,
            dry_base: sampling.dry_base,
            dry_allowed_length: sampling.dry_allowed_length,
            dry_penalty_last_n: sampling.dry_penalty_last_n,
            dry_sequence_breakers: sampling.dry_sequence_breakers,
            mirostat: sampling.mirostat,
            mirostat_tau: sampling.mirostat_tau,
            mirostat_eta: sampling.mirostat_eta,
            seed: sampling.seed.map(|seed| match seed {
                Seed::Random => wit::Seed::Random,
                Seed::Fixed(seed) => wit::Seed::Fixed(seed),
            }),
            logit_bias: sampling.logit_bias.map(|all| {
                let biases = all
                    .into_iter()
                    .map(|LogitBias { target, bias }| wit::LogitBias {
                        target: match target {
                            Target::Token(id) => wit::BiasTarget::Token(id),
                            Target::Text(text) => wit::BiasTarget::Text(text),
                        },
                        bias,
                    });
                biases.collect()
            }),
            samplers: sampling
                .samplers
                .map(|all| all.into_iter().map(wit::SamplerName::from).collect()),
            n_probs: sampling.n_probs,
        }
    }
}

impl From<SamplerName> for wit::SamplerName {
    fn from(name: SamplerName) -> Self {
        match name {
            SamplerName::Penalties => Self::Penalties,
            SamplerName::Dry => Self::Dry,
            SamplerName::TopNSigma => Self::TopNSigma,
            SamplerName::TopK => Self::TopK,
            SamplerName::TypicalP => Self::TypicalP,
            SamplerName::TopP => Self::TopP,
            SamplerName::MinP => Self::MinP,
            SamplerName::Xtc => Self::Xtc,
            SamplerName::Temperature => Self::Temperature,
        }
    }
}
