//! Many generations at once from one guest: start several, read whichever has something.

use std::collections::VecDeque;
use std::task::Poll;

use crate::{Answer, Error, Stream};

/// Many running generations, each under a key of yours. [`Streams::next`] gives what any of them
/// has, and waits where none has anything; they take turns, so one that is fast keeps nobody
/// waiting.
///
/// Dropping it cancels them all.
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
    // In the order in which they are looked at next.
    running: VecDeque<(K, Stream)>,
}

/// What one of several generations has.
#[derive(Debug)]
pub enum Progress {
    /// More text.
    Text(String),
    /// Its end, with the whole text. Nothing more comes from it, and it is taken out.
    Finished(Answer),
    /// What broke it off, with the text so far in [`Error::partial_text`]. Nothing more comes from
    /// it, and it is taken out.
    Failed(Error),
}

impl<K> Default for Streams<K> {
    fn default() -> Self {
        Self {
            running: VecDeque::new(),
        }
    }
}

impl<K: Clone> Streams<K> {
    /// No streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stream. Keys may repeat; then [`cancel`](Self::cancel) means all of that key.
    pub fn push(&mut self, key: K, stream: Stream) {
        self.running.push_back((key, stream));
    }

    /// How many have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether all have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// What the next one has, with its key. Waits, with one call to the host, where none has
    /// anything; `None` when all have ended.
    // Not an iterator: streams are added while it is read.
    #[expect(clippy::should_implement_trait, reason = "see above")]
    pub fn next(&mut self) -> Option<(K, Progress)> {
        loop {
            match self.try_next() {
                Poll::Ready(next) => return next,
                Poll::Pending => {
                    let all: Vec<&Stream> = self.running.iter().map(|(_, stream)| stream).collect();
                    Stream::wait_any(&all);
                }
            }
        }
    }

    /// As [`next`](Self::next), but never waits: `Pending` where none has anything.
    pub fn try_next(&mut self) -> Poll<Option<(K, Progress)>> {
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
                    // It goes behind the others, so that each gets its turn.
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

    /// Asks the generations of that key to end, as [`Stream::cancel`] does; their text and their
    /// end still come.
    pub fn cancel(&self, key: &K)
    where
        K: PartialEq,
    {
        let of_key = self.running.iter().filter(|(other, _)| other == key);
        of_key.for_each(|(_, stream)| stream.cancel());
    }

    /// Asks all generations to end; their text and their end still come.
    pub fn cancel_all(&self) {
        self.running.iter().for_each(|(_, stream)| stream.cancel());
    }
}
