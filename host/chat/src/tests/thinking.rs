//! Tests of what templates let be chosen of thinking.

use mynah_settings::Thinking;

use super::published::{LLAMA_3, QWEN};
use super::*;

const QUESTIONS: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";

/// As gpt-oss: the effort is written as it is given.
const EFFORT: &str = "Reasoning: {{ reasoning_effort|default('medium') }}\n";

/// As DeepSeek: off unless it is asked for.
const OPENED: &str = "[A]{{ '<think>' if thinking is defined and thinking else '</think>' }}";

/// As SmolLM3: on unless it is switched off, in the system message.
const MODE: &str = "{% if enable_thinking is not defined %}{% set enable_thinking = true %}\
    {% endif %}Mode: {{ '/think' if enable_thinking else '/no_think' }} {{ strftime_now('%f') }}\n";

fn source(before: &str, after: &str) -> String {
    [before, QUESTIONS, after].concat()
}

fn choices(source: &str) -> Vec<String> {
    let template = template(source, false).0;
    let choices = template.thinking().choices.iter();
    choices.map(ToString::to_string).collect()
}

fn ask(source: &str, wish: Thinking, variables: Option<&str>) -> Result<String, ChatError> {
    let conversation = Conversation {
        variables: variables.map(str::to_owned),
        ..vec![say(Role::User, "u")].into()
    };
    let template = template(source, false).0;
    let rendering = template.render_with(&control_tokens(), &conversation, Some(wish), MOST)?;
    match rendering.prompt {
        Rendered::Text(text) => Ok(text),
        Rendered::Parts(parts) => panic!("{parts:?}"),
    }
}

#[test]
fn each_template_says_what_can_be_chosen() {
    let efforts = ["low", "medium", "high"].map(|of| format!("{of} (reasoning_effort = \"{of}\")"));
    let of_effort: Vec<String> = ["on".to_owned()].into_iter().chain(efforts).collect();
    assert_eq!(choices(&source(EFFORT, "")), of_effort);
    let switch = [
        "off (enable_thinking = false)",
        "on (enable_thinking = true)",
    ];
    assert_eq!(choices(QWEN), switch);
    assert_eq!(choices(&source(MODE, "")), switch);
    let opened = choices(&source("", OPENED));
    assert_eq!(opened, ["off (thinking = false)", "on (thinking = true)"]);
    // These don't think at all.
    for source in [LLAMA_3, QUESTIONS, CHATML] {
        assert_eq!(choices(source), ["off"], "{source}");
    }
    // These do, and it can't be chosen.
    for source in [
        source("", "<think>\n"),
        source("", "{{ messages[-1].reasoning_content }}"),
        QUESTIONS.replace("m.content", "m.content.split('</think>')[-1]"),
    ] {
        assert_eq!(choices(&source), ["on"], "{source}");
    }
    // A template that can't be rendered.
    assert_eq!(choices("{% for %}"), ["off"]);
}

#[test]
fn a_template_with_a_few_efforts_has_only_these() {
    let checked = "{% set effort = reasoning_effort|default('none') %}{% if effort not in ['none', \
        'high'] %}{{ raise_exception('no such effort') }}{% endif %}[{{ effort }}]";
    let expected = [
        "off (reasoning_effort = \"none\")",
        "on (reasoning_effort = \"high\")",
        "high (reasoning_effort = \"high\")",
    ];
    assert_eq!(choices(&source(checked, "")), expected);
    let three = "{{ 'Be quick.' if reasoning_effort == 'low' else 'Think hard.' if \
        reasoning_effort == 'high' else 'Think.' }}";
    let [low, medium, high] =
        ["low", "medium", "high"].map(|of| format!("{of} (reasoning_effort = \"{of}\")"));
    assert_eq!(
        choices(&source(three, "")),
        ["on".to_owned(), low.clone(), medium, high.clone()]
    );
    let high_only = "{{ 'Think hard.' if reasoning_effort == 'high' }}";
    assert_eq!(choices(&source(high_only, "")), ["on".to_owned(), high]);
    // An effort beside a switch, without which it has none.
    let both = "{% if enable_thinking %}Think: {{ reasoning_effort }}{% endif %}";
    let chosen = choices(&source(both, ""));
    assert_eq!(chosen[0], "off (enable_thinking = false)");
    assert_eq!(
        chosen[2],
        "low (enable_thinking = true, reasoning_effort = \"low\")"
    );
}

#[test]
fn a_wish_reaches_the_prompt() {
    let end = "<|im_start|>assistant\n";
    let text = ask(QWEN, Thinking::Off, None).unwrap();
    assert!(
        text.ends_with(&format!("{end}<think>\n\n</think>\n\n")),
        "{text}"
    );
    let text = ask(QWEN, Thinking::On, None).unwrap();
    assert!(text.ends_with(end), "{text}");
    let text = ask(&source(EFFORT, ""), Thinking::High, None).unwrap();
    assert_eq!(text, "Reasoning: high\n[user]u");
    let text = ask(&source(EFFORT, ""), Thinking::On, None).unwrap();
    assert_eq!(text, "Reasoning: medium\n[user]u");
    assert_eq!(
        ask(&source("", OPENED), Thinking::On, None).unwrap(),
        "[user]u[A]<think>"
    );
    assert_eq!(ask(QUESTIONS, Thinking::Off, None).unwrap(), "[user]u");
}

#[test]
fn a_wish_that_a_template_does_not_follow_is_refused_with_what_it_follows() {
    for (source, wish, known) in [
        (
            QWEN,
            Thinking::Low,
            "thinking can't be `low`: the model's chat template knows `off`, `on`.",
        ),
        (
            &source(EFFORT, ""),
            Thinking::Off,
            "knows `on`, `low`, `medium`, `high`.",
        ),
        (&source("", "<think>\n"), Thinking::Off, "knows `on`."),
        (QUESTIONS, Thinking::On, "knows `off`."),
    ] {
        let told = ask(source, wish, None).unwrap_err();
        assert!(matches!(told, ChatError::UnsupportedThinking { wish: of, .. } if of == wish));
        assert!(told.to_string().contains(known), "{told}");
    }
}

#[test]
fn a_variable_of_the_guest_wins() {
    let set = Some(r#"{"reasoning_effort": "low"}"#);
    let text = ask(&source(EFFORT, ""), Thinking::High, set).unwrap();
    assert_eq!(text, "Reasoning: low\n[user]u");
    let text = ask(QWEN, Thinking::Off, Some(r#"{"enable_thinking": true}"#)).unwrap();
    assert!(text.ends_with("assistant\n"), "{text}");
}

#[test]
fn the_template_for_tools_is_asked_where_there_are_tools() {
    let with = format!("{}{{{{ tools|tojson }}}}", source(EFFORT, ""));
    let both = with_tools(QUESTIONS, Some(&with), false).0;
    let mut conversation: Conversation = vec![say(Role::User, "u")].into();
    let ask = |conversation: &Conversation| {
        both.render_with(&control_tokens(), conversation, Some(Thinking::Low), MOST)
    };
    assert!(ask(&conversation).is_err());
    conversation.template_tools = Some(r#"["rain"]"#.to_owned());
    assert!(ask(&conversation).is_ok());
}
