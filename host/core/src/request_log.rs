//! The log lines and the observer's data of one request: the fields that all its lines share, and
//! its end.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use crate::log::{Logged, TASK, log_request, millis};
use crate::observer::Observer;
use mynah_settings::Effective;

use crate::{
    Error, FinishReason, ModelInfo, Owner, RequestEnd, RequestOutcome, Task, TextStream, Usage,
};

/// The fields that all lines of one request share, and whether its last line has been written.
/// Everything that handles the request shares this. If all of it is dropped without an end, this
/// writes the last line itself.
#[derive(Debug)]
pub struct RequestLog {
    /// The number, unique in this process.
    pub number: u64,
    /// The name under which the model was asked for ([`Model::name`](crate::Model::name)).
    pub name: Arc<str>,
    /// The model.
    pub model: Arc<ModelInfo>,
    /// The number of its session.
    pub session: u64,
    /// The owner.
    pub owner: Owner,
    /// The task.
    pub task: Task,
    has_ended: AtomicBool,
    // Whether the reader of the vectors is gone.
    is_cancelled: AtomicBool,
    // The answer, which knows whether its reader cancelled or is gone.
    stream: OnceLock<Arc<TextStream>>,
    observed: Option<Observed>,
    // Counts requests that have not ended.
    open_requests: OnceLock<Arc<AtomicUsize>>,
}

impl RequestLog {
    /// The log of a new request.
    #[must_use]
    pub fn new(
        name: Arc<str>,
        model: Arc<ModelInfo>,
        session: u64,
        owner: Owner,
        task: Task,
        observer: Option<Observer>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            name,
            model,
            session,
            owner,
            task,
            has_ended: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
            stream: OnceLock::new(),
            observed: observer.map(Observed::new),
            open_requests: OnceLock::new(),
        })
    }

    /// Records the effective settings. Only the first call has an effect.
    pub fn set_settings(&self, settings: &Arc<Effective>) {
        if let Some(observed) = &self.observed {
            observed.settings.get_or_init(|| Arc::clone(settings));
        }
    }

    /// Counts this request in `open_requests` until its end. Only the first call has an effect.
    pub(crate) fn count_in(&self, open_requests: &Arc<AtomicUsize>) {
        self.open_requests.get_or_init(|| {
            open_requests.fetch_add(1, Ordering::Relaxed);
            Arc::clone(open_requests)
        });
    }

    /// Records the stream of the answer. Only the first call has an effect.
    pub(crate) fn set_stream(&self, stream: &Arc<TextStream>) {
        self.stream.get_or_init(|| Arc::clone(stream));
    }

    /// Records that the reader is gone, for a request without a stream.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
    }

    /// Whether the reader cancelled or is gone.
    fn is_cancelled(&self) -> bool {
        let stream = self.stream.get();
        self.is_cancelled.load(Ordering::Acquire)
            || stream.is_some_and(|stream| stream.is_cancelled())
    }

    /// Writes the last line, which has everything, and passes the end to the observer. Only the
    /// first end counts.
    pub fn end(&self, outcome: RequestOutcome<&Error>, usage: &Usage) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let logged = outcome.map_error(Logged);
        if let Some(observed) = &self.observed {
            let outcome = logged.clone().map_error(|error| error.to_string());
            observed.pass_on(self, outcome, usage);
        }
        let words = match &logged {
            RequestOutcome::TimedOut(_) => "timed out",
            other => other.name(),
        };
        let kind = self.task.kind();
        let reason = logged.reason().map(FinishReason::name);
        let error = logged.error().map(tracing::field::display);
        macro_rules! last_line {
            ($level:ident) => {
                log_request!(
                    $level,
                    TASK,
                    self,
                    kind,
                    reason,
                    error,
                    file_model = self.model.name,
                    prompt_tokens = usage.prompt_tokens,
                    cached_tokens = usage.cached_tokens,
                    generated_tokens = usage.generated_tokens,
                    forgotten_tokens = usage.forgotten_tokens,
                    queue_ms = millis(usage.queue_time),
                    prefill_ms = millis(usage.prefill_time),
                    decode_ms = millis(usage.decode_time),
                    "request {words}"
                )
            };
        }
        match &logged {
            RequestOutcome::Failed(_) => last_line!(WARN),
            RequestOutcome::Completed(_)
            | RequestOutcome::Refused(_)
            | RequestOutcome::Rejected(_)
            | RequestOutcome::TimedOut(_)
            | RequestOutcome::Cancelled => last_line!(INFO),
        }
        if let Some(open_requests) = self.open_requests.get() {
            open_requests.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        // The worker ended before the request did. A guest that ends may drop its generation and
        // the model at once; nothing failed then.
        let outcome = match self.is_cancelled() {
            true => RequestOutcome::Cancelled,
            false => RequestOutcome::Failed(&Error::Unavailable),
        };
        self.end(outcome, &Usage::default());
    }
}

impl Task {
    /// The result of the task.
    fn kind(self) -> &'static str {
        match self {
            Self::Chat | Self::Complete => "text",
            Self::Embed => "vectors",
            Self::Rank => "scores",
        }
    }
}

/// An observer, with the request data that it gets in addition to the end.
#[derive(Debug)]
struct Observed {
    observer: Observer,
    settings: OnceLock<Arc<Effective>>,
}

impl Observed {
    fn new(observer: Observer) -> Self {
        Self {
            observer,
            settings: OnceLock::new(),
        }
    }

    fn pass_on(&self, request: &RequestLog, outcome: RequestOutcome, usage: &Usage) {
        let took = usage.queue_time + usage.prefill_time + usage.decode_time;
        self.observer.pass_on(RequestEnd {
            request: request.number,
            name: Arc::clone(&request.name),
            model: Arc::clone(&request.model),
            owner: Arc::clone(request.owner.key()),
            session: request.session,
            task: request.task,
            settings: self.settings.get().cloned(),
            asked_at: SystemTime::now() - took,
            usage: *usage,
            outcome,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// The outcome that the observer gets when the log is dropped without an end.
    fn dropped_after(before: impl FnOnce(&RequestLog)) -> &'static str {
        let (told, ends) = mpsc::channel();
        let observer = Observer::new(move |end| told.send(end.outcome.name()).unwrap()).unwrap();
        let log = RequestLog::new(
            "granted".into(),
            Arc::default(),
            1,
            Owner::unique(),
            Task::Chat,
            Some(observer),
        );
        before(&log);
        drop(log);
        ends.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Newcomer 7.
    #[test]
    fn a_request_whose_backend_is_gone_is_cancelled_if_its_reader_went_first() {
        let stream = Arc::new(TextStream::new(1));
        assert_eq!(dropped_after(|_| {}), "failed");
        assert_eq!(dropped_after(|log| log.set_stream(&stream)), "failed");
        stream.close();
        assert_eq!(dropped_after(|log| log.set_stream(&stream)), "cancelled");
        assert_eq!(dropped_after(RequestLog::cancel), "cancelled");
    }
}
