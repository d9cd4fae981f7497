//! A place at a model: asks for text, whole or as it is made.

use std::rc::Rc;

use crate::bindings::mynah::llm::generation;
use crate::bindings::wasi::nn::graph::Graph;
use crate::bindings::wasi::nn::inference::GraphExecutionContext;
use crate::{Answer, Conversation, Options, Prompt, Result, Stream};

/// A place at a model. It runs one generation at a time; a component that wants several at once
/// opens several sessions.
///
/// A stream goes on when its session is dropped, and ends when it is dropped itself.
///
/// [`say`](Session::say) has a conversation: the session remembers what was said. A prompt that is
/// given to [`generate`](Session::generate) or [`stream`](Session::stream) stands alone and is not
/// remembered.
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
    // For its forks.
    pub(crate) graph: Rc<Graph>,
    // Shared with the streams that were started in it: dropping the last of them cancels.
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

    /// The same session, with these options for all of its requests.
    #[must_use]
    pub fn with_options(mut self, options: impl Into<Options>) -> Self {
        self.options = options.into();
        self
    }

    /// Takes these options for all requests from here on, in place of those before.
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
    /// As [`Session::stream`]; and what breaks off a generation, with the text that was made before
    /// in [`Error::partial_text`](crate::Error::partial_text).
    pub fn generate(&self, prompt: impl Into<Prompt>) -> Result<Answer> {
        self.stream(prompt)?.finish()
    }

    /// [`Session::generate`] with options for this request, which win over the session's one by
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

    /// Starts a generation and returns its text as it is made.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the request, before any model work is done for it: an empty
    /// prompt, an option out of range or a stream of this session that still runs
    /// ([`InvalidArgument`]), a prompt that the context can't hold ([`PromptTooLong`]) or the host
    /// won't take ([`PromptTooLarge`]), messages for a model without a chat template
    /// ([`Unsupported`]), a full queue ([`Busy`]).
    ///
    /// [`InvalidArgument`]: crate::Error::InvalidArgument
    /// [`PromptTooLong`]: crate::Error::PromptTooLong
    /// [`PromptTooLarge`]: crate::Error::PromptTooLarge
    /// [`Unsupported`]: crate::Error::Unsupported
    /// [`Busy`]: crate::Error::Busy
    pub fn stream(&self, prompt: impl Into<Prompt>) -> Result<Stream> {
        self.stream_with(prompt, Options::new())
    }

    /// [`Session::stream`] with options for this request, which win over the session's one by one.
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
