//! Spans for requests: one for each request, with its phases as children. Names and attributes
//! follow OpenTelemetry's conventions for generative models where they have one. Spans never
//! contain prompts or answers.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use mynah_core::{FinishReason, RequestEnd, RequestOutcome, Task, Usage};
use mynah_settings::Effective;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::client::Client;

/// The provider's name in the conventions.
pub(super) const PROVIDER: &str = "mynah";

/// Creates spans, and sends them in batches on its own thread.
#[derive(Debug)]
pub(super) struct Spans {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Spans {
    pub(super) fn start(client: Client, resource: Resource) -> Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self {
            tracer: provider.tracer("mynah"),
            provider,
        })
    }

    /// Creates the spans of a request.
    pub(super) fn tell(&self, end: &RequestEnd) {
        // A model that a component loaded itself only has the name in its file.
        let model = end.name.to_string();
        let operation = operation(end.task);
        let Usage {
            queue_time,
            prefill_time,
            decode_time,
            ..
        } = end.usage;
        let parent = self
            .tracer
            .span_builder(format!("{operation} {model}"))
            .with_kind(SpanKind::Internal)
            .with_start_time(end.asked_at)
            .with_attributes(attributes(end, operation, model))
            .start_with_context(&self.tracer, &Context::new());
        let context = Context::new().with_span(parent);
        let begun = end.asked_at + queue_time;
        let first = begun + prefill_time;
        let child = |name: &'static str, from, took: Duration, tokens| {
            self.child(&context, name, (from, took), tokens);
        };
        child("queue", end.asked_at, queue_time, None);
        if prefill_time > Duration::ZERO {
            let computed = end
                .usage
                .prompt_tokens
                .saturating_sub(end.usage.cached_tokens);
            let tokens = KeyValue::new("mynah.prefill.computed_tokens", i64::from(computed));
            child("prefill", begun, prefill_time, Some(tokens));
        }
        if decode_time > Duration::ZERO {
            let generated = i64::from(end.usage.generated_tokens);
            let tokens = KeyValue::new("gen_ai.usage.output_tokens", generated);
            child("decode", first, decode_time, Some(tokens));
        }
        let span = context.span();
        if let Some(error) = end.outcome.error() {
            span.set_status(Status::error(error.clone()));
        }
        span.end_with_timestamp(first + decode_time);
    }

    fn child(
        &self,
        parent: &Context,
        name: &'static str,
        (from, took): (SystemTime, Duration),
        attribute: Option<KeyValue>,
    ) {
        let span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(from)
            .with_attributes(attribute)
            .start_with_context(&self.tracer, parent);
        let child = Context::new().with_span(span);
        child.span().end_with_timestamp(from + took);
    }

    /// Sends the remaining spans.
    pub(super) fn finish(&self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::debug!(%error, "not all spans were sent");
        }
    }
}

/// A task's name in the conventions.
fn operation(task: Task) -> &'static str {
    match task {
        Task::Chat => "chat",
        Task::Complete => "text_completion",
        Task::Embed => "embeddings",
        // The conventions have no name for it.
        Task::Rank => "rank",
    }
}

fn attributes(end: &RequestEnd, operation: &'static str, model: String) -> Vec<KeyValue> {
    let usage = &end.usage;
    let mut all = vec![
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.provider.name", PROVIDER),
        KeyValue::new("gen_ai.request.model", model),
        KeyValue::new("gen_ai.response.model", end.model.name.clone()),
        KeyValue::new("gen_ai.conversation.id", end.session.to_string()),
        KeyValue::new("gen_ai.usage.input_tokens", i64::from(usage.prompt_tokens)),
        KeyValue::new(
            "gen_ai.usage.cache_read.input_tokens",
            i64::from(usage.cached_tokens),
        ),
        KeyValue::new("mynah.owner", end.owner.to_string()),
        KeyValue::new("mynah.request", end.request.to_string()),
    ];
    if matches!(end.task, Task::Chat | Task::Complete) {
        all.push(KeyValue::new(
            "gen_ai.usage.output_tokens",
            i64::from(usage.generated_tokens),
        ));
    }
    if usage.generated_tokens > 0 {
        let first = usage.queue_time + usage.prefill_time;
        all.push(KeyValue::new(
            "gen_ai.response.time_to_first_chunk",
            first.as_secs_f64(),
        ));
    }
    if let Some(settings) = &end.settings {
        asked_for(&mut all, settings);
    }
    let outcome = end.outcome.name();
    let reason = match &end.outcome {
        RequestOutcome::Cancelled => Some(outcome),
        other => other.reason().map(FinishReason::name),
    };
    all.push(KeyValue::new("mynah.outcome", outcome));
    if let Some(reason) = reason {
        let reasons = vec![StringValue::from(reason)];
        let reasons = Value::Array(Array::String(reasons));
        all.push(KeyValue::new("gen_ai.response.finish_reasons", reasons));
    } else if outcome != "completed" {
        all.push(KeyValue::new("error.type", outcome));
    }
    all
}

/// The settings that have an attribute in the conventions.
fn asked_for(all: &mut Vec<KeyValue>, settings: &Effective) {
    let sampling = &settings.sampling;
    let numbers = [
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ];
    for (name, number) in numbers {
        let name = format!("gen_ai.request.{name}");
        all.push(KeyValue::new(name, f64::from(number)));
    }
    for (name, number) in [
        ("top_k", i64::from(sampling.top_k)),
        ("max_tokens", i64::from(settings.stopping.max_tokens)),
        ("seed", i64::from(settings.seed)),
    ] {
        let name = format!("gen_ai.request.{name}");
        all.push(KeyValue::new(name, number));
    }
}
