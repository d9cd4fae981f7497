//! How text is made: what a request, or the operator for a model, may set.

use super::{Check, Problem};
use crate::Result;

/// How text is made. A field that is not set takes the value of the next level: request, then model, then the engine's
/// default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Settings {
    /// Tokens to generate at most. 1 or more; default 512. The answer may end earlier where the context is full, with
    /// the finish reason that says so.
    pub max_tokens: Option<u32>,
    /// Divides the logits before sampling. 0.0 (greedy: always the most likely token) to 100.0; default 0.8, as in
    /// llama.cpp's `common_params_sampling`.
    pub temperature: Option<f32>,
    /// Seed of the sampler; default: drawn anew for each generation.
    pub seed: Option<u32>,
}

/// The settings in force for one generation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effective {
    /// Tokens to generate at most.
    pub max_tokens: u32,
    /// 0.0 is greedy.
    pub temperature: f32,
    /// The seed that was given or drawn.
    pub seed: u32,
}

impl Settings {
    /// Default of `max_tokens`.
    pub const DEFAULT_MAX_TOKENS: u32 = 512;
    /// Default of `temperature`.
    pub const DEFAULT_TEMPERATURE: f32 = 0.8;
    /// Upper end of `temperature`: from there on the choice is even to float precision on any real model, so that a
    /// higher value is a mistake.
    pub const MAX_TEMPERATURE: f32 = 100.0;

    /// Greedy: the same prompt gives the same text.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: Some(0.0),
            ..Self::default()
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`](crate::Error::Settings) with every setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        if let Some(tokens) = self.max_tokens {
            check.that(tokens > 0, || {
                Problem::new("max_tokens", tokens, "1 or more")
            });
        }
        if let Some(temperature) = self.temperature {
            // NaN fails the comparison, as it should.
            check.that((0.0..=Self::MAX_TEMPERATURE).contains(&temperature), || {
                let range = format!("from 0.0 (greedy) to {:.1}", Self::MAX_TEMPERATURE);
                Problem::new("temperature", temperature, range)
            });
        }
        check.done()
    }

    /// These settings, and where they say nothing, those of `base`.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(base.max_tokens),
            temperature: self.temperature.or(base.temperature),
            seed: self.seed.or(base.seed),
        }
    }

    /// The settings in force: these, then the engine's defaults; `draw_seed` gives a seed where none is set.
    pub(crate) fn resolve(self, draw_seed: impl FnOnce() -> u32) -> Effective {
        Effective {
            max_tokens: self.max_tokens.unwrap_or(Self::DEFAULT_MAX_TOKENS),
            temperature: self.temperature.unwrap_or(Self::DEFAULT_TEMPERATURE),
            seed: self.seed.unwrap_or_else(draw_seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_wins_over_the_model_and_the_model_over_the_default() {
        let request = Settings {
            max_tokens: Some(7),
            ..Settings::default()
        };
        let model = Settings {
            max_tokens: Some(9),
            seed: Some(3),
            ..Settings::default()
        };
        let effective = request.or(model).resolve(|| unreachable!("a seed is set"));
        assert_eq!(
            effective,
            Effective {
                max_tokens: 7,
                temperature: Settings::DEFAULT_TEMPERATURE,
                seed: 3
            }
        );
    }

    #[test]
    fn values_out_of_range_are_refused_with_key_value_and_range() {
        for temperature in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.5, 100.5] {
            let settings = Settings {
                temperature: Some(temperature),
                ..Settings::default()
            };
            let text = settings.check().unwrap_err().to_string();
            assert!(
                text.contains("`temperature`") && text.contains("100.0"),
                "{text}"
            );
        }
        let none = Settings {
            max_tokens: Some(0),
            ..Settings::default()
        };
        assert!(
            none.check()
                .unwrap_err()
                .to_string()
                .contains("`max_tokens` is 0")
        );
    }

    #[test]
    fn the_ends_of_the_ranges_are_allowed() {
        for temperature in [0.0, -0.0, 100.0] {
            let settings = Settings {
                max_tokens: Some(1),
                temperature: Some(temperature),
                seed: Some(u32::MAX),
            };
            settings.check().unwrap();
        }
    }
}
