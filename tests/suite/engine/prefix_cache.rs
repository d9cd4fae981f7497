//! The prefix cache. On the real models: the text is the same as without it, and only new tokens
//! are computed. On the tiny model: a session that was closed while idle is opened again, or
//! refused.

use std::time::Duration;

use mynah_core::{Error, Message, Model, Owner, Role, Session};
use mynah_settings::{KvLayout, ModelConfig, Settings};
use mynah_tests::greedy;

use crate::support::conversations::{
    apart, ask, chat, cold, config, deterministic, first, gemma, head, idle_after, load,
};
use crate::support::generations::{finish, text, until};

#[tokio::test]
async fn warm_and_cold_runs_give_the_same_text() {
    for (is_gemma, kv_layout, exactly) in [
        (false, KvLayout::Split, true),
        (false, KvLayout::Split, false),
        (false, KvLayout::Unified, false),
        (true, KvLayout::Split, true),
        (true, KvLayout::Unified, false),
    ] {
        let config = ModelConfig {
            kv_layout,
            // Gemma's state in host memory can only be continued from its end.
            max_concurrent: if is_gemma { 4 } else { 2 },
            ..config()
        };
        let model = if is_gemma {
            gemma(true, config)
        } else {
            load(config)
        };
        // The shape of a batch changes the last bits of its results, so texts are only compared if
        // the shapes are the same.
        let settings = |settings| {
            if exactly {
                deterministic(settings)
            } else {
                settings
            }
        };
        let owner = Owner::named("one");
        let mut sessions: Vec<Session> = (0..4)
            .map(|_| model.session(owner.clone()).unwrap())
            .collect();
        let prompts: Vec<String> = ["green", "red", "blue", "white"]
            .iter()
            .map(|colour| format!("{}The {colour} parrot likes", head()))
            .collect();
        let mut answers = Vec::new();
        for prompt in &prompts {
            let (answer, outcome) = ask(&mut sessions[0], text(prompt), settings(cold())).await;
            assert_eq!(outcome.usage.cached_tokens, 0);
            answers.push(answer);
        }
        // A prefix from another session, and more sessions than sequences, so that some are
        // restored from host memory.
        for round in 0..2 {
            for ((session, prompt), cold) in sessions.iter_mut().zip(&prompts).zip(&answers) {
                let asked = settings(Settings::default());
                let (warm, outcome) = ask(session, text(prompt), asked).await;
                let usage = outcome.usage;
                if exactly {
                    assert_eq!(&warm, cold, "round {round}");
                    assert_eq!(usage.cached_tokens % 64, 0);
                } else if round > 0 {
                    assert_eq!(usage.cached_tokens, usage.prompt_tokens - 1);
                }
            }
        }
        let status = model.status();
        assert_eq!(
            (status.cache.hits, status.cache.misses),
            (7, 1),
            "{status:#?}"
        );
        assert_eq!(status.cache.saved_tokens > 0, !is_gemma, "{status:#?}");
    }
}

#[tokio::test]
async fn what_is_shared_or_copied_is_what_would_be_computed() {
    /// The last bits differ because the batches have other shapes. On a CPU with AVX2 alone, the
    /// numbers of Gemma are 0.2023 apart.
    const NEAR: f32 = 0.3;

    for kv_layout in [KvLayout::Unified, KvLayout::Split] {
        let config = || ModelConfig {
            kv_layout,
            ..config()
        };
        for model in [load(config()), gemma(true, config())] {
            let owner = Owner::named("one");
            let session = || model.session(owner.clone()).unwrap();
            let ask = |of| format!("{}The capital of {of} is the city of", head());
            let warm = Settings::greedy;
            first(&mut session(), &ask("Spain"), warm()).await;
            let (found, cached) = first(&mut session(), &ask("France"), warm()).await;
            assert!(cached > 300, "{cached}");
            let (computed, cached) = first(&mut session(), &ask("France"), cold()).await;
            assert_eq!(cached, 0);
            let distance = apart(&computed, &found);
            assert!(distance < NEAR, "{distance}: {computed:?} {found:?}");
            let (other, _) = first(&mut session(), &ask("Spain"), cold()).await;
            let distance = apart(&computed, &other);
            assert!(distance > 2.0 * NEAR, "{distance}");
        }
    }
}

