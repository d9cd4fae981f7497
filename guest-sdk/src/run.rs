//! Answers the calls of a model until it is done.

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::mem;
use std::time::{Duration, Instant};

use crate::error::RunLimit;
use crate::{
    Answer, Conversation, Error, Event, FinishReason, Message, Options, Result, Session, Stream,
    ToolCall, ToolChoice, ToolResult, Toolbox,
};

/// The longest time that the contract lets a request take.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The result of a call that was not run, because the run ended before.
const NOT_RUN: &str = "Error: the tool was not run";

impl Session {
    /// Asks a question and runs the tools that the model calls, until it answers without calling
    /// any. The session keeps the question, the answers with their reasoning and calls, and the
    /// results. The session's tools are then those of the toolbox.
    ///
    /// The model gets the error of a tool as the result of the call. A tool choice that requires a
    /// call holds for the first answer only.
    ///
    /// ```no_run
    /// use mynah_guest::{Event, Model, Step, Toolbox};
    ///
    /// # #[cfg(feature = "json")]
    /// # fn main() -> mynah_guest::Result<()> {
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Place {
    ///     city: String,
    /// }
    ///
    /// let mut tools = Toolbox::new().with("weather", "The weather today.", |place: Place| {
    ///     Ok(format!("It rains in {}.", place.city))
    /// });
    /// let mut session = Model::load("default")?.session()?;
    /// for step in session.run("Is it raining in Oslo?", &mut tools)? {
    ///     match step? {
    ///         Step::Event(Event::Text(piece)) => print!("{piece}"),
    ///         Step::Call(call) => println!("[{} {}]", call.name, call.arguments),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "json"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Session::say`]. Later steps fail as [`Session::stream`], and with [`Error::RunLimit`]
    /// when one of the default [`RunLimits`] is reached. The session then keeps all steps before; a
    /// call that was not run has a result that says so.
    pub fn run<'run, 'tools>(
        &'run mut self,
        question: impl Into<String>,
        tools: &'run mut Toolbox<'tools>,
    ) -> Result<Run<'run, 'tools>> {
        self.run_with(Message::user(question), tools, RunLimits::new())
    }

    /// [`Session::run`] with any message and with other limits.
    ///
    /// # Errors
    ///
    /// As [`Session::run`].
    pub fn run_with<'run, 'tools>(
        &'run mut self,
        message: Message,
        tools: &'run mut Toolbox<'tools>,
        limits: RunLimits,
    ) -> Result<Run<'run, 'tools>> {
        let answer_time = self.answer_time()?;
        let asked = self.conversation.messages.len();
        self.conversation.tools = tools.tools().cloned().collect();
        self.conversation.messages.push(message);
        let mut run = Run {
            session: self,
            tools,
            limits,
            started: Instant::now(),
            answer_time,
            state: State::Ended,
            calls: 0,
            text: String::new(),
            answers: Vec::new(),
            failed: false,
        };
        match run.ask(asked) {
            Ok(()) => Ok(run),
            Err(error) => {
                run.session.conversation.messages.truncate(asked);
                Err(error)
            }
        }
    }

    /// How long an answer may take, by the options of the session or else by what is in force at
    /// the host.
    fn answer_time(&self) -> Result<Option<Duration>> {
        if let Some(limit) = self.options.time_limit() {
            return Ok(Some(limit));
        }
        let all = self.effective()?;
        let limit = all.iter().find(|one| one.path == "stopping.max_time_ms");
        let limit = limit.and_then(|one| one.value.parse().ok());
        Ok(limit.map(Duration::from_millis))
    }
}

/// Limits of a [`Session::run`]. Reaching one is [`Error::RunLimit`].
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

    /// The limit that so many answers, the last of them with calls, and so many calls reach.
    fn reached(&self, rounds: usize, calls: usize) -> Option<RunLimit> {
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        if rounds >= most(self.rounds) {
            Some(RunLimit::Rounds)
        } else if calls > most(self.calls) {
            Some(RunLimit::Calls)
        } else {
            None
        }
    }

