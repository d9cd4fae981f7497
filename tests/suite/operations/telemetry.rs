//! Data that an OpenTelemetry collector receives: a span for each request, and the same metrics as
//! in all other views.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::command::said;
use crate::support::process::{Running, figure};

/// A collector that stores what it receives.
struct Collector {
    address: String,
    got: Arc<Mutex<Got>>,
}

#[derive(Default)]
struct Got {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    headers: Vec<String>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let got = Arc::new(Mutex::new(Got::default()));
        std::thread::spawn({
            let got = Arc::clone(&got);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let got = Arc::clone(&got);
                    std::thread::spawn(move || answer(&stream, &got));
                }
            }
        });
        Self { address, got }
    }

    /// Configures a host to export to this collector.
    fn told_by(&self, command: &mut Command) {
        command
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}", self.address),
            )
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=a%20b")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "60000")
            .env("OTEL_BSP_SCHEDULE_DELAY", "50");
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        let resources = got.traces.iter().flat_map(|one| &one.resource_spans);
        let scopes = resources.flat_map(|one| &one.scope_spans);
        scopes.flat_map(|one| one.spans.clone()).collect()
    }
}

/// Answers the requests of one connection until it ends.
fn answer(stream: &TcpStream, got: &Mutex<Got>) {
    let mut lines = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&lower);
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).unwrap();
        let mut got = got.lock().unwrap();
        if head.starts_with("post /v1/traces ") {
            let body = body.as_slice();
            got.traces
                .push(ExportTraceServiceRequest::decode(body).unwrap());
        } else if head.starts_with("post /v1/metrics ") {
            let body = body.as_slice();
            got.metrics
                .push(ExportMetricsServiceRequest::decode(body).unwrap());
        } else {
            panic!("{head}");
        }
        got.headers.push(head);
        drop(got);
        let mut writer = stream;
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if writer.write_all(answer).is_err() {
            return;
        }
    }
}

fn word(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(all)) => {
            let words: Vec<String> = all.values.iter().map(|one| word(Some(one))).collect();
            words.join(",")
        }
        other => format!("{other:?}"),
    }
}

fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let all = attributes.iter();
    all.map(|one| (one.key.clone(), word(one.value.as_ref())))
        .collect()
}

/// All numbers of the last metrics, by name and attributes in the format of `/metrics`.
fn numbers(collector: &Collector) -> BTreeMap<String, f64> {
    let got = collector.got.lock().unwrap();
    let last = got.metrics.last().unwrap();
    let mut all = BTreeMap::new();
    for metric in &last.resource_metrics[0].scope_metrics[0].metrics {
        let key = |attributes: &[KeyValue], suffix: &str| {
            let of = words(attributes);
            let of: Vec<String> = of
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{}{suffix} {}", metric.name, of.join(" "))
        };
        let points = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => {
                assert!(
                    sum.is_monotonic && sum.aggregation_temporality == 2,
                    "{sum:?}"
                );
                &sum.data_points
            }
            Data::Histogram(times) => {
                for point in &times.data_points {
                    let counted: u64 = point.bucket_counts.iter().sum();
                    assert_eq!(counted, point.count, "{metric:?}");
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                    let count = u32::try_from(point.count).unwrap();
                    all.insert(key(&point.attributes, ".count"), f64::from(count));
                }
                continue;
            }
            other => panic!("{other:?}"),
        };
        for point in points {
            let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                panic!("{point:?}");
            };
            all.insert(key(&point.attributes, ""), value);
        }
    }
    all
}

