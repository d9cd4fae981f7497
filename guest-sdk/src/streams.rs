//! Several generations at once: start them, then read from any that has something.

use std::collections::VecDeque;
use std::task::Poll;

use crate::{Answer, Error, Stream};

/// Several running generations, each with a key that the caller chooses.
///
/// [`Streams::next`] gives the next event of any generation and waits if there is none. It reads
/// the generations in turn, so a fast one cannot delay the others. Dropping the value cancels all
/// generations.
///
/// A host takes a limited number of sessions and of waiting requests: 75 and 38 for one component,
/// unless the operator sets others. [`push_when_free`](Self::push_when_free) waits for the
/// component's own generations to end when the host refuses more; for answers without their pieces,
/// [`Model::answer_all`](crate::Model::answer_all) does the same.
///
/// ```no_run
/// use mynah_guest::{Model, Progress, Streams};
///
/// # fn main() -> mynah_guest::Result<()> {
/// let model = Model::load("default")?;
/// let mut streams = Streams::new();
/// for topic in ["rain", "snow", "wind"] {
///     streams.push(topic, model.session()?.stream(format!("A haiku about {topic}:"))?);
/// }
/// while let Some((topic, progress)) = streams.next() {
///     match progress {
///         Progress::Text(piece) => print!("[{topic}] {piece}"),
///         Progress::Finished(answer) => println!("[{topic}] {}", answer.outcome.reason),
///         Progress::Failed(error) => eprintln!("[{topic}] {error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "streams that are dropped cancel their generations"]
pub struct Streams<K> {
    // In the order in which they are read.
    running: VecDeque<(K, Stream)>,
    // Events that were read before the caller asked for them, oldest first.
    held: VecDeque<(K, Progress)>,
}

/// An event of one of several generations.
#[derive(Debug)]
pub enum Progress {
    /// More text.
    Text(String),
    /// The end of the generation, with the whole text. The generation is removed.
    Finished(Answer),
    /// The error that broke off the generation, with the text so far in [`Error::partial_text`].
    /// The generation is removed.
    Failed(Error),
}

impl<K> Default for Streams<K> {
    fn default() -> Self {
        Self {
            running: VecDeque::new(),
            held: VecDeque::new(),
        }
    }
}

impl<K: Clone> Streams<K> {
    /// No streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stream. Several streams may have the same key; [`cancel`](Self::cancel) then cancels
    /// all of them.
    pub fn push(&mut self, key: K, stream: Stream) {
        self.running.push_back((key, stream));
    }

    /// Starts a stream and adds it. If the host refuses it because its queue is full or too many
    /// sessions are open, waits until one of these generations has ended, and tries again. Events
    /// that arrive meanwhile are kept for [`next`](Self::next).
    ///
    /// ```no_run
    /// use mynah_guest::{Model, Streams};
    ///
    /// # fn main() -> mynah_guest::Result<()> {
    /// let model = Model::load("default")?;
    /// let mut streams = Streams::new();
    /// for number in 0..500 {
    ///     let question = format!("Describe the number {number}.");
    ///     streams.push_when_free(number, || model.session()?.stream(question.as_str()))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `start`, also if it is that the host is busy and none of these generations is
    /// running.
    pub fn push_when_free(
        &mut self,
        key: K,
        mut start: impl FnMut() -> crate::Result<Stream>,
    ) -> crate::Result<()> {
        loop {
            match start() {
                Ok(stream) => {
                    self.push(key, stream);
                    return Ok(());
                }
                Err(error) if error.ends_with_others() && !self.running.is_empty() => {
                    self.wait_for_an_end();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until one of the running generations has ended.
    fn wait_for_an_end(&mut self) {
        let before = self.running.len();
        while self.running.len() == before {
            match self.read() {
                Poll::Ready(Some(event)) => self.held.push_back(event),
                Poll::Ready(None) => return,
                Poll::Pending => self.wait(),
            }
        }
    }

    /// The number of generations whose end has not been given out.
    #[must_use]
    pub fn len(&self) -> usize {
        let ended = |(_, progress): &&(K, Progress)| !matches!(progress, Progress::Text(_));
        self.running.len() + self.held.iter().filter(ended).count()
    }

    /// Whether the ends of all generations have been given out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next event and its key. Waits, with one call to the host, if no generation has an event.
    /// `None` when all have ended.
    // Not an iterator, because streams may be added between two calls.
    #[expect(clippy::should_implement_trait, reason = "see above")]
    pub fn next(&mut self) -> Option<(K, Progress)> {
        loop {
            match self.try_next() {
                Poll::Ready(next) => return next,
                Poll::Pending => self.wait(),
            }
        }
    }

    /// As [`next`](Self::next), but without waiting: `Pending` if no generation has an event.
    pub fn try_next(&mut self) -> Poll<Option<(K, Progress)>> {
        match self.held.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => self.read(),
        }
    }

    /// Waits until a running generation has an event.
    fn wait(&self) {
        let all: Vec<&Stream> = self.running.iter().map(|(_, stream)| stream).collect();
        Stream::wait_any(&all);
    }

    /// The next event of a running generation.
    fn read(&mut self) -> Poll<Option<(K, Progress)>> {
        for _ in 0..self.running.len() {
            let Some((key, mut stream)) = self.running.pop_front() else {
                break;
            };
            let progress = match stream.try_next() {
                Poll::Pending => {
                    self.running.push_back((key, stream));
                    continue;
                }
                Poll::Ready(Some(Ok(piece))) => {
                    // It moves behind the others, so that they are read in turn.
                    self.running.push_back((key.clone(), stream));
                    Progress::Text(piece)
                }
                Poll::Ready(Some(Err(error))) => Progress::Failed(error),
                Poll::Ready(None) => match stream.finish() {
                    Ok(answer) => Progress::Finished(answer),
                    Err(error) => Progress::Failed(error),
                },
            };
            return Poll::Ready(Some((key, progress)));
        }
        if self.running.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }

    /// Asks all generations with this key to end, as [`Stream::cancel`] does. Their remaining text
    /// and their end still arrive.
    pub fn cancel(&self, key: &K)
    where
        K: PartialEq,
    {
        let of_key = self.running.iter().filter(|(other, _)| other == key);
        of_key.for_each(|(_, stream)| stream.cancel());
    }

    /// Asks all generations to end. Their remaining text and their end still arrive.
    pub fn cancel_all(&self) {
        self.running.iter().for_each(|(_, stream)| stream.cancel());
    }
}
