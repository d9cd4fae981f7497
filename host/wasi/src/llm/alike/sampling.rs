//! `mynah:llm/settings`: the records that all versions have alike.

use std::time::Duration;

use mynah_settings::{
    BiasTarget, LogitBias, Memory, OutputForm, SamplerName, Sampling, Scheduling, Stopping,
};
use mynah_settings::{Output, Priority, Seed};

use super::llm::settings as wit;

impl wit::Host for crate::LlmCtxView<'_> {}

impl From<wit::Sampling> for Sampling {
    fn from(sampling: wit::Sampling) -> Self {
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
            seed: sampling.seed.map(Seed::from),
            logit_bias: sampling
                .logit_bias
                .map(|all| all.into_iter().map(LogitBias::from).collect()),
            samplers: sampling
                .samplers
                .map(|all| all.into_iter().map(SamplerName::from).collect()),
            n_probs: sampling.n_probs,
        }
    }
}

impl From<wit::Seed> for Seed {
    fn from(seed: wit::Seed) -> Self {
        match seed {
            wit::Seed::Random => Self::Random,
            // 4294967295 is refused as out of range, because this contract has its own word for
            // random.
            wit::Seed::Fixed(seed) => Self::Fixed(seed),
        }
    }
}

impl From<wit::LogitBias> for LogitBias {
    fn from(bias: wit::LogitBias) -> Self {
        Self {
            target: match bias.target {
                wit::BiasTarget::Token(token) => BiasTarget::Token(token),
                wit::BiasTarget::Text(text) => BiasTarget::Text(text),
            },
            bias: bias.bias,
        }
    }
}

impl From<wit::SamplerName> for SamplerName {
    fn from(name: wit::SamplerName) -> Self {
        match name {
            wit::SamplerName::Penalties => Self::Penalties,
            wit::SamplerName::Dry => Self::Dry,
            wit::SamplerName::TopNSigma => Self::TopNSigma,
            wit::SamplerName::TopK => Self::TopK,
            wit::SamplerName::TypicalP => Self::TypicalP,
            wit::SamplerName::TopP => Self::TopP,
            wit::SamplerName::MinP => Self::MinP,
            wit::SamplerName::Xtc => Self::Xtc,
            wit::SamplerName::Temperature => Self::Temperature,
        }
    }
}

impl From<wit::Stopping> for Stopping {
    fn from(stopping: wit::Stopping) -> Self {
        Self {
            max_tokens: stopping.max_tokens,
            max_time: stopping.max_time_ms.map(milliseconds),
            stop: stopping.stop,
            ignore_eos: stopping.ignore_eos,
        }
    }
}

impl From<wit::Memory> for Memory {
    fn from(memory: wit::Memory) -> Self {
        Self {
            context_shifting: memory.context_shifting,
            n_keep: memory.n_keep,
            cache_prompt: memory.cache_prompt,
            max_cache_tokens: memory.max_cache_tokens,
        }
    }
}

impl From<wit::Scheduling> for Scheduling {
    fn from(scheduling: wit::Scheduling) -> Self {
        Self {
            priority: scheduling.priority.map(Priority::from),
            queue_timeout: scheduling.queue_timeout_ms.map(milliseconds),
            deterministic: scheduling.deterministic,
        }
    }
}

impl From<wit::Priority> for Priority {
    fn from(priority: wit::Priority) -> Self {
        match priority {
            wit::Priority::Low => Self::Low,
            wit::Priority::Normal => Self::Normal,
            wit::Priority::High => Self::High,
            wit::Priority::Urgent => Self::Urgent,
        }
    }
}

impl From<wit::OutputForm> for Output {
    fn from(form: wit::OutputForm) -> Self {
        match form {
            wit::OutputForm::Free => Self::free(),
            wit::OutputForm::JsonSchema(text) => OutputForm::JsonSchema(text).into(),
            wit::OutputForm::Regex(text) => OutputForm::Regex(text).into(),
            wit::OutputForm::Lark(text) => OutputForm::Lark(text).into(),
            wit::OutputForm::Gbnf(text) => OutputForm::Gbnf(text).into(),
        }
    }
}

fn milliseconds(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
