//! What a run has done so far, and what it does next. Pure: asking the model and running the tools
//! are the business of `run`.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::RunLimit;
use crate::{Answer, Conversation, FinishReason, Message, ToolCall, ToolChoice};

/// The result of a call that was not run, because the run ended before.
const NOT_RUN: &str = "Error: the tool was not run";

/// Limits of a [`Session::run`](crate::Session::run). Reaching one is
/// [`Error::RunLimit`](crate::Error::RunLimit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    rounds: u32,
    calls: u32,
    time: Duration,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            rounds: 16,
            calls: 64,
            time: Duration::from_secs(600),
        }
    }
}

impl RunLimits {
    /// The default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of answers of the model. Calls in the last of them are not run.
    /// Default 16.
    #[must_use]
    pub fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    /// Sets the maximum number of calls in all answers. If an answer has more than remain, none of
    /// its calls is run. Default 64.
    #[must_use]
    pub fn calls(self, calls: u32) -> Self {
        Self { calls, ..self }
    }

    /// Sets the maximum time of all answers and calls. An answer ends when it is over; a call that
    /// runs is not interrupted. Default 10 minutes.
    #[must_use]
    pub fn time(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// The value of [`RunLimits::time`].
    pub(crate) fn time_limit(&self) -> Duration {
        self.time
    }

    /// What to tell about a limit that is reached.
    pub(crate) fn advice(&self, limit: RunLimit) -> String {
        let reached = match limit {
            RunLimit::Rounds => format!("{} answers (`RunLimits::rounds`)", self.rounds),
            RunLimit::Calls => format!("{} calls of tools (`RunLimits::calls`)", self.calls),
            RunLimit::Time => format!("{} s (`RunLimits::time`)", self.time.as_secs_f64()),
        };
        format!(
            "the model was not done within {reached}: allow more, or tell the model when it has \
             done enough"
        )
    }
}

/// The answers and calls of a run.
#[derive(Debug)]
pub(crate) struct Rounds {
    limits: RunLimits,
    answers: Vec<Answer>,
    /// Number of calls in all answers.
    calls: usize,
    /// The calls of the last answer that have no result yet.
    open: VecDeque<ToolCall>,
    /// Whether the caller knows of the first of them.
    announced: bool,
}

/// What a run does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It tells the caller of a call.
    Announce(ToolCall),
    /// It runs a call.
    Run(ToolCall),
    /// It asks the model.
    Ask,
}

impl Rounds {
    pub(crate) fn new(limits: RunLimits) -> Self {
        Self {
            limits,
            answers: Vec::new(),
            calls: 0,
            open: VecDeque::new(),
            announced: false,
        }
    }

    pub(crate) fn limits(&self) -> &RunLimits {
        &self.limits
    }

    pub(crate) fn answers(&self) -> &[Answer] {
        &self.answers
    }

    pub(crate) fn take_last(&mut self) -> Option<Answer> {
        self.answers.pop()
    }

