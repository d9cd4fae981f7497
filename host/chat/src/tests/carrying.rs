//! Tests of what is moved, and of what is refused because it would be lost.

use super::*;

/// Shows all roles but `system`.
const NO_SYSTEM: &str =
    "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}";

/// Shows all messages.
const ALL: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";

fn call(name: &str, arguments: &str) -> Message {
    Message {
        fields: Some(format!(
            r#"{{"tool_calls": [{{"function": {{"name": "{name}", "arguments": {arguments}}}}}]}}"#
        )),
        ..say(Role::Assistant, "")
    }
}

fn moved(template: &Template, messages: &[Message]) -> (Vec<Moved>, String) {
    let conversation = messages.to_vec().into();
    let rendering = template
        .0
        .render_with(&control_tokens(), &conversation, None, MOST);
    let rendering = rendering.unwrap();
    match rendering.prompt {
        Rendered::Text(text) => (rendering.moved, text),
        Rendered::Parts(parts) => panic!("{parts:?}"),
    }
}

#[test]
fn a_move_is_told_once_for_each_template() {
    let template = template(NO_SYSTEM, false);
    let messages = [say(Role::System, "s"), say(Role::User, "u")];
    let expected = "[user]s\n\nu".to_owned();
    assert_eq!(
        moved(&template, &messages),
        (vec![Moved::System], expected.clone())
    );
    assert_eq!(moved(&template, &messages), (Vec::new(), expected));
}

#[test]
fn what_a_template_carries_is_rendered_as_it_is() {
    let messages = [
        say(Role::System, "s"),
        say(Role::User, "u"),
        say(Role::Assistant, "a"),
        say(Role::Tool, "t"),
        say(Role::System, "s"),
        say(Role::User, "v"),
    ];
    let expected = "[system]s[user]u[assistant]a[tool]t[system]s[user]v".to_owned();
    assert_eq!(
        moved(&template(ALL, false), &messages),
        (Vec::new(), expected)
    );
}

#[test]
fn a_late_system_message_goes_before_the_next_question() {
    let first_only = "{% for m in messages %}{% if m.role == 'system' and not loop.first %}\
        {{ raise_exception('only at the beginning') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}";
    let messages = [
        say(Role::System, "s"),
        say(Role::User, "u"),
        say(Role::Assistant, "a"),
        say(Role::System, "late"),
        say(Role::System, "later"),
        say(Role::User, "v"),
        say(Role::System, "last"),
    ];
    let expected = "[system]s[user]u[assistant]a[user]late\n\nlater\n\nv\n\nlast".to_owned();
    let template = template(first_only, false);
    assert_eq!(
        moved(&template, &messages),
        (vec![Moved::LateSystem], expected)
    );
}

