//! How the next token is chosen.

use serde_json::{Value as Json, json};

use super::block::{Block, Key, block};
use super::flag_value::FlagForm;
use super::kind::{Any, Kind, Number, Texts, Whole, all_names, named};
use super::value::Value;

block! {
    /// How the next token is chosen. The defaults are those of llama.cpp's
    /// `common_params_sampling`, which also describes each sampler.
    pub struct Sampling => SamplingInForce in "sampling" {
        /// Divides the logits before the draw. 0.0 always takes the most likely token (greedy). 1.0
        /// draws from the model's own distribution; higher values flatten it.
        temperature: f32 = 0.8, "temperature", ["temp"], Number::new(0.0, 100.0, "0.0: greedy"),
            flag("temperature", "TEMPERATURE",
                "Randomness, if the component does not set it: 0 is greedy");
        /// How far the temperature moves up and down with the entropy of the candidates. 0.0 keeps
        /// it fixed.
        dynatemp_range: f32 = 0.0, "dynatemp_range", [], Number::new(0.0, 100.0, "0.0: off");
        /// The exponent with which the temperature follows the entropy, taken as a share of the
        /// highest entropy.
        dynatemp_exponent: f32 = 1.0, "dynatemp_exponent", [], Number::new(0.0, 100.0, "");
        /// Keeps this number of the most likely tokens.
        top_k: i32 = 40, "top_k", [], Whole::new(-1, i32::MAX).note("0 or -1: all");
        /// Keeps the most likely tokens whose probabilities add up to this value.
        top_p: f32 = 0.95, "top_p", [], Number::new(0.0, 1.0, "1.0: all");
        /// Keeps tokens with at least this share of the most likely token's probability.
        min_p: f32 = 0.05, "min_p", [], Number::new(0.0, 1.0, "0.0: all");
        /// Keeps the tokens whose surprise is closest to the expected surprise, until their
        /// probabilities add up to this value.
        typical_p: f32 = 1.0, "typical_p", ["typ_p", "typical"], Number::new(0.0, 1.0, "1.0: all");
        /// Keeps tokens whose logit is within this number of standard deviations of the highest.
        top_n_sigma: f32 = -1.0, "top_n_sigma", [], Number::new(-1.0, 100.0, "0.0 or less: all");
        /// Minimum number of candidates that top-p, typical-p, min-p and XTC keep.
        min_keep: u32 = 0, "min_keep", [], Whole::new(0, 1_000_000);
        /// How often XTC removes the tokens above `xtc_threshold`, except for the least likely of
        /// them.
        xtc_probability: f32 = 0.0, "xtc_probability", [], Number::new(0.0, 1.0, "0.0: off");
        /// Minimum probability of a token that XTC may remove. Above 0.5 there are never two such
        /// tokens, so XTC is off.
        xtc_threshold: f32 = 0.1, "xtc_threshold", [], Number::new(0.0, 1.0, "");
        /// Number of the last tokens of prompt and answer that the penalties look at.
        penalty_last_n: i32 = 64, "penalty_last_n", ["repeat_last_n", "last_n_penalty"],
            Whole::new(-1, i32::MAX).note("0: none, -1: all");
        /// Divides the logit of a token that occurred before, or multiplies it if it is negative.
        repeat_penalty: f32 = 1.0, "repeat_penalty", ["penalty_repeat", "repetition_penalty"],
            Number::new(0.01, 100.0, "1.0: off");
        /// Subtracted from the logit of a token that occurred before.
        presence_penalty: f32 = 0.0, "presence_penalty", ["penalty_present"],
            Number::new(-100.0, 100.0, "0.0: off");
        /// Subtracted from the logit of a token for each time that it occurred before.
        frequency_penalty: f32 = 0.0, "frequency_penalty", ["penalty_freq"],
            Number::new(-100.0, 100.0, "0.0: off");
        /// Strength of DRY, which lowers the logit of a token that would continue a repeated
        /// sequence.
        dry_multiplier: f32 = 0.0, "dry_multiplier", ["dry_multipier"],
            Number::new(0.0, 100.0, "0.0: off");
        /// DRY subtracts `dry_multiplier` times this base, raised to the number of repeated tokens
        /// beyond `dry_allowed_length`.
        dry_base: f32 = 1.75, "dry_base", [], Number::new(1.0, 100.0, "");
        /// Number of tokens of a repeated sequence that DRY still allows.
        dry_allowed_length: u32 = 2, "dry_allowed_length", [], Whole::new(0, 1_000_000);
        /// Number of the last tokens in which DRY looks for repetitions.
        dry_penalty_last_n: i32 = -1, "dry_penalty_last_n", ["dry_last_n_penalty"],
            Whole::new(-1, i32::MAX).note("0: none, -1: all");
        /// Texts that end a sequence for DRY: a repetition never extends across one of them.
        dry_sequence_breakers: Vec<String> = ["\n", ":", "\"", "*"].map(str::to_owned).to_vec(),
            "dry_sequence_breakers", [], Texts { most: 16, bytes: 40 };
        /// Mirostat 1 or 2, which aim at a constant surprise. They replace all samplers except
        /// penalties, logit bias and temperature.
        mirostat: u32 = 0, "mirostat", ["mirostat_mode"], Whole::new(0, 2).note("0: off");
        /// Target surprise of Mirostat, in bits.
        mirostat_tau: f32 = 5.0, "mirostat_tau", ["mirostat_ent"], Number::new(0.0, 100.0, "");
        /// Learning rate of Mirostat.
        mirostat_eta: f32 = 0.1, "mirostat_eta", ["mirostat_lr"], Number::new(0.0, 100.0, "");
        /// Seed of the draws: the same seed, prompt and settings give the same text. If it is
        /// random, the host draws a seed for each generation, and reports it at the end.
        seed: Seed = Seed::Random, "seed", [], Any,
            flag("seed", "SEED",
                "Seed, if the component does not set it; -1 is random [default: random]");
        /// Values to add to the logits of single tokens, or of all tokens of a text.
        logit_bias: Vec<LogitBias> = Vec::new(), "logit_bias", [], Biases;
        /// The samplers in use, in their order. An empty list draws from the model's own
        /// distribution.
        samplers: Vec<SamplerName> = SamplerName::DEFAULT.to_vec(), "samplers", [], Samplers;
        /// Number of the most likely tokens whose log-probabilities are reported with each token of
        /// the answer, in addition to the token's own.
        n_probs: u32 = 0, "n_probs", ["logprobs", "top_logprobs"],
            Whole::new(0, 100).note("0: none");
    }
}

