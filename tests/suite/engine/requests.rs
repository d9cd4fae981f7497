//! The engine alone, on the tiny model: queue, cancellation, back-pressure, and that nothing is
//! left afterwards.

use std::time::Duration;

use mynah_core::{
    Conversation, Error, Event, FinishReason, Message, Model, Prompt, Role, Session, Status,
};
use mynah_settings::{ChatTemplateName, ModelConfig, Settings};
use mynah_tests::{greedy, model_path, tiny, tiny_with};

use crate::support::generations::{Running, finish, is_idle, session, start, text, until};

/// The real model for a single test, whose steps then belong to that test.
fn real(batch_size: u32) -> Model {
    let config = ModelConfig {
        ctx_size: Some(1024),
        batch_size,
        max_concurrent: 1,
        ..ModelConfig::default()
    };
    mynah_engine::load(&model_path(), config, |_| {}).unwrap()
}

fn one_at_a_time(queue_size: u32) -> ModelConfig {
    ModelConfig {
        ctx_size: Some(512),
        max_concurrent: 1,
        queue_size,
        max_unread_bytes: 1024,
        ..ModelConfig::default()
    }
}

#[tokio::test]
async fn a_generation_ends_with_its_usage_and_leaves_nothing_behind() {
    let model = tiny();
    let mut generation = start(&model, text("hello"), greedy(9)).await.unwrap();
    let (answer, outcome) = finish(&mut generation).await;
    assert!(!answer.is_empty());
    assert_eq!(outcome.reason, FinishReason::MaxTokens);
    assert_eq!(outcome.usage.generated_tokens, 9);
    assert!(outcome.usage.prompt_tokens > 0);
    assert_eq!(generation.next().await.unwrap(), []);
    until(&model, is_idle).await;
}

#[tokio::test]
async fn the_settings_in_force_can_be_read_back() {
    let model = tiny();
    let drawn = start(&model, text("x"), Settings::default()).await.unwrap();
    let again = start(&model, text("x"), Settings::default()).await.unwrap();
    assert_eq!(
        drawn.settings().stopping.max_tokens,
        16,
        "the model's default"
    );
    assert_ne!(
        drawn.settings().seed,
        again.settings().seed,
        "each draws its own"
    );
}

#[tokio::test]
async fn many_generations_at_once_all_finish() {
    let model = tiny();
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let mut session = session(&model);
            tokio::spawn(async move {
                let prompt = text(&format!("prompt number {number}"));
                let mut generation = session.start(prompt, greedy(number + 1)).await.unwrap();
                finish(&mut generation).await.1.usage.generated_tokens
            })
        })
        .collect();
    for (number, task) in (0..).zip(tasks) {
        assert_eq!(task.await.unwrap(), number + 1);
    }
    until(&model, is_idle).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_pauses_only_itself() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(4096),
        max_concurrent: 2,
        max_unread_bytes: 1024,
        ..ModelConfig::default()
    });
    let mut unread = start(&model, text("a"), greedy(4000)).await.unwrap();
    let cells = |status: &Status| status.running == 1 && status.cells_used > 100;
    let paused = until(&model, cells).await;
    // Other requests run meanwhile.
    for _ in 0..3 {
        let mut other = start(&model, text("b"), greedy(32)).await.unwrap();
        assert_eq!(finish(&mut other).await.1.usage.generated_tokens, 32);
    }
    assert!(model.status().cells_used < 4000, "it paused: {paused:?}");
    // The paused answer loses nothing.
    let (_, outcome) = finish(&mut unread).await;
    assert_eq!(outcome.usage.generated_tokens, 4000);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_with_its_numbers() {
    let model = tiny_with(one_at_a_time(2));
    let running = start(&model, text("a"), greedy(10_000)).await.unwrap();
    until(&model, |status| status.running == 1).await;
    let mut waiting: Vec<Running> = Vec::new();
    for _ in 0..2 {
        waiting.push(start(&model, text("b"), greedy(1)).await.unwrap());
    }
    match start(&model, text("c"), greedy(1)).await {
        Err(Error::Busy {
            queued: 2,
            capacity: 2,
            ..
        }) => {}
        Err(other) => panic!("not busy: {other}"),
        Ok(_) => panic!("not busy"),
    }
    // A queue entry whose owner was dropped is free again.
    drop(waiting);
    let mut next = start(&model, text("c"), greedy(1)).await.unwrap();
    drop(running);
    assert_eq!(finish(&mut next).await.1.usage.generated_tokens, 1);
    until(&model, is_idle).await;
}

