//! Tests of templates that take one call a message, or ids of one form.

use super::*;

/// Shows calls with their ids, one a message.
const ONE: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\
    {% if m.thinking %}({{ m.thinking }}){% endif %}\
    {% if m.tool_calls %}{% if m.tool_calls|length > 1 %}{{ raise_exception('one call') }}{% endif %}\
    {{ m.tool_calls[0].function.name }}{% endif %}{% endfor %}";

/// Shows ids, and refuses those that are not of nine characters.
const IDS: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\
    {% for c in m.tool_calls or [] %}{{ c.function.name }} {{ c.function.arguments|tojson }} {{ c.id }};\
    {% if c.id|length != 9 %}{{ raise_exception('nine characters') }}{% endif %}{% endfor %}\
    {% if m.tool_call_id %} {{ m.tool_call_id }}{% endif %}{% endfor %}";

#[test]
fn several_calls_are_given_one_by_one_with_their_results() {
    let one = template(ONE, false);
    let calls = [
        call("a", "rain", "{}"),
        call("b", "snow", "{}"),
        call("c", "hail", "{}"),
    ];
    let looks = Message {
        content: say(Role::Assistant, "I look.").content,
        ..thought("hm", calling(&calls))
    };
    let messages = [
        say(Role::User, "u"),
        looks,
        result("b", "B"),
        result("a", "A"),
        result("x", "X"),
        say(Role::User, "v"),
    ];
    let expected = "[user]u[assistant]I look.(hm)rain[tool]A[assistant]snow[tool]B[assistant]hail\
        [tool]X[user]v";
    let told = vec![Moved::SeveralCalls];
    assert_eq!(moved(&one, &messages), (told, expected.to_owned()));
    // Without ids, results are in the order of the calls.
    let messages = [
        say(Role::User, "u"),
        calling(&calls[..2]),
        say(Role::Tool, "A"),
        say(Role::Tool, "B"),
    ];
    let expected = "[user]u[assistant]rain[tool]A[assistant]snow[tool]B";
    assert_eq!(moved(&one, &messages), (vec![], expected.to_owned()));
    // Where they are shown as they are, they stay so.
    assert_eq!(
        shown(ALL, &messages),
        "[user]u[assistant]rain{}snow{}[tool]A[tool]B"
    );
}

#[test]
fn ids_get_the_form_that_the_template_takes() {
    let ids = template(IDS, false);
    let messages = [
        say(Role::User, "u"),
        calling(&[
            call("call_1", "rain", "{}"),
            call("000000001", "snow", "{}"),
        ]),
        result("000000001", "S"),
        result("call_1", "R"),
        calling(&[call("toolu-long-id", "hail", "{}")]),
        result("toolu-long-id", "H"),
    ];
    let expected = "[user]u[assistant]rain {} 000000002;snow {} 000000001;[tool]S 000000001\
        [tool]R 000000002[assistant]hail {} 000000003;[tool]H 000000003";
    assert_eq!(
        moved(&ids, &messages),
        (vec![Moved::CallIds], expected.to_owned())
    );
    // A longer conversation begins with the same ids.
    let begun = moved(&ids, &messages[..4]).1;
    assert!(expected.starts_with(&begun), "{begun}");
    let any = IDS.replace("c.id|length != 9", "false");
    let text = shown(&any, &messages);
    assert!(
        text.contains("hail {} toolu-long-id;[tool]H toolu-long-id"),
        "{text}"
    );
}

#[test]
fn calls_that_are_written_out_are_not_split() {
    let talk = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";
    let calls = [call("a", "rain", "{}"), call("b", "snow", "{}")];
    let messages = [
        say(Role::User, "u"),
        calling(&calls),
        result("a", "A"),
        result("b", "B"),
    ];
    let expected = "[user]u[assistant]{\"name\": \"rain\", \"arguments\": {}}\n\
        {\"name\": \"snow\", \
        \"arguments\": {}}[tool]A[tool]B";
    let told = vec![Moved::Calls];
    assert_eq!(
        moved(&template(talk, false), &messages),
        (told, expected.to_owned())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_calls_and_results_reach_a_template_that_takes_one_of_nine_characters(
        turns in prop::collection::vec((1_usize..4, "[a-z_0-9]{1,9}", any::<bool>()), 1..4),
    ) {
        let strict = format!("{ONE}{}", IDS.replace("[{{ m.role }}]{{ m.content }}", ""));
        let mut messages = vec![say(Role::User, "u")];
        let mut expected = Vec::new();
        for (turn, (count, id, is_turned)) in turns.iter().enumerate() {
            let name = |at: usize| format!("tool{turn}x{at}");
            let calls = (0..*count).map(|at| call(&format!("{id}{at}"), &name(at), "{}"));
            messages.push(calling(&calls.collect::<Vec<_>>()));
            let results = (0..*count).map(|at| {
                let text = format!("R{turn}x{at}");
                result(&format!("{id}{at}"), &text)
            });
            let mut results: Vec<Message> = results.collect();
            if *is_turned {
                results.reverse();
            }
            messages.append(&mut results);
            let pairs = (0..*count).map(|at| format!("[assistant]{}[tool]R{turn}x{at}", name(at)));
            expected.extend(pairs);
        }
        let text = template(&strict, false).render(&messages).unwrap();
        let expected = ["[user]u".to_owned(), expected.concat()].concat();
        prop_assert!(text.starts_with(&expected), "{text}\n{expected}");
    }
}
