//! Sessions as conversations: the session keeps the messages.

use std::iter::FusedIterator;

use crate::{
    Answer, Conversation, Event, Message, Outcome, Result, Role, Session, Stream, Tool, ToolCall,
    ToolChoice,
};

impl Session {
    /// Sets the tools that the model may call, as [`Conversation::tools`]. [`Reply::tool_calls`]
    /// has the calls of an answer; their results go to [`Session::say_all`]. [`Session::run`] does
    /// both.
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.conversation = self.conversation.tools(tools);
        self
    }

    /// Sets whether the model calls a tool, and which, as [`Conversation::tool_choice`].
    #[must_use]
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.conversation = self.conversation.tool_choice(choice);
        self
    }

    /// Sets whether one answer may have several calls, as [`Conversation::parallel_tool_calls`].
    #[must_use]
    pub fn parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.conversation = self.conversation.parallel_tool_calls(parallel);
        self
    }

    /// Sets variables for the chat template, as
    /// [`Conversation::variables`](crate::Conversation::variables).
    #[must_use]
    pub fn variables(mut self, json: impl Into<String>) -> Self {
        self.conversation = self.conversation.variables(json);
        self
    }

    /// Appends these instructions to the conversation. Call it before the first [`say`](Self::say):
    /// some chat templates accept instructions only at the beginning, or only once.
    #[must_use]
    pub fn system(mut self, instructions: impl Into<String>) -> Self {
        self.conversation
            .messages
            .push(Message::system(instructions));
        self
    }

    /// Adds a question to the conversation and returns the answer as it is generated. The session
    /// keeps both. The host computes only the part of the conversation that is new.
    ///
    /// When the reply is dropped, the session keeps the question and as much of the answer as was
    /// read. If neither text nor a call was read, the question is removed again.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let session = mynah_guest::Model::load("default")?.session()?;
    /// let mut session = session.system("Answer in one sentence.");
    /// println!("{}", session.say("Which bird mimics best?")?.finish()?.text);
    /// println!("{}", session.say("And the second best?")?.finish()?.text);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Session::stream`]; the conversation then stays as it was. A conversation that is too
    /// long for the context fails with [`Error::PromptTooLong`](crate::Error::PromptTooLong),
    /// unless [`Memory::context_shifting`](crate::Memory::context_shifting) is set.
    /// [`Session::forget`] removes its oldest part.
    pub fn say(&mut self, question: impl Into<String>) -> Result<Reply<'_>> {
        self.say_with(Message::user(question))
    }

    /// Adds any message, such as a question with a picture, and returns the answer as it is
    /// generated.
    ///
    /// # Errors
    ///
    /// As [`Session::say`].
    pub fn say_with(&mut self, message: Message) -> Result<Reply<'_>> {
        self.say_all([message])
    }

    /// Adds several messages, such as the results of all calls of an answer, and returns the next
    /// answer as it is generated.
    ///
    /// ```no_run
    /// use mynah_guest::{Message, Tool};
    ///
    /// # fn main() -> mynah_guest::Result<()> {
    /// # let session = mynah_guest::Model::load("default")?.session()?;
    /// let mut session = session.tools([Tool::new("time", "The time in Oslo.")]);
    /// let answer = session.say("Is it noon in Oslo?")?.finish()?;
    /// let results = answer
    ///     .tool_calls
    ///     .iter()
    ///     .map(|call| Message::tool_result(call, "12:00"));
    /// println!("{}", session.say_all(results)?.finish()?.text);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Session::say`].
    pub fn say_all(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<Reply<'_>> {
        let asked = self.conversation.messages.len();
        self.conversation.messages.extend(messages);
        match self.stream(&self.conversation) {
            Ok(stream) => Ok(Reply {
                stream,
                messages: &mut self.conversation.messages,
                asked,
            }),
            Err(error) => {
                self.conversation.messages.truncate(asked);
                Err(error)
            }
        }
    }

    /// The messages so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        self.conversation.messages()
    }

    /// The whole conversation: messages, tools and variables. It is also a prompt, for example for
    /// [`Session::count_tokens`].
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Removes the oldest question and its answer from the conversation. Instructions stay. Returns
    /// whether there was anything to remove.
    pub fn forget(&mut self) -> bool {
        forget_oldest(&mut self.conversation.messages)
    }

    /// Opens another session of the same model with the same options and the same conversation. The
    /// two continue independently, and the host computes their common part once.
    ///
    /// Settings that the host keeps for this session ([`Session::configure`]) are not copied.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// # let mut session = mynah_guest::Model::load("default")?.session()?;
    /// session.say("Here is a story: ...")?.finish()?;
    /// let mut other = session.fork()?;
    /// let happy = session.say("Give it a happy end.")?.finish()?;
    /// let sad = other.say("Give it a sad end.")?.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Model::session`](crate::Model::session).
    pub fn fork(&self) -> Result<Self> {
        let mut fork = Self::open(&self.graph)?;
        fork.options = self.options.clone();
        fork.conversation = self.conversation.clone();
        Ok(fork)
    }

    /// The conversation as JSON, with tools and variables but without options. The component can
    /// store it and give it to [`Session::restore`] in another run.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn save(&self) -> String {
        crate::saved::write(&self.conversation)
    }

    /// Replaces this session's conversation by one that [`Session::save`] wrote. If the host still
    /// has the cached computation of it, it computes only the new part.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let mut session = mynah_guest::Model::load("default")?.session()?;
    /// if let Ok(saved) = std::fs::read_to_string("/memory/conversation.json") {
    ///     session.restore(&saved)?;
    /// }
    /// println!("{}", session.say("Where were we?")?.finish()?.text);
    /// std::fs::write("/memory/conversation.json", session.save())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotAConversation`](crate::Error::NotAConversation) if the text is something else,
    /// damaged, or of a later version; the session is then unchanged.
    #[cfg(feature = "json")]
    pub fn restore(&mut self, saved: &str) -> Result<()> {
        self.conversation = crate::saved::read(saved)?;
        Ok(())
    }
}