#[tokio::test]
async fn a_request_that_waits_too_long_fails_without_model_work() {
    let model = tiny_with(ModelConfig {
        default_task_timeout: Duration::from_millis(50),
        ..one_at_a_time(4)
    });
    // Never read, so it fills its buffer and pauses without ending.
    let hog = start(&model, text("a"), greedy(10_000)).await.unwrap();
    until(&model, |status| status.running == 1).await;
    let mut late = start(&model, text("b"), greedy(1)).await.unwrap();
    match late.next().await {
        Err(Error::QueueTimeout { waited, limit, .. }) => assert!(waited >= limit),
        other => panic!("not timed out: {other:?}"),
    }
    drop(hog);
    until(&model, is_idle).await;
}

#[tokio::test]
async fn cancelling_keeps_the_text_and_says_so() {
    let model = tiny();
    let mut generation = start(&model, text("a"), greedy(1500)).await.unwrap();
    let first = generation.next().await.unwrap();
    assert!(
        matches!(first.as_slice(), [Event::Text(_), ..]),
        "{first:?}"
    );
    generation.cancel();
    let (_, outcome) = finish(&mut generation).await;
    assert_eq!(outcome.reason, FinishReason::Cancelled);
    assert!(outcome.usage.generated_tokens >= 1);
    until(&model, is_idle).await;
}

#[tokio::test]
async fn dropping_while_the_prompt_is_read_ends_within_one_step() {
    // This prompt needs many steps, each a good part of a second long.
    let model = real(128);
    let long = Prompt::Text("many words ".repeat(400));
    let generation = start(&model, long, greedy(1)).await.unwrap();
    until(&model, |status| status.running == 1).await;
    let before = model.status().steps;
    drop(generation);
    let after = until(&model, is_idle).await.steps;
    assert!(
        after - before <= 2,
        "{} steps were begun after the drop",
        after - before
    );
}

#[tokio::test]
async fn a_step_that_nobody_wants_any_more_is_aborted() {
    // One long step for the whole prompt. Whether the drop happens during the step is chance, so it
    // may take several tries. If it does, the step must be aborted and leave no cells.
    let model = real(1024);
    for _ in 0..50 {
        let long = Prompt::Text("many words ".repeat(400));
        let generation = start(&model, long, greedy(1)).await.unwrap();
        until(&model, |status| status.running == 1).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(generation);
        if until(&model, is_idle).await.aborted_steps > 0 {
            return;
        }
    }
    panic!("no step was aborted: {:?}", model.status());
}

#[tokio::test]
async fn dropping_a_waiting_request_frees_its_place() {
    let model = tiny_with(one_at_a_time(8));
    let running = start(&model, text("a"), greedy(10_000)).await.unwrap();
    until(&model, |status| status.running == 1).await;
    let waiting = start(&model, text("b"), greedy(1)).await.unwrap();
    assert_eq!(model.status().queued, 1);
    drop(waiting);
    until(&model, |status| status.queued == 0).await;
    drop(running);
    until(&model, is_idle).await;
}

