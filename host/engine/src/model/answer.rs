//! How the answer to a conversation is read, and the form that it must have.

use mynah_chat::{AnswerFormat, ChatTemplate, Origin, Reasoning, Wanted};
use mynah_core::{Error, Prompt, Reading, Result, Shape, TokenId, ToolChoice, Tools};
use mynah_gguf::GgufHeader;
use mynah_grammar::Constraint;
use mynah_settings::{Effective, FormStart};

use super::loaded::Loaded;
use crate::decode::{AnswerReader, BeforeForm};

/// Number of tokens at the end of a prompt that show whether it has opened the reasoning.
const END_TOKENS: usize = 64;

/// What a file's chat template shows about its model, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// How much the model thinks, as far as a request may choose.
    pub thinking: String,
    /// How the model writes reasoning and calls of tools: several lines.
    pub answers: String,
}

/// What the chat template of a file shows. `None` if the file has none.
#[must_use]
pub fn shown_by(header: &GgufHeader) -> Option<Shown> {
    let template = ChatTemplate::of_file(header.chat_template()?, header.tool_template());
    let choices = template.thinking().choices.iter();
    let choices: Vec<String> = choices.map(ToString::to_string).collect();
    Some(Shown {
        thinking: match choices.is_empty() {
            true => "as the model does by itself".to_owned(),
            false => choices.join(", "),
        },
        answers: AnswerFormat::of(&template).describe().to_string(),
    })
}

/// How a model writes its answers.
#[derive(Debug)]
pub(super) struct Format {
    answers: AnswerFormat,
    /// The tokens that begin reasoning.
    opening: Vec<TokenId>,
    /// The tokens that end it, with the white space behind it.
    closing: Vec<TokenId>,
    /// That white space alone.
    space: Vec<TokenId>,
}

/// What a conversation says about its answer.
#[derive(Debug)]
pub(super) struct Asked {
    tools: Tools,
    reading: Reading,
}

/// How an answer is read, and the form that it must have.
#[derive(Debug)]
pub(super) struct AnswerPlan {
    pub(super) reader: Option<AnswerReader>,
    pub(super) constraint: Option<Constraint>,
    pub(super) before_form: BeforeForm,
}

impl Asked {
    /// What a prompt says about its answer. `None` unless it is a conversation.
    pub(super) fn of(prompt: &Prompt) -> Option<Self> {
        match prompt {
            Prompt::Messages(conversation) => Some(Self {
                tools: conversation.tools.clone(),
                reading: conversation.reading,
            }),
            Prompt::Text(_) | Prompt::Tokens(_) => None,
        }
    }

    /// Where the form of the answer begins.
    fn start(&self, settings: &Effective) -> FormStart {
        let default = match self.reading {
            Reading::Text => FormStart::FirstToken,
            Reading::Events => FormStart::AfterReasoning,
        };
        settings.reasoning.form_start.unwrap_or(default)
    }

    /// Whether the answer must be split into reasoning, calls and text.
    fn is_read(&self, settings: &Effective) -> bool {
        self.reading == Reading::Events
            || settings.reasoning.budget.is_some()
            || settings.reasoning.form_start == Some(FormStart::AfterReasoning)
    }
}

impl Loaded {
    /// How the model writes its answers: as the operator says, or as its chat template shows, which
    /// is asked once.
    fn format(&self) -> &Format {
        self.format.get_or_init(|| {
            let chosen = self.known.config.answer_format;
            let chosen = chosen.and_then(|name| AnswerFormat::named(name.name()));
            let format = chosen.unwrap_or_else(|| AnswerFormat::of(&self.template));
            let model = &self.known.about.info.name;
            match format.origin() {
                // Rendering says so, if there are tools.
                Origin::Fallback => {}
                Origin::Assumed => tracing::warn!(
                    model,
                    "the chat template does not show how the model writes calls of tools: they are \
                     read as JSON objects, unless `answer_format` names another format"
                ),
                Origin::Compared | Origin::Recognised | Origin::Chosen => tracing::info!(
                    model,
                    format = format.name(),
                    "calls of tools are read in this format"
                ),
            }
            let tokens = |text: &str| self.llama.vocab().tokenize(text.as_bytes(), false, true);
            let begin = format.reasoning().map_or("", |(begin, _)| begin);
            let end = format.reasoning_end().unwrap_or_default();
            Format {
                opening: tokens(begin),
                closing: tokens(end),
                space: tokens(end.get(end.trim_end().len()..).unwrap_or_default()),
                answers: format,
            }
        })
    }

