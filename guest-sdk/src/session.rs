//! A session of a model: generates text, as a whole or piece by piece.

use std::rc::Rc;

use crate::bindings::mynah::llm::generation;
use crate::bindings::wasi::nn::graph::Graph;
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::{Answer, Conversation, Options, Prompt, Result, Stream};

/// A session of a model. It runs one generation at a time; a component that wants several at once
/// opens several sessions.
///
/// A stream continues after its session is dropped, and ends when the stream itself is dropped.
///
/// [`say`](Session::say) adds to the session's conversation. A prompt given to
/// [`generate`](Session::generate) or [`stream`](Session::stream) stands alone and does not become
/// part of the conversation.
///
/// ```no_run
/// use mynah_guest::{Message, Model, Options};
///
/// # fn main() -> mynah_guest::Result<()> {
/// let session = Model::load("default")?.session()?.with_options(Options::greedy());
/// let answer = session.generate([Message::user("Name three birds.")])?;
/// println!("{} [{}]", answer.text, answer.outcome.reason);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Session {
    // For forks of this session.
    pub(crate) graph: Rc<Graph>,
    // Shared with the streams started in it: dropping the last reference cancels them.
    context: Rc<GraphExecutionContext>,
    pub(crate) options: Options,
    pub(crate) conversation: Conversation,
}

impl Session {
    pub(crate) fn context(&self) -> &GraphExecutionContext {
        &self.context
    }

    pub(crate) fn open(graph: &Rc<Graph>) -> Result<Self> {
        Ok(Self {
            context: Rc::new(graph.init_execution_context()?),
            graph: Rc::clone(graph),
            options: Options::new(),
            conversation: Conversation::default(),
        })
    }

    /// Sets the options for all requests of this session.
    #[must_use]
    pub fn with_options(mut self, options: impl Into<Options>) -> Self {
        self.options = options.into();
        self
    }

    /// Replaces the options for all later requests of this session.
    pub fn set_options(&mut self, options: impl Into<Options>) {
        self.options = options.into();
    }

    /// The options of this session's requests.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Generates an answer and returns it when it is finished.
    ///
    /// # Errors
    ///
    /// As [`Session::stream`], and any error that breaks off the generation, with the text so far
    /// in [`Error::partial_text`](crate::Error::partial_text).
    pub fn generate(&self, prompt: impl Into<Prompt>) -> Result<Answer> {
        self.stream(prompt)?.finish()
    }

    /// [`Session::generate`] with options for this request, which override the session's one by
    /// one.
    ///
    /// # Errors
    ///
    /// As [`Session::generate`].
    pub fn generate_with(
        &self,
        prompt: impl Into<Prompt>,
        options: impl Into<Options>,
    ) -> Result<Answer> {
        self.stream_with(prompt, options)?.finish()
    }

    /// Starts a generation and returns its text as it is generated.
    ///
    /// # Errors
    ///
    /// Every error in the request, before the model does any work for it: an empty prompt, an
    /// option out of range or a running stream of this session ([`InvalidArgument`]), a prompt that
    /// does not fit the context ([`PromptTooLong`]) or exceeds the host's limit
    /// ([`PromptTooLarge`]), messages for a model without a chat template ([`Unsupported`]), a full
    /// queue ([`Busy`]).
    ///
    /// [`InvalidArgument`]: crate::Error::InvalidArgument
    /// [`PromptTooLong`]: crate::Error::PromptTooLong
    /// [`PromptTooLarge`]: crate::Error::PromptTooLarge
    /// [`Unsupported`]: crate::Error::Unsupported
    /// [`Busy`]: crate::Error::Busy
    pub fn stream(&self, prompt: impl Into<Prompt>) -> Result<Stream> {
        self.stream_with(prompt, Options::new())
    }

    /// [`Session::stream`] with options for this request, which override the session's one by one.
    ///
    /// # Errors
    ///
    /// As [`Session::stream`].
    pub fn stream_with(
        &self,
        prompt: impl Into<Prompt>,
        options: impl Into<Options>,
    ) -> Result<Stream> {
        let prompt = generation::Prompt::from(prompt.into());
        let options = options.into().or(self.options.clone());
        let settings = &options.into();
        let generation = generation::start(&self.context, &prompt, settings)?;
        Ok(Stream::new(generation, Rc::clone(&self.context)))
    }
}