impl Sampling {
    /// Always takes the most likely token: the same prompt gives the same text.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: Some(0.0),
            ..Self::default()
        }
    }
}

/// Sets the setting with this name. Returns whether there is such a setting and the value is in
/// range.
pub fn read_sampling(sampling: &mut Sampling, name: &str, value: &Value) -> bool {
    let is_named = |key: &&Key<Sampling>| key.info.name == name || key.info.also.contains(&name);
    let mut read = sampling.clone();
    let is_set = Sampling::KEYS
        .iter()
        .find(is_named)
        .is_some_and(|key| (key.read)(&mut read, value) && (key.refuse)(&read).is_none());
    if is_set {
        *sampling = read;
    }
    is_set
}

/// The seed of the random draws.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Seed {
    /// A new random seed for each generation.
    #[default]
    Random,
    /// This seed. [`u32::MAX`] is not allowed: llama.cpp draws a random seed for it, and in
    /// documents it means [`Random`](Self::Random).
    Fixed(u32),
}

impl From<u32> for Seed {
    /// [`u32::MAX`] is [`Random`](Self::Random), as in llama.cpp.
    fn from(seed: u32) -> Self {
        if seed == u32::MAX {
            Self::Random
        } else {
            Self::Fixed(seed)
        }
    }
}

