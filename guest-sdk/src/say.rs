//! A session that remembers what was said.

use crate::{Answer, Message, Outcome, Result, Session, Stream};

impl Session {
    /// The same session with tools that the model may call, as
    /// [`Conversation::tools`](crate::Conversation::tools). What it answers is text, with a call in
    /// the form that the model was trained for.
    #[must_use]
    pub fn tools(mut self, json: impl Into<String>) -> Self {
        self.conversation = self.conversation.tools(json);
        self
    }

    /// The same session with variables for the chat template, as
    /// [`Conversation::variables`](crate::Conversation::variables).
    #[must_use]
    pub fn variables(mut self, json: impl Into<String>) -> Self {
        self.conversation = self.conversation.variables(json);
        self
    }

    /// The same session with these instructions at the end of its conversation: say this first.
    /// Chat templates differ in whether they take instructions later or more than once.
    #[must_use]
    pub fn system(mut self, instructions: impl Into<String>) -> Self {
        self.conversation
            .messages
            .push(Message::system(instructions));
        self
    }

    /// Says something, and returns the answer as it is made. The session remembers both, and what
    /// was said before: the host reads only what is new.
    ///
    /// Question and answer are remembered when the reply is dropped: the whole answer, or as much
    /// of it as was read. A reply that is dropped before it said anything takes its question back.
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
    /// As [`Session::stream`]; the question is then not remembered. A conversation that has become
    /// too long for the context is [`Error::PromptTooLong`](crate::Error::PromptTooLong), unless
    /// [`Memory::context_shifting`](crate::Memory::context_shifting) is set: [`Session::forget`]
    /// the oldest part.
    pub fn say(&mut self, question: impl Into<String>) -> Result<Reply<'_>> {
        self.say_with(Message::user(question))
    }

    /// Says any message, such as what a tool gave.
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

    /// What was said so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.conversation.messages
    }

    /// Forgets the oldest question and its answer; instructions stay. Says whether there was
    /// anything to forget.
    pub fn forget(&mut self) -> bool {
        forget_oldest(&mut self.conversation.messages)
    }

    /// Another session of the same model with the same options, in which the same was said: both go
    /// on from there, each in its own way. The host reads what they have in common once.
    ///
    /// What the host was asked to keep for this session ([`Session::configure`]) is not taken over.
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

    /// What was said, with tools and variables, as JSON: to be kept by the component, and given to
    /// [`Session::restore`] in another run. Options are not part of it.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn save(&self) -> String {
        crate::saved::write(&self.conversation)
    }

    /// Goes on from what [`Session::save`] gave, in place of what was said in this session. Where
    /// the host has kept what it computed for the conversation, it reads only what is new.
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
    /// [`Error::NotAConversation`](crate::Error::NotAConversation) when it is something else,
    /// damaged, or of a later version; then nothing is changed.
    #[cfg(feature = "json")]
    pub fn restore(&mut self, saved: &str) -> Result<()> {
        self.conversation = crate::saved::read(saved)?;
        Ok(())
    }
}

/// An answer as it is made: a [`Stream`] that its [`Session`] remembers. Dropping it cancels what
/// is still to come.
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

/// Adds an answer to its question, the last message, or takes the question back: chat templates
/// want turns to alternate.
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
