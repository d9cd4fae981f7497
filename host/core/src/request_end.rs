//! How a request ended. The log, the counters, the observer and the reader all format
//! [`RequestOutcome`]; nothing else classifies an end.

use std::sync::Arc;
use std::time::SystemTime;

use mynah_settings::Effective;

use crate::{Error, FinishReason, ModelInfo, Usage};

/// A request that has ended.
#[derive(Debug, Clone)]
pub struct RequestEnd {
    /// The number of the request in the log.
    pub request: u64,
    /// The name under which the model was asked for ([`Model::name`](crate::Model::name)).
    pub name: Arc<str>,
    /// The model.
    pub model: Arc<ModelInfo>,
    /// The owner.
    pub owner: Arc<str>,
    /// The session's number ([`SessionStatus::id`](crate::SessionStatus::id)).
    pub session: u64,
    /// The task.
    pub task: Task,
    /// The effective settings. `None` for vectors, which have none, and for a request that was
    /// turned away before its settings were read.
    pub settings: Option<Arc<Effective>>,
    /// The time of the request.
    pub asked_at: SystemTime,
    /// The usage until the end. A request that was turned away used nothing. A request that never
    /// started has prompt tokens and a queue time. For vectors, `prefill_time` is the time of their
    /// computation.
    pub usage: Usage,
    /// How it ended.
    pub outcome: RequestOutcome,
}

/// The task of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The next message of a conversation.
    Chat,
    /// Text that continues a text.
    Complete,
    /// Vectors.
    Embed,
    /// Scores of documents.
    Rank,
}

/// How a request ended, as [`Requests`](crate::Requests) counts it. Rejected requests are not
/// counted.
///
/// An observer gets the text of an error. It contains none of the guest's texts, unless the log may
/// contain them, too ([`log::show_content`](crate::log::show_content)).
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RequestOutcome<E = String> {
    /// It ended by itself. `None` for vectors.
    Completed(Option<FinishReason>),
    /// There was no capacity for it.
    Refused(E),
    /// The request was invalid.
    Rejected(E),
    /// Its time ran out, with this error.
    TimedOut(E),
    /// The reader cancelled it.
    Cancelled,
    /// It failed with this error.
    Failed(E),
}

impl<E> RequestOutcome<E> {
    /// The end of a generation for this reason.
    #[must_use]
    pub fn finished(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Cancelled => Self::Cancelled,
            FinishReason::EndOfGeneration
            | FinishReason::MaxTokens
            | FinishReason::StopString
            | FinishReason::MaxTime
            | FinishReason::ContextFull
            | FinishReason::DeadEnd
            | FinishReason::ToolCalls => Self::Completed(Some(reason)),
        }
    }

    /// The name of the outcome in JSON and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The finish reason, if a generation completed.
    #[must_use]
    pub fn reason(&self) -> Option<FinishReason> {
        match self {
            Self::Completed(reason) => *reason,
            Self::Refused(_)
            | Self::Rejected(_)
            | Self::TimedOut(_)
            | Self::Cancelled
            | Self::Failed(_) => None,
        }
    }

    /// The same with another finish reason, if a generation completed.
    #[must_use]
    pub fn map_reason(self, change: impl FnOnce(FinishReason) -> FinishReason) -> Self {
        match self {
            Self::Completed(reason) => Self::Completed(reason.map(change)),
            other => other,
        }
    }

    /// The error with which it ended.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Completed(_) | Self::Cancelled => None,
            Self::Refused(error)
            | Self::Rejected(error)
            | Self::TimedOut(error)
            | Self::Failed(error) => Some(error),
        }
    }

    /// The same outcome with a reference to its error.
    #[must_use]
    pub fn as_ref(&self) -> RequestOutcome<&E> {
        match self {
            Self::Completed(reason) => RequestOutcome::Completed(*reason),
            Self::Refused(error) => RequestOutcome::Refused(error),
            Self::Rejected(error) => RequestOutcome::Rejected(error),
            Self::TimedOut(error) => RequestOutcome::TimedOut(error),
            Self::Cancelled => RequestOutcome::Cancelled,
            Self::Failed(error) => RequestOutcome::Failed(error),
        }
    }

    /// The same outcome with its error converted.
    #[must_use]
    pub fn map_error<F>(self, form: impl FnOnce(E) -> F) -> RequestOutcome<F> {
        match self {
            Self::Completed(reason) => RequestOutcome::Completed(reason),
            Self::Refused(error) => RequestOutcome::Refused(form(error)),
            Self::Rejected(error) => RequestOutcome::Rejected(form(error)),
            Self::TimedOut(error) => RequestOutcome::TimedOut(form(error)),
            Self::Cancelled => RequestOutcome::Cancelled,
            Self::Failed(error) => RequestOutcome::Failed(form(error)),
        }
    }

    /// The result for the reader: the finish reason of a generation, or `None` for vectors.
    ///
    /// # Errors
    ///
    /// The error with which the request ended.
    pub fn into_result(self) -> Result<Option<FinishReason>, E> {
        match self {
            Self::Completed(reason) => Ok(reason),
            Self::Cancelled => Ok(Some(FinishReason::Cancelled)),
            Self::Refused(error)
            | Self::Rejected(error)
            | Self::TimedOut(error)
            | Self::Failed(error) => Err(error),
        }
    }
}

