//! Finds out what a template can carry, by rendering small conversations of marked texts with it.
//!
//! Templates don't say what they can do. A text that a template leaves out, or a conversation that
//! it refuses, shows what it lacks. Each question is asked once for each template, when the first
//! conversation needs the answer.

mod made;

use std::cmp::Ordering;
use std::sync::OnceLock;

pub(super) use self::made::{ANSWER, THOUGHT, USER, content, message, text_part, tool};
use self::made::{
    CALL, KEY, RESULT, ROLE, SECOND, SYSTEM, TOOL, VALUE, call, called, calling, result, tools,
};
use super::calls::each_id;
use super::data::Data;
use super::thinking::{RenderWith, ThinkingChoices};
use super::typed::{REASONING, Reasoning, behind_thought};

/// Renders messages and tools with a template, within small limits.
pub(super) type Render<'a> = &'a dyn Fn(Vec<Data>, Option<Data>) -> Result<String, String>;

/// What a template can carry. Empty answers have not been needed yet.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    content: OnceLock<Content>,
    system: OnceLock<bool>,
    several_systems: OnceLock<bool>,
    late_system: OnceLock<bool>,
    tools: OnceLock<bool>,
    calls: OnceLock<Calls>,
    results: OnceLock<bool>,
    parts: [OnceLock<bool>; PART_ROLES.len()],
    no_content: OnceLock<bool>,
    developer: OnceLock<bool>,
    reasoning: OnceLock<Option<Reasoning>>,
    several_calls: OnceLock<bool>,
    any_id: OnceLock<bool>,
    thinking: OnceLock<ThinkingChoices>,
}

/// The roles whose contents may be lists of parts.
const PART_ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

/// The form of a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Text,
    /// A list of parts, each with a type.
    Parts,
}

/// How far a template carries the call of a tool, by the form of its parts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    /// With an empty content beside it, and with none.
    empty: Arguments,
    none: Arguments,
    /// Whether the template writes a content that is none as if it were a text.
    writes_none: bool,
}

/// How far a call arrives with its arguments as an object, and as text.
#[derive(Debug, Clone, Copy, Default)]
struct Arguments {
    object: Carried,
    text: Carried,
}

/// How much of a call arrives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Carried {
    #[default]
    Nothing,
    /// Its name or its arguments.
    Part,
    Whole,
}

/// The form of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgumentForm {
    Object,
    Text,
}

impl Calls {
    /// The form of the arguments that the template takes: the given one, if both arrive.
    pub(super) fn arguments(self, given: ArgumentForm) -> ArgumentForm {
        let object = self.empty.object.max(self.none.object);
        let text = self.empty.text.max(self.none.text);
        match object.cmp(&text) {
            Ordering::Less => ArgumentForm::Text,
            Ordering::Equal => given,
            Ordering::Greater => ArgumentForm::Object,
        }
    }

    /// Whether an empty content beside calls must be none, so that they are carried.
    pub(super) fn need_none(self, form: ArgumentForm) -> bool {
        self.none.of(form) > self.empty.of(form)
    }

    /// Whether a content that is none beside calls must be an empty text.
    pub(super) fn need_text(self, form: ArgumentForm) -> bool {
        match self.empty.of(form).cmp(&self.none.of(form)) {
            Ordering::Less => false,
            Ordering::Equal => self.writes_none,
            Ordering::Greater => true,
        }
    }

    /// Whether calls are carried at all.
    pub(super) fn are_carried(self) -> bool {
        self.best() > Carried::Nothing
    }

    fn best(self) -> Carried {
        let (empty, none) = (self.empty, self.none);
        empty.object.max(empty.text).max(none.object).max(none.text)
    }
}

impl Arguments {
    fn of(self, form: ArgumentForm) -> Carried {
        match form {
            ArgumentForm::Object => self.object,
            ArgumentForm::Text => self.text,
        }
    }
}

impl Abilities {
    /// The form of content that the template reads.
    pub(super) fn content(&self, render: Render<'_>) -> Content {
        *self.content.get_or_init(|| {
            let carries = |form: Content, with_system: bool| {
                let mut messages = vec![message("user", content(USER, form))];
                if with_system {
                    messages.insert(0, message("system", content(SYSTEM, form)));
                }
                has_all(render(messages, None), &[USER])
            };
            let reads = |form| carries(form, false) || carries(form, true);
            match !reads(Content::Text) && reads(Content::Parts) {
                true => Content::Parts,
                false => Content::Text,
            }
        })
    }

