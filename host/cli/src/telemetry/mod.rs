//! OpenTelemetry: exports a span for each request, and the metrics, to the collector that the
//! standard variables name.
//!
//! The engine does not know OpenTelemetry. It calls an observer when a request ends, and provides
//! reports.

mod client;
mod figures;
mod settings;
mod spans;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mynah_core::Observer;
use opentelemetry_sdk::Resource;

use crate::metrics::Serving;
use crate::output;
use client::Client;
use figures::Figures;
use settings::Settings;
use spans::Spans;

/// Time limit at the host's end for sending the remaining data.
const LAST: Duration = Duration::from_secs(3);

/// The running exporters.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: Option<Arc<Spans>>,
    observer: Option<Observer>,
    metrics: Option<(Client, settings::Signal)>,
    figures: OnceLock<Figures>,
    interval: Duration,
}

impl Telemetry {
    /// Starts what the environment asks for. An unusable value only causes a warning, because these
    /// variables are often set for all programs of a machine.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub(crate) fn start() -> Result<Self> {
        let settings = Settings::read(|name| std::env::var(name).ok());
        for problem in &settings.problems {
            output::warning(problem);
        }
        let client = Client::default();
        let spans = settings.traces.and_then(|signal| {
            let spans = Spans::start(client.clone().within(signal.timeout), resource());
            spans
                .inspect_err(|error| {
                    output::warning(&format!("requests are not traced: {error:#}"));
                })
                .ok()
        });
        let spans = spans.map(Arc::new);
        let observer = spans.clone().map(|spans| {
            Observer::new(move |end| spans.tell(&end)).context("requests can't be traced")
        });
        Ok(Self {
            spans,
            observer: observer.transpose()?,
            metrics: settings
                .metrics
                .map(|signal| (client.within(signal.timeout), signal)),
            figures: OnceLock::new(),
            interval: settings.interval,
        })
    }

    /// The observer that the engine calls when a request ends, if traces are exported.
    pub(crate) fn observer(&self) -> Option<Observer> {
        self.observer.clone()
    }

    /// Starts the export of metrics.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub(crate) fn watch(&self, serving: &Arc<Serving>) -> Result<()> {
        if let Some((client, signal)) = &self.metrics {
            let figures = Figures::start(
                client.clone(),
                signal.clone(),
                self.interval,
                resource(),
                Arc::downgrade(serving),
            )?;
            self.figures.get_or_init(|| figures);
        }
        Ok(())
    }

    /// Sends the remaining data. Takes three seconds at most.
    pub(crate) fn finish(&self) {
        let deadline = Instant::now() + LAST;
        let left = || deadline.saturating_duration_since(Instant::now());
        let figures = self.figures.get();
        if let Some(figures) = figures {
            figures.stop();
        }
        if let Some(observer) = &self.observer {
            let told = observer.flush(left());
            let missed = observer.missed();
            if !told || missed > 0 {
                tracing::warn!(missed, "not all requests were traced");
            }
        }
        if let Some(spans) = &self.spans {
            spans.finish(left());
        }
        if let Some(figures) = figures {
            figures.wait(left());
        }
    }
}

/// The resource of all exported data: the attributes from the environment, and which host it is.
fn resource() -> Resource {
    use opentelemetry::{Key, KeyValue};

    const NAME: &str = "service.name";

    let named = Resource::builder().build();
    let is_named = named
        .get(&Key::from_static_str(NAME))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let resource = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ]);
    match is_named {
        true => resource.build(),
        false => resource.with_service_name("mynah").build(),
    }
}