impl<'a> RequestOutcome<&'a Error> {
    /// The end of a request that was not put in the queue.
    #[must_use]
    pub fn turned_away(error: &'a Error) -> Self {
        match error {
            Error::Busy { .. } | Error::OwnerBusy { .. } | Error::MemoryShort { .. } => {
                Self::Refused(error)
            }
            Error::QueueTimeout { .. } => Self::TimedOut(error),
            _ => Self::Rejected(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Feature, PressureLevel, SessionState};

    #[test]
    fn a_cancelled_generation_is_told_from_one_that_completed() {
        let cancelled = RequestOutcome::<Error>::finished(FinishReason::Cancelled);
        assert_eq!((cancelled.name(), cancelled.reason()), ("cancelled", None));
        let reader = cancelled.into_result().unwrap();
        assert_eq!(reader, Some(FinishReason::Cancelled));
        let done = RequestOutcome::<Error>::finished(FinishReason::MaxTime);
        assert_eq!(
            (done.name(), done.reason()),
            ("completed", Some(FinishReason::MaxTime))
        );
    }

    #[test]
    fn lack_of_room_is_told_from_a_mistake() {
        let short = Error::Busy {
            queued: 1,
            capacity: 1,
            estimated_wait: None,
        };
        assert_eq!(RequestOutcome::turned_away(&short).name(), "refused");
        let wrong = Error::EmptyPrompt;
        let outcome = RequestOutcome::turned_away(&wrong);
        assert_eq!(outcome.name(), "rejected");
        let text = outcome.map_error(ToString::to_string);
        assert_eq!(text.error(), Some(&wrong.to_string()));
        assert!(text.into_result().is_err());
    }

    #[test]
    fn names_are_as_logs_metrics_and_contract_have_them() {
        use FinishReason::{
            Cancelled, ContextFull, DeadEnd, EndOfGeneration, MaxTime, MaxTokens, StopString,
        };

        let reasons = [
            EndOfGeneration,
            MaxTokens,
            StopString,
            MaxTime,
            ContextFull,
            DeadEnd,
            Cancelled,
        ];
        let names = "end-of-generation max-tokens stop-string max-time context-full dead-end \
                     cancelled";
        assert_eq!(reasons.map(FinishReason::name).join(" "), names);
        let outcomes = [
            RequestOutcome::Completed(None),
            RequestOutcome::Refused(()),
            RequestOutcome::Rejected(()),
            RequestOutcome::TimedOut(()),
            RequestOutcome::Cancelled,
            RequestOutcome::Failed(()),
        ];
        let names = "completed refused rejected timed_out cancelled failed";
        assert_eq!(
            outcomes.each_ref().map(RequestOutcome::name).join(" "),
            names
        );
        let states = [
            SessionState::Waiting,
            SessionState::Running,
            SessionState::Preempted,
            SessionState::Resident,
            SessionState::Parked,
            SessionState::Cold,
        ];
        let names = "waiting running preempted resident parked cold";
        assert_eq!(states.map(SessionState::name).join(" "), names);
        let levels: Vec<_> = PressureLevel::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(levels.join(" "), "none drop park close refuse");
        let features: Vec<_> = Feature::ALL.iter().map(ToString::to_string).collect();
        let names = "text vectors ranking output-forms token-ids log-probabilities deterministic \
                     context-shifting";
        assert_eq!(features.join(" "), names);
    }
}
