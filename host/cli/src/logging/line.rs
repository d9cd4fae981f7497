//! The format of a log line: readable text or a JSON object.

use std::collections::BTreeMap;

use mynah_settings::LogFormat;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::{Registry, fmt};

use super::settings::LogSettings;

/// The layer that formats events as lines.
pub(super) type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// Formats events for a sink.
pub(super) fn layer(
    settings: &LogSettings,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
    colors: bool,
) -> Lines {
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(colors)
        // The sink counts lines that it cannot take.
        .log_internal_errors(false);
    match (settings.format, settings.timestamps) {
        (LogFormat::Human, true) => lines.boxed(),
        (LogFormat::Human, false) => lines.without_time().boxed(),
        (LogFormat::Json, timestamps) => {
            let lines = lines
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false);
            if timestamps {
                lines.boxed()
            } else {
                lines.without_time().boxed()
            }
        }
    }
}

/// A line of the log about itself: the number of lines that are missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    format: LogFormat,
    timestamps: bool,
}

impl Notice {
    pub(super) fn new(format: LogFormat, timestamps: bool) -> Self {
        Self { format, timestamps }
    }

    /// The line, with its line ending.
    pub(super) fn line(self, message: &str, lost: u64) -> String {
        const TARGET: &str = "mynah::log";

        let time = self.timestamps.then(now);
        match self.format {
            LogFormat::Human => {
                let time = time.map_or_else(String::new, |time| format!("{time} "));
                format!("{time} WARN {TARGET}: {message} lost={lost}\n")
            }
            LogFormat::Json => {
                let rest = [
                    ("level", json!("WARN")),
                    ("message", json!(message)),
                    ("lost", json!(lost)),
                    ("target", json!(TARGET)),
                ];
                let time = time.map(|time| ("timestamp", json!(time)));
                let line: BTreeMap<_, _> = time.into_iter().chain(rest).collect();
                format!("{}\n", json!(line))
            }
        }
    }
}

/// The current time in the format of other lines.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_the_form_of_the_other_lines() {
        let human = Notice::new(LogFormat::Human, true).line("lines are missing", 3);
        assert!(
            human.contains("Z  WARN mynah::log: lines are missing lost=3\n"),
            "{human}"
        );
        let bare = Notice::new(LogFormat::Human, false).line("x", 1);
        assert_eq!(bare, " WARN mynah::log: x lost=1\n");
        let json = Notice::new(LogFormat::Json, true).line("x", 1);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["lost"], &json["level"]), (&json!(1), &json!("WARN")));
        assert!(json["timestamp"].as_str().unwrap().ends_with('Z'));
        let bare = Notice::new(LogFormat::Json, false).line("x", 1);
        assert!(!bare.contains("timestamp"), "{bare}");
    }
}