#[test]
fn a_request_is_a_span_with_its_times_and_tokens_and_never_its_text() {
    let collector = Collector::start();
    let mut host = Running::chat_in(Arc::new(tempfile::tempdir().unwrap()), |command| {
        collector.told_by(command);
    });
    for _ in 0..3 {
        host.ask("marker-of-the-prompt");
    }
    assert!(host.end().success());
    let spans = collector.spans();
    let requests: Vec<&Span> = spans
        .iter()
        .filter(|span| span.parent_span_id.is_empty())
        .collect();
    assert_eq!(requests.len(), 3, "{spans:?}");
    for request in &requests {
        assert_eq!(request.name, "chat default");
        let of = words(&request.attributes);
        for (key, value) in [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "mynah"),
            ("gen_ai.request.model", "default"),
            ("gen_ai.request.max_tokens", "8"),
            ("gen_ai.request.temperature", "0"),
            ("gen_ai.usage.output_tokens", "8"),
            ("gen_ai.response.finish_reasons", "max-tokens"),
            ("mynah.outcome", "completed"),
        ] {
            assert_eq!(
                of.get(key).map(String::as_str),
                Some(value),
                "{key} of {of:?}"
            );
        }
        let input: u32 = of["gen_ai.usage.input_tokens"].parse().unwrap();
        assert!(input > 0, "{of:?}");
        // The phases follow each other and fill the request's span.
        let mut times: Vec<&Span> = spans
            .iter()
            .filter(|span| span.parent_span_id == request.span_id)
            .collect();
        times.sort_by_key(|span| span.start_time_unix_nano);
        let names: Vec<&str> = times.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["queue", "prefill", "decode"]);
        assert!(times.iter().all(|span| span.trace_id == request.trace_id));
        assert_eq!(times[0].start_time_unix_nano, request.start_time_unix_nano);
        assert_eq!(times[2].end_time_unix_nano, request.end_time_unix_nano);
        for pair in times.windows(2) {
            assert_eq!(pair[0].end_time_unix_nano, pair[1].start_time_unix_nano);
        }
    }
    let got = collector.got.lock().unwrap();
    let of = words(
        &got.traces[0].resource_spans[0]
            .resource
            .as_ref()
            .unwrap()
            .attributes,
    );
    assert_eq!(of["service.name"], "mynah");
    assert_eq!(of["deployment.environment"], "test");
    assert!(
        got.headers.iter().all(|head| head.contains("x-team: a b")),
        "{:?}",
        got.headers
    );
    let everything = format!("{:?} {:?}", got.traces, got.metrics);
    assert!(!everything.contains("marker-of-the-prompt"));
    assert!(!host.said().contains("telemetry"), "{}", host.said());
}

