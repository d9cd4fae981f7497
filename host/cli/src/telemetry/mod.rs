//! OpenTelemetry: a span for each request, and the figures, sent to a collector where the standard
//! variables say so.
//!
//! The engine knows nothing of it: it tells an observer what a request was when it has ended, and
//! everybody the report.

mod client;
mod figures;
mod settings;
mod spans;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mynah_engine::Observer;
use opentelemetry_sdk::Resource;

use crate::metrics::Serving;
use crate::output;
use client::Client;
use figures::Figures;
use settings::Settings;
use spans::Spans;

/// Time that a host takes at its end to send what is left.
const LAST: Duration = Duration::from_secs(3);

/// What is exported.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: Option<Arc<Spans>>,
    observer: Option<Observer>,
    metrics: Option<(Client, settings::Signal)>,
    figures: OnceLock<Figures>,
    interval: Duration,
}

impl Telemetry {
    /// What the environment asks for. What it asks for that can't be done is a warning: the
    /// variables are often set for all programs of a machine.
    ///
    /// # Errors
    ///
    /// No thread.
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

    /// Who is to be told of the requests, where somebody is.
    pub(crate) fn observer(&self) -> Option<Observer> {
        self.observer.clone()
    }

    /// From here on there are models.
    ///
    /// # Errors
    ///
    /// No thread.
    pub(crate) fn watch(&self, serving: &Arc<Serving>) -> Result<()> {
        if let Some(spans) = &self.spans {
            spans.know(serving);
        }
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

    /// Sends what is left. Takes three seconds at most.
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

/// What all that is sent is of: what the variables say of it, and which host it is.
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
