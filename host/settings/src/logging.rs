//! What is logged, how, and where to: the operator's `logging` section. The program around the
//! engine does it; it is declared here with all other settings, so that a document is read, checked
//! and explained in one place.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::block::block;
use super::flag::FlagValue;
use super::kind::{Any, Kind, Millis, Whole, named, names};
use super::value::Value;

/// How much is logged: its own level and those before it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What is not as it should be.
    Warn,
    /// What happens: a line for each request, models that come and go.
    Info,
    /// How it comes about: places, parking, rates.
    Debug,
    /// Every step.
    Trace,
}

named!(LogLevel, "log level");

/// The form of a line of the log.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// A JSON object.
    Json,
}

named!(LogFormat, "log format");

/// Whether lines on stderr have colours.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum LogColors {
    /// Where stderr is a terminal, and nobody asks for none with `NO_COLOR`.
    #[default]
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

names!(LogColors, "choice of colours");

/// Names, and for documents of other hosts true and false, which say whether there may be colours
/// at all.
impl Kind for LogColors {
    type Rule = Any;

    fn of_flag(value: FlagValue, rule: &Any) -> Result<Self, String> {
        match value {
            FlagValue::Text(text) => text.parse(),
            _ => Err(format!("give {}", Self::allowed(rule))),
        }
    }

    fn read(value: &Value, _: &Any) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Self::Auto),
            Value::Bool(false) => Some(Self::Never),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn refuse(&self, _: &Any) -> Option<String> {
        None
    }

    fn allowed(_: &Any) -> String {
        "one of auto, always, never, or true (auto) or false (never)".to_owned()
    }

    fn json(&self) -> Json {
        json!(self.to_string())
    }

    fn schema(_: &Any) -> Json {
        json!({"enum": ["auto", "always", "never", true, false]})
    }
}

/// A text that isn't empty, and what it is, in words that follow "it must be".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text(&'static str);

impl Kind for String {
    type Rule = Text;

    fn read(value: &Value, _: &Text) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn refuse(&self, _: &Text) -> Option<String> {
        self.trim().is_empty().then(|| "an empty text".to_owned())
    }

    fn allowed(rule: &Text) -> String {
        rule.0.to_owned()
    }

    fn json(&self) -> Json {
        json!(self)
    }

    fn schema(_: &Text) -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

block! {
    /// What is logged, how, and where to. Its keys stand in their section only: elsewhere, words
    /// like `file` mean other things.
    pub struct LoggingSettings => LoggingInForce in "logging" {
        /// How much is logged of what `filter` doesn't name. Without it, llama.cpp's own lines are
        /// left out too.
        level: LogLevel, else "warn, and nothing of llama.cpp's own", "level", [], Any;
        /// Whether the host's own modules log at `debug` at least.
        enable_debug: bool = false, "enable_debug", [], Any;
        /// Levels of single modules or classes, such as `mynah::memory=debug,llama_cpp=info`.
        filter: String, else "none", "filter", [],
            Text("a log filter, such as `mynah::memory=debug,llama_cpp=info`");
        /// The form of a line: for people, or a JSON object.
        format: LogFormat = LogFormat::default(), "format", [], Any,
            flag("log-format", "FORMAT", "Format of the log lines: human or json");
        /// Whether lines begin with their time.
        timestamps: bool = true, "timestamps", [], Any,
            flag("log-timestamps", "BOOL", "Begin each line with the time");
        /// Whether lines on stderr have colours. A file never has.
        colors: LogColors = LogColors::default(), "colors", [], Any,
            flag("log-colors", "WHEN",
                "Colours on stderr: auto (on a terminal, unless NO_COLOR is set), always or never");
        /// File that lines go to beside stderr. Its folder must be there.
        file: String, else "none", "file", [], Text("the path of a file"),
            flag("log-file", "FILE",
                "Also write log lines to this file; its folder must exist [default: only stderr]");
        /// Size at which the file becomes an old one, and a new one is begun.
        max_file_bytes: u64 = 64 << 20, "max_file_bytes", [], Whole::new(4096, u64::MAX),
            flag("log-file-size", "SIZE", "Size at which the log file is rotated");
        /// Age at which it does.
        max_file_age: Duration = Duration::from_secs(24 * 60 * 60), "max_file_age_ms", [],
            Millis::A_SECOND_TO_A_YEAR,
            flag("log-file-age", "DURATION", "Age at which the log file is rotated");
        /// Old files that are kept, beside the one that is written.
        max_old_files: u32 = 7, "max_old_files", [], Whole::new(0, 1000),
            flag("log-old-files", "COUNT", "Number of old log files to keep");
        /// Whether prompts and answers are logged, and guests' words in errors.
        content: bool = false, "content", [], Any,
            flag("log-content", "BOOL",
                "Also log prompts and answers, and error messages from components");
    }
}

impl LoggingSettings {
    /// What is in force: these settings, and where they say nothing, the defaults.
    #[must_use]
    pub fn with_defaults(self) -> LoggingInForce {
        self.in_force()
    }

    /// How much is logged, as a filter of `tracing`; `None` where nobody says.
    #[must_use]
    pub fn directives(&self) -> Option<String> {
        let debug = self.enable_debug == Some(true)
            && self.level.is_none_or(|level| level < LogLevel::Debug);
        if self.level.is_none() && !debug && self.filter.is_none() {
            return None;
        }
        let level = match self.level {
            Some(level) => level.to_string(),
            None => Self::DEFAULT_FILTER.to_owned(),
        };
        let debug = debug.then(|| "mynah=debug".to_owned());
        let all = [Some(level), debug, self.filter.clone()];
        Some(all.into_iter().flatten().collect::<Vec<_>>().join(","))
    }

    /// The filter where nobody says. llama.cpp's errors reach the user in the error of whatever
    /// failed.
    pub const DEFAULT_FILTER: &str = "warn,llama_cpp=off";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_debug_and_filter_make_one_filter() {
        let of = |level, enable_debug, filter: Option<&str>| {
            let settings = LoggingSettings {
                level,
                enable_debug,
                filter: filter.map(str::to_owned),
                ..LoggingSettings::default()
            };
            settings.directives()
        };
        assert_eq!(of(None, None, None), None);
        assert_eq!(of(None, Some(false), None), None);
        assert_eq!(of(Some(LogLevel::Info), None, None).unwrap(), "info");
        let both = of(Some(LogLevel::Error), Some(true), Some("mynah::task=info"));
        assert_eq!(both.unwrap(), "error,mynah=debug,mynah::task=info");
        let quiet = of(None, Some(true), None).unwrap();
        assert_eq!(quiet, "warn,llama_cpp=off,mynah=debug");
        // More than debug stays more.
        let trace = of(Some(LogLevel::Trace), Some(true), None);
        assert_eq!(trace.unwrap(), "trace");
    }
}
