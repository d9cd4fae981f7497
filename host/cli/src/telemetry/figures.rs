//! Exports the metrics over OTLP, from the same table as `/metrics`.
//!
//! OpenTelemetry's SDK only exports what it measured itself, which could differ from `/metrics`.
//! This module therefore builds the messages from the SDK's protobuf types.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use hyper::Request;
use mynah_core::{Histogram, Report};
use opentelemetry::KeyValue;
use opentelemetry_http::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue as Attribute};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram as Times, HistogramDataPoint, Metric as Told,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ToldResource;
use opentelemetry_proto::transform::common::tonic::Attributes;
use opentelemetry_sdk::Resource;
use prost::Message;

use super::client::Client;
use super::settings::Signal;
use super::spans::PROVIDER;
use crate::metrics::{HostStatus, Kind, METRICS, Metric, Serving, Value, buckets};

/// Sends the metrics periodically, on its own thread.
#[derive(Debug)]
pub(super) struct Figures {
    stop: Mutex<Option<Sender<()>>>,
    done: Mutex<Receiver<()>>,
}

impl Figures {
    pub(super) fn start(
        client: Client,
        signal: Signal,
        every: Duration,
        resource: Resource,
        serving: Weak<Serving>,
    ) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (tell_done, done) = mpsc::channel();
        let since = SystemTime::now();
        std::thread::Builder::new()
            .name("mynah-figures".to_owned())
            .spawn(move || {
                let mut goes_on = true;
                while goes_on {
                    // After the stop signal, the loop sends the metrics once more.
                    goes_on = stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout);
                    let Some(status) = serving.upgrade().map(|serving| serving.status()) else {
                        break;
                    };
                    let figures = message(&status, &resource, since);
                    if let Err(error) = send(&client, &signal, &figures) {
                        tracing::debug!("metrics were not sent: {error:#}");
                    }
                }
                // [`Figures::wait`] may have timed out.
                let _ = tell_done.send(());
            })
            .context("the thread that exports metrics can't be started")?;
        Ok(Self {
            stop: Mutex::new(Some(stop)),
            done: Mutex::new(done),
        })
    }

    /// Tells the thread to send the last metrics and end.
    pub(super) fn stop(&self) {
        let stop = self.stop.lock();
        drop(stop.unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Waits until the last metrics are sent.
    pub(super) fn wait(&self, within: Duration) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("the last metrics were not sent in time");
        }
    }
}

fn send(client: &Client, signal: &Signal, figures: &ExportMetricsServiceRequest) -> Result<()> {
    let mut request = Request::post(&signal.endpoint);
    for (name, value) in &signal.headers {
        request = request.header(name, value);
    }
    let request = request
        .header("content-type", "application/x-protobuf")
        .body(Bytes::from(figures.encode_to_vec()))?;
    client.send(request)?;
    Ok(())
}

/// The message with all metrics of a host.
fn message(
    status: &HostStatus,
    resource: &Resource,
    since: SystemTime,
) -> ExportMetricsServiceRequest {
    let now = nanos(SystemTime::now());
    let metrics = METRICS
        .iter()
        .map(|metric| told(metric, status, now, nanos(since)))
        .filter(|told| told.data.is_some());
    let scope = ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: "mynah".to_owned(),
            version: status.version.clone(),
            ..InstrumentationScope::default()
        }),
        metrics: metrics.collect(),
        ..ScopeMetrics::default()
    };
    let of = resource
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(ToldResource {
                attributes: Attributes::from(of).0,
                ..ToldResource::default()
            }),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        }],
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// Start time of a model's counters: they restart when the model is loaded.
fn counted_since(report: &Report, host_since: u64) -> u64 {
    let loaded = report.model.loaded_since;
    loaded.map_or(host_since, |seconds| seconds.saturating_mul(1_000_000_000))
}

/// One metric of all models.
fn told(metric: &Metric, status: &HostStatus, now: u64, host_since: u64) -> Told {
    let mut numbers = Vec::new();
    let mut times = Vec::new();
    for (model, report) in &status.models {
        let start_time_unix_nano = match metric.kind {
            Kind::Gauge => 0,
            Kind::Counter | Kind::Histogram => counted_since(report, host_since),
        };
        let mut number = |labels: &[(&'static str, String)], value: f64| {
            numbers.push(NumberDataPoint {
                attributes: attributes(metric, model, labels),
                start_time_unix_nano,
                time_unix_nano: now,
                value: Some(number_data_point::Value::AsDouble(value)),
                ..NumberDataPoint::default()
            });
        };
        match (metric.value)(report) {
            Value::None => {}
            Value::One(one) => number(&[], one),
            Value::By(label, all) => {
                for (of, one) in all {
                    number(&[(label, of.to_owned())], one);
                }
            }
            Value::Told(words) => number(&words, 1.0),
            Value::Times(histogram) => times.push(HistogramDataPoint {
                attributes: attributes(metric, model, &[]),
                start_time_unix_nano,
                time_unix_nano: now,
                ..point(&histogram)
            }),
        }
    }
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        Kind::Gauge if numbers.is_empty() => None,
        Kind::Gauge => Some(Data::Gauge(Gauge {
            data_points: numbers,
        })),
        Kind::Counter => Some(Data::Sum(Sum {
            data_points: numbers,
            aggregation_temporality: cumulative,
            is_monotonic: true,
        })),
        Kind::Histogram => Some(Data::Histogram(Times {
            data_points: times,
            aggregation_temporality: cumulative,
        })),
    };
    Told {
        name: metric.dotted_name(),
        description: metric.help.to_owned(),
        unit: metric.unit().to_owned(),
        data,
        ..Told::default()
    }
}

fn attributes(metric: &Metric, model: &str, labels: &[(&'static str, String)]) -> Vec<Attribute> {
    let mut all = vec![KeyValue::new("gen_ai.request.model", model.to_owned())];
    if metric.name.starts_with("gen_ai") {
        all.push(KeyValue::new("gen_ai.provider.name", PROVIDER));
        // It covers all generated text, whatever the request was; the conventions have no name for
        // that.
        all.push(KeyValue::new("gen_ai.operation.name", "text_completion"));
    }
    let labels = labels.iter();
    all.extend(labels.map(|(name, value)| KeyValue::new(*name, value.clone())));
    Attributes::from(all).0
}

fn point(histogram: &Histogram) -> HistogramDataPoint {
    let buckets = buckets(histogram);
    HistogramDataPoint {
        count: histogram.count(),
        sum: Some(histogram.sum()),
        bucket_counts: buckets.iter().map(|(_, count)| *count).collect(),
        // The last bucket has no upper bound.
        explicit_bounds: buckets
            .iter()
            .map(|(bound, _)| *bound)
            .filter(|bound| bound.is_finite())
            .collect(),
        ..HistogramDataPoint::default()
    }
}
