//! A conversation that remembers what was said.

use crate::{Answer, Conversation, Message, Outcome, Result, Session, Stream};

/// A conversation: keeps what was said, and sends all of it with each question.
///
/// ```no_run
/// use mynah_guest::{Chat, Model};
///
/// # fn main() -> mynah_guest::Result<()> {
/// let session = Model::load("default")?.session()?;
/// let mut chat = Chat::new(session).system("Answer in one sentence.");
/// println!("{}", chat.ask("Which bird mimics best?")?.finish()?.text);
/// println!("{}", chat.ask("And the second best?")?.finish()?.text);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Chat {
    session: Session,
    conversation: Conversation,
}

impl Chat {
    /// A conversation in which nothing was said yet. The session's options are those of all answers.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self {
            session,
            conversation: Conversation::default(),
        }
    }

    /// The same conversation with tools that the model may call, as [`Conversation::tools`]. What it answers is text, with a call in
    /// the form that the model was trained for.
    #[must_use]
    pub fn tools(mut self, json: impl Into<String>) -> Self {
        self.conversation = self.conversation.tools(json);
        self
    }

    /// The same conversation with variables for the chat template, as [`Conversation::variables`].
    #[must_use]
    pub fn variables(mut self, json: impl Into<String>) -> Self {
        self.conversation = self.conversation.variables(json);
        self
    }

    /// The same conversation with these instructions at its end: say this first. Chat templates differ in whether they
    /// take instructions later or more than once.
    #[must_use]
    pub fn system(mut self, instructions: impl Into<String>) -> Self {
        self.conversation
            .messages
            .push(Message::system(instructions));
        self
    }

    /// Asks, and returns the answer as it is made.
    ///
    /// Question and answer are remembered when the reply is dropped: the whole answer, or as much of it as was read. A
    /// reply that is dropped before it said anything takes its question back.
    ///
    /// # Errors
    ///
    /// As [`Session::stream`]; the question is then not remembered. A conversation that has become too long for the
    /// context is [`Error::PromptTooLong`](crate::Error::PromptTooLong), unless
    /// [`Memory::context_shifting`](crate::Memory::context_shifting) is set: [`Chat::forget`] the oldest part.
    pub fn ask(&mut self, question: impl Into<String>) -> Result<Reply<'_>> {
        self.ask_with(Message::user(question))
    }

    /// Asks with any message, such as what a tool gave.
    ///
    /// # Errors
    ///
    /// As [`Chat::ask`].
    pub fn ask_with(&mut self, message: Message) -> Result<Reply<'_>> {
        self.conversation.messages.push(message);
        match self.session.stream(self.conversation.clone()) {
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

    /// What was said so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.conversation.messages
    }

    /// Forgets the oldest question and its answer; instructions stay. Says whether there was anything to forget.
    pub fn forget(&mut self) -> bool {
        forget_oldest(&mut self.conversation.messages)
    }

    /// The session, to change its options.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// An answer as it is made: a [`Stream`] that its [`Chat`] remembers. Dropping it cancels what is still to come.
#[derive(Debug)]
#[must_use = "a reply that is dropped at once cancels its generation"]
pub struct Reply<'chat> {
    stream: Stream,
    messages: &'chat mut Vec<Message>,
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
    /// As [`Stream::finish`]. What was said before the failure is remembered.
    pub fn finish(mut self) -> Result<Answer> {
        self.stream.finish_mut()
    }

    /// The stream itself, for what else it can do.
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

/// Adds an answer to its question, the last message, or takes the question back: chat templates want turns to alternate.
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
    // Up to the next question.
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
