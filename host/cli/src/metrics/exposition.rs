//! The metrics in the OpenMetrics text format, which Prometheus reads.

use std::fmt;

use mynah_core::Report;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::HostStatus;
use super::table::{Kind, METRICS, Metric, Value, buckets};

/// The content type of the OpenMetrics text format.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of all models. Each has the model's name as a label.
pub(super) fn text(status: &HostStatus) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let reports = status.models.clone().into_iter().collect();
    registry.register_collector(Box::new(Models(reports)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Gauge => Self::Gauge,
            Kind::Counter => Self::Counter,
            Kind::Histogram => Self::Histogram,
        }
    }
}

#[derive(Debug)]
struct Models(Vec<(String, Report)>);

impl Collector for Models {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Metric {
            name,
            help,
            kind,
            value,
        } in METRICS
        {
            let mut family = encoder.encode_descriptor(name, help, None, (*kind).into())?;
            for (model, report) in &self.0 {
                let of_model = ("model", model.as_str());
                match value(report) {
                    Value::None => {}
                    Value::One(number) => {
                        one(family.encode_family(&[of_model])?, *kind, number)?;
                    }
                    Value::By(label, numbers) => {
                        for (of, number) in numbers {
                            let labels = [of_model, (label, of)];
                            one(family.encode_family(&labels)?, *kind, number)?;
                        }
                    }
                    Value::Told(told) => {
                        let labels = std::iter::once(of_model)
                            .chain(told.iter().map(|(label, value)| (*label, value.as_str())));
                        let labels: Vec<(&str, &str)> = labels.collect();
                        one(family.encode_family(&labels)?, *kind, 1.0)?;
                    }
                    Value::Times(times) => {
                        let buckets = buckets(&times);
                        family
                            .encode_family(&[of_model])?
                            .encode_histogram::<[(&str, &str); 0]>(
                                times.sum(),
                                times.count(),
                                &buckets,
                                None,
                            )?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn one(encoder: MetricEncoder<'_>, kind: Kind, number: f64) -> Result<(), fmt::Error> {
    match kind {
        Kind::Counter => ConstCounter::new(number).encode(encoder),
        Kind::Gauge | Kind::Histogram => ConstGauge::new(number).encode(encoder),
    }
}