    /// Whether a system message at the beginning is carried.
    pub(super) fn system(&self, render: Render<'_>) -> bool {
        *self.system.get_or_init(|| {
            let form = self.content(render);
            let messages = vec![
                message("system", content(SYSTEM, form)),
                message("user", content(USER, form)),
            ];
            has_all(render(messages, None), &[SYSTEM, USER])
        })
    }

    /// Whether all of several system messages at the beginning are carried.
    pub(super) fn several_systems(&self, render: Render<'_>) -> bool {
        *self.several_systems.get_or_init(|| {
            let form = self.content(render);
            let messages = vec![
                message("system", content(SYSTEM, form)),
                message("system", content(SECOND, form)),
                message("user", content(USER, form)),
            ];
            has_all(render(messages, None), &[SYSTEM, SECOND, USER])
        })
    }

    /// Whether a system message after others is carried.
    pub(super) fn late_system(&self, render: Render<'_>) -> bool {
        *self.late_system.get_or_init(|| {
            let form = self.content(render);
            let messages = vec![
                message("system", content(SYSTEM, form)),
                message("user", content(USER, form)),
                message("assistant", content(ANSWER, form)),
                message("system", content(SECOND, form)),
                message("user", content(USER, form)),
            ];
            has_all(render(messages, None), &[SECOND])
        })
    }

    /// Whether tools are carried.
    pub(super) fn tools(&self, render: Render<'_>) -> bool {
        *self.tools.get_or_init(|| {
            let form = self.content(render);
            let carries = |messages| has_all(render(messages, Some(tools())), &[TOOL]);
            let user = message("user", content(USER, form));
            let system = message("system", content(SYSTEM, form));
            carries(vec![user.clone()]) || carries(vec![system, user])
        })
    }

    /// In which forms the calls of tools are carried.
    pub(super) fn calls(&self, render: Render<'_>) -> Calls {
        *self.calls.get_or_init(|| {
            let form = self.content(render);
            let tools = || self.tools(render).then(tools);
            let rendered = |beside: Data, form_of: ArgumentForm| {
                let messages = called(calling(beside, form_of), form);
                render(messages, tools())
            };
            let [object, text] = [ArgumentForm::Object, ArgumentForm::Text].map(|form_of| {
                let empty = rendered(content("", form), form_of);
                let none = rendered(Data::Null, form_of);
                let writes_none = writes_none(none.as_deref(), empty.as_deref());
                let [empty, none] = [empty, none]
                    .map(|text| text.map_or(Carried::Nothing, |text| carried(&text, form_of)));
                (empty, none, writes_none)
            });
            Calls {
                empty: Arguments {
                    object: object.0,
                    text: text.0,
                },
                none: Arguments {
                    object: object.1,
                    text: text.1,
                },
                writes_none: object.2 || text.2,
            }
        })
    }

    /// Whether a content of this role may be a list of parts, which the template reads one by one.
    pub(super) fn parts(&self, role: &str, render: Render<'_>) -> bool {
        let mut roles = PART_ROLES.iter().zip(&self.parts);
        let Some((_, takes)) = roles.find(|(of, _)| **of == role) else {
            return false;
        };
        *takes.get_or_init(|| {
            let form = self.content(render);
            let rendered = |of: Data, text: &str| {
                let of_role = |other: &str, text| match other == role {
                    true => message(other, of.clone()),
                    false => message(other, content(text, form)),
                };
                let mut messages = vec![of_role("user", USER)];
                match role {
                    "system" => messages.insert(0, of_role(role, SYSTEM)),
                    "tool" => {
                        let mut result = result(form);
                        if let Some(result) = result.as_object_mut() {
                            result.insert("content".to_owned(), of.clone());
                        }
                        messages.extend([self.caller(render), result]);
                    }
                    _ => messages.extend([of_role("assistant", ANSWER), of_role("user", USER)]),
                }
                let tools = (role == "tool" && self.tools(render)).then(tools);
                render(messages, tools)
                    .ok()
                    .filter(|prompt| prompt.contains(text))
            };
            let several = Data::List([SECOND, RESULT].map(text_part).to_vec());
            // A template that writes the list itself takes no parts.
            let names = |prompt: &str| prompt.matches("text").count();
            let one = rendered(content(SECOND, form), SECOND);
            let several = rendered(several, SECOND).filter(|prompt| prompt.contains(RESULT));
            match (one, several) {
                (Some(one), Some(several)) => names(&one) == names(&several),
                (None, Some(several)) => names(&several) == 0,
                (_, None) => false,
            }
        })
    }

