//! A backend that echoes its prompt, in as few lines as a backend takes.
//!
//! It is what `docs/architecture.md` shows as the smallest backend. It continues texts and
//! conversations, and says that it can do nothing else.

#![forbid(unsafe_code)]

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use mynah_core::{
    About, Backend, BackendSession, Capabilities, Embeddings, Error, Feature, FinishReason,
    Message, Model, ModelInfo, ModelState, Outcome, Owner, OwnerShare, Pending, Presence, Producer,
    Prompt, RequestOutcome, Result, SessionStatus, Snapshot, Started, Status, TextRequest, TokenId,
    Usage, VectorRequest,
};
use mynah_settings::Settings;

/// Bytes of text that wait for a reader.
const MAX_UNREAD_BYTES: usize = 64 << 10;

/// A model that echoes.
#[must_use]
pub fn model() -> Model {
    let info = ModelInfo {
        name: "echo".to_owned(),
        architecture: "echo".to_owned(),
        context_size: 512,
        ..ModelInfo::default()
    };
    Model::new(Arc::new(Echo {
        about: Arc::new(About {
            info: Arc::new(info),
            backend: "echo",
            build: Vec::new(),
            capabilities: Capabilities {
                text: true,
                ..Capabilities::default()
            },
            defaults: Settings::default(),
            recommended: Settings::default(),
        }),
        loaded_at: Instant::now(),
    }))
}

#[derive(Debug)]
struct Echo {
    about: Arc<About>,
    loaded_at: Instant,
}

impl Backend for Echo {
    fn about(&self) -> Arc<About> {
        Arc::clone(&self.about)
    }

    fn open_session(&self, _session: u64, _owner: &Owner) -> Result<Box<dyn BackendSession>> {
        Ok(Box::new(EchoSession(Arc::clone(&self.about))))
    }

    fn tokens<'a>(&'a self, _prompt: Prompt, _owner: &'a Owner) -> Pending<'a, Vec<TokenId>> {
        Box::pin(async {
            self.about.require(Feature::TokenIds)?;
            Ok(Vec::new())
        })
    }

    fn detokenise<'a>(
        &'a self,
        _tokens: Vec<u32>,
        _control: bool,
        _owner: &'a Owner,
    ) -> Pending<'a, Vec<u8>> {
        Box::pin(async {
            self.about.require(Feature::TokenIds)?;
            Ok(Vec::new())
        })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            about: self.about(),
            status: Status::default(),
            presence: Presence {
                state: ModelState::Loaded,
                loaded_since: Some(self.loaded_at),
                kept_until: None,
            },
        }
    }

    fn owners(&self) -> Vec<OwnerShare> {
        Vec::new()
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn unload(&self) -> bool {
        false
    }

    fn is_from(&self, _source: &dyn Any) -> bool {
        false
    }
}

#[derive(Debug)]
struct EchoSession(Arc<About>);

impl EchoSession {
    fn answer(&self, request: &TextRequest<'_>) -> Result<Started> {
        let settings = request.resolve(&self.0)?;
        self.0.check_text(&request.prompt, &settings)?;
        let text = match &request.prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Messages(conversation) => {
                let last = conversation.messages.last();
                last.map(Message::text).unwrap_or_default()
            }
            // Refused above: there are no token ids here.
            Prompt::Tokens(_) => String::new(),
        };
        if text.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let (writer, stream) = request.stream(MAX_UNREAD_BYTES);
        let mut words = 0;
        let mut reason = FinishReason::EndOfGeneration;
        for word in text.split_inclusive(' ') {
            if words == settings.stopping.max_tokens {
                reason = FinishReason::MaxTokens;
                break;
            }
            words += 1;
            writer.push(word, words);
        }
        let usage = Usage {
            generated_tokens: words,
            ..Usage::default()
        };
        request.log.end(RequestOutcome::finished(reason), &usage);
        writer.finish(Ok(Outcome {
            reason,
            usage,
            seed: settings.seed,
        }));
        Ok(Started {
            stream,
            settings,
            producer: Box::new(Done),
        })
    }
}

impl BackendSession for EchoSession {
    fn start<'a>(&'a mut self, request: TextRequest<'a>) -> Pending<'a, Started> {
        Box::pin(async move { self.answer(&request) })
    }

    fn embed<'a>(
        &'a mut self,
        _request: VectorRequest<'a>,
    ) -> Pending<'a, Pending<'static, Embeddings>> {
        Box::pin(async {
            self.0.require(Feature::Vectors)?;
            Err(Error::Unavailable)
        })
    }

    fn status(&self) -> Option<SessionStatus> {
        None
    }
}

/// The answer is complete when it begins: there is nothing to wake.
#[derive(Debug)]
struct Done;

impl Producer for Done {
    fn wake(&self) {}
}