    /// What to tell about a limit that is reached.
    fn advice(&self, limit: RunLimit) -> String {
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

/// A step of a [`Run`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The model says something, piece by piece.
    Event(Event),
    /// The model has made a call, which is run next.
    Call(ToolCall),
    /// The call was run.
    Result(ToolResult),
}

/// A model that calls tools until it is done, made by [`Session::run`]: an iterator over its steps,
/// which waits for each.
///
/// The tools are run by [`Run::next`], within this component. The iterator ends with the last
/// answer, and after an error. Dropping it cancels the rest; the session keeps the steps that were
/// read.
#[derive(Debug)]
#[must_use = "a run that is dropped at once cancels its generation"]
pub struct Run<'run, 'tools> {
    session: &'run mut Session,
    tools: &'run mut Toolbox<'tools>,
    limits: RunLimits,
    started: Instant,
    // How long one answer may take, without the limits of the run.
    answer_time: Option<Duration>,
    state: State,
    // Calls of all answers.
    calls: usize,
    // Text of all answers.
    text: String,
    answers: Vec<Answer>,
    failed: bool,
}

#[derive(Debug)]
enum State {
    /// The model answers the messages that begin at `asked`.
    Answering {
        stream: Box<Stream>,
        asked: usize,
    },
    /// The calls of the last answer that have no result yet. `announced` is whether the first was
    /// given out as a step.
    Calling {
        calls: VecDeque<ToolCall>,
        announced: bool,
    },
    Ended,
}

impl Run<'_, '_> {
    /// The answers that are complete, oldest first: all but the last have calls.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Runs all remaining steps and returns the last answer.
    ///
    /// # Errors
    ///
    /// As the steps.
    pub fn finish(mut self) -> Result<Answer> {
        for step in &mut self {
            step?;
        }
        let last = self.answers.pop().filter(|_| !self.failed);
        last.ok_or_else(|| Error::RuntimeError {
            message: "the run failed before, so it has no last answer".to_owned(),
            partial_text: mem::take(&mut self.text),
        })
    }

    /// Takes a step. `None` if there is nothing to tell of it.
    fn advance(&mut self) -> Result<Option<Step>> {
        match &mut self.state {
            State::Answering { stream, .. } => match stream.next_event().transpose()? {
                Some(event) => {
                    if let Event::Text(piece) = &event {
                        self.text.push_str(piece);
                    }
                    Ok(Some(Step::Event(event)))
                }
                None => self.end_answer().map(|()| None),
            },
            State::Calling { calls, announced } => match calls.front() {
                Some(call) if !*announced => {
                    *announced = true;
                    Ok(Some(Step::Call(call.clone())))
                }
                Some(_) => self.run_call(),
                None => {
                    let asked = self.session.conversation.messages.len();
                    self.ask(asked).map(|()| None)
                }
            },
            State::Ended => Ok(None),
        }
    }

    /// Starts an answer to the messages that begin at `asked`.
    fn ask(&mut self, asked: usize) -> Result<()> {
        let remaining = self.remaining_time()?;
        // One more millisecond, so that the time of the run is over when the host ends the answer.
        let remaining = (remaining + Duration::from_millis(1)).min(DAY);
        let time = self.answer_time.map_or(remaining, |own| own.min(remaining));
        let conversation = conversation_of_round(&self.session.conversation, self.answers.len());
        let stream = self
            .session
            .stream_with(conversation, Options::new().max_time(time))?;
        self.state = State::Answering {
            stream: Box::new(stream),
            asked,
        };
        Ok(())
    }

