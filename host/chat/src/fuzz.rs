//! Entry points of the fuzz targets `template` and `tools`. Not a part of the API.
//!
//! Each makes all that it needs out of one text from the fuzzer.

mod tools;

use mynah_core::{Conversation, Message, Role, TokenId, Tool, ToolCall, Tools};
use mynah_settings::Thinking;

pub use tools::tools;

use super::control_tokens::{self, ControlTokens};
use super::template::TokenNames;
use super::{ChatTemplate, Part, Rendered};

/// Maximum size of a prompt in bytes.
const MOST: usize = 100_000;

/// Separates the parts of the text, in this order: the template, the message, further fields of the
/// message, the tools, the variables, the template for tools; of an earlier answer, the reasoning,
/// and the arguments of a call, which the message then answers; a tool's parameters, in place of
/// the tools. ASCII's record separator.
const SEPARATOR: char = '\u{1E}';

/// Renders a conversation with a template. The prompt must not exceed the limit, and no control
/// token may come from the guest's text. A failure must have a reason.
pub fn template(bytes: &[u8]) {
    render(&String::from_utf8_lossy(bytes));
}

fn render(input: &str) {
    let mut parts = input.split(SEPARATOR);
    let source = parts.next().unwrap_or_default();
    let content = parts.next().unwrap_or_default();
    let mut optional = || {
        let part = parts.next().filter(|part| !part.is_empty());
        part.map(str::to_owned)
    };
    let (fields, tools, variables, with_tools) = (optional(), optional(), optional(), optional());
    let (reasoning, arguments, parameters) = (optional(), optional(), optional());
    let names = TokenNames {
        bos: "<s>".to_owned(),
        eos: "</s>".to_owned(),
        ..TokenNames::default()
    };
    let template = ChatTemplate::with_names(source, with_tools.as_deref(), names, true);
    let texts = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|user|>"];
    let control_tokens = (0..)
        .zip(texts)
        .map(|(token, text)| control_tokens::ControlToken {
            token: TokenId(token),
            text: text.to_owned(),
            strips: (false, token == 0),
            is_user_defined: token == 4,
        });
    let Ok(control_tokens) = ControlTokens::new(control_tokens) else {
        return;
    };
    let mut messages = vec![Message::new(Role::System, "Be brief.")];
    let mut message = Message {
        fields,
        ..Message::new(Role::User, content)
    };
    // A wish makes the template answer more questions, so it comes with what is rarer.
    let thinking = reasoning.as_ref().map(|_| Thinking::Off);
    if reasoning.is_some() || arguments.is_some() {
        let call = arguments.map(|arguments| ToolCall {
            id: "1".to_owned(),
            name: "rain".to_owned(),
            arguments,
        });
        if call.is_some() {
            message.role = Role::Tool;
            message.tool_call_id = Some("1".to_owned());
        }
        messages.push(Message::new(Role::Developer, "Rain?"));
        messages.push(Message {
            reasoning,
            tool_calls: call.into_iter().collect(),
            ..Message::empty(Role::Assistant)
        });
    }
    messages.push(message);
    let tool = parameters.map(|parameters| Tool {
        name: "rain".to_owned(),
        description: None,
        parameters: Some(parameters),
        strict: false,
    });
    let conversation = Conversation {
        messages,
        template_tools: tools.filter(|_| tool.is_none()),
        tools: Tools {
            list: tool.into_iter().collect(),
            ..Tools::default()
        },
        variables,
        ..Conversation::default()
    };
    let rendering = template.render_with(&control_tokens, &conversation, thinking, MOST);
    match rendering.map(|rendering| rendering.prompt) {
        Ok(Rendered::Text(text)) => assert!(text.len() <= MOST, "{} bytes", text.len()),
        Ok(Rendered::Parts(parts)) => {
            let bytes = parts.iter().map(|part| match part {
                Part::Plain(text) => text.len(),
                Part::Control(_) => 1,
            });
            let bytes: usize = bytes.sum();
            assert!(bytes <= MOST, "{bytes} bytes");
        }
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    /// Pieces of templates, including invalid ones.
    const PIECES: [&str; 40] = [
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "{%- ",
        " -%}",
        "for m in messages",
        "endfor",
        "if x",
        "elif y",
        "else",
        "endif",
        "set x = ",
        "set ns.x = ",
        "namespace(x=1)",
        "macro f(a)",
        "endmacro",
        "f(x)",
        "m.content",
        "messages",
        "tools",
        "'<|im_end|>'",
        "'a'",
        "7",
        " * ",
        " ~ ",
        " + ",
        " is defined",
        "[",
        "]",
        "(",
        ")",
        "{'a': ",
        "}",
        "|tojson",
        "|join('x')",
        "[::-1]",
        ".split('a')",
        "<|im_",
        "\u{1E}",
    ];

    proptest! {
        #[test]
        fn any_template_renders_or_says_why_not(
            pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
        ) {
            super::render(&pieces.concat());
        }
    }

    #[test]
    fn the_seeds_of_template_keep_its_promises() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/template");
        let mut count = 0;
        for seed in std::fs::read_dir(folder).unwrap() {
            super::template(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "template has no seeds");
    }
}
