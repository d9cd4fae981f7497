//! A running generation, as an iterator over its text or its events.

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::rc::Rc;
use std::task::Poll;

use crate::bindings::mynah::llm::generation::{self as wit, Generation};
use crate::bindings::wasi::io::poll;
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::said::Said;
use crate::{Answer, Error, Event, Message, Outcome, Result, TokenProbs, ToolCall};

/// A running generation: an iterator over its text that waits for each piece.
///
/// A piece consists of whole characters and is never empty. The iterator ends with the generation,
/// and after an error; [`Stream::outcome`] then says how the generation ended. The host pauses a
/// generation whose stream is not read for a while. Dropping the stream cancels the generation.
///
/// The answer to a conversation may also have reasoning and calls of tools. The iterator reads over
/// them and keeps them ([`Stream::reasoning`], [`Stream::tool_calls`]); [`Stream::events`] gives
/// everything in order.
///
/// ```no_run
/// use std::io::Write;
///
/// # fn main() -> mynah_guest::Result<()> {
/// # let session = mynah_guest::Model::load("default")?.session()?;
/// let mut stream = session.stream("Once upon a time")?;
/// for piece in &mut stream {
///     print!("{}", piece?);
///     std::io::stdout().flush()?; // `print!` keeps a line back until it is complete
/// }
/// if let Some(outcome) = stream.outcome() {
///     println!("\n[{} tokens, {}]", outcome.usage.generated_tokens, outcome.reason);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a stream that is dropped cancels its generation"]
pub struct Stream {
    // Declared before the context, because fields are dropped in order and the context must outlive
    // the generation.
    generation: Generation,
    arrived: Arrived,
    // What was given out.
    said: Said,
    // The host cancels a generation whose context is dropped.
    _context: Rc<GraphExecutionContext>,
}

/// Events that have arrived from the host, in order, and have not been given out yet.
#[derive(Debug, Default)]
struct Arrived {
    events: VecDeque<Event>,
    tokens: Vec<TokenProbs>,
    outcome: Option<Outcome>,
    ended: bool,
}

impl Arrived {
    fn add(&mut self, events: Vec<wit::Event>) {
        // The host ends a generation with an empty list.
        self.ended |= events.is_empty();
        for event in events {
            match event {
                wit::Event::Token(token) => self.tokens.push(token.into()),
                wit::Event::Reasoning(piece) => self.events.push_back(Event::Reasoning(piece)),
                wit::Event::Text(piece) => self.events.push_back(Event::Text(piece)),
                wit::Event::ToolCallStart(start) => self.events.push_back(start.into()),
                wit::Event::ToolCallArguments(arguments) => {
                    self.events.push_back(arguments.into());
                }
                wit::Event::Finished(outcome) => {
                    self.outcome = Some(outcome.into());
                    self.ended = true;
                }
            }
        }
    }
}

impl Stream {
    pub(crate) fn new(generation: Generation, context: Rc<GraphExecutionContext>) -> Self {
        Self {
            generation,
            arrived: Arrived::default(),
            said: Said::default(),
            _context: context,
        }
    }

