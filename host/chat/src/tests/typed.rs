//! Tests of typed messages and tools: parts, calls, reasoning, names, roles.

use mynah_core::{Media, Part as Content, Tool, ToolCall, ToolChoice, Tools};
use proptest::prelude::*;

use super::published::{LLAMA_3, MISTRAL, QWEN};
use super::*;

mod calls;
mod parts;
mod reasoning;

/// Shows each message as JSON.
const AS_JSON: &str = "{% for m in messages %}{{ m|tojson }}\n{% endfor %}";

/// Shows all that a message has.
const ALL: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\
    {% if m.thinking %}({{ m.thinking }}){% endif %}\
    {% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments|tojson }}{% endfor %}\
    {% endfor %}";

/// Reads contents in parts, also in the style of Qwen.
const PARTS: &str = "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}\
    {% else %}{% for p in m.content %}{% if p.type == 'text' %}<{{ p.text }}>{% endif %}{% endfor %}\
    {% endif %}{% if not loop.last or add_generation_prompt %};{% endif %}{% endfor %}";

fn parts(role: Role, texts: &[&str]) -> Message {
    let parts = texts.iter().map(|text| Content::Text((*text).to_owned()));
    Message {
        content: parts.collect(),
        ..Message::empty(role)
    }
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}

fn calling(calls: &[ToolCall]) -> Message {
    Message {
        tool_calls: calls.to_vec(),
        ..Message::empty(Role::Assistant)
    }
}

fn result(id: &str, text: &str) -> Message {
    Message {
        tool_call_id: Some(id.to_owned()),
        ..say(Role::Tool, text)
    }
}

fn thought(reasoning: &str, message: Message) -> Message {
    Message {
        reasoning: Some(reasoning.to_owned()),
        ..message
    }
}

fn rendering(template: &Template, messages: &[Message]) -> Result<Rendering, ChatError> {
    let conversation = messages.to_vec().into();
    template
        .0
        .render_with(&control_tokens(), &conversation, None, MOST)
}

/// What was moved, and the prompt.
fn moved(template: &Template, messages: &[Message]) -> (Vec<Moved>, String) {
    let rendering = rendering(template, messages).unwrap();
    match rendering.prompt {
        Rendered::Text(text) => (rendering.moved, text),
        Rendered::Parts(parts) => panic!("{parts:?}"),
    }
}

fn shown(source: &str, messages: &[Message]) -> String {
    let (moved, text) = moved(&template(source, false), messages);
    assert_eq!(moved, []);
    text
}

#[test]
fn messages_have_the_form_of_apply_chat_template() {
    let calls = [
        call(
            "a",
            "rain",
            r#"{"city": "Oslo", "n": 12345678901234567890123}"#,
        ),
        call("b", "snow", "{}"),
    ];
    let messages = [
        Message {
            name: Some("Ada".to_owned()),
            ..say(Role::User, "u")
        },
        thought("hm", calling(&calls)),
        result("b", "yes"),
        Message {
            name: Some("named".to_owned()),
            ..result("a", "no")
        },
        result("c", "of no call"),
        parts(Role::User, &["one", "two"]),
    ];
    let expected = [
        r#"{"role": "user", "content": "u", "name": "Ada"}"#,
        r#"{"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "rain", "arguments": {"city": "Oslo", "n": 12345678901234567890123}}}, {"id": "b", "type": "function", "function": {"name": "snow", "arguments": {}}}]}"#,
        r#"{"role": "tool", "content": "yes", "tool_call_id": "b", "name": "snow"}"#,
        r#"{"role": "tool", "content": "no", "tool_call_id": "a", "name": "named"}"#,
        r#"{"role": "tool", "content": "of no call", "tool_call_id": "c"}"#,
        // It shows the list as it is, so it takes no parts.
        r#"{"role": "user", "content": "one\ntwo"}"#,
        "",
    ];
    assert_eq!(shown(AS_JSON, &messages), expected.join("\n"));
}

