//! Tests of which parts of too long conversations and texts are removed.

use proptest::prelude::*;

use super::*;

/// A typical template: the text around a message only depends on its role.
fn render(messages: &[Message], left_out: Range<usize>) -> Vec<String> {
    let mut tokens = vec!["<bos>".to_owned()];
    for (index, message) in messages.iter().enumerate() {
        if !left_out.contains(&index) {
            tokens.push(format!("<{:?}>", message.role));
            tokens.extend(message.text().split(' ').map(str::to_owned));
            tokens.push("<end>".to_owned());
        }
    }
    tokens.push("<assistant>".to_owned());
    tokens
}

fn chat(turns: usize, words: usize) -> Vec<Message> {
    let mut messages = vec![Message::new(Role::System, "be good")];
    let say = |role, turn: usize| {
        let words: Vec<String> = (0..words).map(|word| format!("{turn}.{word}")).collect();
        Message::new(role, words.join(" "))
    };
    for turn in 0..turns {
        messages.push(say(Role::User, turn));
        if turn + 1 < turns {
            messages.push(say(Role::Assistant, turn));
        }
    }
    messages
}

fn bounds(context: u32, max_tokens: u32) -> Bounds {
    Bounds {
        context,
        max_tokens,
        n_keep: 0,
    }
}

fn fit(bounds: Bounds, messages: &[Message], past: &mut Past) -> Result<Fitted<String>> {
    bounds.chat(messages, past, |left_out| Ok(render(messages, left_out)))
}

#[test]
fn a_chat_that_fits_stays_whole() {
    let messages = chat(3, 4);
    let fitted = fit(bounds(1000, 10), &messages, &mut Past::default()).unwrap();
    assert_eq!(fitted.tokens, render(&messages, 0..0));
    assert_eq!(fitted.forgotten, 0);
}

#[test]
fn of_one_that_is_too_long_whole_turns_go_and_the_next_turns_leave_out_the_same() {
    let mut past = Past::default();
    let mut cuts = Vec::new();
    for turns in 1..40 {
        let messages = chat(turns, 8);
        let fitted = fit(bounds(200, 10), &messages, &mut past).unwrap();
        assert!(fitted.tokens.len() <= 190);
        let out = past.left_out.load(Ordering::Relaxed) as usize;
        assert_eq!(out % 2, 0, "questions go with their answers");
        assert_eq!(fitted.tokens, render(&messages, 1..1 + out));
        assert_eq!(
            fitted.forgotten > 0,
            cuts.last().is_some_and(|last| *last != out)
        );
        cuts.push(out);
    }
    cuts.dedup();
    // Twenty tokens a turn, and half of the context is removed each time.
    assert!((6..12).contains(&cuts.len()), "{cuts:?}");
    // Another conversation is complete, whatever was removed from the last one.
    let mut other = chat(3, 8);
    other.remove(1);
    other.remove(1);
    let fitted = fit(bounds(200, 10), &other, &mut past).unwrap();
    assert_eq!(fitted.tokens, render(&other, 0..0));
}

/// As after a restart, or in a fork.
#[test]
fn another_session_that_goes_on_leaves_out_the_same() {
    for max_tokens in [10, 150] {
        let bounds = bounds(200, max_tokens);
        let mut past = Past::default();
        let mut forgot = 0;
        for turns in 1..60 {
            let messages = chat(turns, 8);
            let fitted = fit(bounds, &messages, &mut past).unwrap();
            let mut other = Past::default();
            let again = fit(bounds, &messages, &mut other).unwrap();
            assert_eq!(again.tokens, fitted.tokens, "turn {turns}");
            forgot += u32::from(fitted.forgotten > 0);
            // A long answer also removes messages.
            let prompt = count(fitted.tokens.len());
            let mut trim_policy = fitted.trim_policy.unwrap();
            let before = past.left_out.load(Ordering::Relaxed);
            if prompt + max_tokens.min(12) > 200 {
                trim_policy.next(prompt, 200, 200).unwrap();
                assert!(past.left_out.load(Ordering::Relaxed) > before);
                forgot += 1;
            }
        }
        assert!(forgot > 5, "{forgot}");
    }
}

#[test]
fn a_message_that_fills_the_context_alone_is_too_long() {
    let error = fit(bounds(50, 10), &chat(1, 60), &mut Past::default()).unwrap_err();
    assert!(matches!(
        error,
        Error::PromptTooLong {
            prompt: 68,
            at_least: false,
            context: 50
        }
    ));
}

#[test]
fn what_makes_room_later_are_whole_turns_too() {
    let messages = chat(8, 8);
    let mut past = Past::default();
    let fitted = fit(bounds(200, 150), &messages, &mut past).unwrap();
    assert_eq!(fitted.forgotten, 0);
    let mut trim_policy = fitted.trim_policy.unwrap();
    let mut tokens = fitted.tokens;
    let mut left_out = 0;
    while let Some(range) = trim_policy.next(count(tokens.len()), count(tokens.len()), 200) {
        tokens.drain(range.start as usize..range.end as usize);
        let now = past.left_out.load(Ordering::Relaxed) as usize;
        assert!(now > left_out);
        left_out = now;
        assert_eq!(tokens, render(&messages, 1..1 + left_out));
    }
    // Everything except the last question.
    assert_eq!(left_out, 14);
}