    /// The text of all pieces that were given out so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.said.text
    }

    /// The reasoning that was read so far; empty if there was none.
    #[must_use]
    pub fn reasoning(&self) -> &str {
        &self.said.reasoning
    }

    /// The calls of tools that were read so far, oldest first. A call is among them once it is
    /// complete; one that was cut short never is.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.said.calls
    }

    /// The tokens that have arrived, with their log-probabilities; after the end, all tokens of the
    /// answer. Empty unless [`Sampling::n_probs`](crate::Sampling::n_probs) is set.
    ///
    /// A token may arrive before its text, because text that may begin a stop string is held back.
    #[must_use]
    pub fn tokens(&self) -> &[TokenProbs] {
        &self.arrived.tokens
    }

    /// How the generation ended and what it used. `None` until the last piece was given out, and
    /// after an error.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        let all_given = self.arrived.events.is_empty();
        self.arrived.outcome.as_ref().filter(|_| all_given)
    }

    /// The next piece if it has arrived, without waiting. `Pending` if none has arrived yet,
    /// `Ready(None)` at the end.
    ///
    /// For components with other work to do. [`Stream::wait_any`] waits for several streams at
    /// once.
    pub fn try_next(&mut self) -> Poll<Option<Result<String>>> {
        loop {
            match self.try_next_event() {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(event)) => {
                    if let Some(piece) = text(event) {
                        return Poll::Ready(Some(piece));
                    }
                }
            }
        }
    }

    /// An iterator over everything that the model says, in order: reasoning, text, and calls of
    /// tools. It waits for each event. Events that were read before do not come again.
    ///
    /// ```no_run
    /// use mynah_guest::{Event, Message};
    ///
    /// # fn main() -> mynah_guest::Result<()> {
    /// # let session = mynah_guest::Model::load("default")?.session()?;
    /// let mut stream = session.stream([Message::user("Why is the sky blue?")])?;
    /// for event in stream.events() {
    ///     match event? {
    ///         Event::Reasoning(piece) => eprint!("{piece}"),
    ///         Event::Text(piece) => print!("{piece}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&mut self) -> impl FusedIterator<Item = Result<Event>> + '_ {
        Events(self)
    }

    /// The next event if it has arrived, without waiting, as [`Stream::try_next`].
    pub fn try_next_event(&mut self) -> Poll<Option<Result<Event>>> {
        // A loop, because a list of events may contain tokens whose text comes later.
        while self.arrived.events.is_empty() && !self.arrived.ended {
            match self.generation.poll_next() {
                Ok(Some(events)) => self.arrived.add(events),
                Ok(None) => return Poll::Pending,
                Err(error) => return Poll::Ready(Some(Err(self.fail(error.into())))),
            }
        }
        Poll::Ready(self.give().map(Ok))
    }

    /// The next event. Waits for it.
    pub(crate) fn next_event(&mut self) -> Option<Result<Event>> {
        while self.arrived.events.is_empty() && !self.arrived.ended {
            match self.generation.next() {
                Ok(events) => self.arrived.add(events),
                Err(error) => return Some(Err(self.fail(error.into()))),
            }
        }
        self.give().map(Ok)
    }

    /// Waits until at least one of the streams has something to give, and returns the indices of
    /// all that do. A stream that has ended is always among them, so leave it out. Without streams
    /// the function returns at once. [`Streams`](crate::Streams) does this for you.
    ///
    /// ```no_run
    /// use std::task::Poll;
    /// use mynah_guest::{Model, Stream};
    ///
    /// # fn main() -> mynah_guest::Result<()> {
    /// let model = Model::load("default")?;
    /// let (left, right) = (model.session()?, model.session()?);
    /// let mut streams = vec![left.stream("Once upon a time")?, right.stream("In the beginning")?];
    /// while !streams.is_empty() {
    ///     Stream::wait_any(&streams.iter().collect::<Vec<_>>());
    ///     streams.retain_mut(|stream| loop {
    ///         match stream.try_next() {
    ///             Poll::Ready(Some(Ok(piece))) => println!("{piece:?}"),
    ///             Poll::Ready(Some(Err(error))) => eprintln!("{error}"),
    ///             Poll::Ready(None) => break false,
    ///             Poll::Pending => break true,
    ///         }
    ///     });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_any(streams: &[&Self]) -> Vec<usize> {
        let here: Vec<usize> = (0..)
            .zip(streams)
            .filter(|(_, stream)| !stream.arrived.events.is_empty() || stream.arrived.ended)
            .map(|(index, _)| index)
            .collect();
        // The host's `poll` traps on an empty list.
        if !here.is_empty() || streams.is_empty() {
            return here;
        }
        let pollables: Vec<_> = streams
            .iter()
            .map(|stream| stream.generation.subscribe())
            .collect();
        poll::poll(&pollables.iter().collect::<Vec<_>>())
            .into_iter()
            .filter_map(|index| usize::try_from(index).ok())
            .collect()
    }

    /// Asks the generation to end. Text that was generated until then still arrives. The outcome's
    /// reason is [`Cancelled`](crate::FinishReason::Cancelled) unless the generation had already
    /// ended by itself.
    pub fn cancel(&self) {
        self.generation.cancel();
    }

    /// Waits for the end and returns the whole text, including the pieces that were given out
    /// before.
    ///
    /// # Errors
    ///
    /// The error that broke off the generation, with the text so far in
    /// [`Error::partial_text`](crate::Error::partial_text).
    pub fn finish(mut self) -> Result<Answer> {
        self.finish_mut()
    }

    /// [`Stream::finish`] for a caller that only borrows the stream.
    pub(crate) fn finish_mut(&mut self) -> Result<Answer> {
        for piece in &mut *self {
            piece?;
        }
        let said = &self.said;
        match self.outcome() {
            Some(outcome) => Ok(Answer {
                text: said.text.clone(),
                reasoning: said.reasoning(),
                tool_calls: said.calls.clone(),
                outcome: outcome.clone(),
            }),
            // After an error, or if the host sent no outcome.
            None => Err(Error::RuntimeError {
                message: "the generation ended without an outcome".to_owned(),
                partial_text: said.text.clone(),
            }),
        }
    }

    /// Adds what was read to the messages that asked, which begin at `asked`.
    pub(crate) fn remember(&self, messages: &mut Vec<Message>, asked: usize) {
        let finished = self.outcome().is_some();
        self.said.remember(messages, asked, finished);
    }

    /// The next event that has arrived.
    fn give(&mut self) -> Option<Event> {
        let event = self.arrived.events.pop_front();
        if let Some(event) = &event {
            self.said.add(event);
        }
        if let Some(reason) = self.outcome().map(|outcome| outcome.reason) {
            self.said.end(reason);
        }
        event
    }

    fn fail(&mut self, error: Error) -> Error {
        self.arrived.ended = true;
        error.after(&self.said.text)
    }
}

