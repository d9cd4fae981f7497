//! Answers a list of prompts, with a bounded number of generations at a time.

use std::collections::HashMap;
use std::iter::{Enumerate, FusedIterator};

use crate::{Answer, Error, Model, Options, Progress, Prompt, Result, Session, Streams};

/// A prompt with options of its own, for [`Model::answer_all`].
///
/// A prompt alone is a request without options of its own; `(prompt, options)` is one with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The input that the model continues.
    pub prompt: Prompt,
    /// The options of this request. They override those that are given for all.
    pub options: Options,
}

impl<P: Into<Prompt>> From<P> for Request {
    fn from(prompt: P) -> Self {
        Self {
            prompt: prompt.into(),
            options: Options::new(),
        }
    }
}

impl<P: Into<Prompt>, O: Into<Options>> From<(P, O)> for Request {
    fn from((prompt, options): (P, O)) -> Self {
        Self {
            prompt: prompt.into(),
            options: options.into(),
        }
    }
}

/// An iterator over the answers to many prompts, made by [`Model::answer_all`].
///
/// It gives the answers in the order in which they finish, each with the index of its prompt.
/// Dropping it cancels the running generations.
#[derive(Debug)]
#[must_use = "answers that are dropped are not made"]
pub struct Answers<'a, I> {
    model: &'a Model,
    requests: Enumerate<I>,
    options: Options,
    at_once: usize,
    // The next request, if the host refused it for now.
    held: Option<(usize, Request)>,
    streams: Streams<usize>,
    // Sessions by the index of the prompt that they are answering, and sessions free for the next
    // prompt.
    busy: HashMap<usize, Session>,
    idle: Vec<Session>,
}

impl Model {
    /// Answers all prompts with these options, `at_once` of them at a time (0 counts as 1), and
    /// gives each answer as soon as it is finished. A prompt that fails does not end the others. A
    /// prompt may have options of its own, such as its priority or its output form
    /// ([`Request`]).
    ///
    /// While answers of this list are running, a host that is busy or refuses another session is
    /// not an error: the prompt waits until one of the running answers is finished. An `at_once`
    /// higher than the host can serve therefore only causes waiting.
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
    ///
    /// let urgent = Options::new().priority(mynah_guest::Priority::High);
    /// let requests = [("Name a bird.", urgent), ("Name a fish.", Options::new())];
    /// for (index, answer) in model.answer_all(requests, Options::new().max_tokens(20), 8) {
    ///     println!("{index} {}", answer?.text);
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
        I: IntoIterator<Item: Into<Request>>,
    {
        Answers {
            model: self,
            requests: prompts.into_iter().enumerate(),
            options: options.into(),
            at_once: at_once.max(1),
            held: None,
            streams: Streams::new(),
            busy: HashMap::new(),
            idle: Vec::new(),
        }
    }
}

impl<I: Iterator<Item: Into<Request>>> Answers<'_, I> {
    /// The number of answers that are being generated now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.streams.len()
    }

    /// Starts requests until `at_once` are running. Returns the first that cannot be started, with
    /// its error.
    fn fill(&mut self) -> Option<(usize, Error)> {
        while self.streams.len() < self.at_once {
            let next = self.held.take().or_else(|| {
                let (index, request) = self.requests.next()?;
                Some((index, request.into()))
            });
            let (index, request) = next?;
            match self.start(index, request.clone()) {
                Ok(()) => {}
                Err(error) if error.ends_with_others() && !self.streams.is_empty() => {
                    self.held = Some((index, request));
                    return None;
                }
                Err(error) => return Some((index, error)),
            }
        }
        None
    }

    fn start(&mut self, index: usize, request: Request) -> Result<()> {
        let session = match self.idle.pop() {
            Some(session) => session,
            None => self.model.session()?,
        };
        let options = request.options.or(self.options.clone());
        match session.stream_with(request.prompt, options) {
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

impl<I: Iterator<Item: Into<Request>>> Iterator for Answers<'_, I> {
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

impl<I: Iterator<Item: Into<Request>>> FusedIterator for Answers<'_, I> where I: FusedIterator {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_have_options_of_its_own() {
        let plain = Request::from("Why?");
        assert_eq!(plain.options, Options::new());
        let own = Request::from(("Why?", Options::greedy()));
        assert_eq!((own.prompt, own.options), (plain.prompt, Options::greedy()));
    }
}