#[tokio::test]
async fn many_that_begin_alike_compute_it_once() {
    let model = load(ModelConfig {
        max_concurrent: 8,
        ..config()
    });
    let owner = Owner::named("one");
    let mut sessions: Vec<Session> = (0..8)
        .map(|_| model.session(owner.clone()).unwrap())
        .collect();
    let mut running = Vec::new();
    for (number, session) in sessions.iter_mut().enumerate() {
        let prompt = format!("{}Parrot number {number} is", head());
        running.push(session.start(text(&prompt), greedy(8)).await.unwrap());
    }
    let mut computed = 0;
    let mut prompt = 0;
    for generation in &mut running {
        let (_, outcome) = finish(generation).await;
        prompt = outcome.usage.prompt_tokens;
        computed += prompt - outcome.usage.cached_tokens;
    }
    assert!(
        computed < prompt + 8 * 8,
        "{computed} of {prompt} tokens each"
    );
}

#[tokio::test]
async fn a_deterministic_request_is_the_same_warm_and_cold() {
    let model = load(config());
    let mut session = model.session(Owner::named("one")).unwrap();

    let prompt = format!("{}The green parrot likes", head());
    let (cold, _) = ask(&mut session, text(&prompt), deterministic(cold())).await;
    for round in 0..3 {
        let settings = deterministic(Settings::default());
        let (warm, outcome) = ask(&mut session, text(&prompt), settings).await;
        assert_eq!(warm, cold);
        assert_eq!(outcome.usage.cached_tokens > 0, round > 0);
    }
}

#[tokio::test]
async fn a_fork_goes_on_from_where_it_left() {
    // As many sequences as sessions, because Gemma's state in host memory can only be continued
    // from its end.
    let config = || ModelConfig {
        max_concurrent: 4,
        ..config()
    };
    for model in [load(config()), gemma(true, config())] {
        forks(&model).await;
    }
}

async fn forks(model: &Model) {
    let owner = Owner::named("one");
    let mut messages = vec![
        Message::new(Role::System, head()),
        Message::new(Role::User, "Which fruit do parrots eat?"),
    ];
    let mut first = model.session(owner.clone()).unwrap();
    let warm = || deterministic(Settings::default());
    let (answer, _) = ask(&mut first, chat(&messages), warm()).await;
    messages.push(Message::new(Role::Assistant, answer));
    for question in ["Why?", "When do they sleep?"] {
        let mut fork = model.session(owner.clone()).unwrap();
        let mut asked = messages.clone();
        asked.push(Message::new(Role::User, question));
        let (warm, outcome) = ask(&mut fork, chat(&asked), warm()).await;
        let usage = outcome.usage;
        assert!(
            usage.cached_tokens * 4 > usage.prompt_tokens * 3,
            "{usage:?}"
        );
        let mut alone = model.session(Owner::unique()).unwrap();
        let (cold, _) = ask(&mut alone, chat(&asked), deterministic(cold())).await;
        assert_eq!(warm, cold);
    }
}

#[tokio::test]
async fn a_turn_of_a_long_conversation_reads_only_what_is_new() {
    let model = load(ModelConfig {
        ctx_size: Some(4096),
        max_concurrent: 1,
        batch_size: 512,
        ..config()
    });
    let mut session = model.session(Owner::unique()).unwrap();
    let long: String = (0..5).map(|_| head()).collect();
    let mut messages = vec![Message::new(Role::User, long)];
    let (answer, outcome) = ask(&mut session, chat(&messages), greedy(4)).await;
    assert!(outcome.usage.prompt_tokens > 2500, "{outcome:?}");
    messages.push(Message::new(Role::Assistant, answer));
    messages.push(Message::new(Role::User, "And then?"));
    let (_, outcome) = ask(&mut session, chat(&messages), greedy(4)).await;
    let usage = outcome.usage;
    assert!(
        usage.cached_tokens * 100 >= usage.prompt_tokens * 99,
        "{usage:?}"
    );
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_closed_and_opens_anew() {
    let model = idle_after(Duration::from_millis(50), true);
    let mut session = model.session(Owner::named("one")).unwrap();
    let prompt = || text("hello parrot, this is a prompt");
    let (first, _) = ask(&mut session, prompt(), Settings::default()).await;
    let closed = until(&model, |status| status.sessions_closed == 1).await;
    assert_eq!(closed.sessions, 0);
    until(&model, |status| status.cells_idle == 0).await;
    let (again, outcome) = ask(&mut session, prompt(), Settings::default()).await;
    assert_eq!((again, outcome.usage.cached_tokens), (first, 0));
}

#[tokio::test]
async fn a_session_that_was_closed_says_so_where_it_may_not_open_anew() {
    let model = idle_after(Duration::from_millis(50), false);
    let mut session = model.session(Owner::unique()).unwrap();
    until(&model, |status| status.sessions_closed == 1).await;
    let error = session
        .start(text("hello"), Settings::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::SessionClosed { .. }), "{error}");
    assert!(error.to_string().contains("open a new one"), "{error}");
}
