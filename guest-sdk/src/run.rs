//! Answers the calls of a model until it is done.

use std::iter::FusedIterator;
use std::mem;
use std::time::{Duration, Instant};

use crate::error::RunLimit;
use crate::rounds::{Next, Rounds};
use crate::{
    Answer, Error, Event, FinishReason, Message, Options, Result, RunLimits, Session, Stream,
    ToolCall, ToolResult, Toolbox,
};

/// The longest time that the contract lets a request take.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
            started: Instant::now(),
            answer_time,
            rounds: Rounds::new(limits),
            answering: None,
            text: String::new(),
            state: State::Running,
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
    started: Instant,
    // How long one answer may take, without the limits of the run.
    answer_time: Option<Duration>,
    rounds: Rounds,
    // None between two answers.
    answering: Option<Answering>,
    // Text of all answers.
    text: String,
    state: State,
}

/// An answer that is being generated.
#[derive(Debug)]
struct Answering {
    stream: Stream,
    /// Where the messages begin that it answers.
    asked: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// The model is done, or its last answer was cut short.
    Done,
    Failed,
}

impl Run<'_, '_> {
    /// The answers that are complete, oldest first: all but the last have calls.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        self.rounds.answers()
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
        let last = self
            .rounds
            .take_last()
            .filter(|_| self.state == State::Done);
        last.ok_or_else(|| Error::RuntimeError {
            message: "the run failed before, so it has no last answer".to_owned(),
            partial_text: mem::take(&mut self.text),
        })
    }

    /// Takes a step. `None` if there is nothing to tell of it.
    fn advance(&mut self) -> Result<Option<Step>> {
        let Some(answering) = &mut self.answering else {
            return self.go_on();
        };
        match answering.stream.next_event().transpose()? {
            Some(event) => {
                if let Event::Text(piece) = &event {
                    self.text.push_str(piece);
                }
                Ok(Some(Step::Event(event)))
            }
            None => self.end_answer().map(|()| None),
        }
    }

    /// Takes the step after an answer, a call or a result.
    fn go_on(&mut self) -> Result<Option<Step>> {
        self.remaining_time()?;
        match self.rounds.next() {
            Next::Announce(call) => Ok(Some(Step::Call(call))),
            Next::Run(call) => {
                let result = self.tools.call(&call);
                self.session.conversation.messages.push(result.message());
                Ok(Some(Step::Result(result)))
            }
            Next::Ask => {
                let asked = self.session.conversation.messages.len();
                self.ask(asked).map(|()| None)
            }
        }
    }

    /// Starts an answer to the messages that begin at `asked`.
    fn ask(&mut self, asked: usize) -> Result<()> {
        let remaining = self.remaining_time()?;
        // One more millisecond, so that the time of the run is over when the host ends the answer.
        let remaining = (remaining + Duration::from_millis(1)).min(DAY);
        let time = self.answer_time.map_or(remaining, |own| own.min(remaining));
        let conversation = self.rounds.asked(&self.session.conversation);
        let options = Options::new().max_time(time);
        let stream = self.session.stream_with(conversation, options)?;
        self.answering = Some(Answering { stream, asked });
        Ok(())
    }

    /// Keeps the answer that has ended. Without calls, it is the end of the run.
    fn end_answer(&mut self) -> Result<()> {
        let Some(Answering { mut stream, asked }) = self.answering.take() else {
            return Ok(());
        };
        stream.remember(&mut self.session.conversation.messages, asked);
        let answer = stream.finish_mut()?;
        let reason = answer.outcome.reason;
        match self.rounds.add(answer) {
            Err(limit) => Err(self.exceeded(limit)),
            Ok(true) => Ok(()),
            Ok(false) => {
                if reason == FinishReason::MaxTime {
                    self.remaining_time()?;
                }
                self.end(State::Done);
                Ok(())
            }
        }
    }

    /// The time until the run must end, or the error that it is over.
    fn remaining_time(&self) -> Result<Duration> {
        let limit = self.rounds.limits().time_limit();
        let remaining = limit.checked_sub(self.started.elapsed());
        remaining
            .filter(|remaining| !remaining.is_zero())
            .ok_or_else(|| self.exceeded(RunLimit::Time))
    }

    fn exceeded(&self, limit: RunLimit) -> Error {
        Error::RunLimit {
            limit,
            message: self.rounds.limits().advice(limit),
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

    /// Ends the run. The session keeps what was read of an answer, and every call has a result.
    fn end(&mut self, state: State) {
        self.state = state;
        let messages = &mut self.session.conversation.messages;
        if let Some(Answering { stream, asked }) = self.answering.take() {
            stream.remember(messages, asked);
        }
        messages.extend(self.rounds.close());
    }
}

impl Iterator for Run<'_, '_> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.state == State::Running {
            match self.advance() {
                Ok(Some(step)) => return Some(Ok(step)),
                Ok(None) => {}
                Err(error) => {
                    self.end(State::Failed);
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
        self.end(self.state);
    }
}
