//! Cases 9 to 11: a conversation that is cached, idle sessions that are closed, and limits for open
//! sessions and running requests.

use std::time::Duration;

use mynah_core::{Conversation, Error, Message, Owner, Prompt, Role};

use super::{Endless, context, real, run, settings, tiny};
use crate::support::generations::{finish, is_idle, start, text, until};

fn conversation(messages: &[Message]) -> Prompt {
    Prompt::Messages(Conversation::from(messages.to_vec()))
}

/// Case 9, `session_management`.
#[tokio::test]
async fn a_conversation_is_remembered_and_its_first_turn_is_not_computed_again() {
    let model = real(
        r#"{"max_sessions": 10, "idle_timeout_ms": 600000, "auto_cleanup": true, "n_gpu_layers": 98, "ctx_size": 2048, "n_predict": 60}"#,
    );
    let mut session = context(&model);
    let mut messages = vec![Message::new(Role::User, "Hello, my name is Alice.")];
    let first = model.tokens(conversation(&messages)).await.unwrap();
    let mut generation = session
        .start(conversation(&messages), settings(r#"{"temp": 0}"#).unwrap())
        .await
        .unwrap();
    let (said, outcome) = finish(&mut generation).await;
    assert_eq!(outcome.usage.prompt_tokens as usize, first.len());

    messages.push(Message::new(Role::Assistant, said));
    messages.push(Message::new(Role::User, "What is my name?"));
    let second = model.tokens(conversation(&messages)).await.unwrap();
    // The prompt contains Alice. The first prompt ends with the beginning of an answer, after the
    // last turn.
    assert!(
        second.starts_with(&first),
        "the first prompt is how the second begins"
    );
    let mut generation = session
        .start(conversation(&messages), settings(r#"{"temp": 0}"#).unwrap())
        .await
        .unwrap();
    let (_, outcome) = finish(&mut generation).await;
    let usage = outcome.usage;
    assert_eq!(usage.prompt_tokens as usize, second.len());
    // The first turn, with its answer, is not computed again.
    assert!(usage.cached_tokens as usize > first.len(), "{usage:?}");
    assert!(usage.prompt_tokens - usage.cached_tokens < 30, "{usage:?}");
}

/// Case 10, `auto_session_cleanup`.
#[tokio::test]
async fn idle_sessions_make_way_and_are_closed_only_where_the_document_says_so() {
    // No session has been idle for an hour, so the fourth is refused.
    let strict = tiny(
        r#"{"max_sessions": 3, "idle_timeout_ms": 3600000, "auto_cleanup": false, "max_concurrent": 2}"#,
    );
    let open = [context(&strict), context(&strict), context(&strict)];
    let refused = strict.session(Owner::unique()).map(drop);
    assert!(
        matches!(refused, Err(Error::TooManySessions { limit: 3 })),
        "{refused:?}"
    );
    drop(open);

    // After a tenth of a second, the least recently used session, and only that one, is closed for
    // a new one.
    let document = r#"{"max_sessions": 3, "idle_timeout_ms": 100, "auto_cleanup": false, "max_concurrent": 2, "resume_closed": false}"#;
    let model = tiny(document);
    let mut sessions = Vec::new();
    for number in 0..3 {
        let mut session = context(&model);
        run(
            &mut session,
            &format!("session {number}"),
            r#"{"max_tokens": 2}"#,
        )
        .await
        .unwrap();
        sessions.push(session);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let fourth = loop {
        match model.session(Owner::unique()) {
            Ok(session) => break session,
            Err(Error::TooManySessions { limit: 3 }) => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            Err(error) => panic!("{error}"),
        }
    };
    sessions.push(fourth);
    let status = model.status();
    assert_eq!(
        (status.sessions, status.sessions_closed),
        (3, 1),
        "{status:?}"
    );
    for (number, session) in sessions.iter_mut().enumerate() {
        let told = run(session, "Test message", r#"{"max_tokens": 2}"#).await;
        match (number, told) {
            (0, Err(Error::SessionClosed { .. })) => {}
            (0, told) => panic!("the first one is still there: {told:?}"),
            (_, told) => {
                told.unwrap();
            }
        }
    }

    // With `auto_cleanup` idle sessions are closed automatically. Without it they stay open,
    // however long they are idle.
    for (cleanup, left) in [(true, 0), (false, 3)] {
        let document = format!(
            r#"{{"max_sessions": 3, "idle_timeout_ms": 50, "auto_cleanup_enabled": {cleanup}}}"#
        );
        let model = tiny(&document);
        let _open = [context(&model), context(&model), context(&model)];
        if cleanup {
            until(&model, |status| status.sessions == left).await;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(model.status().sessions, left, "auto_cleanup {cleanup}");
    }
}

/// Case 11, `concurrency_management`.
#[tokio::test]
async fn what_is_open_and_what_runs_at_once_have_their_bounds() {
    // With a limit of two contexts the third is refused until one of the others is closed.
    let model = tiny(r#"{"max_sessions": 2, "queue_size": 5}"#);
    let (first, _second) = (context(&model), context(&model));
    let refused = model.session(Owner::unique()).map(drop);
    assert!(
        matches!(refused, Err(Error::TooManySessions { limit: 2 })),
        "{refused:?}"
    );
    drop(first);
    let mut third = context(&model);
    run(&mut third, "hello", r#"{"max_tokens": 2}"#)
        .await
        .unwrap();

    // `max_concurrent` limits running requests: the third waits, and runs when one has ended.
    let model = tiny(
        r#"{"max_concurrent": 2, "queue_size": 5, "ctx_size": 1024, "default_task_timeout_ms": 600000}"#,
    );
    let (first, second) = (Endless::start(&model).await, Endless::start(&model).await);
    until(&model, |status| status.running == 2).await;
    let short = settings(r#"{"temp": 0, "max_tokens": 3}"#).unwrap();
    let mut third = start(&model, text("c"), short).await.unwrap();
    until(&model, |status| (status.running, status.queued) == (2, 1)).await;
    drop(first);
    assert_eq!(finish(&mut third).await.1.usage.generated_tokens, 3);
    drop(second);
    until(&model, is_idle).await;
}