    /// The conversation as it is asked next. A model that had to call a tool in every round would
    /// never be done.
    pub(crate) fn asked(&self, conversation: &Conversation) -> Conversation {
        let conversation = conversation.clone();
        match &conversation.tool_choice {
            ToolChoice::Required | ToolChoice::Named(_) if !self.answers.is_empty() => {
                conversation.tool_choice(ToolChoice::Auto)
            }
            ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_) => {
                conversation
            }
        }
    }

    /// Adds an answer. Returns whether the run goes on with its calls.
    ///
    /// # Errors
    ///
    /// The limit that the calls reach.
    pub(crate) fn add(&mut self, answer: Answer) -> Result<bool, RunLimit> {
        self.open = answer.tool_calls.clone().into();
        self.announced = false;
        let waits = answer.outcome.reason == FinishReason::ToolCalls && !self.open.is_empty();
        self.answers.push(answer);
        if !waits {
            return Ok(false);
        }
        self.calls += self.open.len();
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        if self.answers.len() >= most(self.limits.rounds) {
            Err(RunLimit::Rounds)
        } else if self.calls > most(self.limits.calls) {
            Err(RunLimit::Calls)
        } else {
            Ok(true)
        }
    }

    /// What comes next. A call that is to be run counts as run.
    pub(crate) fn next(&mut self) -> Next {
        match self.open.front() {
            None => Next::Ask,
            Some(call) if !self.announced => {
                self.announced = true;
                Next::Announce(call.clone())
            }
            Some(_) => {
                self.announced = false;
                self.open.pop_front().map_or(Next::Ask, Next::Run)
            }
        }
    }

    /// The results of the calls that were not run.
    pub(crate) fn close(&mut self) -> impl Iterator<Item = Message> + '_ {
        let result = |call| Message::tool_result(&call, NOT_RUN);
        self.open.drain(..).map(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::tests::call;
    use crate::{Outcome, Usage};

    fn answer(reason: FinishReason, ids: &[&str]) -> Answer {
        Answer {
            text: String::new(),
            reasoning: None,
            tool_calls: ids.iter().map(|id| call(id, "look", "{}")).collect(),
            outcome: Outcome {
                reason,
                usage: Usage::default(),
                seed: 0,
            },
        }
    }

    fn closed(rounds: &mut Rounds) -> Vec<String> {
        rounds
            .close()
            .map(|result| {
                assert!(result.text().contains("not run"), "{result:?}");
                result.tool_call_id.unwrap()
            })
            .collect()
    }

    #[test]
    fn each_call_is_announced_and_run_before_the_model_is_asked_again() {
        let mut rounds = Rounds::new(RunLimits::new());
        let calls = answer(FinishReason::ToolCalls, &["a", "b"]);
        assert_eq!(rounds.add(calls), Ok(true));
        for id in ["a", "b"] {
            assert_eq!(rounds.next(), Next::Announce(call(id, "look", "{}")));
            assert_eq!(rounds.next(), Next::Run(call(id, "look", "{}")));
        }
        assert_eq!(rounds.next(), Next::Ask);
        assert_eq!(closed(&mut rounds), [""; 0]);
        let last = answer(FinishReason::EndOfGeneration, &[]);
        assert_eq!(rounds.add(last.clone()), Ok(false));
        assert_eq!(rounds.answers().len(), 2);
        assert_eq!(rounds.take_last(), Some(last));
    }

    #[test]
    fn a_run_that_ends_early_leaves_no_call_without_a_result() {
        let mut rounds = Rounds::new(RunLimits::new());
        let calls = answer(FinishReason::ToolCalls, &["a", "b", "c"]);
        assert_eq!(rounds.add(calls), Ok(true));
        assert!(matches!(rounds.next(), Next::Announce(_)));
        assert!(matches!(rounds.next(), Next::Run(_)));
        assert!(matches!(rounds.next(), Next::Announce(_)));
        assert_eq!(closed(&mut rounds), ["b", "c"], "a was run");
        assert_eq!(closed(&mut rounds), [""; 0]);
    }

    #[test]
    fn the_calls_of_an_answer_that_was_cut_short_are_not_run() {
        for (reason, ids) in [
            (FinishReason::MaxTokens, ["a"].as_slice()),
            (FinishReason::Cancelled, &["a"]),
            (FinishReason::ToolCalls, &[]),
        ] {
            let mut rounds = Rounds::new(RunLimits::new());
            assert_eq!(rounds.add(answer(reason, ids)), Ok(false), "{reason}");
            assert_eq!(closed(&mut rounds), ids, "{reason}");
        }
    }

    #[test]
    fn the_last_answer_may_have_no_calls_and_all_calls_are_counted() {
        let limits = RunLimits::new().rounds(3).calls(5);
        let mut rounds = Rounds::new(limits);
        let calls = |ids: &[&str]| answer(FinishReason::ToolCalls, ids);
        assert_eq!(rounds.add(calls(&["a", "b", "c"])), Ok(true));
        assert_eq!(rounds.add(calls(&["d", "e"])), Ok(true), "five are allowed");
        assert_eq!(rounds.add(calls(&["f"])), Err(RunLimit::Rounds));
        assert_eq!(closed(&mut rounds), ["f"]);

        let mut rounds = Rounds::new(limits);
        assert_eq!(rounds.add(calls(&["a", "b", "c"])), Ok(true));
        assert_eq!(rounds.add(calls(&["d", "e", "f"])), Err(RunLimit::Calls));
        assert_eq!(closed(&mut rounds), ["d", "e", "f"], "none of them is run");
    }

    #[test]
    fn a_limit_that_is_reached_is_named_with_its_value() {
        let limits = RunLimits::new()
            .rounds(3)
            .calls(5)
            .time(Duration::from_millis(1500));
        for (limit, words) in [
            (RunLimit::Rounds, "3 answers (`RunLimits::rounds`)"),
            (RunLimit::Calls, "5 calls of tools (`RunLimits::calls`)"),
            (RunLimit::Time, "1.5 s (`RunLimits::time`)"),
        ] {
            let advice = limits.advice(limit);
            assert!(advice.contains(words), "{advice}");
        }
    }

    #[test]
    fn a_call_is_required_in_the_first_round_only() {
        for (choice, later) in [
            (ToolChoice::Required, ToolChoice::Auto),
            (ToolChoice::Named("a".to_owned()), ToolChoice::Auto),
            (ToolChoice::None, ToolChoice::None),
            (ToolChoice::Auto, ToolChoice::Auto),
        ] {
            let conversation = Conversation::default().tool_choice(choice.clone());
            let mut rounds = Rounds::new(RunLimits::new());
            assert_eq!(rounds.asked(&conversation).tool_choice, choice);
            assert_eq!(
                rounds.add(answer(FinishReason::ToolCalls, &["a"])),
                Ok(true)
            );
            assert_eq!(rounds.asked(&conversation).tool_choice, later);
        }
    }
}
