//! Sessions as conversations: the session keeps the messages.

use crate::{Answer, Message, Outcome, Result, Session, Stream};

impl Session {
    /// Sets the tools that the model may call, as
    /// [`Conversation::tools`](crate::Conversation::tools). The answer is text; a call in it has
    /// the form that the model was trained for.
    #[must_use]
    pub fn tools(mut self, json: impl Into<String>) -> Self {
        self.conversation = self.conversation.tools(json);
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
    /// read. If no text was read, the question is removed again.
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

    /// Adds any message, such as the result of a tool, and returns the answer as it is generated.
    ///
    /// # Errors
    ///
    /// As [`Session::say`].
    pub fn say_with(&mut self, message: Message) -> Result<Reply<'_>> {
        self.conversation.messages.push(message);
        match self.stream(self.conversation.clone()) {
            Ok(stream) => Ok(Reply {
                stream,
                messages: &mut self.conversation.messages,
            }),
            Err(error) => {
                self.conversation.messages.pop();
                Err(error)
            }
        }
    }

    /// The messages so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.conversation.messages
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

/// An answer as it is generated: a [`Stream`] whose text becomes part of the [`Session`]. Dropping
/// it cancels the rest of the generation.
#[derive(Debug)]
#[must_use = "a reply that is dropped at once cancels its generation"]
pub struct Reply<'session> {
    stream: Stream,
    messages: &'session mut Vec<Message>,
}

impl Reply<'_> {
    /// As [`Stream::text`].
    #[must_use]
    pub fn text(&self) -> &str {
        self.stream.text()
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
        let finished = self.stream.outcome().is_some();
        remember(self.messages, self.stream.text(), finished);
    }
}

/// Appends the answer to its question, or removes the question if there is no answer: chat
/// templates require turns to alternate.
fn remember(messages: &mut Vec<Message>, answer: &str, finished: bool) {
    if finished || !answer.is_empty() {
        messages.push(Message::assistant(answer));
    } else {
        messages.pop();
    }
}

fn forget_oldest(messages: &mut Vec<Message>) -> bool {
    use crate::Role;

    let said = |message: &Message| message.role != Role::System;
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

    fn asked(question: &str) -> Vec<Message> {
        vec![Message::user(question)]
    }

    #[test]
    fn an_answer_that_broke_off_is_remembered_as_far_as_it_was_read() {
        let mut messages = asked("Why?");
        remember(&mut messages, "Beca", false);
        assert_eq!(
            messages,
            [Message::user("Why?"), Message::assistant("Beca")]
        );
    }

    #[test]
    fn a_model_that_says_nothing_has_answered_all_the_same() {
        let mut messages = asked("Why?");
        remember(&mut messages, "", true);
        assert_eq!(messages, [Message::user("Why?"), Message::assistant("")]);
    }

    #[test]
    fn a_question_that_got_no_answer_is_taken_back() {
        let mut messages = asked("Why?");
        remember(&mut messages, "", false);
        assert_eq!(messages, []);
    }

    #[test]
    fn the_oldest_turn_is_forgotten_and_instructions_stay() {
        let system = Message::system("Be brief.");
        let mut messages = vec![system.clone()];
        for turn in ["1", "2"] {
            messages.push(Message::user(turn));
            messages.push(Message::assistant(turn));
        }
        assert!(forget_oldest(&mut messages));
        assert_eq!(
            messages,
            [system.clone(), Message::user("2"), Message::assistant("2")]
        );
        assert!(forget_oldest(&mut messages));
        assert_eq!(messages, [system]);
        assert!(!forget_oldest(&mut messages));
    }
}
