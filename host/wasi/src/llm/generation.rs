//! `mynah:llm/generation`: streaming text.

use std::sync::Arc;
use std::time::Duration;

use mynah_engine::{
    FinishReason, Message, Priority, Prompt, Role, Sampling, Scheduling, Seed, Settings, Stopping,
};
use wasmtime::component::Resource;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use crate::bindings::mynah::llm::errors::Error;
use crate::bindings::mynah::llm::generation as wit;
use crate::nn::Place;
use crate::{ExecutionContext, LlmCtxView};

/// The host's side of `mynah:llm/generation.generation`. Dropping it, with its store too, cancels.
#[derive(Debug)]
pub struct Generation {
    engine: mynah_engine::Generation,
    // It keeps its model in memory, so it keeps the model's place too.
    _guest_model: Option<Arc<Place>>,
}

#[async_trait]
impl Pollable for Generation {
    async fn ready(&mut self) {
        self.engine.ready().await;
    }
}

impl wit::Host for LlmCtxView<'_> {
    async fn start(
        &mut self,
        context: Resource<ExecutionContext>,
        prompt: wit::Prompt,
        options: wit::Options,
    ) -> wasmtime::Result<Result<Resource<Generation>, Error>> {
        let settings = Settings::from(options);
        let most = self.ctx.max_priority;
        let context = self.table.get_mut(&context)?;
        if let Some(priority) = settings
            .scheduling
            .priority
            .filter(|&priority| priority > most)
        {
            return Ok(Err(Error::InvalidArgument(format!(
                "`priority` is {priority}, this component may ask for {most} at most: ask for less, or have the operator \
                 raise `max_priority`"
            ))));
        }
        let started = context.session.start(prompt.into(), settings);
        let guest_model = context.guest_model.clone();
        Ok(match started {
            Ok(engine) => Ok(self.table.push(Generation {
                engine,
                _guest_model: guest_model,
            })?),
            Err(error) => Err(error.into()),
        })
    }
}

impl wit::HostGeneration for LlmCtxView<'_> {
    async fn next(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Result<Vec<wit::Event>, Error>> {
        let events = self.table.get_mut(&generation)?.engine.next().await;
        Ok(events.map(wit_events).map_err(Error::from))
    }

    async fn poll_next(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Result<Option<Vec<wit::Event>>, Error>> {
        let events = self.table.get_mut(&generation)?.engine.try_next();
        Ok(events
            .map(|events| events.map(wit_events))
            .map_err(Error::from))
    }

    async fn subscribe(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, generation)
    }

    async fn cancel(&mut self, generation: Resource<Generation>) -> wasmtime::Result<()> {
        self.table.get(&generation)?.engine.cancel();
        Ok(())
    }

    async fn drop(&mut self, generation: Resource<Generation>) -> wasmtime::Result<()> {
        self.table.delete(generation)?;
        Ok(())
    }
}

fn wit_events(events: Vec<mynah_engine::Event>) -> Vec<wit::Event> {
    events.into_iter().map(wit::Event::from).collect()
}

impl From<wit::Prompt> for Prompt {
    fn from(prompt: wit::Prompt) -> Self {
        match prompt {
            wit::Prompt::Text(text) => Self::Text(text),
            wit::Prompt::Messages(messages) => {
                Self::Messages(messages.into_iter().map(Message::from).collect())
            }
            wit::Prompt::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

impl From<wit::Message> for Message {
    fn from(message: wit::Message) -> Self {
        Self {
            role: match message.role {
                wit::Role::System => Role::System,
                wit::Role::User => Role::User,
                wit::Role::Assistant => Role::Assistant,
                wit::Role::Tool => Role::Tool,
            },
            content: message.content,
        }
    }
}

impl From<wit::Options> for Settings {
    fn from(options: wit::Options) -> Self {
        let wit::Options {
            max_tokens,
            temperature,
            seed,
            stop,
            priority,
            queue_timeout_ms,
            max_time_ms,
            deterministic,
        } = options;
        let milliseconds = |ms: u32| Duration::from_millis(ms.into());
        Self {
            sampling: Sampling {
                temperature,
                seed: seed.map(Seed::from),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens,
                stop,
                max_time: max_time_ms.map(milliseconds),
                ..Stopping::default()
            },
            scheduling: Scheduling {
                priority: priority.map(Priority::from),
                queue_timeout: queue_timeout_ms.map(milliseconds),
                deterministic,
            },
            ..Self::default()
        }
    }
}

impl From<wit::Priority> for Priority {
    fn from(priority: wit::Priority) -> Self {
        match priority {
            wit::Priority::Low => Self::Low,
            wit::Priority::Normal => Self::Normal,
            wit::Priority::High => Self::High,
            wit::Priority::Urgent => Self::Urgent,
        }
    }
}

impl From<mynah_engine::Event> for wit::Event {
    fn from(event: mynah_engine::Event) -> Self {
        match event {
            mynah_engine::Event::Text(text) => Self::Text(text),
            mynah_engine::Event::Finished(outcome) => Self::Finished(outcome.into()),
        }
    }
}

impl From<mynah_engine::Outcome> for wit::Outcome {
    fn from(outcome: mynah_engine::Outcome) -> Self {
        let usage = outcome.usage;
        Self {
            seed: outcome.seed,
            reason: match outcome.reason {
                FinishReason::EndOfGeneration => wit::FinishReason::EndOfGeneration,
                FinishReason::MaxTokens => wit::FinishReason::MaxTokens,
                FinishReason::StopString => wit::FinishReason::StopString,
                FinishReason::MaxTime => wit::FinishReason::MaxTime,
                FinishReason::ContextFull => wit::FinishReason::ContextFull,
                FinishReason::Cancelled => wit::FinishReason::Cancelled,
            },
            usage: wit::Usage {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.cached_tokens,
                generated_tokens: usage.generated_tokens,
                queue_us: microseconds(usage.queue_time),
                prefill_us: microseconds(usage.prefill_time),
                decode_us: microseconds(usage.decode_time),
            },
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