#[test]
fn the_first_tokens_stay_where_that_is_asked_for() {
    for (n_keep, first) in [(4, 1), (8, 2), (30, 4), (-1, 6)] {
        let mut past = Past::default();
        fit(bounds(1000, 10), &chat(3, 8), &mut past).unwrap();
        let bounds = Bounds {
            n_keep,
            ..bounds(200, 10)
        };
        let messages = chat(20, 8);
        let fitted = fit(bounds, &messages, &mut past).unwrap();
        let out = past.left_out.load(Ordering::Relaxed) as usize;
        assert_eq!(
            fitted.tokens,
            render(&messages, first..first + out),
            "{n_keep}"
        );
        assert!(out > 0);
    }
}

/// As after a restart: the messages before the first answer were the first prompt.
#[test]
fn the_first_prompt_of_a_conversation_that_began_elsewhere_stays() {
    let bounds = Bounds {
        n_keep: -1,
        ..bounds(200, 10)
    };
    let mut past = Past::default();
    for turns in 20..40 {
        let messages = chat(turns, 8);
        let fitted = fit(bounds, &messages, &mut past).unwrap();
        let out = past.left_out.load(Ordering::Relaxed) as usize;
        assert!(out > 0);
        assert_eq!(fitted.tokens, render(&messages, 2..2 + out));
    }
}

#[test]
fn of_a_text_the_same_is_left_out_while_it_grows() {
    let mut past = Past::default();
    let mut begins = Vec::new();
    for length in 150..400u32 {
        let tokens: Vec<u32> = (0..length).collect();
        let fitted = bounds(200, 10).text(tokens, 1, &mut past).unwrap();
        assert!(fitted.tokens.len() < 200);
        assert_eq!(
            (fitted.tokens[0], *fitted.tokens.last().unwrap()),
            (0, length - 1)
        );
        begins.push(fitted.tokens[1]);
    }
    begins.dedup();
    assert!(begins.len() <= 6, "{begins:?}");
    let keeps_all = Bounds {
        n_keep: 300,
        ..bounds(200, 10)
    };
    let error = keeps_all.text((0..300).collect::<Vec<u32>>(), 1, &mut past);
    assert!(matches!(error, Err(Error::PromptTooLong { .. })));
}

proptest! {
    /// For any lengths, as long as no message takes three eighths of the context: otherwise there
    /// may be no message yet at which a step ends.
    #[test]
    fn what_is_left_out_depends_on_the_conversation_alone(
        said in prop::collection::vec(1usize..30, 1..80),
        context in 100u32..300,
        max_tokens in 1u32..300,
    ) {
        let bounds = bounds(context, max_tokens);
        let mut messages = vec![Message::new(Role::System, "be good")];
        let mut past = Past::default();
        for (turn, words) in said.iter().enumerate() {
            let role = if turn % 2 == 0 { Role::User } else { Role::Assistant };
            let words: Vec<String> = (0..*words).map(|word| format!("{turn}.{word}")).collect();
            messages.push(Message::new(role, words.join(" ")));
            if role == Role::User {
                let lived = fit(bounds, &messages, &mut past).unwrap();
                let came = fit(bounds, &messages, &mut Past::default()).unwrap();
                prop_assert_eq!(lived.tokens, came.tokens);
            }
        }
    }

    /// For any messages and roles, the rest is a rendered conversation with the same end, or the
    /// prompt is too long.
    #[test]
    fn what_is_left_is_a_whole_conversation(
        said in prop::collection::vec((0usize..4, 1usize..30), 1..40),
        context in 16u32..200,
        max_tokens in 1u32..300,
        n_keep in -1i32..40,
    ) {
        let roles = [Role::System, Role::User, Role::Assistant, Role::Tool];
        let said = said.iter().enumerate();
        let messages: Vec<Message> = said
            .map(|(turn, (role, words))| {
                let words: Vec<String> = (0..*words).map(|_| format!("{}", turn % 3)).collect();
                Message::new(roles[*role], words.join(" "))
            })
            .collect();
        let bounds = Bounds { context, max_tokens, n_keep };
        let mut past = Past::default();
        if let Ok(fitted) = fit(bounds, &messages, &mut past) {
            prop_assert!(fitted.tokens.len() < context as usize);
            let out = past.left_out.load(Ordering::Relaxed) as usize;
            prop_assert_eq!(&fitted.tokens, &render(&messages, past.head..past.head + out));
            let mut trim_policy = fitted.trim_policy.unwrap();
            let mut tokens = fitted.tokens;
            loop {
                let length = count(tokens.len());
                let Some(range) = trim_policy.next(length, length, context) else {
                    break;
                };
                tokens.drain(range.start as usize..range.end as usize);
                let out = past.left_out.load(Ordering::Relaxed) as usize;
                prop_assert_eq!(&tokens, &render(&messages, past.head..past.head + out));
            }
        }
    }
}
