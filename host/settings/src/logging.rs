//! The operator's `logging` section: what is logged, in which format, and to which file. The
//! command writes the log. The settings are declared here, so that a document is read, checked and
//! documented in one place.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::block::block;
use super::flag_value::FlagValue;
use super::kind::{Any, Kind, Millis, Whole, named, names};
use super::value::Value;

/// How much is logged: the lines of this level and of the levels before it.
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
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// Things that the operator should look at.
    Warn,
    /// Events: a line for each request, and for each model that is loaded or unloaded.
    Info,
    /// Details: admission, parking, rates.
    Debug,
    /// Every step.
    Trace,
}

named!(LogLevel, "log level");

/// The format of a line of the log.
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
    serde::Serialize,
    serde::Deserialize,
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
    serde::Serialize,
    serde::Deserialize,
)]
#[strum(serialize_all = "lowercase")]
pub enum LogColors {
    /// If stderr is a terminal, and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

names!(LogColors, "choice of colours");

/// Documents of other hosts write true (colours are allowed) or false, in place of a name.
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

/// The rule of a text that must not be empty: its description, in words that follow "it must be".
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
    /// What is logged, in which format, and to which file. The keys are allowed in their section
    /// only, because words like `file` mean other things elsewhere.
    pub struct LoggingSettings => LoggingInForce in "logging" {
        /// Level of the modules that `filter` does not name. llama.cpp's own lines are left out
        /// unless `filter` names `llama_cpp`.
        level: LogLevel = LogLevel::Warn, "level", [], Any;
        /// Whether the host's own modules log at least at `debug`.
        enable_debug: bool = false, "enable_debug", [], Any;
        /// Levels of single modules or classes, such as `mynah::memory=debug,llama_cpp=info`.
        filter: String, else "none", "filter", [],
            Text("a log filter, such as `mynah::memory=debug,llama_cpp=info`");
        /// Format of the log lines: `human`, or `json` for a JSON object per line.
        format: LogFormat = LogFormat::default(), "format", [], Any,
            flag("log-format", "FORMAT", "Format of the log lines: human or json");
        /// Whether each line begins with the time.
        timestamps: bool = true, "timestamps", [], Any,
            flag("log-timestamps", "BOOL", "Begin each line with the time");
        /// Whether lines on stderr have colours. Lines in a file never have.
        colors: LogColors = LogColors::default(), "colors", [], Any,
            flag("log-colors", "WHEN",
                "Colours on stderr: auto (on a terminal, unless NO_COLOR is set), always or never");
        /// File for log lines, in addition to stderr. Its folder must exist.
        file: String, else "none", "file", [], Text("the path of a file"),
            flag("log-file", "FILE",
                "Also write log lines to this file; its folder must exist [default: only stderr]");
        /// Size at which the log file is rotated.
        max_file_bytes: u64 = 64 << 20, "max_file_bytes", [], Whole::new(4096, u64::MAX),
            flag("log-file-size", "SIZE", "Size at which the log file is rotated");
        /// Age at which the log file is rotated.
        max_file_age: Duration = Duration::from_secs(24 * 60 * 60), "max_file_age_ms", [],
            Millis::A_SECOND_TO_A_YEAR,
            flag("log-file-age", "DURATION", "Age at which the log file is rotated");
        /// Number of old log files to keep, in addition to the current one.
        max_old_files: u32 = 7, "max_old_files", [], Whole::new(0, 1000),
            flag("log-old-files", "COUNT", "Number of old log files to keep");
        /// Whether prompts and answers are logged, and error messages from components.
        content: bool = false, "content", [], Any,
            flag("log-content", "BOOL",
                "Also log prompts and answers, and error messages from components");
    }
}

impl LoggingSettings {
    /// The settings in force: these settings, and the defaults for those that are unset.
    #[must_use]
    pub fn with_defaults(self) -> LoggingInForce {
        self.in_force()
    }

    /// The level, debug flag and filter as one filter of the log. `None` if none of them is set.
    #[must_use]
    pub fn directives(&self) -> Option<String> {
        let debug = self.enable_debug == Some(true)
            && self.level.is_none_or(|level| level < LogLevel::Debug);
        if self.level.is_none() && !debug && self.filter.is_none() {
            return None;
        }
        let level = self.level.unwrap_or(LogLevel::Warn).to_string();
        let debug = debug.then(|| "mynah=debug".to_owned());
        let all = [Some(level), debug, self.filter.clone()];
        Some(all.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests;
