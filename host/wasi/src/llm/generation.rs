//! `mynah:llm/generation`: streaming text.

use std::time::Duration;

use mynah_core::{Conversation, FinishReason, Message, Prompt, Role};
use mynah_settings::Settings;
use wasmtime::component::Resource;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use crate::bindings::mynah::llm::errors::Error;
use crate::bindings::mynah::llm::generation as wit;
use crate::{ExecutionContext, Generation, LlmCtxView};

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
        settings: wit::Settings,
    ) -> wasmtime::Result<Result<Resource<Generation>, Error>> {
        let settings = Settings::from(settings);
        if let Err(error) = settings.check_up_to(self.ctx.max_priority) {
            return Ok(Err(error.into()));
        }
        let context = self.table.get_mut(&context)?;
        let started = context.session.start(prompt.into(), settings).await;
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

fn wit_events(events: Vec<mynah_core::Event>) -> Vec<wit::Event> {
    events.into_iter().map(wit::Event::from).collect()
}

impl From<wit::Prompt> for Prompt {
    fn from(prompt: wit::Prompt) -> Self {
        match prompt {
            wit::Prompt::Text(text) => Self::Text(text),
            wit::Prompt::Messages(messages) => {
                let messages: Vec<Message> = messages.into_iter().map(Message::from).collect();
                Self::Messages(messages.into())
            }
            wit::Prompt::Conversation(conversation) => Self::Messages(Conversation {
                messages: conversation
                    .messages
                    .into_iter()
                    .map(Message::from)
                    .collect(),
                tools: conversation.tools,
                variables: conversation.variables,
            }),
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
            fields: message.fields,
        }
    }
}

impl From<mynah_core::Event> for wit::Event {
    fn from(event: mynah_core::Event) -> Self {
        match event {
            mynah_core::Event::Token(token) => Self::Token(wit::TokenProbs {
                chosen: token.chosen.into(),
                top: token.top.into_iter().map(wit::TokenProb::from).collect(),
            }),
            mynah_core::Event::Text(text) => Self::Text(text),
            mynah_core::Event::Finished(outcome) => Self::Finished(outcome.into()),
        }
    }
}

impl From<mynah_core::TokenProb> for wit::TokenProb {
    fn from(token: mynah_core::TokenProb) -> Self {
        Self {
            id: token.id,
            bytes: token.bytes,
            log_prob: token.log_prob,
        }
    }
}

impl From<mynah_core::Outcome> for wit::Outcome {
    fn from(outcome: mynah_core::Outcome) -> Self {
        let usage = outcome.usage;
        Self {
            seed: outcome.seed,
            reason: match outcome.reason {
                FinishReason::EndOfGeneration => wit::FinishReason::EndOfGeneration,
                FinishReason::MaxTokens => wit::FinishReason::MaxTokens,
                FinishReason::StopString => wit::FinishReason::StopString,
                FinishReason::MaxTime => wit::FinishReason::MaxTime,
                FinishReason::ContextFull => wit::FinishReason::ContextFull,
                FinishReason::DeadEnd => wit::FinishReason::DeadEnd,
                FinishReason::Cancelled => wit::FinishReason::Cancelled,
            },
            usage: wit::Usage {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.cached_tokens,
                generated_tokens: usage.generated_tokens,
                forgotten_tokens: usage.forgotten_tokens,
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