    /// Plans the answer to a prompt that has these tokens.
    pub(super) fn plan(
        &self,
        asked: Option<&Asked>,
        settings: &Effective,
        prompt: &[TokenId],
    ) -> Result<AnswerPlan> {
        let form = settings.output.as_ref();
        let Some(asked) = asked.filter(|asked| asked.is_read(settings)) else {
            let constraint = form.map(|form| self.grammars.constraint(form));
            return Ok(AnswerPlan {
                reader: None,
                constraint: constraint.transpose()?,
                before_form: BeforeForm::Nothing,
            });
        };
        let format = self.format();
        let answers = &format.answers;
        let constraint = self.constraint(answers, asked, settings)?;
        let is_first = asked.start(settings) == FormStart::FirstToken;
        let last = prompt.len().saturating_sub(END_TOKENS);
        let prompt_end = self.written(prompt.get(last..).unwrap_or_default());
        // A form that begins with the first token leaves no place for reasoning.
        let is_open = answers.opens_reasoning(&prompt_end) && !(is_first && constraint.is_some());
        Ok(AnswerPlan {
            reader: Some(AnswerReader {
                parser: answers.parser(&asked.tools, is_open, u64::from(settings.seed)),
                reading: asked.reading,
                budget: settings.reasoning.budget,
                closing: format.closing.clone(),
                space_before_form: match constraint.is_some() {
                    true => format.space.clone(),
                    false => Vec::new(),
                },
            }),
            before_form: match (&constraint, is_first) {
                (Some(_), false) => BeforeForm::Reasoning {
                    opening: format.opening.clone(),
                    ends: self.ends().to_vec(),
                },
                _ => BeforeForm::Nothing,
            },
            constraint,
        })
    }

    /// The form of the answer: calls, and what the request asks for.
    fn constraint(
        &self,
        format: &AnswerFormat,
        asked: &Asked,
        settings: &Effective,
    ) -> Result<Option<Constraint>> {
        let tools = &asked.tools;
        // What cannot be called has no arguments to keep to a schema.
        if !tools.list.is_empty()
            && tools.choice != ToolChoice::None
            && let Some(refused) = format.not_enforced(tools).first()
        {
            return Err(Error::NotTaken {
                model: self.known.about.info.name.clone(),
                reason: format!(
                    "the arguments of `{}` can't be kept to their schema: {}",
                    refused.tool, refused.reason
                ),
            });
        }
        let shape = format.shape(&Wanted {
            tools,
            form: settings.output.as_ref(),
            // The form begins when it is over.
            reasoning: Reasoning::Absent,
        });
        let constraint = match shape {
            // Alone, it may be of any kind.
            Some(Shape::Form(form)) => Some(self.grammars.constraint(&form)),
            Some(shape) => Some(self.grammars.shape(&shape)),
            None => None,
        };
        Ok(constraint.transpose()?)
    }
}

#[cfg(test)]
mod tests {
    use mynah_settings::AnswerFormatName;

    use super::*;

    #[test]
    fn every_format_has_its_name_among_the_settings() {
        let mut names = AnswerFormatName::ALL.map(AnswerFormatName::name).to_vec();
        names.sort_unstable();
        assert_eq!(names, AnswerFormat::names());
        for name in names {
            assert_eq!(AnswerFormat::named(name).unwrap().name(), name);
        }
    }
}
