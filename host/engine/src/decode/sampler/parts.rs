//! The parts of a sampler that depend on the model. They also depend on the guest's settings, so
//! they are created and checked before the request is queued.

use std::collections::BTreeMap;

use mynah_core::{Error, Result, TokenId};
use mynah_llama::{LlamaModel, LlamaSampler};
use mynah_settings::{BiasTarget, Effective, LogitBias, Problem};

/// The parts of a sampler that depend on the model.
#[derive(Debug)]
pub(crate) struct SamplerParts {
    /// Added to the logits of these tokens.
    pub(super) biases: Vec<(TokenId, f32)>,
    /// DRY, if it is on. Its breakers are looked up in the vocabulary.
    pub(super) dry: Option<LlamaSampler>,
    /// How many tokens the vocabulary has.
    pub(super) vocabulary: u32,
    /// How many tokens a sequence holds.
    pub(super) context: u32,
}

impl SamplerParts {
    /// `ends` are the tokens that end a generation.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for a bias on a token that the model doesn't have, and for a breaker
    /// that llama.cpp can't take.
    pub(crate) fn new<'a>(
        settings: &Effective,
        model: &LlamaModel,
        ends: impl FnOnce() -> &'a [TokenId],
        vocabulary: u32,
        context: u32,
    ) -> Result<Self> {
        let sampling = &settings.sampling;
        let mut biases = BTreeMap::new();
        for bias in &sampling.logit_bias {
            for token in tokens(bias, model, vocabulary)? {
                *biases.entry(token.0).or_insert(0.0) += bias.bias;
            }
        }
        if settings.stopping.ignore_eos {
            biases.extend(ends().iter().map(|token| (token.0, f32::NEG_INFINITY)));
        }
        Ok(Self {
            biases: biases
                .into_iter()
                .map(|(id, bias)| (TokenId(id), bias))
                .collect(),
            dry: dry(settings, model, context)?,
            vocabulary,
            context,
        })
    }

    /// The parts for settings that need no model.
    #[cfg(test)]
    pub(crate) fn plain(vocabulary: u32, context: u32) -> Self {
        Self {
            biases: Vec::new(),
            dry: None,
            vocabulary,
            context,
        }
    }
}

fn tokens(bias: &LogitBias, model: &LlamaModel, vocabulary: u32) -> Result<Vec<TokenId>> {
    match &bias.target {
        BiasTarget::Token(id) => match i32::try_from(*id) {
            Ok(token) if *id < vocabulary => Ok(vec![TokenId(token)]),
            _ => Err(refused(
                "logit_bias",
                format_args!("for token {id}"),
                &format!(
                    "for tokens of this model, from 0 to {}",
                    vocabulary.saturating_sub(1)
                ),
            )),
        },
        BiasTarget::Text(text) => Ok(model.vocab().tokenize(text.as_bytes(), false, false)),
    }
}

fn dry(settings: &Effective, model: &LlamaModel, context: u32) -> Result<Option<LlamaSampler>> {
    let sampling = &settings.sampling;
    if sampling.dry_multiplier <= 0.0 {
        return Ok(None);
    }
    let all = i32::try_from(context).unwrap_or(i32::MAX);
    let last_n = sampling.dry_penalty_last_n;
    let dry = LlamaSampler::dry(
        model,
        sampling.dry_multiplier,
        sampling.dry_base,
        i32::try_from(sampling.dry_allowed_length).unwrap_or(i32::MAX),
        if last_n < 0 { all } else { last_n.min(all) },
        &sampling.dry_sequence_breakers,
    );
    dry.map(Some).ok_or_else(|| {
        refused(
            "dry_sequence_breakers",
            "a list with a NUL character in it",
            "texts without one",
        )
    })
}

fn refused(key: &str, value: impl std::fmt::Display, allowed: &str) -> Error {
    Error::Settings {
        problems: vec![Problem::new(format!("sampling.{key}"), value, allowed)],
    }
}