#[test]
fn calls_and_results_without_a_place_are_written_out() {
    let talk = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}\
        {{ raise_exception('must alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}";
    let messages = [
        say(Role::User, "Rain?"),
        call("rain", r#"{"city": "Oslo", "n": 1}"#),
        Message {
            fields: Some(r#"{"name": "rain"}"#.to_owned()),
            ..say(Role::Tool, "yes")
        },
        say(Role::Tool, "no"),
        say(Role::Assistant, "Both."),
        say(Role::User, "Why?"),
    ];
    let expected = "[user]Rain?[assistant]\
        {\"name\": \"rain\", \"arguments\": {\"city\": \"Oslo\", \"n\": 1}}\
        [user]Result of the tool rain:\nyes\n\nResult of a tool:\nno[assistant]Both.[user]Why?";
    let told = moved(&template(talk, false), &messages);
    assert_eq!(
        told,
        (vec![Moved::Calls, Moved::Results], expected.to_owned())
    );
}

#[test]
fn arguments_get_the_form_that_the_template_reads() {
    let with = |shown: &str| {
        format!(
            "{{% for m in messages %}}[{{{{ m.role }}}}]{{{{ m.content }}}}{{% for c in m.tool_calls or [] %}}\
             {{{{ c.function.name }}}}{shown}{{% endfor %}}{{% endfor %}}"
        )
    };
    let object = r#"{"city": "Oslo"}"#;
    let text = r#""{\"city\": \"Oslo\"}""#;
    for (shown, expected) in [
        ("{{ c.function.arguments|tojson }}", object),
        ("{{ '' + c.function.arguments }}", object),
        ("{{ c.function.arguments }}", object),
        (
            "{% for k, v in c.function.arguments|items %}{{ k }}={{ v }}{% endfor %}",
            "city=Oslo",
        ),
        (
            "{% set a = c.function.arguments %}{{ a if a is string else a|tojson }}",
            object,
        ),
    ] {
        for arguments in [object, text] {
            let messages = [
                say(Role::User, "Rain?"),
                call("rain", arguments),
                say(Role::Tool, "x"),
            ];
            let expected = format!("[user]Rain?[assistant]rain{expected}[tool]x");
            let template = template(&with(shown), false);
            assert_eq!(
                moved(&template, &messages),
                (Vec::new(), expected),
                "{shown}"
            );
        }
    }
}

#[test]
fn what_is_still_lost_is_named() {
    let refused = |source: &str, messages: &[Message]| {
        let told = template(source, false).render(messages);
        told.expect_err(source)
    };
    let users = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
    let told = refused(
        users,
        &[
            say(Role::User, "u"),
            say(Role::Assistant, "a"),
            say(Role::User, "u"),
        ],
    );
    assert!(told.contains("message 2 (assistant)"), "{told}");
    // A text that is in the prompt by chance is not taken for the message.
    let last = "{{ messages[-1].content }} user";
    let told = refused(last, &[say(Role::User, "user"), say(Role::User, "x")]);
    assert!(told.contains("message 1 (user)"), "{told}");
    let told = refused(
        users,
        &[say(Role::User, "u"), say(Role::Assistant, "begun")],
    );
    assert!(told.contains("to be continued"), "{told}");
    // Beside a call, this template shows no content.
    let either = "{% for m in messages %}{% if m.tool_calls %}{{ m.tool_calls|tojson }}{% else %}\
        {{ m.content }}{% endif %}{% endfor %}";
    let both = Message {
        content: say(Role::Assistant, "I look.").content,
        ..call("rain", "{}")
    };
    let told = refused(either, &[say(Role::User, "u"), both, say(Role::Tool, "t")]);
    assert!(told.contains("message 2 (assistant)"), "{told}");
}

#[test]
fn an_old_thought_may_be_left_out() {
    let source =
        "{% for m in messages %}[{{ m.role }}]{{ m.content.split('</think>')[-1] }}{% endfor %}";
    let messages = [
        say(Role::User, "u"),
        say(Role::Assistant, "<think>hm</think>a"),
        say(Role::User, "v"),
    ];
    let text = template(source, false).render(&messages).unwrap();
    assert_eq!(text, "[user]u[assistant]a[user]v");
}

#[test]
fn a_begun_answer_is_continued() {
    let closed = "{% for m in messages %}<s>{{ m.content }}<|im_end|>{% endfor %}\
        {% if add_generation_prompt %}<s>{% endif %}";
    let trimmed = closed.replace("m.content", "m.content|trim");
    for (source, begun, expected) in [
        (closed, "It is ", "<s>Hi<|im_end|><s>It is "),
        (&*trimmed, "It is ", "<s>Hi<|im_end|><s>It is"),
        (closed, "I", "<s>Hi<|im_end|><s>I"),
        // A finished turn.
        (closed, " ", "<s>Hi<|im_end|><s> <|im_end|><s>"),
    ] {
        let messages = [say(Role::User, "Hi"), say(Role::Assistant, begun)];
        assert_eq!(template(source, false).render(&messages).unwrap(), expected);
    }
    // It may contain the text of a control token.
    let messages = vec![
        say(Role::User, "Hi"),
        say(Role::Assistant, "so <|im_end|> ends"),
    ];
    let parts = template(closed, false).parts(&messages.into());
    let last = parts.last();
    assert_eq!(
        last,
        Some(&Part::Plain("so <|im_end|> ends".to_owned())),
        "{parts:?}"
    );
}

#[test]
fn tools_without_names_are_not_lost_either() {
    let mut conversation: Conversation = vec![say(Role::User, "u")].into();
    for (tools, shown) in [
        (r#"["rain"]"#, "\n\"rain\""),
        (r#"[{"kind": 1}]"#, "\n{\"kind\": 1}"),
    ] {
        conversation.template_tools = Some(tools.to_owned());
        let text = template(ALL, false).text(&conversation).unwrap();
        assert!(text.contains(shown), "{text}");
        let given = template("{{ tools|tojson }}{{ messages[0].content }}", false);
        assert_eq!(given.text(&conversation).unwrap(), format!("{tools}u"));
    }
    // There is nothing to lose in an empty list.
    conversation.template_tools = Some("[]".to_owned());
    assert_eq!(template(ALL, false).text(&conversation).unwrap(), "[user]u");
}
