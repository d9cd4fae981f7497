//! How the next token is chosen.

use super::builder::builder;
use crate::bindings::mynah::llm::settings as wit;

builder! {
    /// How the next token is chosen. Ranges and defaults are the host's; a value out of range is
    /// refused.
    ///
    /// ```
    /// use mynah_guest::{Options, Sampling};
    ///
    /// let careful = Options::from(Sampling::new().temperature(0.3).top_p(0.9)).max_tokens(64);
    /// let exact = Options::from(Sampling::greedy());
    /// # let _ = (careful, exact);
    /// ```
    pub struct Sampling {
        /// Divides the logits before the draw: 0.0 always takes the most likely token (greedy), 1.0
        /// draws from the model's own distribution, higher flattens it. From 0.0 to 100.0; default
        /// 0.8.
        temperature: f32;
        /// How far the temperature moves with the entropy of the candidates. From 0.0 (off) to
        /// 100.0; default 0.0.
        dynatemp_range: f32;
        /// How the temperature follows the entropy, as a power of its share of the highest one.
        /// From 0.0 to 100.0; default 1.0.
        dynatemp_exponent: f32;
        /// Keeps the so many most likely tokens; 0 and -1 keep all. Default 40.
        top_k: i32;
        /// Keeps the most likely tokens that together have this probability. From 0.0 to 1.0 (all);
        /// default 0.95.
        top_p: f32;
        /// Keeps tokens that have at least this share of the most likely one's probability. From
        /// 0.0 (all) to 1.0; default 0.05.
        min_p: f32;
        /// Keeps the tokens whose surprise is closest to what is expected, until they together have
        /// this probability. From 0.0 to 1.0 (all); default 1.0.
        typical_p: f32;
        /// Keeps tokens whose logit is within so many standard deviations of the highest. From -1.0
        /// to 100.0, 0.0 or less keeps all; default -1.0.
        top_n_sigma: f32;
        /// Candidates that top-p, typical-p, min-p and XTC leave at least. From 0 to 1,000,000;
        /// default 0.
        min_keep: u32;
        /// How often the tokens above [`xtc_threshold`](Self::xtc_threshold), all but the least
        /// likely of them, are left out. From 0.0 (off) to 1.0; default 0.0.
        xtc_probability: f32;
        /// Probability from which on XTC may leave tokens out. From 0.0 to 1.0, above 0.5 is off;
        /// default 0.1.
        xtc_threshold: f32;
        /// Tokens of prompt and answer, from the last, that the penalties look at; 0 is none, -1
        /// all. Default 64.
        penalty_last_n: i32;
        /// Divides the logit of a token that came before, or multiplies it where it is negative.
        /// From 0.01 to 100.0; default 1.0.
        repeat_penalty: f32;
        /// Taken off the logit of a token that came before. From -100.0 to 100.0; default 0.0.
        presence_penalty: f32;
        /// Taken off the logit of a token for each time that it came before. From -100.0 to 100.0;
        /// default 0.0.
        frequency_penalty: f32;
        /// Strength of DRY, which takes from a token that would go on repeating a sequence. From
        /// 0.0 (off) to 100.0; default 0.0.
        dry_multiplier: f32;
        /// DRY takes the multiplier times this, to the power of the repeated length over the
        /// allowed one. From 1.0 to 100.0; default 1.75.
        dry_base: f32;
        /// Length of a repeated sequence that DRY still allows, in tokens. Default 2.
        dry_allowed_length: u32;
        /// Tokens, from the last, in which DRY looks for repetitions; 0 is none, -1 all. Default
        /// -1.
        dry_penalty_last_n: i32;
        /// Texts that end a sequence for DRY. Up to 16, of 1 to 40 bytes; default a line feed, `:`,
        /// `"` and `*`.
        dry_sequence_breakers: Vec<String> as texts;
        /// Mirostat 1 or 2, which take the place of all samplers but penalties, logit bias and
        /// temperature. Default 0, off.
        mirostat: u32;
        /// The surprise that mirostat aims at, in bits. From 0.0 to 100.0; default 5.0.
        mirostat_tau: f32;
        /// How fast mirostat learns. From 0.0 to 100.0; default 0.1.
        mirostat_eta: f32;
        /// Seed of the draws: the same seed, prompt and settings give the same text. Default
        /// random; the [outcome](crate::Outcome::seed) tells it.
        seed: Seed as into;
        /// Added to the logits of tokens. Up to 1024; default none.
        logit_bias: Vec<LogitBias> as into;
        /// The samplers that choose, in their order, each once at most; none at all draws from the
        /// model's own distribution.
        samplers: Vec<SamplerName> as into;
        /// Tells each token of the answer with its log-probability and those of so many most likely
        /// tokens ([`Stream::tokens`](crate::Stream::tokens)). From 0 (off) to 100; default 0.
        n_probs: u32;
    }
}

impl Sampling {
    /// Temperature 0.0: always the most likely token.
    #[must_use]
    pub fn greedy() -> Self {
        Self::new().temperature(0.0)
    }

    /// For text that should surprise: temperature 1.0, min-p 0.02 in place of top-k and top-p, and
    /// a light DRY (0.8) against going round in circles.
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

/// Where draws begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seed {
    /// Drawn anew for each generation.
    Random,
    /// This one, from 0 to 4,294,967,294.
    Fixed(u32),
}

impl From<u32> for Seed {
    fn from(seed: u32) -> Self {
        Self::Fixed(seed)
    }
}

/// Something added to the logits of tokens.
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
    /// For the token of this id. The bias is from -1000.0 to 1000.0, or negative infinity, which
    /// forbids the token.
    #[must_use]
    pub fn token(id: u32, bias: f32) -> Self {
        let target = Target::Token(id);
        Self { target, bias }
    }

    /// For all tokens that the text is made of, each. 1 to 256 bytes.
    #[must_use]
    pub fn text(text: impl Into<String>, bias: f32) -> Self {
        let target = Target::Text(text.into());
        Self { target, bias }
    }
}

/// A sampler.
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
