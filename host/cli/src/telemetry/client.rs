//! The HTTP client for the collector. It warns once when the collector stops answering, not for
//! each batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use hyper::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};

/// Maximum size of a collector's answer in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// A client for a collector. It blocks; traces and metrics each send on their own thread.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_told: AtomicBool,
    is_away: AtomicBool,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            agent: ureq::Agent::new_with_defaults(),
            state: Arc::default(),
        }
    }
}

impl Client {
    /// The same client with this time limit.
    pub(super) fn within(self, timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .build();
        Self {
            agent: ureq::Agent::new_with_config(config),
            ..self
        }
    }

    /// Sends a request. The answer may have an error status.
    pub(super) fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let to = request.uri().to_string();
        let sent = self.exchange(request);
        match &sent {
            Ok(answer) if answer.status().is_success() => self.is_back(&to),
            Ok(answer) => self.is_away(&to, &format!("it answers {}", answer.status())),
            Err(error) => self.is_away(&to, &format!("{error:#}")),
        }
        sent
    }

    fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(head, body.as_ref()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(MAX_ANSWER).read_to_vec();
        let body = body.map_err(|error| anyhow!("the collector's answer broke off: {error}"))?;
        Ok(Response::from_parts(head, Bytes::from(body)))
    }

    fn is_away(&self, to: &str, why: &str) {
        self.state.is_away.store(true, Ordering::Relaxed);
        if self.state.is_told.swap(true, Ordering::Relaxed) {
            tracing::debug!(to, why, "telemetry can't be sent");
        } else {
            tracing::warn!(
                to,
                why,
                "telemetry can't be sent and is lost until the collector answers; later failures \
                 are logged at debug level"
            );
        }
    }

    fn is_back(&self, to: &str) {
        if self.state.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(to, "telemetry is sent again");
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.send(request)?)
    }
}
