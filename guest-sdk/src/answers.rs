//! Answers to many prompts, so many at once: what a guest with a list of questions wants.

use std::collections::HashMap;
use std::iter::{Enumerate, FusedIterator};

use crate::{
    Answer, Error, Model, NnErrorCode, Options, Progress, Prompt, Result, Session, Streams,
};

/// Answers to many prompts, in the order in which they are finished, each with its prompt's place
/// in the list. Made by [`Model::answer_all`].
///
/// Dropping it cancels what runs.
#[derive(Debug)]
#[must_use = "answers that are dropped are not made"]
pub struct Answers<'a, I> {
    model: &'a Model,
    prompts: Enumerate<I>,
    options: Options,
    at_once: usize,
    // A prompt that the host had no place for yet.
    held: Option<(usize, Prompt)>,
    streams: Streams<usize>,
    // The sessions of those that run, and those that wait for the next prompt.
    busy: HashMap<usize, Session>,
    idle: Vec<Session>,
}

impl Model {
    /// Answers all prompts with these options, `at_once` of them at a time (0 counts as 1), and
    /// gives each answer as soon as it is finished. One that fails doesn't end the others.
    ///
    /// A host that is busy, or gives no more sessions, is not an error while answers of this list
    /// are being made: the prompt waits for one of them to be finished. So a number that the host
    /// can't serve only makes it wait.
    ///
    /// ```no_run
    /// use mynah_guest::{Model, Options};
    ///
    /// # fn main() -> mynah_guest::Result<()> {
    /// let model = Model::load("default")?;
    /// let prompts = ["Name a bird.", "Name a fish.", "Name a tree."];
    /// for (index, answer) in model.answer_all(prompts, Options::new().max_tokens(20), 8) {
    ///     println!("{} {}", prompts[index], answer?.text);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer_all<I>(
        &self,
        prompts: I,
        options: impl Into<Options>,
        at_once: usize,
    ) -> Answers<'_, I::IntoIter>
    where
        I: IntoIterator<Item: Into<Prompt>>,
    {
        Answers {
            model: self,
            prompts: prompts.into_iter().enumerate(),
            options: options.into(),
            at_once: at_once.max(1),
            held: None,
            streams: Streams::new(),
            busy: HashMap::new(),
            idle: Vec::new(),
        }
    }
}

impl<I: Iterator<Item: Into<Prompt>>> Answers<'_, I> {
    /// How many are being made now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.streams.len()
    }

    /// Starts as many as may run. Gives the first that can't be started at all.
    fn fill(&mut self) -> Option<(usize, Error)> {
        while self.streams.len() < self.at_once {
            let next = self.held.take().or_else(|| {
                let (index, prompt) = self.prompts.next()?;
                Some((index, prompt.into()))
            });
            let (index, prompt) = next?;
            match self.start(index, prompt.clone()) {
                Ok(()) => {}
                Err(
                    Error::Busy { .. }
                    | Error::Nn {
                        code: NnErrorCode::TooLarge,
                        ..
                    },
                ) if !self.streams.is_empty() => {
                    self.held = Some((index, prompt));
                    return None;
                }
                Err(error) => return Some((index, error)),
            }
        }
        None
    }

    fn start(&mut self, index: usize, prompt: Prompt) -> Result<()> {
        let session = match self.idle.pop() {
            Some(session) => session,
            None => self.model.session()?,
        };
        match session.stream_with(prompt, self.options.clone()) {
            Ok(stream) => {
                self.streams.push(index, stream);
                self.busy.insert(index, session);
                Ok(())
            }
            Err(error) => {
                self.idle.push(session);
                Err(error)
            }
        }
    }
}

impl<I: Iterator<Item: Into<Prompt>>> Iterator for Answers<'_, I> {
    type Item = (usize, Result<Answer>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((index, error)) = self.fill() {
            return Some((index, Err(error)));
        }
        loop {
            let (index, answer) = match self.streams.next()? {
                (_, Progress::Text(_)) => continue,
                (index, Progress::Finished(answer)) => (index, Ok(answer)),
                (index, Progress::Failed(error)) => (index, Err(error)),
            };
            self.idle.extend(self.busy.remove(&index));
            return Some((index, answer));
        }
    }
}

impl<I: Iterator<Item: Into<Prompt>>> FusedIterator for Answers<'_, I> where I: FusedIterator {}
