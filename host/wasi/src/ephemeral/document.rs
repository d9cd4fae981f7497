//! Reads settings as JSON in the dialect with hyphens that these guests send.
//!
//! Unknown keys are tolerated and reported, because guests send keys of other hosts. An invalid
//! value is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mynah_core::Error;
use mynah_settings::{Output, Priority, Problem, Reading, Settings, SettingsError};
use serde_json::value::RawValue;

use super::errno::{Errno, Failure};
use crate::nn::short;

/// A key that only this ABI has: text is written to the guest's stdout while it is generated.
const STREAM_STDOUT: &str = "stream_stdout";

/// Settings for which other hosts reload the model or recreate its context. If a value of one is
/// refused there, the context is unusable until it gets valid settings; this host does the same.
const RELOADS: [&str; 4] = ["n_gpu_layers", "embedding", "batch_size", "ubatch_size"];

/// The contents of a document.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) settings: Settings,
    pub(super) stream_stdout: Option<bool>,
    /// Keys without effect.
    pub(super) ignored: Vec<Ignored>,
}

/// A key without effect, with a hint what to use instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignored {
    pub(super) key: String,
    pub(super) hint: String,
}

/// The refusal of a document.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) failure: Failure,
    /// Whether the document sets a setting of [`RELOADS`].
    pub(super) is_reload: bool,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            is_reload: false,
        }
    }
}

/// Reads a document of a guest with the priority limit `max_priority`. `has_stdout` says whether
/// there is a stdout to write to.
pub(super) fn read(
    json: &[u8],
    max_priority: Priority,
    has_stdout: bool,
) -> Result<Document, Refused> {
    let mut document = Document {
        stream_stdout: stream_stdout(json)?,
        ..Document::default()
    };
    let reading = Reading::json(json)
        .with_max_priority(max_priority)
        .tolerating(is_harmless);
    let problems = match reading.for_guest(false) {
        Ok((settings, warnings)) => {
            document.settings = settings;
            warnings
        }
        Err(SettingsError { problems }) => {
            let reloads = |problem: &Problem| RELOADS.contains(&normal(&problem.path).as_str());
            return Err(Refused {
                is_reload: problems.iter().any(reloads),
                failure: Error::Settings { problems }.into(),
            });
        }
    };
    for problem in problems {
        if normal(&problem.path) == STREAM_STDOUT && has_stdout {
            continue;
        }
        let key = short(&problem.path).to_owned();
        if !document.ignored.iter().any(|known| known.key == key) {
            let hint = problem.allowed();
            document.ignored.push(Ignored { key, hint });
        }
    }
    Ok(document)
}

/// Reads the setting that only this ABI has, and checks that the document is JSON.
fn stream_stdout(json: &[u8]) -> Result<Option<bool>, Failure> {
    if json.len() > Reading::MAX_BYTES {
        return Err(Failure::new(
            Errno::TooLarge,
            format!(
                "the settings have {} bytes, at most {} are read: leave out what isn't a setting",
                json.len(),
                Reading::MAX_BYTES
            ),
        ));
    }
    // Parses the whole text without recursion: from here on it is known to be JSON.
    let root: &RawValue = serde_json::from_slice(json).map_err(|error| {
        Failure::new(
            Errno::InvalidEncoding,
            format!("the settings are not JSON: {error}"),
        )
    })?;
    // The reader of the settings refuses a value that is not an object.
    let entries: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(root.get()).unwrap_or_default();
    let set = entries
        .iter()
        .find(|(key, _)| normal(key) == STREAM_STDOUT)
        .map(|(key, value)| (key, value.get()));
    match set {
        None | Some((_, "null")) => Ok(None),
        Some((_, "true")) => Ok(Some(true)),
        Some((_, "false")) => Ok(Some(false)),
        Some((key, _)) => Err(Failure::invalid(format!("`{key}` must be true or false"))),
    }
}

/// Whether other hosts accept a value that this host refuses, for a setting that a guest cannot set
/// here anyway.
fn is_harmless(problem: &Problem) -> bool {
    let value: Result<i64, _> = problem.value().parse();
    let Ok(value) = value else {
        return false;
    };
    match normal(&problem.path).as_str() {
        "n_gpu_layers" => true,
        // The context length from training.
        "ctx_size" => value >= 0,
        // The number of cores.
        "threads" => value == -1 || value >= 1,
        "batch_size" => value >= 1,
        _ => false,
    }
}

/// The name of a setting in one spelling, without its section.
fn normal(path: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    name.replace('-', "_")
}

/// Merges later settings over earlier ones. A guest sends the settings of a context in several
/// documents, and a key that is missing in a later one keeps its value.
pub(super) fn after(later: Settings, earlier: &Settings) -> Settings {
    let output = output_after(&later.output, &earlier.output);
    Settings {
        output,
        ..later.or(earlier)
    }
}