#[tokio::test]
async fn generations_that_are_dropped_at_random_leave_no_cells() {
    let model = tiny();
    let mut kept = Vec::new();
    for number in 0..120u32 {
        let prompt = text(&"word ".repeat(1 + number as usize % 60));
        match start(&model, prompt, greedy(40)).await {
            Ok(mut generation) if number % 3 == 0 => {
                kept.push(tokio::spawn(async move { finish(&mut generation).await.1 }));
            }
            Ok(mut generation) if number % 3 == 1 => {
                generation.next().await.unwrap();
            }
            Ok(generation) => drop(generation),
            Err(Error::Busy { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
    for task in kept {
        assert_eq!(task.await.unwrap().usage.generated_tokens, 40);
    }
    until(&model, is_idle).await;
}

#[tokio::test]
async fn a_session_runs_one_generation_at_a_time() {
    let model = tiny();
    let mut session: Session = session(&model);
    let mut first = session.start(text("a"), greedy(1500)).await.unwrap();
    assert!(matches!(
        session.start(text("b"), greedy(1)).await,
        Err(Error::SessionBusy)
    ));
    first.cancel();
    finish(&mut first).await;
    session.start(text("b"), greedy(1)).await.unwrap();
}

#[tokio::test]
async fn a_context_that_is_full_ends_with_its_text() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(64),
        ..ModelConfig::default()
    });
    let mut generation = start(&model, text("a"), greedy(10_000)).await.unwrap();
    let (answer, outcome) = finish(&mut generation).await;
    assert_eq!(outcome.reason, FinishReason::ContextFull);
    let usage = outcome.usage;
    // The last token needs no cell, because no token follows it.
    assert_eq!(usage.prompt_tokens + usage.generated_tokens, 65);
    assert!(!answer.is_empty());
}

#[tokio::test]
async fn prompts_that_make_no_sense_are_refused_before_any_work() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(64),
        max_prompt_bytes: 1000,
        ..ModelConfig::default()
    });
    let refuse = async |prompt: Prompt| {
        let started = start(&model, prompt, greedy(1)).await;
        started.map(drop).unwrap_err()
    };
    let say = |content: &str| Message::new(Role::User, content);
    assert!(matches!(refuse(text("")).await, Error::EmptyPrompt));
    assert!(matches!(
        refuse(Prompt::Tokens(vec![])).await,
        Error::EmptyPrompt
    ));
    assert!(matches!(
        refuse(Prompt::Messages(Vec::new().into())).await,
        Error::EmptyPrompt
    ));
    assert!(matches!(
        refuse(text(&"x".repeat(1001))).await,
        Error::PromptTooLarge {
            bytes: 1001,
            limit: 1000
        }
    ));
    assert!(matches!(
        refuse(Prompt::Tokens(vec![1; 64])).await,
        Error::PromptTooLong {
            prompt: 64,
            at_least: false,
            context: 64
        }
    ));
    let unknown = refuse(Prompt::Tokens(vec![1, u32::MAX])).await;
    assert!(
        matches!(unknown, Error::UnknownToken { index: 1, .. }),
        "{unknown}"
    );
    let tools = Conversation {
        template_tools: Some("none".to_owned()),
        ..vec![say("hi")].into()
    };
    let told = refuse(Prompt::Messages(tools)).await;
    assert!(
        matches!(&told, Error::ChatTemplate { reason, .. } if reason.contains("no JSON list")),
        "{told}"
    );
    assert_eq!(model.status().steps, 0);
}

#[tokio::test]
async fn a_model_without_a_chat_template_gets_a_named_one() {
    let model = tiny();
    assert_eq!(model.info().chat_template, Some(ChatTemplateName::Plain));
    let messages = || vec![Message::new(Role::User, "hi")];
    let mut said = start(&model, Prompt::Messages(messages().into()), greedy(3))
        .await
        .unwrap();
    let mut text = start(&model, text("User: hi\nAssistant:"), greedy(3))
        .await
        .unwrap();
    assert_eq!(finish(&mut said).await.0, finish(&mut text).await.0);
    // The operator can choose another template.
    let model = tiny_with(ModelConfig {
        chat_template: Some(ChatTemplateName::Chatml),
        ..ModelConfig::default()
    });
    assert_eq!(model.info().chat_template, Some(ChatTemplateName::Chatml));
    let mut said = start(&model, Prompt::Messages(messages().into()), greedy(3))
        .await
        .unwrap();
    let (_, outcome) = finish(&mut said).await;
    assert!(outcome.usage.prompt_tokens > 30, "{outcome:?}");
}

#[tokio::test]
async fn a_prompt_longer_than_the_batch_is_read_in_chunks() {
    let chunked = |batch_size| {
        tiny_with(ModelConfig {
            batch_size,
            max_concurrent: 1,
            ..ModelConfig::default()
        })
    };
    let prompt = text(&"a long prompt ".repeat(40));
    let (small, large) = (chunked(16), chunked(1024));
    let mut first = start(&small, prompt.clone(), greedy(8)).await.unwrap();
    let mut second = start(&large, prompt, greedy(8)).await.unwrap();
    let (first, second) = (finish(&mut first).await, finish(&mut second).await);
    assert_eq!(first.1.usage.prompt_tokens, second.1.usage.prompt_tokens);
    assert!(small.status().steps > large.status().steps);
}

#[tokio::test]
async fn a_model_that_is_dropped_while_it_generates_ends_its_worker() {
    let model = tiny();
    let mut session = session(&model);
    let mut generation = session.start(text("a"), greedy(1500)).await.unwrap();
    generation.next().await.unwrap();
    // Joins the worker; the test is that this returns.
    drop((model, session, generation));
}
