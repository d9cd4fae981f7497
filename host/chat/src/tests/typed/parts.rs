//! Tests of contents in several parts.

use super::*;

#[test]
fn several_parts_are_a_list_where_the_template_reads_them_and_else_one_text() {
    let messages = [
        parts(Role::System, &["a", "b"]),
        parts(Role::User, &["c", "d"]),
        say(Role::Assistant, "e"),
        parts(Role::User, &["f"]),
    ];
    let expected = "[system]<a><b>;[user]<c><d>;[assistant]e;[user]f;";
    assert_eq!(shown(PARTS, &messages), expected);
    let expected = "[system]a\nb[user]c\nd[assistant]e[user]f";
    assert_eq!(shown(ALL, &messages), expected);
    // Each role is asked on its own.
    let users = PARTS.replace("m.content is string", "m.role != 'user'");
    let expected = "[system]a\nb;[user]<c><d>;[assistant]e;[user]<f>;";
    let of_users = users.replace(
        "in m.content",
        "in ([{'type': 'text', 'text': m.content}] if \
        m.content is string else m.content)",
    );
    assert_eq!(shown(&of_users, &messages), expected);
    // A template that reads nothing but parts.
    let only = PARTS.replace("m.content is string", "false");
    let expected = "[system]<a><b>;[user]<c><d>;[assistant]<e>;[user]<f>;";
    assert_eq!(shown(&only, &messages), expected);
}

#[test]
fn what_is_moved_is_moved_with_all_its_parts() {
    let no_system = PARTS.replace(
        "for m in messages",
        "for m in messages if m.role != 'system'",
    );
    let messages = [
        parts(Role::System, &["a", "b"]),
        parts(Role::User, &["c", "d"]),
    ];
    let expected = (vec![Moved::System], "[user]a\nb\n\nc\nd;".to_owned());
    assert_eq!(moved(&template(&no_system, false), &messages), expected);
    let first = PARTS.replace("for p in m.content", "for p in m.content[:1]");
    let messages = [parts(Role::User, &["c", "d"]), say(Role::User, "e")];
    // It does not read all of a list, and is given a text.
    assert_eq!(shown(&first, &messages), "[user]c\nd;[user]e;");
}

#[test]
fn a_begun_answer_in_parts_is_continued() {
    let begun = [
        say(Role::User, "u"),
        parts(Role::Assistant, &["so ", "it is "]),
    ];
    assert_eq!(shown(PARTS, &begun), "[user]u;[assistant]<so ><it is ");
    assert_eq!(shown(ALL, &begun), "[user]u[assistant]so \nit is ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_parts_reach_the_prompt_in_their_order(
        texts in prop::collection::vec("[a-z {}'\u{e9}]{1,9}", 1..5),
        role in prop::sample::select(vec![Role::System, Role::User, Role::Developer]),
    ) {
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let messages = [parts(role, &all), say(Role::User, "last")];
        for source in [ALL, PARTS, QWEN, AS_JSON] {
            let text = template(source, false).render(&messages).unwrap();
            let mut rest = text.as_str();
            for part in &texts {
                let at = rest.find(part.as_str());
                prop_assert!(at.is_some(), "{text}");
                rest = rest.get(at.unwrap() + part.len()..).unwrap();
            }
        }
    }
}