impl Kind for Seed {
    type Rule = Any;

    fn flag_form(_: &Any) -> FlagForm {
        FlagForm::Signed
    }

    fn read(value: &Value, _: &Any) -> Option<Self> {
        if *value == Value::Integer(-1) {
            return Some(Self::Random);
        }
        u32::read(value, &Whole::new(0, u32::MAX)).map(Self::from)
    }

    fn refuse(&self, _: &Any) -> Option<String> {
        (*self == Self::Fixed(u32::MAX)).then(|| u32::MAX.to_string())
    }

    fn allowed(_: &Any) -> String {
        format!("a whole number from 0 to {}, or -1 (random)", u32::MAX - 1)
    }

    fn json(&self) -> Json {
        match self {
            Self::Random => json!(-1),
            Self::Fixed(seed) => json!(seed),
        }
    }

    fn schema(_: &Any) -> Json {
        json!({"type": "integer", "minimum": -1, "maximum": u32::MAX})
    }
}

/// A value added to the logits of one or more tokens.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LogitBias {
    /// The tokens.
    pub target: BiasTarget,
    /// The value to add: -1000.0 to 1000.0, or negative infinity, which forbids the token.
    pub bias: f32,
}

/// The tokens that a bias applies to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum BiasTarget {
    /// The token with this id.
    Token(u32),
    /// Each token of this text of 1 to 256 bytes.
    Text(String),
}

impl LogitBias {
    /// Maximum number of biases of a request.
    pub const MAX: usize = 1024;
    const MAX_BYTES: usize = 256;
    const MOST: f32 = 1000.0;

    fn is_allowed(&self) -> bool {
        let target = match &self.target {
            BiasTarget::Token(_) => true,
            BiasTarget::Text(text) => (1..=Self::MAX_BYTES).contains(&text.len()),
        };
        target && (self.bias == f32::NEG_INFINITY || self.bias.abs() <= Self::MOST)
    }

    /// A bias. `false` forbids the token.
    fn read_bias(value: &Value) -> Option<f32> {
        match value {
            Value::Bool(false) => Some(f32::NEG_INFINITY),
            number => f32::read(number, &Number::new(-Self::MOST, Self::MOST, "")),
        }
    }
}

/// The rule of `logit_bias`.
#[derive(Debug)]
pub(crate) struct Biases;

impl Kind for Vec<LogitBias> {
    type Rule = Biases;

    /// `{"token or text": bias}` or `[[token or text, bias]]`, as in llama.cpp's server. A key of
    /// digits is a token id.
    fn read(value: &Value, _: &Biases) -> Option<Self> {
        let one = |target: BiasTarget, bias: &Value| {
            let bias = LogitBias::read_bias(bias)?;
            Some(LogitBias { target, bias })
        };
        match value {
            Value::Table(table) => table
                .iter()
                .map(|(key, bias)| {
                    let target = key
                        .parse()
                        .map_or_else(|_| BiasTarget::Text(key.clone()), BiasTarget::Token);
                    one(target, bias)
                })
                .collect(),
            Value::List(list) => list
                .iter()
                .map(|pair| {
                    let Value::List(pair) = pair else {
                        return None;
                    };
                    let [target, bias] = pair.as_slice() else {
                        return None;
                    };
                    let target = match target {
                        Value::Text(text) => BiasTarget::Text(text.clone()),
                        number => BiasTarget::Token(u32::read(number, &Whole::new(0, u32::MAX))?),
                    };
                    one(target, bias)
                })
                .collect(),
            _ => None,
        }
    }