    /// Keeps the answer that has ended, and goes on with its calls.
    fn end_answer(&mut self) -> Result<()> {
        let State::Answering { mut stream, asked } = mem::replace(&mut self.state, State::Ended)
        else {
            return Ok(());
        };
        stream.remember(&mut self.session.conversation.messages, asked);
        let answer = stream.finish_mut()?;
        let calls = VecDeque::from(answer.tool_calls.clone());
        let (reason, count) = (answer.outcome.reason, calls.len());
        self.answers.push(answer);
        self.state = State::Calling {
            calls,
            announced: false,
        };
        if reason == FinishReason::MaxTime {
            self.remaining_time()?;
        }
        if reason != FinishReason::ToolCalls || count == 0 {
            self.end();
            return Ok(());
        }
        self.calls += count;
        match self.limits.reached(self.answers.len(), self.calls) {
            Some(limit) => Err(self.exceeded(limit)),
            None => Ok(()),
        }
    }

    /// Runs the first call.
    fn run_call(&mut self) -> Result<Option<Step>> {
        self.remaining_time()?;
        let State::Calling { calls, announced } = &mut self.state else {
            return Ok(None);
        };
        let Some(call) = calls.pop_front() else {
            return Ok(None);
        };
        *announced = false;
        let result = self.tools.call(&call);
        self.session.conversation.messages.push(result.message());
        Ok(Some(Step::Result(result)))
    }

    /// The time until the run must end, or the error that it is over.
    fn remaining_time(&self) -> Result<Duration> {
        let remaining = self.limits.time.checked_sub(self.started.elapsed());
        remaining
            .filter(|remaining| !remaining.is_zero())
            .ok_or_else(|| self.exceeded(RunLimit::Time))
    }

    fn exceeded(&self, limit: RunLimit) -> Error {
        Error::RunLimit {
            limit,
            message: self.limits.advice(limit),
            partial_text: self.text.clone(),
        }
    }

    /// The error of a step as the caller gets it.
    fn told(&self, error: Error) -> Error {
        match (error, self.remaining_time()) {
            // The request waited in the queue until the time of the run was over.
            (Error::Timeout(_), Err(over)) => over,
            (error, _) => error.after(&self.text),
        }
    }

    /// Ends the run. The session keeps what was read of a running answer, and every call has a
    /// result.
    fn end(&mut self) {
        let messages = &mut self.session.conversation.messages;
        match mem::replace(&mut self.state, State::Ended) {
            State::Answering { stream, asked } => stream.remember(messages, asked),
            State::Calling { calls, .. } => {
                messages.extend(calls.iter().map(|call| Message::tool_result(call, NOT_RUN)));
            }
            State::Ended => {}
        }
    }
}

impl Iterator for Run<'_, '_> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        while !matches!(self.state, State::Ended) {
            match self.advance() {
                Ok(Some(step)) => return Some(Ok(step)),
                Ok(None) => {}
                Err(error) => {
                    self.end();
                    self.failed = true;
                    return Some(Err(self.told(error)));
                }
            }
        }
        None
    }
}

impl FusedIterator for Run<'_, '_> {}

impl Drop for Run<'_, '_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// The conversation as it is asked in a round, from 0. A model that had to call a tool in every
/// round would never be done.
fn conversation_of_round(conversation: &Conversation, round: usize) -> Conversation {
    let conversation = conversation.clone();
    match &conversation.tool_choice {
        ToolChoice::Required | ToolChoice::Named(_) if round > 0 => {
            conversation.tool_choice(ToolChoice::Auto)
        }
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_) => {
            conversation
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_may_have_no_calls_and_the_calls_are_counted() {
        let limits = RunLimits::new().rounds(3).calls(5);
        for (rounds, calls, reached) in [
            (2, 5, None),
            (2, 6, Some(RunLimit::Calls)),
            (3, 1, Some(RunLimit::Rounds)),
            (4, 1, Some(RunLimit::Rounds)),
        ] {
            assert_eq!(limits.reached(rounds, calls), reached, "{rounds}, {calls}");
        }
        let none = RunLimits::new().rounds(1);
        assert_eq!(none.reached(1, 1), Some(RunLimit::Rounds));
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
            let of = |round| conversation_of_round(&conversation, round).tool_choice;
            assert_eq!((of(0), of(1), of(2)), (choice, later.clone(), later));
        }
    }
}