#[test]
fn every_total_is_the_same_in_all_views() {
    let collector = Collector::start();
    let mut host = Running::load(|command| collector.told_by(command));
    let expected: serde_json::Value = serde_json::from_str(&host.line()).unwrap();
    let mut guest: Vec<serde_json::Value> = Vec::new();
    for _ in 0..4 {
        guest.push(serde_json::from_str(&host.line()).unwrap());
    }
    let number = |name: &str| expected[name].as_u64().unwrap();
    let text = host.get("metrics");
    let over_http: serde_json::Value = serde_json::from_str(&host.get("status")).unwrap();
    let by_command = said(host.command().args(["status", "--json"]));
    let by_command: serde_json::Value = serde_json::from_str(&by_command.stdout).unwrap();
    assert!(host.end().success());
    let exported = numbers(&collector);

    // A total's path in the report, its name in the text, and its name at the collector.
    let totals = [
        (
            "completed",
            "queue",
            "mynah_requests_total",
            Some("outcome"),
        ),
        ("refused", "queue", "mynah_requests_total", Some("outcome")),
        (
            "timed_out",
            "queue",
            "mynah_requests_total",
            Some("outcome"),
        ),
        (
            "cancelled",
            "queue",
            "mynah_requests_total",
            Some("outcome"),
        ),
        ("failed", "queue", "mynah_requests_total", Some("outcome")),
        ("accepted", "queue", "mynah_requests_accepted_total", None),
        ("hits", "memory", "mynah_prefix_hits_total", None),
        ("misses", "memory", "mynah_prefix_misses_total", None),
        (
            "cached_tokens",
            "memory",
            "mynah_prefix_cached_tokens_total",
            None,
        ),
        (
            "prompt_tokens",
            "performance",
            "mynah_tokens_total",
            Some("input"),
        ),
        (
            "generated_tokens",
            "performance",
            "mynah_tokens_total",
            Some("output"),
        ),
        ("steps", "performance", "mynah_steps_total", None),
    ];
    for (name, kind, figure_name, label) in totals {
        let is = number(name);
        for (view, told) in [
            ("/status", &over_http["models"]["default"][kind][name]),
            (
                "status --json",
                &by_command["models"]["default"][kind][name],
            ),
        ] {
            assert_eq!(told.as_u64(), Some(is), "{name} in {view}");
        }
        let in_guest = guest.iter().find_map(|kind| kind.get(name));
        assert_eq!(
            in_guest.and_then(serde_json::Value::as_u64),
            Some(is),
            "{name}"
        );
        let (label, value) = match label {
            Some("outcome") => (format!(",outcome=\"{name}\""), format!(" outcome={name}")),
            Some(of) => (format!(",type=\"{of}\""), format!(" type={of}")),
            None => (String::new(), String::new()),
        };
        let line = format!("{figure_name}{{model=\"default\"{label}}}");
        let is = f64::from(u32::try_from(is).unwrap());
        assert!((figure(&text, &line) - is).abs() < 0.5, "{line}: {is}");
        let dotted = figure_name.replacen('_', ".", 1).replace("_total", "");
        let key = format!("{dotted} gen_ai.request.model=default{value}");
        let told = exported
            .get(&key)
            .unwrap_or_else(|| panic!("{key} in {exported:?}"));
        assert!((told - is).abs() < 0.5, "{key}: {told}, {is}");
    }
    let first = f64::from(u32::try_from(number("first_tokens")).unwrap());
    let line = r#"gen_ai_server_time_to_first_token_seconds_count{model="default"}"#;
    assert!((figure(&text, line) - first).abs() < 0.5);
    let mut times = exported.iter();
    let told = times.find(|(key, _)| key.starts_with("gen_ai.server.time_to_first_token.count "));
    assert!(
        told.is_some_and(|(_, count)| (count - first).abs() < 0.5),
        "{told:?}"
    );

    // Each request has a span with its result.
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut generated = 0;
    for span in collector
        .spans()
        .iter()
        .filter(|span| span.parent_span_id.is_empty())
    {
        let of = words(&span.attributes);
        *outcomes.entry(of["mynah.outcome"].clone()).or_default() += 1;
        generated += of["gen_ai.usage.output_tokens"].parse::<u64>().unwrap();
    }
    for name in ["completed", "refused", "timed_out", "cancelled", "failed"] {
        let spans = outcomes.get(name).copied().unwrap_or_default();
        assert_eq!(spans, number(name), "{name}: {outcomes:?}");
    }
    assert_eq!(generated, number("generated_tokens"));
}

#[test]
fn a_collector_that_is_away_costs_one_warning() {
    // Nothing listens on this port any more.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut host = Running::chat_in(Arc::new(tempfile::tempdir().unwrap()), |command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
            .env("OTEL_METRIC_EXPORT_INTERVAL", "20")
            .env("OTEL_BSP_SCHEDULE_DELAY", "20");
    });
    host.ask("one");
    host.said_with("telemetry can't be sent");
    for _ in 0..3 {
        host.ask("more");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(host.report().queue.completed, 4);
    assert!(host.end().success());
    let said = host.said();
    assert_eq!(said.matches("telemetry can't be sent").count(), 1, "{said}");
    assert!(!said.contains("ERROR"), "{said}");
}

#[test]
fn what_the_variables_ask_for_that_cannot_be_done_is_told_and_the_rest_goes_on() {
    let mut host = Running::chat_in(Arc::new(tempfile::tempdir().unwrap()), |command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example")
            .env("OTEL_METRICS_EXPORTER", "none");
    });
    host.ask("one");
    let said = host.said();
    assert!(said.contains("traces are not exported"), "{said}");
    assert!(host.end().success());
}

#[test]
fn a_collector_that_never_answers_does_not_keep_a_host_that_ends() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let mut host = Running::chat_in(Arc::new(tempfile::tempdir().unwrap()), |command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
            // An hour, which the host must not wait for.
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000");
    });
    host.ask("one");
    assert!(host.end().success());
}