    fn refuse(&self, _: &Biases) -> Option<String> {
        if self.len() > LogitBias::MAX {
            return Some(format!("a list of {}", self.len()));
        }
        let bad = self.iter().find(|bias| !bias.is_allowed())?;
        Some(match &bad.target {
            BiasTarget::Token(token) => format!("{} for token {token}", bad.bias),
            BiasTarget::Text(text) => format!("{} for a text of {} bytes", bad.bias, text.len()),
        })
    }

    fn allowed(_: &Biases) -> String {
        format!(
            "{} at most, each a token's id or a text of 1 to {} bytes, with a number from {:?} to \
             {:?} or false (never)",
            LogitBias::MAX,
            LogitBias::MAX_BYTES,
            -LogitBias::MOST,
            LogitBias::MOST
        )
    }

    fn json(&self) -> Json {
        let pairs = self.iter().map(|LogitBias { target, bias }| {
            let target = match target {
                BiasTarget::Token(token) => json!(token),
                BiasTarget::Text(text) => json!(text),
            };
            let bias = if *bias == f32::NEG_INFINITY {
                json!(false)
            } else {
                bias.json()
            };
            json!([target, bias])
        });
        Json::Array(pairs.collect())
    }

    fn schema(_: &Biases) -> Json {
        let number = f32::schema(&Number::new(-LogitBias::MOST, LogitBias::MOST, ""));
        let bias = json!({"anyOf": [number, {"const": false}]});
        let target = json!({"type": ["integer", "string"]});
        let pair =
            json!({"type": "array", "prefixItems": [target, bias], "minItems": 2, "maxItems": 2});
        json!({"anyOf": [
            {"type": "object", "additionalProperties": bias, "maxProperties": LogitBias::MAX},
            {"type": "array", "items": pair, "maxItems": LogitBias::MAX},
        ]})
    }
}

/// A sampler of the chain.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "snake_case")]
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
    /// Temperature. It is dynamic if `dynatemp_range` is set.
    Temperature,
}

named!(SamplerName, "sampler");

impl SamplerName {
    /// The default samplers in their order, which is llama.cpp's.
    pub const DEFAULT: [Self; Self::ALL.len()] = Self::ALL;

    /// The sampler with this name. llama.cpp's other names and hyphens are accepted.
    fn of(name: &str) -> Option<Self> {
        let name = name.trim().replace('-', "_");
        let name = match name.as_str() {
            "typ_p" | "typical" => "typical_p",
            "temp" => "temperature",
            name => name,
        };
        name.parse().ok()
    }
}

/// The rule of `samplers`.
#[derive(Debug)]
pub(crate) struct Samplers;

impl Kind for Vec<SamplerName> {
    type Rule = Samplers;

    /// A list of names, or one text with semicolons between them, as in llama.cpp's programs.
    fn read(value: &Value, _: &Samplers) -> Option<Self> {
        match value {
            Value::Text(text) if text.is_empty() => Some(Self::new()),
            Value::Text(text) => text.split(';').map(SamplerName::of).collect(),
            Value::List(list) => list
                .iter()
                .map(|name| match name {
                    Value::Text(name) => SamplerName::of(name),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }

    fn refuse(&self, _: &Samplers) -> Option<String> {
        let is_again = |(index, name): (usize, &SamplerName)| {
            self.iter().take(index).any(|other| other == name)
        };
        let twice = self.iter().enumerate().find(|&one| is_again(one))?.1;
        Some(format!("a list with `{twice}` twice"))
    }

    fn allowed(_: &Samplers) -> String {
        format!(
            "a list of different ones of {}",
            all_names::<SamplerName>().join(", ")
        )
    }

    fn json(&self) -> Json {
        json!(self.iter().map(|name| name.name()).collect::<Vec<_>>())
    }

    fn schema(_: &Samplers) -> Json {
        json!({"anyOf": [
            {"type": "array", "items": {"enum": all_names::<SamplerName>()}, "uniqueItems": true},
            {"type": "string"},
        ]})
    }
}

#[cfg(test)]
mod tests;
