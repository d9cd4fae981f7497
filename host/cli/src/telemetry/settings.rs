//! Reads OpenTelemetry's standard variables. For traces, it only decides whether they are exported;
//! OpenTelemetry's own crates read the other variables.

use std::time::Duration;

use percent_encoding::percent_decode_str;

/// The default address of a collector on the same machine.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

/// The exports that the environment asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) traces: Option<Signal>,
    pub(super) metrics: Option<Signal>,
    /// Time between two exports of metrics.
    pub(super) interval: Duration,
    /// Warnings about unusable values.
    pub(super) problems: Vec<String>,
}

/// Where and how a signal is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) endpoint: String,
    pub(super) headers: Vec<(String, String)>,
    /// Time limit for the collector's answer.
    pub(super) timeout: Duration,
}

/// The names of one signal's variables.
struct Names {
    /// The signal's part of the variable names.
    upper: &'static str,
    /// The end of the endpoint's path.
    path: &'static str,
}

const TRACES: Names = Names {
    upper: "TRACES",
    path: "v1/traces",
};
const METRICS: Names = Names {
    upper: "METRICS",
    path: "v1/metrics",
};

impl Settings {
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        // The specification treats an empty variable as unset.
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut problems = Vec::new();
        let is_off =
            variable("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
        let mut signal = |names: &Names| {
            if is_off {
                return None;
            }
            signal(names, &variable).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            })
        };
        let (traces, metrics) = (signal(&TRACES), signal(&METRICS));
        let interval = millis(&variable, "OTEL_METRIC_EXPORT_INTERVAL", &mut problems);
        Self {
            traces,
            metrics,
            interval: interval.unwrap_or(Duration::from_secs(60)),
            problems,
        }
    }
}

fn millis(
    variable: &impl Fn(&str) -> Option<String>,
    name: &str,
    problems: &mut Vec<String>,
) -> Option<Duration> {
    let text = variable(name)?;
    match text.trim().parse() {
        Ok(millis) if millis > 0 => Some(Duration::from_millis(millis)),
        _ => {
            problems.push(format!(
                "{name}=`{text}` is not a number of milliseconds from 1: the default is used"
            ));
            None
        }
    }
}

/// The configuration of a signal, if the environment asks for it. An error says why it cannot be
/// exported.
fn signal(
    names: &Names,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Signal>, String> {
    let Names { upper, path } = names;
    let what = upper.to_lowercase();
    let own = |suffix: &str| variable(&format!("OTEL_EXPORTER_OTLP_{upper}_{suffix}"));
    let general = |suffix: &str| variable(&format!("OTEL_EXPORTER_OTLP_{suffix}"));
    let exporter = variable(&format!("OTEL_{upper}_EXPORTER"));
    let endpoint = own("ENDPOINT").or_else(|| {
        let base = general("ENDPOINT")?;
        Some(format!("{}/{path}", base.trim_end_matches('/')))
    });
    let endpoint = match (exporter.as_deref(), endpoint) {
        (Some("none"), _) | (None, None) => return Ok(None),
        (None | Some("otlp"), Some(endpoint)) => endpoint,
        (Some("otlp"), None) => format!("{DEFAULT_ENDPOINT}/{path}"),
        (Some(other), _) => {
            return Err(format!(
                "OTEL_{upper}_EXPORTER=`{other}`: mynah has the exporters otlp and none, {what} \
                 are not exported"
            ));
        }
    };
    let unable = |why: &str| Err(format!("{what} are not exported to {endpoint}: {why}"));
    match own("PROTOCOL").or_else(|| general("PROTOCOL")).as_deref() {
        None | Some("http/protobuf") => {}
        Some(_) => {
            return unable(
                "mynah speaks http/protobuf (OTEL_EXPORTER_OTLP_PROTOCOL), usually at port 4318",
            );
        }
    }
    match own("COMPRESSION")
        .or_else(|| general("COMPRESSION"))
        .as_deref()
    {
        None | Some("none") => {}
        Some(_) => {
            return unable("mynah sends nothing compressed (OTEL_EXPORTER_OTLP_COMPRESSION)");
        }
    }
    if !endpoint.starts_with("http://") {
        return unable(
            "mynah speaks plain http: have a collector on this machine pass it on, at an address \
             such as http://localhost:4318",
        );
    }
    let mut wrong = Vec::new();
    let timeout = millis(
        variable,
        &format!("OTEL_EXPORTER_OTLP_{upper}_TIMEOUT"),
        &mut wrong,
    )
    .or_else(|| millis(variable, "OTEL_EXPORTER_OTLP_TIMEOUT", &mut wrong));
    if let Some(wrong) = wrong.first() {
        return unable(wrong);
    }
    Ok(Some(Signal {
        headers: headers(
            &own("HEADERS")
                .or_else(|| general("HEADERS"))
                .unwrap_or_default(),
        ),
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        endpoint,
    }))
}

/// Parses `key=value` pairs with percent-encoded values.
fn headers(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| {
            let value = percent_decode_str(value.trim()).decode_utf8_lossy();
            (key.trim().to_owned(), value.into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_is_exported_unless_it_is_asked_for() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"),
                ("OTEL_SDK_DISABLED", "true"),
            ],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"),
                ("OTEL_TRACES_EXPORTER", "none"),
                ("OTEL_METRICS_EXPORTER", "none"),
            ],
        ] {
            let settings = read(variables);
            assert_eq!((&settings.traces, &settings.metrics), (&None, &None));
            assert!(settings.problems.is_empty(), "{settings:?}");
        }
    }

    #[test]
    fn a_signals_own_variable_wins_and_is_taken_as_it_is() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1/base/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b:2/m"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "k=a%20b, x = y"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "500"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
        ]);
        let traces = settings.traces.unwrap();
        assert_eq!(traces.endpoint, "http://a:1/base/v1/traces");
        assert_eq!(traces.timeout, Duration::from_secs(10));
        let metrics = settings.metrics.unwrap();
        assert_eq!(metrics.endpoint, "http://b:2/m");
        assert_eq!(metrics.timeout, Duration::from_millis(500));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(metrics.headers, [pair("k", "a b"), pair("x", "y")]);
        assert_eq!(settings.interval, Duration::from_millis(250));
    }

    #[test]
    fn what_cannot_be_done_is_told_and_not_done() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1");
        for (variable, words) in [
            (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "http/protobuf"),
            (("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"), "compressed"),
            (("OTEL_TRACES_EXPORTER", "console"), "otlp and none"),
            (
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://a"),
                "plain http",
            ),
            (("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), "milliseconds"),
        ] {
            let settings = read(&[endpoint, variable]);
            assert_eq!(settings.traces, None);
            assert!(settings.problems[0].contains(words), "{settings:?}");
        }
        let settings = read(&[endpoint, ("OTEL_METRIC_EXPORT_INTERVAL", "0")]);
        assert!(settings.traces.is_some() && settings.metrics.is_some());
        assert_eq!(
            (settings.interval.as_secs(), settings.problems.len()),
            (60, 1)
        );
    }
}