/// The text of an event, or the error; `None` for an event that is not text.
fn text(event: Result<Event>) -> Option<Result<String>> {
    match event {
        Ok(Event::Text(piece)) => Some(Ok(piece)),
        Ok(Event::Reasoning(_) | Event::ToolCallStart { .. } | Event::ToolCallArguments { .. }) => {
            None
        }
        Err(error) => Some(Err(error)),
    }
}

impl Iterator for Stream {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.events().find_map(text)
    }
}

/// [`Stream::events`].
struct Events<'stream>(&'stream mut Stream);

impl Iterator for Events<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_event()
    }
}

impl FusedIterator for Events<'_> {}

impl FusedIterator for Stream {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FinishReason;

    fn finished() -> wit::Event {
        wit::Event::Finished(wit::Outcome {
            seed: 1,
            reason: wit::FinishReason::MaxTokens,
            usage: wit::Usage {
                prompt_tokens: 1,
                cached_tokens: 0,
                generated_tokens: 2,
                reasoning_tokens: 1,
                forgotten_tokens: 0,
                queue_us: 0,
                prefill_us: 0,
                decode_us: 0,
            },
        })
    }

    #[test]
    fn events_keep_their_order_and_the_end_is_noticed() {
        let mut arrived = Arrived::default();
        arrived.add(vec![
            wit::Event::Reasoning("a".into()),
            wit::Event::Text("b".into()),
        ]);
        assert!(!arrived.ended);
        arrived.add(vec![
            wit::Event::ToolCallStart(wit::ToolCallStart {
                index: 0,
                id: "1".into(),
                name: "add".into(),
            }),
            wit::Event::ToolCallArguments(wit::ToolCallArguments {
                index: 0,
                text: "{}".into(),
            }),
            finished(),
        ]);
        let expected = [
            Event::Reasoning("a".into()),
            Event::Text("b".into()),
            Event::ToolCallStart {
                index: 0,
                id: "1".into(),
                name: "add".into(),
            },
            Event::ToolCallArguments {
                index: 0,
                text: "{}".into(),
            },
        ];
        assert_eq!(arrived.events, expected);
        assert!(arrived.ended);
        assert_eq!(
            arrived.outcome.map(|outcome| outcome.reason),
            Some(FinishReason::MaxTokens)
        );
    }

    #[test]
    fn an_empty_list_is_the_end() {
        let mut arrived = Arrived::default();
        arrived.add(Vec::new());
        assert!(arrived.ended && arrived.outcome.is_none());
    }

    #[test]
    fn a_reader_of_text_gets_text_and_errors() {
        let piece = text(Ok(Event::Text("a".into())));
        assert!(matches!(piece, Some(Ok(piece)) if piece == "a"));
        assert!(text(Ok(Event::Reasoning("a".into()))).is_none());
        let failed = text(Err(Error::InvalidArgument("no".into())));
        assert!(matches!(failed, Some(Err(_))));
    }
}