#[test]
fn tools_have_the_form_of_apply_chat_template() {
    let tool = |name: &str, description: Option<&str>, parameters: Option<&str>| Tool {
        name: name.to_owned(),
        description: description.map(str::to_owned),
        parameters: parameters.map(str::to_owned),
        strict: true,
    };
    let conversation = Conversation {
        tools: Tools {
            list: vec![
                tool("rain", Some("Rain?"), Some(r#"{"type": "object"}"#)),
                tool("time", None, None),
            ],
            // The model still reads what tools there are.
            choice: ToolChoice::None,
            parallel: false,
        },
        ..vec![say(Role::User, "x")].into()
    };
    let source = "{{ messages[0].content }}{% for t in tools %}{{ '\n' ~ t|tojson }}{% endfor %}";
    let expected = [
        "x",
        r#"{"type": "function", "function": {"name": "rain", "description": "Rain?", "parameters": {"type": "object"}}}"#,
        r#"{"type": "function", "function": {"name": "time", "description": "", "parameters": {"type": "object", "properties": {}}}}"#,
    ];
    let expected = expected.join("\n");
    let text = template(source, false).text(&conversation);
    assert_eq!(text.unwrap(), expected);
    // The template for tools is theirs, too.
    let both = with_tools("without", Some(source), false);
    assert_eq!(both.text(&conversation).unwrap(), expected);
}

#[test]
fn what_no_template_could_render_is_refused_before() {
    let mut conversation: Conversation =
        vec![say(Role::User, "u"), calling(&[call("", "", "")])].into();
    let refused = |conversation: &Conversation| {
        let template = template(ALL, false).0;
        template.render_with(&control_tokens(), conversation, None, MOST)
    };
    let told = refused(&conversation);
    assert!(matches!(told, Err(ChatError::Conversation(_))), "{told:?}");
    conversation.messages.pop();
    assert!(refused(&conversation).is_ok());
    for (part, kind) in [
        (Content::Image as fn(Media) -> Content, "an image"),
        (Content::Audio, "audio"),
    ] {
        let media = Media {
            media_type: "image/\npng".to_owned(),
            bytes: vec![1],
        };
        let mut message = parts(Role::User, &["what is this?"]);
        message.content.push(part(media));
        conversation.messages = vec![say(Role::System, "s"), message];
        let told = refused(&conversation).unwrap_err();
        let is_named = matches!(
            &told,
            ChatError::UnsupportedPart { message: 2, part: 2, kind: told, .. } if *told == kind
        );
        let text = told.to_string();
        assert!(is_named && text.contains(r"image/\npng"), "{text}");
    }
}

#[test]
fn what_is_said_twice_is_named() {
    for (message, fields, twice) in [
        (
            calling(&[call("a", "b", "{}")]),
            r#"{"tool_calls": []}"#,
            "tool_calls",
        ),
        (result("a", "x"), r#"{"tool_call_id": "b"}"#, "tool_call_id"),
        (say(Role::User, "x"), r#"{"content": "b"}"#, "content"),
        (
            thought("hm", say(Role::Assistant, "x")),
            r#"{"thinking": "hm"}"#,
            "thinking",
        ),
    ] {
        let message = Message {
            fields: Some(fields.to_owned()),
            ..message
        };
        let told = template(ALL, false).render(&[message]).unwrap_err();
        let expected = format!("the fields of message 1 set `{twice}`");
        assert!(told.starts_with(&expected), "{told}");
    }
    // Without reasoning of its own, a message may have the field.
    let message = Message {
        fields: Some(r#"{"thinking": "hm"}"#.to_owned()),
        ..say(Role::Assistant, " ")
    };
    assert_eq!(shown(ALL, &[message]), "[assistant] (hm)");
}

#[test]
fn no_content_is_none_unless_the_template_writes_that_as_a_word() {
    let rain = calling(&[call("a", "rain", "{}")]);
    let messages = [say(Role::User, "u"), rain, result("a", "r")];
    assert_eq!(shown(ALL, &messages), "[user]u[assistant]rain{}[tool]r");
    let none = ALL.replace(
        "{{ m.content }}",
        "{{ 'NO' if m.content is none else m.content }}",
    );
    assert_eq!(shown(&none, &messages), "[user]u[assistant]NOrain{}[tool]r");
    let added = ALL.replace("{{ m.content }}", "{{ '' + m.content }}");
    assert_eq!(shown(&added, &messages), "[user]u[assistant]rain{}[tool]r");
    // Also without calls.
    let messages = [
        say(Role::User, "u"),
        Message::empty(Role::Assistant),
        say(Role::User, "v"),
    ];
    assert_eq!(shown(ALL, &messages), "[user]u[assistant][user]v");
    assert_eq!(shown(&none, &messages), "[user]u[assistant]NO[user]v");
    assert_eq!(shown(&added, &messages), "[user]u[assistant][user]v");
    let messages = [say(Role::User, "u"), Message::empty(Role::User)];
    assert_eq!(shown(&none, &messages), "[user]u[user]");
}

#[test]
fn a_developer_is_one_only_where_the_template_knows_developers() {
    let messages = [say(Role::Developer, "d"), say(Role::User, "u")];
    let known = "{% for m in messages %}{% if m.role == 'developer' %}# {{ m.content }}\n\
        {% else %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}";
    assert_eq!(shown(known, &messages), "# d\n[user]u");
    let others_refused = ALL.replace(
        "[{{ m.role }}]",
        "[{{ m.role }}]{% if m.role not in ['user', \
        'developer', 'system'] %}{{ raise_exception(m.role) }}{% endif %}",
    );
    assert_eq!(shown(&others_refused, &messages), "[developer]d[user]u");
    // These would write the name of any role.
    for (source, expected) in [
        (ALL, "[system]d[user]u"),
        (
            built_in_source(ChatTemplateName::Plain),
            "d\n\nUser: u\nAssistant:",
        ),
        (
            built_in_source(ChatTemplateName::Gemma),
            "<s><start_of_turn>user\nd\n\nu<end_of_turn>\n<start_of_turn>model\n",
        ),
    ] {
        let template = template(source, false);
        let expected = expected.to_owned();
        assert_eq!(
            moved(&template, &messages),
            (vec![Moved::Developer], expected.clone())
        );
        assert_eq!(moved(&template, &messages), (vec![], expected));
    }
}

#[test]
fn a_developer_beside_a_system_message_is_not_lost() {
    let messages = [
        say(Role::System, "s"),
        say(Role::Developer, "d"),
        say(Role::User, "u"),
    ];
    // As gpt-oss: the first message may be either.
    let first = "{% if messages[0].role in ['system', 'developer'] %}# {{ messages[0].content }}\n\
        {% endif %}{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
    let both = vec![Moved::Developer, Moved::SeveralSystems];
    assert_eq!(
        moved(&template(first, false), &messages),
        (both, "# s\n\nd\nu".to_owned())
    );
    let none = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
    let all = vec![Moved::Developer, Moved::SeveralSystems, Moved::System];
    assert_eq!(
        moved(&template(none, false), &messages),
        (all, "s\n\nd\n\nu".to_owned())
    );
    // A template that knows both keeps both.
    let known = ALL.replace(
        "[{{ m.role }}]",
        "{{ '#' if m.role == 'developer' else m.role }}:",
    );
    assert_eq!(shown(&known, &messages), "system:s#:duser:u");
}

/// A prompt with the texts of its control tokens.
fn written(prompt: &Rendered) -> String {
    let parts = match prompt {
        Rendered::Text(text) => return text.clone(),
        Rendered::Parts(parts) => parts,
    };
    let written = parts.iter().map(|part| match part {
        Part::Plain(text) => text.as_str(),
        Part::Control(token) => CONTROL_TOKENS[token.0 as usize],
    });
    written.collect()
}

#[test]
fn the_end_of_a_prompt_is_its_text() {
    let template = template(CHATML, false);
    for said in ["s", "s<|im_end|>"] {
        let rendering = rendering(&template, &[say(Role::System, said)]).unwrap();
        let is_text = matches!(rendering.prompt, Rendered::Text(_));
        assert_eq!(is_text, said == "s");
        let prompt = written(&rendering.prompt);
        for end in [
            "",
            "assistant\n",
            &format!("{said}<|im_end|>\n<|im_start|>assistant\n"),
        ] {
            assert!(prompt.ends_with(end), "{end}");
        }
        assert!(!prompt.ends_with("assistant"));
    }
    let long = "\u{e9}".repeat(MOST / 8);
    let messages = [say(Role::System, &long), say(Role::Assistant, &long)];
    let rendering = rendering(&template, &messages).unwrap();
    assert!(written(&rendering.prompt).ends_with(&"\u{e9}".repeat(512)));
}

#[test]
fn control_tokens_in_typed_fields_are_text() {
    let control = "<|im_end|>";
    let arguments = format!(r#"{{"{control}": "{control}"}}"#);
    let messages = vec![
        parts(Role::User, &[control, "<|im_"]),
        thought(control, calling(&[call(control, control, &arguments)])),
        Message {
            name: Some(control.to_owned()),
            ..result(control, "<s>")
        },
    ];
    for source in [AS_JSON, ALL, PARTS, QWEN] {
        let Rendered::Parts(parts) = template(source, false)
            .all(&messages.clone().into())
            .unwrap()
        else {
            panic!("{source}");
        };
        let controls = parts
            .iter()
            .filter(|part| matches!(part, Part::Control(_)))
            .count();
        // QWEN begins four turns and ends three.
        assert_eq!(controls, if source == QWEN { 7 } else { 0 }, "{parts:?}");
    }
}

/// A conversation in types, and the same in fields as it was given before there were types.
fn twins(
    said: &str,
    id: &str,
    name: &str,
    arguments: &str,
    has_name: bool,
) -> (Conversation, Conversation) {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let fields = |role, said: &str, fields: String| Message {
        fields: Some(fields),
        ..say(role, said)
    };
    let typed = vec![
        say(Role::User, said),
        Message {
            content: say(Role::Assistant, "").content,
            ..calling(&[call(id, name, arguments)])
        },
        Message {
            name: has_name.then(|| name.to_owned()),
            ..result(id, said)
        },
    ];
    let called = format!(
        r#"{{"tool_calls": [{{"id": {}, "type": "function", "function": {{"name": {}, "arguments": {arguments}}}}}]}}"#,
        text(id),
        text(name)
    );
    let of_result = format!(
        r#"{{"tool_call_id": {}, "name": {}}}"#,
        text(id),
        text(name)
    );
    let older = vec![
        say(Role::User, said),
        fields(Role::Assistant, "", called),
        fields(Role::Tool, said, of_result),
    ];
    (typed.into(), older.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn typed_messages_render_as_the_same_in_fields(
        said in r#"[a<|im_end>"\\ ]{1,20}"#,
        id in "[a-z<>0-9]{0,9}",
        name in "[a-z_]{1,9}",
        key in "[a-z]{1,5}",
        value in r#"[a\u{e9}" <|\\]{0,9}"#,
        has_name in any::<bool>(),
    ) {
        let value = serde_json::to_string(&value).unwrap();
        let arguments = format!(r#"{{"{key}": {value}, "n": [1.5, null]}}"#);
        let (typed, older) = twins(&said, &id, &name, &arguments, has_name);
        for source in [AS_JSON, ALL, LLAMA_3, QWEN, MISTRAL] {
            let [typed, older] = [&typed, &older].map(|of| template(source, false).all(of));
            prop_assert_eq!(typed, older, "{}", source);
        }
    }
}
