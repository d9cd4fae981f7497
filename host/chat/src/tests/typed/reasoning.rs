//! Tests of the reasoning of earlier answers.

use super::*;

#[test]
fn reasoning_has_the_name_that_the_template_reads() {
    let messages = [
        say(Role::User, "u"),
        thought("hm", say(Role::Assistant, "a")),
        say(Role::User, "v"),
    ];
    for name in ["reasoning_content", "reasoning", "thinking"] {
        let source = ALL.replace("thinking", name);
        assert_eq!(shown(&source, &messages), "[user]u[assistant]a(hm)[user]v");
    }
    // It reads each, and is given one.
    let either = ALL.replace(
        "m.thinking",
        "(m.reasoning_content or '') ~ (m.reasoning or '')",
    );
    assert_eq!(shown(&either, &messages), "[user]u[assistant]a(hm)[user]v");
}

#[test]
fn a_template_may_leave_out_old_reasoning() {
    let rain = calling(&[call("a", "rain", "{}")]);
    let last_turn = [
        say(Role::User, "u"),
        thought("hm", say(Role::Assistant, "a")),
        say(Role::User, "v"),
        thought("so", rain),
        result("a", "r"),
    ];
    let expected = "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n\
        <|im_start|>user\nv<|im_end|>\n<|im_start|>assistant\n<think>\nso\n</think>\n\n\
        <tool_call>\n{\"name\": \"rain\", \"arguments\": {}}\n</tool_call><|im_end|>\n\
        <|im_start|>user\n<tool_response>\nr\n</tool_response><|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(shown(QWEN, &last_turn), expected);
}

#[test]
fn reasoning_that_a_template_does_not_take_is_left_out_and_told_once() {
    let messages = [
        say(Role::User, "u"),
        thought("hm", say(Role::Assistant, "a")),
        say(Role::User, "v"),
    ];
    let bare = template(
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}",
        false,
    );
    let expected = "[user]u[assistant]a[user]v".to_owned();
    assert_eq!(
        moved(&bare, &messages),
        (vec![Moved::Reasoning], expected.clone())
    );
    assert_eq!(moved(&bare, &messages), (vec![], expected.clone()));
    // A template takes it in some places only.
    let refuses = format!(
        "{ALL}{{% if messages[1].thinking and messages[1].content != 'b' \
        and not messages[1].tool_calls %}}{{{{ raise_exception('no thinking') }}}}{{% endif %}}"
    );
    let refuses = template(&refuses, false);
    assert_eq!(
        moved(&refuses, &messages),
        (vec![Moved::Reasoning], expected)
    );
    // What is lost beside it is still named.
    let users = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
    let told = template(users, false).render(&messages).unwrap_err();
    assert!(told.contains("message 2 (assistant)"), "{told}");
    // An empty one is none.
    let messages = [
        say(Role::User, "u"),
        thought("", say(Role::Assistant, "a")),
        say(Role::User, "v"),
    ];
    assert_eq!(moved(&template(ALL, false), &messages).0, []);
}

#[test]
fn reasoning_may_be_a_part_of_the_content() {
    // As Mistral's: a text, or a list of texts and thoughts.
    let source = "{% for m in messages if m.role != 'system' %}[{{ m.role }}]\
        {% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content or [] %}\
        {% if p.type == 'thinking' %}({{ p.thinking }}){% else %}<{{ p.text }}>{% endif %}\
        {% endfor %}{% endif %}{% for c in m.tool_calls or [] %}{{ c.function.name }}\
        {{ c.function.arguments|tojson }}{% endfor %}{% endfor %}";
    let rain = calling(&[call("a", "rain", "{}")]);
    let messages = [
        say(Role::User, "u"),
        thought("hm", parts(Role::Assistant, &["a", "b"])),
        say(Role::User, "v"),
        thought("so", rain),
        result("a", "r"),
        thought("oh", say(Role::Assistant, "begun")),
    ];
    let expected =
        "[user]u[assistant](hm)<a><b>[user]v[assistant](so)rain{}[tool]r[assistant](oh)<begun";
    assert_eq!(shown(source, &messages), expected);
    // Also where something else is moved.
    let messages = [vec![say(Role::System, "s")], messages[..3].to_vec()].concat();
    let expected = "[user]s\n\nu[assistant](hm)<a><b>[user]v";
    let told = vec![Moved::System];
    assert_eq!(
        moved(&template(source, false), &messages),
        (told, expected.to_owned())
    );
}

#[test]
fn reasoning_that_is_read_only_while_thinking_is_on_is_not_told_as_left_out() {
    // As DeepSeek's: without the variable, it shows none.
    let source = ALL.replace("if m.thinking", "if thinking and m.reasoning_content");
    let source = source.replace("({{ m.thinking }})", "({{ m.reasoning_content }})");
    let mut conversation: Conversation = vec![
        say(Role::User, "u"),
        thought("hm", say(Role::Assistant, "a")),
        say(Role::User, "v"),
    ]
    .into();
    assert_eq!(
        shown(&source, &conversation.messages),
        "[user]u[assistant]a[user]v"
    );
    conversation.variables = Some(r#"{"thinking": true}"#.to_owned());
    let text = template(&source, false).text(&conversation).unwrap();
    assert_eq!(text, "[user]u[assistant]a(hm)[user]v");
}