    /// Whether the content of an answer may be none.
    pub(super) fn no_content(&self, render: Render<'_>) -> bool {
        *self.no_content.get_or_init(|| {
            let form = self.content(render);
            let rendered = |of: Data| {
                let user = message("user", content(USER, form));
                render(vec![user.clone(), message("assistant", of), user], None)
            };
            let (none, empty) = (rendered(Data::Null), rendered(content("", form)));
            none.is_ok() && !writes_none(none.as_deref(), empty.as_deref())
        })
    }

    /// Whether the role `developer` is known, and not only written as any other would be.
    pub(super) fn developer(&self, render: Render<'_>) -> bool {
        *self.developer.get_or_init(|| {
            let form = self.content(render);
            let rendered = |role| {
                let messages = vec![
                    message(role, content(SECOND, form)),
                    message("user", content(USER, form)),
                ];
                render(messages, None)
            };
            let Ok(known) = rendered("developer") else {
                return false;
            };
            let unknown = rendered(ROLE).map(|text| text.to_lowercase().replace(ROLE, "developer"));
            unknown != Ok(known.to_lowercase()) && has_all(Ok(known), &[SECOND, USER])
        })
    }

    /// Where the template reads the reasoning of an answer. `render_on` is `render` with all
    /// thinking switched on.
    pub(super) fn reasoning(&self, render: Render<'_>, render_on: Render<'_>) -> Option<Reasoning> {
        *self.reasoning.get_or_init(|| {
            let form = self.content(render);
            let user = message("user", content(USER, form));
            let answer = message("assistant", content(ANSWER, form));
            let tools = self.tools(render).then(tools);
            // Some show it in the last turn only, some beside calls only.
            let conversations = [
                (vec![user.clone(), self.caller(render), result(form)], tools),
                (vec![user.clone(), answer.clone()], None),
                (vec![user.clone(), answer, user], None),
            ];
            let is_read = |place: &Reasoning, render: Render<'_>| {
                conversations.iter().any(|(messages, tools)| {
                    let mut messages = messages.clone();
                    let answer = messages.get_mut(1).and_then(Data::as_object_mut);
                    answer.map(|answer| match place {
                        Reasoning::Field(name) => {
                            answer.insert((*name).to_owned(), Data::text(THOUGHT))
                        }
                        Reasoning::Part => {
                            let content = answer.get("content").cloned().unwrap_or(Data::Null);
                            let whole = behind_thought(THOUGHT, content);
                            answer.insert("content".to_owned(), whole)
                        }
                    });
                    let prompt = render(messages, tools.clone()).unwrap_or_default();
                    // The list itself is not what a template reads of it.
                    let is_list = ["'thinking'", "\"thinking\""].map(|key| prompt.contains(key));
                    let is_part = *place == Reasoning::Part;
                    prompt.contains(THOUGHT) && !(is_part && is_list.contains(&true))
                })
            };
            let fields = REASONING.map(Reasoning::Field);
            let mut places = fields.into_iter().chain([Reasoning::Part]);
            places.find(|place| is_read(place, render) || is_read(place, render_on))
        })
    }

    /// What can be chosen of how the model thinks. `render_with` renders a question, and
    /// `reads_reasoning` says whether the template reads the reasoning of answers.
    pub(super) fn thinking(
        &self,
        render: Render<'_>,
        render_with: RenderWith<'_>,
        reads_reasoning: bool,
    ) -> &ThinkingChoices {
        self.thinking.get_or_init(|| {
            let knows_thoughts = reads_reasoning || self.cuts_thoughts(render);
            ThinkingChoices::find(render_with, knows_thoughts)
        })
    }

    /// Whether thoughts within an earlier answer are left out.
    fn cuts_thoughts(&self, render: Render<'_>) -> bool {
        let form = self.content(render);
        let user = message("user", content(USER, form));
        let answer = format!("<think>\n{THOUGHT}\n</think>\n\n{ANSWER}");
        let answer = message("assistant", content(&answer, form));
        let rendered = render(vec![user.clone(), answer, user], None);
        rendered.is_ok_and(|text| text.contains(ANSWER) && !text.contains(THOUGHT))
    }

    /// A question in the form that the template takes.
    pub(super) fn question(&self, render: Render<'_>) -> Vec<Data> {
        let form = self.content(render);
        let user = message("user", content(USER, form));
        match has_all(render(vec![user.clone()], None), &[USER]) {
            true => vec![user],
            false => vec![message("system", content(SYSTEM, form)), user],
        }
    }

    /// Whether the results of tools are carried.
    pub(super) fn results(&self, render: Render<'_>) -> bool {
        *self.results.get_or_init(|| {
            let call = self.caller(render);
            let form = self.content(render);
            let tools = self.tools(render).then(tools);
            has_all(render(called(call, form), tools), &[RESULT])
        })
    }

    /// Whether all of several calls of one message are carried.
    pub(super) fn several_calls(&self, render: Render<'_>) -> bool {
        *self.several_calls.get_or_init(|| {
            let form = self.content(render);
            let mut caller = self.caller(render);
            let second = call(
                SECOND,
                SYSTEM,
                self.calls(render).arguments(ArgumentForm::Object),
            );
            let calls = caller
                .as_object_mut()
                .and_then(|of| of.get_mut("tool_calls"));
            if let Some(calls) = calls.and_then(Data::as_list_mut) {
                calls.push(second);
            }
            let tools = self.tools(render).then(tools);
            // Some templates write the name of a call only, or its arguments only.
            let rendered = render(called(caller, form), tools).unwrap_or_default();
            let has = |texts: [&str; 2]| texts.iter().any(|text| rendered.contains(text));
            has([CALL, VALUE]) && has([SECOND, SYSTEM])
        })
    }

    /// Whether a call and its result may have an id of any form.
    pub(super) fn any_id(&self, render: Render<'_>) -> bool {
        *self.any_id.get_or_init(|| {
            let form = self.content(render);
            let with_any = |mut message: Data| {
                each_id(std::slice::from_mut(&mut message), &mut |id| {
                    "call_mynah-1".clone_into(id);
                });
                message
            };
            let messages = called(self.caller(render), form);
            let tools = self.tools(render).then(tools);
            let any = messages.iter().cloned().map(with_any).collect();
            render(any, tools.clone()).is_ok() || render(messages, tools).is_err()
        })
    }

    /// A message that calls a tool, in the form that the template takes.
    fn caller(&self, render: Render<'_>) -> Data {
        let form = self.content(render);
        let calls = self.calls(render);
        let arguments = calls.arguments(ArgumentForm::Object);
        match (calls.are_carried(), calls.need_none(arguments)) {
            (true, true) => calling(Data::Null, arguments),
            (true, false) => calling(content("", form), arguments),
            (false, _) => message("assistant", content(CALL, form)),
        }
    }
}

/// Whether a template writes a content that is none, as Python does. With an empty one, there is
/// less of that word.
fn writes_none(none: Result<&str, &String>, empty: Result<&str, &String>) -> bool {
    let count = |text: &str| text.matches("None").count();
    none.is_ok_and(|none| empty.is_ok_and(|empty| count(none) > count(empty)))
}

fn has_all(rendered: Result<String, String>, texts: &[&str]) -> bool {
    rendered.is_ok_and(|rendered| texts.iter().all(|text| rendered.contains(text)))
}

/// How much of the call is there. Its arguments must be JSON, or what the template makes of them:
/// neither Python's way to print a dictionary, nor JSON within a JSON text.
fn carried(text: &str, form: ArgumentForm) -> Carried {
    let is_foreign = match form {
        ArgumentForm::Object => text.contains(&format!("{{'{KEY}'")),
        ArgumentForm::Text => text.contains(&format!("\\\"{KEY}\\\"")),
    };
    match (text.contains(CALL), text.contains(VALUE) && !is_foreign) {
        (true, true) => Carried::Whole,
        (false, false) => Carried::Nothing,
        (true, false) | (false, true) => Carried::Part,
    }
}