/// A form excludes vectors and other forms. An empty form only removes the form.
fn output_after(later: &Output, earlier: &Output) -> Output {
    let texts = [
        &later.json_schema,
        &later.regex,
        &later.lark,
        &later.grammar,
    ];
    let mut texts = texts.into_iter().flatten().peekable();
    let says_form = texts.peek().is_some();
    let has_form = texts.any(|text| !text.0.is_empty());
    if !says_form && later.embedding != Some(true) {
        return Output {
            embedding: later.embedding.or(earlier.embedding),
            ..earlier.clone()
        };
    }
    Output {
        embedding: match has_form {
            true => later.embedding,
            false => later.embedding.or(earlier.embedding),
        },
        ..later.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Document, Refused> {
        super::read(json.as_bytes(), Priority::Urgent, true)
    }

    fn refused(json: &str) -> (Errno, bool, String) {
        let Refused { failure, is_reload } = read(json).unwrap_err();
        (failure.errno, is_reload, failure.words)
    }

    #[test]
    fn what_guests_of_other_hosts_send_is_read() {
        let json = r#"{"enable-log": true, "stream-stdout": true, "ctx-size": 0, "n-predict": -2, "n-gpu-layers": -100,
            "reverse-prompt": "User:", "batch-size": 100000, "threads": -1, "temp": 0.5, "grammar": "", "llama3": true,
            "json_schema": null, "tensor-split": ";;;"}"#;
        let document = read(json).unwrap();
        assert_eq!(document.stream_stdout, Some(true));
        assert_eq!(document.settings.sampling.temperature, Some(0.5));
        assert_eq!(document.settings.stopping.max_tokens, Some(u32::MAX));
        let keys: Vec<&str> = document
            .ignored
            .iter()
            .map(|one| one.key.as_str())
            .collect();
        for key in [
            "enable-log",
            "ctx-size",
            "n-gpu-layers",
            "batch-size",
            "threads",
            "llama3",
            "tensor-split",
        ] {
            assert!(keys.contains(&key), "{key} in {keys:?}");
        }
        assert!(
            !keys.contains(&"stream-stdout") && !keys.contains(&"temp"),
            "{keys:?}"
        );
    }

    #[test]
    fn a_key_that_is_misspelled_is_told_with_the_right_one() {
        let document = read(r#"{"tempp": 1, "stream-stdot": true}"#).unwrap();
        assert!(
            document.ignored[0].hint.contains("`sampling.temp`"),
            "{document:?}"
        );
    }

    #[test]
    fn without_a_stdout_streaming_to_it_is_told_to_have_no_effect() {
        let json = br#"{"stream-stdout": true}"#;
        let document = super::read(json, Priority::Urgent, false).unwrap();
        assert_eq!(document.ignored[0].key, "stream-stdout");
    }

    #[test]
    fn each_way_of_being_wrong_has_its_number() {
        for json in ["", "temp", "{", "{\"temp\": }", "{} {}"] {
            assert_eq!(refused(json).0, Errno::InvalidEncoding, "{json}");
        }
        for json in [
            "[]",
            "42",
            "null",
            "{\"temp\": \"warm\"}",
            "{\"stream-stdout\": 1}",
            "{\"top-p\": 7}",
        ] {
            let (errno, is_reload, _) = refused(json);
            assert_eq!(
                (errno, is_reload),
                (Errno::InvalidArgument, false),
                "{json}"
            );
        }
        let large = format!("{{\"x\": \"{}\"}}", "x".repeat(Reading::MAX_BYTES));
        assert_eq!(refused(&large).0, Errno::TooLarge);
    }

    #[test]
    fn what_other_hosts_would_load_the_model_again_for_is_told_apart() {
        for json in [
            r#"{"batch-size": 0}"#,
            r#"{"n-gpu-layers": "all"}"#,
            r#"{"embedding": 1}"#,
        ] {
            assert!(refused(json).1, "{json}");
        }
    }

    #[test]
    fn a_refusal_has_nothing_of_the_guests_text_in_it() {
        let (_, _, words) =
            refused(r#"{"temp": "my secret", "reverse-prompt": ["a", 5, "my secret"]}"#);
        assert!(
            words.contains("`temp` must be") && !words.contains("secret"),
            "{words}"
        );
    }

    #[test]
    fn what_a_later_document_does_not_say_stays() {
        let of = |json: &str| read(json).unwrap().settings;
        let first = of(r#"{"embedding": true, "temp": 0.5}"#);
        let both = after(of(r#"{"grammar": "", "top-k": 1}"#), &first);
        assert_eq!(both.output.embedding, Some(true));
        assert_eq!(
            (both.sampling.temperature, both.sampling.top_k),
            (Some(0.5), Some(1))
        );
        let text = after(
            of(r#"{"embedding": false}"#),
            &of(r#"{"json-schema": "{}"}"#),
        );
        assert!(text.output.json_schema.is_some());
        let form = after(of(r#"{"grammar": "root ::= \"a\""}"#), &first);
        assert_eq!(form.output.embedding, None);
        let vector = after(
            of(r#"{"embedding": true}"#),
            &of(r#"{"json-schema": "{}"}"#),
        );
        assert_eq!(
            (vector.output.embedding, vector.output.json_schema),
            (Some(true), None)
        );
    }
}