/// An answer as it is generated: a [`Stream`] that becomes part of the [`Session`], with its text,
/// reasoning and calls. Dropping it cancels the rest of the generation.
#[derive(Debug)]
#[must_use = "a reply that is dropped at once cancels its generation"]
pub struct Reply<'session> {
    stream: Stream,
    messages: &'session mut Vec<Message>,
    // Where the messages begin that it answers.
    asked: usize,
}

impl Reply<'_> {
    /// As [`Stream::text`].
    #[must_use]
    pub fn text(&self) -> &str {
        self.stream.text()
    }

    /// As [`Stream::reasoning`].
    #[must_use]
    pub fn reasoning(&self) -> &str {
        self.stream.reasoning()
    }

    /// As [`Stream::tool_calls`].
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        self.stream.tool_calls()
    }

    /// As [`Stream::events`].
    pub fn events(&mut self) -> impl FusedIterator<Item = Result<Event>> + '_ {
        self.stream.events()
    }

    /// As [`Stream::outcome`].
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.stream.outcome()
    }

    /// As [`Stream::cancel`].
    pub fn cancel(&self) {
        self.stream.cancel();
    }

    /// As [`Stream::finish`].
    ///
    /// # Errors
    ///
    /// As [`Stream::finish`]. The session keeps the text that was read before the failure.
    pub fn finish(mut self) -> Result<Answer> {
        self.stream.finish_mut()
    }

    /// The stream itself, for its other methods.
    pub fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl Iterator for Reply<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.stream.next()
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        self.stream.remember(self.messages, self.asked);
    }
}

fn forget_oldest(messages: &mut Vec<Message>) -> bool {
    let said = |message: &Message| !matches!(message.role, Role::System | Role::Developer);
    let Some(first) = messages.iter().position(said) else {
        return false;
    };
    // The end of the oldest turn is the next question.
    let next = messages
        .iter()
        .enumerate()
        .skip(first + 1)
        .find(|(_, message)| message.role == Role::User)
        .map_or(messages.len(), |(index, _)| index);
    let mut index = 0;
    messages.retain(|message| {
        let oldest = (first..next).contains(&index) && said(message);
        index += 1;
        !oldest
    });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_turn_is_forgotten_and_instructions_stay() {
        let instructions = [
            Message::system("Be brief."),
            Message::developer("Name sources."),
        ];
        let mut messages = instructions.to_vec();
        for turn in ["1", "2"] {
            messages.push(Message::user(turn));
            messages.push(Message::tool(turn));
            messages.push(Message::assistant(turn));
        }
        assert!(forget_oldest(&mut messages));
        let kept: Vec<String> = messages.iter().map(|m| m.text().into_owned()).collect();
        assert_eq!(kept, ["Be brief.", "Name sources.", "2", "2", "2"]);
        assert!(forget_oldest(&mut messages));
        assert_eq!(messages, instructions);
        assert!(!forget_oldest(&mut messages));
    }
}
