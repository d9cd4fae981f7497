//! What a model has said so far in an answer: its reasoning, its text and its calls.

use crate::bindings::mynah::llm::generation as wit;
use crate::{FinishReason, Message, Part, Role, ToolCall};

/// A piece of an answer, as [`Stream::events`](crate::Stream::events) gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// More of the reasoning: whole characters, never empty.
    Reasoning(String),
    /// More of the text: whole characters, never empty.
    Text(String),
    /// The beginning of a call. Its arguments follow, until another call or text begins, or the
    /// answer ends.
    ToolCallStart {
        /// The number of the call in the answer, from 0.
        index: u32,
        /// The id of the call, to which its result refers.
        id: String,
        /// The name of the tool.
        name: String,
    },
    /// More of the arguments of the call that began last: whole characters, never empty. All
    /// pieces together are a JSON object, unless a limit cut them short.
    ToolCallArguments {
        /// The number of the call.
        index: u32,
        /// The text.
        text: String,
    },
}

impl From<wit::ToolCallStart> for Event {
    fn from(start: wit::ToolCallStart) -> Self {
        Self::ToolCallStart {
            index: start.index,
            id: start.id,
            name: start.name,
        }
    }
}

impl From<wit::ToolCallArguments> for Event {
    fn from(arguments: wit::ToolCallArguments) -> Self {
        Self::ToolCallArguments {
            index: arguments.index,
            text: arguments.text,
        }
    }
}

/// The events of an answer, joined.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Complete calls.
    pub(crate) calls: Vec<ToolCall>,
    /// The call whose arguments are arriving.
    open: Option<ToolCall>,
}

impl Said {
    pub(crate) fn add(&mut self, event: &Event) {
        match event {
            Event::Reasoning(piece) => self.reasoning.push_str(piece),
            Event::Text(piece) => {
                self.complete_call();
                self.text.push_str(piece);
            }
            Event::ToolCallStart { id, name, .. } => {
                self.complete_call();
                self.open = Some(ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                });
            }
            Event::ToolCallArguments { text, .. } => {
                if let Some(call) = &mut self.open {
                    call.arguments.push_str(text);
                }
            }
        }
    }

    /// Notes the end of the answer. A limit may have cut the last call short.
    pub(crate) fn end(&mut self, reason: FinishReason) {
        match reason {
            FinishReason::EndOfGeneration | FinishReason::ToolCalls => self.complete_call(),
            FinishReason::MaxTokens
            | FinishReason::StopString
            | FinishReason::MaxTime
            | FinishReason::ContextFull
            | FinishReason::DeadEnd
            | FinishReason::Cancelled => self.open = None,
        }
    }

    fn complete_call(&mut self) {
        self.calls.extend(self.open.take());
    }

    /// The reasoning, if there was any.
    pub(crate) fn reasoning(&self) -> Option<String> {
        Some(self.reasoning.clone()).filter(|reasoning| !reasoning.is_empty())
    }

    /// Appends the answer to the conversation. If there is no answer, removes the messages that
    /// asked, which begin at `asked`: chat templates require turns to alternate.
    pub(crate) fn remember(&self, messages: &mut Vec<Message>, asked: usize, finished: bool) {
        if finished || !self.text.is_empty() || !self.calls.is_empty() {
            messages.push(self.message());
        } else {
            messages.truncate(asked);
        }
    }

    fn message(&self) -> Message {
        let mut message = Message::empty(Role::Assistant);
        // Beside calls, no text is no content.
        if !self.text.is_empty() || self.calls.is_empty() {
            message.content.push(Part::Text(self.text.clone()));
        }
        message.reasoning = self.reasoning();
        message.tool_calls.clone_from(&self.calls);
        message
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        }
    }

    fn start(index: u32, id: &str) -> Event {
        let (id, name) = (id.to_owned(), "add".to_owned());
        Event::ToolCallStart { index, id, name }
    }

    fn arguments(index: u32, text: &str) -> Event {
        let text = text.to_owned();
        Event::ToolCallArguments { index, text }
    }

    fn said(events: impl IntoIterator<Item = Event>) -> Said {
        let mut said = Said::default();
        events.into_iter().for_each(|event| said.add(&event));
        said
    }

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    fn two_calls() -> Said {
        said([
            Event::Reasoning("H".to_owned()),
            Event::Reasoning("m.".to_owned()),
            text("Wait."),
            start(0, "a"),
            arguments(0, "{\"n\""),
            arguments(0, ": 1}"),
            start(1, "b"),
            arguments(1, "{}"),
        ])
    }

    #[test]
    fn pieces_are_joined_by_what_they_are() {
        let mut said = two_calls();
        assert_eq!(said.calls, [call("a", "add", "{\"n\": 1}")], "b is open");
        said.end(FinishReason::ToolCalls);
        assert_eq!(said.calls.last(), Some(&call("b", "add", "{}")));
        assert_eq!(
            (said.text.as_str(), said.reasoning.as_str()),
            ("Wait.", "Hm.")
        );
    }

    #[test]
    fn a_call_ends_where_text_begins() {
        let said = said([start(0, "a"), arguments(0, "{}"), text("Done.")]);
        assert_eq!(said.calls, [call("a", "add", "{}")]);
    }

    #[test]
    fn a_call_that_a_limit_cut_short_is_none() {
        for reason in [
            FinishReason::MaxTokens,
            FinishReason::StopString,
            FinishReason::MaxTime,
            FinishReason::ContextFull,
            FinishReason::DeadEnd,
            FinishReason::Cancelled,
        ] {
            let mut said = two_calls();
            said.end(reason);
            assert_eq!(said.calls, [call("a", "add", "{\"n\": 1}")], "{reason}");
        }
    }

    fn asked(question: &str) -> Vec<Message> {
        vec![Message::system("Be brief."), Message::user(question)]
    }

    #[test]
    fn an_answer_that_broke_off_is_remembered_as_far_as_it_was_read() {
        let mut messages = asked("Why?");
        said([text("Beca")]).remember(&mut messages, 1, false);
        assert_eq!(messages.last(), Some(&Message::assistant("Beca")));
    }

    #[test]
    fn a_model_that_says_nothing_has_answered_all_the_same() {
        let mut messages = asked("Why?");
        Said::default().remember(&mut messages, 1, true);
        assert_eq!(messages.last(), Some(&Message::assistant("")));
    }

    #[test]
    fn a_question_that_got_no_answer_is_taken_back() {
        for unanswered in [
            Said::default(),
            said([Event::Reasoning("Hm".to_owned())]),
            said([start(0, "a"), arguments(0, "{")]),
        ] {
            let mut messages = asked("Why?");
            unanswered.remember(&mut messages, 1, false);
            assert_eq!(messages, [Message::system("Be brief.")]);
        }
    }

    #[test]
    fn an_answer_is_remembered_with_its_reasoning_and_calls() {
        let mut messages = asked("Why?");
        let mut both = two_calls();
        both.end(FinishReason::ToolCalls);
        both.remember(&mut messages, 1, true);
        let calls = [call("a", "add", "{\"n\": 1}"), call("b", "add", "{}")];
        let answer = Message::assistant("Wait.")
            .with_reasoning("Hm.")
            .with_tool_calls(calls);
        assert_eq!(messages.last(), Some(&answer));

        let mut alone = said([start(0, "a"), arguments(0, "{}")]);
        alone.end(FinishReason::ToolCalls);
        alone.remember(&mut messages, 3, true);
        let content = messages.last().map(|message| message.content.len());
        assert_eq!(content, Some(0), "no text beside a call is no content");
    }
}
