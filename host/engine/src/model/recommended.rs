//! The sampling settings that a model's file recommends: the `general.sampling.*` keys, which
//! llama.cpp's own programs also follow.

use mynah_settings::{Document, Settings, read_sampling};

use super::gguf::{GgufHeader, Value};

/// Prefix of the keys.
const PREFIX: &str = "general.sampling.";

/// The settings that a file recommends. An invalid value is omitted and logged: a model is not
/// refused because of a bad recommendation.
pub(super) fn recommended(header: &GgufHeader) -> Settings {
    let mut settings = Settings::default();
    for (key, value) in &header.metadata {
        let Some(name) = key.strip_prefix(PREFIX) else {
            continue;
        };
        let value = match value {
            Value::Unsigned(whole) => Document::Integer((*whole).into()),
            Value::Signed(whole) => Document::Integer((*whole).into()),
            Value::Float(float) => Document::Float(*float),
            Value::Bool(value) => Document::Bool(*value),
            Value::String(text) => Document::Text(text.clone()),
            Value::LongText(_) | Value::Array(_) => Document::Null,
        };
        // The only name that differs from the setting's.
        let name = if name == "sequence" { "samplers" } else { name };
        if !read_sampling(&mut settings.sampling, name, &value) {
            tracing::warn!(
                key,
                "the model's file recommends what can't be set: left out"
            );
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use mynah_settings::SamplerName;

    fn header(metadata: &[(&str, Value)]) -> GgufHeader {
        let metadata = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        GgufHeader {
            version: 3,
            metadata: metadata.collect::<BTreeMap<_, _>>(),
            tensors: Vec::new(),
            file_bytes: 0,
            parts: Vec::new(),
        }
    }

    #[test]
    fn what_the_file_recommends_is_taken() {
        let settings = recommended(&header(&[
            ("general.sampling.temp", Value::Float(0.6)),
            ("general.sampling.top_k", Value::Signed(20)),
            ("general.sampling.penalty_repeat", Value::Float(1.05)),
            (
                "general.sampling.sequence",
                Value::String("top_k;temperature".into()),
            ),
            ("general.name", Value::String("x".into())),
        ]));
        assert_eq!(settings.sampling.temperature, Some(0.6));
        assert_eq!(settings.sampling.top_k, Some(20));
        assert_eq!(settings.sampling.repeat_penalty, Some(1.05));
        let samplers = [SamplerName::TopK, SamplerName::Temperature];
        assert_eq!(
            settings.sampling.samplers.as_deref(),
            Some(samplers.as_slice())
        );
    }

    #[test]
    fn what_cannot_be_is_left_out() {
        let settings = recommended(&header(&[
            ("general.sampling.temp", Value::Float(f64::NAN)),
            ("general.sampling.top_p", Value::Float(7.0)),
            ("general.sampling.sequence", Value::String("magic".into())),
            ("general.sampling.unheard_of", Value::Float(1.0)),
        ]));
        assert_eq!(settings, Settings::default());
    }
}
