//! Rendering messages with the model's own Jinja template, as Hugging Face's `apply_chat_template` does.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use minijinja::{Environment, ErrorKind, context};

use crate::Message;

/// Steps that a template may take. The template comes with the model file and the messages from the guest; this bounds
/// what both together cost. Real templates take some hundred steps a message.
const FUEL: u64 = 10_000_000;

const NAME: &str = "chat";

/// A model's chat template, compiled once.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    environment: Result<Environment<'static>, String>,
    bos: String,
    eos: String,
    // The tokenizer adds it, so a template that writes it too would double it.
    adds_bos: bool,
}

impl ChatTemplate {
    /// Compiles `source`. A template that doesn't compile is reported when it is used: the model can still be given text.
    pub(super) fn new(source: &str, model: &LlamaModel) -> Self {
        let vocabulary = model.vocab();
        let text = |token: LlamaToken| {
            let bytes = if token.0 < 0 {
                Vec::new()
            } else {
                vocabulary.token_to_piece(token, true, None)
            };
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self {
            environment: compile(source),
            bos: text(vocabulary.bos()),
            eos: text(vocabulary.eos()),
            adds_bos: vocabulary.should_add_bos(),
        }
    }

    /// The prompt text of a conversation, with the assistant's turn opened.
    ///
    /// # Errors
    ///
    /// What the template engine said, or the template itself (`raise_exception`).
    pub(super) fn render(&self, messages: &[Message]) -> Result<String, String> {
        let environment = self.environment.as_ref().map_err(Clone::clone)?;
        let rendered = environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context! {
                    messages => messages,
                    bos_token => self.bos,
                    eos_token => self.eos,
                    add_generation_prompt => true,
                })
            })
            .map_err(|error| describe(&error))?;
        Ok(match rendered.strip_prefix(&self.bos) {
            Some(rest) if self.adds_bos && !self.bos.is_empty() => rest.to_owned(),
            _ => rendered,
        })
    }
}

fn compile(source: &str) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    // As transformers sets them; templates are written for it.
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| {
        Err::<String, _>(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment
        .add_template_owned(NAME, source.to_owned())
        .map_err(|error| describe(&error))?;
    Ok(environment)
}

/// The error's own words: the long form would quote the messages, which are the guest's.
fn describe(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" (line {line})"));
    let detail = error.detail().map(str::to_owned);
    let detail = detail.unwrap_or_else(|| error.kind().to_string());
    format!("{detail}{}", line.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    const CHATML: &str = "{{ bos_token }}{% for message in messages %}\n\
        {% if loop.first and message.role != 'system' %}{{ raise_exception('begin with system') }}{% endif %}\n\
        <|im_start|>{{ message['role'] + '\\n' + message['content'].strip() + '<|im_end|>' + '\\n' }}\n\
        {%- endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    fn template(source: &str, adds_bos: bool) -> ChatTemplate {
        ChatTemplate {
            environment: compile(source),
            bos: "<s>".into(),
            eos: "</s>".into(),
            adds_bos,
        }
    }

    fn say(role: Role, content: &str) -> Message {
        Message {
            role,
            content: content.into(),
        }
    }

    #[test]
    fn messages_are_rendered_and_the_answer_is_opened() {
        let messages = [say(Role::System, "Be brief. "), say(Role::User, "Hi")];
        let text = template(CHATML, false).render(&messages).unwrap();
        assert!(text.starts_with("<s>"), "{text}");
        assert!(
            text.contains("<|im_start|>system\nBe brief.<|im_end|>\n"),
            "{text}"
        );
        assert!(text.ends_with("<|im_start|>assistant\n"), "{text}");
    }

    #[test]
    fn a_begin_token_that_the_tokenizer_adds_is_not_doubled() {
        let messages = [say(Role::System, "x")];
        assert!(
            !template(CHATML, true)
                .render(&messages)
                .unwrap()
                .starts_with("<s>")
        );
    }

    #[test]
    fn what_the_template_refuses_is_told() {
        let error = template(CHATML, true).render(&[say(Role::User, "Hi")]);
        assert!(error.unwrap_err().contains("begin with system"));
    }

    #[test]
    fn a_template_that_does_not_compile_is_told_when_it_is_used() {
        let error = template("{% for %}", true).render(&[say(Role::User, "Hi")]);
        assert!(error.unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_template_that_never_ends_is_stopped() {
        let source =
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}";
        assert!(
            template(source, true)
                .render(&[say(Role::User, "Hi")])
                .is_err()
        );
    }
}
