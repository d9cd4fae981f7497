//! One model for many guests: a hundred guests, full queues, long prompts beside short ones,
//! priorities, fairness, and killed guests. Texts on the real model, mechanics on the tiny one.

use std::time::Duration;

use mynah_core::{Error, Event, Model, Owner, Prompt};
use mynah_settings::{ModelConfig, Priority, Scheduling, Settings};
use mynah_tests::{Ended, Guest, Running as RunningGuest, Started, greedy, model_path, tiny_with};

use crate::support::generations::{finish, is_idle, session, start, text, until};

/// The real model with this number of sequences.
fn real(max_concurrent: u32, ctx_size: u32) -> Model {
    let config = ModelConfig {
        ctx_size: Some(ctx_size),
        max_concurrent,
        queue_size: 100,
        default_task_timeout: Duration::from_secs(600),
        ..ModelConfig::default()
    };
    mynah_engine::load(&model_path(), config, |_| {}).unwrap()
}

/// The tiny model for many guests.
fn crowded(queue_size: u32) -> Model {
    tiny_with(ModelConfig {
        ctx_size: Some(256),
        queue_size,
        default_task_timeout: Duration::from_secs(600),
        ..ModelConfig::default()
    })
}

/// Greedy sampling with a priority.
fn with_priority(priority: Priority, max_tokens: u32) -> Settings {
    Settings {
        scheduling: Scheduling {
            priority: Some(priority),
            ..Scheduling::default()
        },
        ..greedy(max_tokens)
    }
}

fn printed(ended: Ended) -> String {
    assert!(matches!(ended.code, Ok(0)), "{ended:?}");
    ended.stdout
}

const SUBJECTS: [&str; 16] = [
    "The capital of France is",
    "Water boils at",
    "The three primary colours are",
    "A haiku has",
    "Once upon a time",
    "The largest planet is",
    "To bake bread, you need",
    "The opposite of hot is",
    "In 1969, humans",
    "The speed of light",
    "My favourite animal is",
    "A triangle has",
    "The first president",
    "Rust is a language",
    "The moon is",
    "Dear Sir or Madam,",
];

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_deterministic_prompts_say_together_what_each_says_alone() {
    let model = real(17, 256);
    let program = Started::new("stream_deterministic").unwrap();
    let guest = |prompt: &str| {
        Guest::new("stream_deterministic")
            .model(model.clone())
            .args(&[prompt, "16"])
            .spawn(&program)
    };
    let mut alone = Vec::new();
    for prompt in SUBJECTS {
        alone.push(printed(guest(prompt).ended().await));
    }
    // Another request shares the steps, so deterministic requests must have their own.
    let other = start(&model, text("Tell me a story"), greedy(200))
        .await
        .unwrap();
    let together: Vec<RunningGuest> = SUBJECTS.map(guest).into();
    for (guest, alone) in together.into_iter().zip(&alone) {
        assert_eq!(printed(guest.ended().await), *alone);
    }
    drop(other);
    until(&model, is_idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deterministic_request_that_is_parked_says_what_it_says_undisturbed() {
    let model = real(1, 512);
    let settings = Settings {
        scheduling: Scheduling {
            deterministic: Some(true),
            priority: Some(Priority::Low),
            ..Scheduling::default()
        },
        ..greedy(150)
    };
    let prompt = || text(SUBJECTS[4]);
    let mut alone = start(&model, prompt(), settings.clone()).await.unwrap();
    let (alone, _) = finish(&mut alone).await;
    until(&model, is_idle).await;

    let mut parked = start(&model, prompt(), settings).await.unwrap();
    // In the middle of its answer.
    until(&model, |status| status.cells_used - status.cells_idle > 15).await;
    let urgent = with_priority(Priority::Urgent, 8);
    let mut first = start(&model, text(SUBJECTS[0]), urgent).await.unwrap();
    assert!(finish(&mut first).await.0.contains("Paris"));
    assert_eq!(finish(&mut parked).await.0, alone);
    let status = until(&model, is_idle).await;
    assert_eq!((status.preempted, status.resumed), (1, 1), "{status:?}");
    assert_eq!((status.recomputed, status.parked_bytes), (0, 0));
}

#[tokio::test]
async fn a_pool_of_cells_that_runs_out_fails_nobody() {
    // Four requests that need 200 cells each, in a pool of 300.
    let model = tiny_with(ModelConfig {
        ctx_size: Some(256),
        kv_cells: Some(300),
        max_concurrent: 4,
        ..ModelConfig::default()
    });
    assert!(!model.status().cells_split);
    let mut running = Vec::new();
    for n in 0..4 {
        let prompt = text(&format!("number {n}"));
        running.push(start(&model, prompt, greedy(180)).await.unwrap());
    }
    for generation in &mut running {
        assert_eq!(finish(generation).await.1.usage.generated_tokens, 180);
    }
    let status = until(&model, is_idle).await;
    assert!(status.exhausted > 0 && status.resumed > 0, "{status:?}");
    assert_eq!(status.requests.completed, 4);

    // A deterministic request is refused with advice.
    let deterministic = Settings {
        scheduling: Scheduling {
            deterministic: Some(true),
            ..Scheduling::default()
        },
        ..greedy(1)
    };
    match start(&model, text("x"), deterministic).await.map(drop) {
        Err(error @ Error::NotDeterministic { cells: 300 }) => {
            assert!(error.to_string().contains("`kv_layout`"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // A request that can never fit is refused with the numbers.
    match start(&model, Prompt::Tokens(vec![1; 256]), greedy(1))
        .await
        .map(drop)
    {
        Err(Error::PromptTooLong {
            prompt: 256,
            at_least: false,
            context: 256,
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_guests_with_two_requests_each_all_finish() {
    let model = crowded(200);
    let program = Started::new("stream_two_requests").unwrap();
    let guests: Vec<RunningGuest> = (0..100)
        .map(|n| {
            Guest::new("stream_two_requests")
                .model(model.clone())
                .args(&[&format!("guest number {n}"), "8"])
                .spawn(&program)
        })
        .collect();
    for guest in guests {
        assert_eq!(printed(guest.ended().await), "16\n");
    }
    let status = until(&model, is_idle).await;
    let requests = status.requests;
    assert_eq!((requests.accepted, requests.completed), (200, 200));
    assert_eq!(requests.ended(), 200);
    assert_eq!(status.sessions, 0);
    let owners = model.owners();
    let served: u64 = owners.iter().map(|owner| owner.served_tokens).sum();
    assert_eq!(owners.len(), 100);
    assert!(served >= 200 * 8, "{served}");
}

#[tokio::test]
async fn ten_times_more_requests_than_the_queue_holds_complete_or_are_refused_at_once() {
    const QUEUE: u32 = 5;
    let model = crowded(QUEUE);
    let (mut running, mut refused) = (Vec::new(), 0);
    for n in 0..10 * QUEUE {
        match start(&model, text(&format!("request {n}")), greedy(30)).await {
            Ok(generation) => running.push(generation),
            Err(Error::Busy {
                queued, capacity, ..
            }) => {
                assert_eq!((queued, capacity), (5, 5));
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0, "nobody was refused");
    for generation in &mut running {
        assert_eq!(finish(generation).await.1.usage.generated_tokens, 30);
    }
    let requests = until(&model, is_idle).await.requests;
    assert_eq!(requests.refused, refused);
    assert_eq!(requests.completed, running.len() as u64);
    assert_eq!(requests.completed + requests.refused, 50);
}

#[tokio::test]
async fn sessions_beyond_the_bound_are_refused_with_it() {
    let model = tiny_with(ModelConfig {
        max_sessions: 2,
        ..ModelConfig::default()
    });
    let open = [session(&model), session(&model)];
    match model.session(Owner::unique()).map(drop) {
        Err(Error::TooManySessions { limit: 2 }) => {}
        other => panic!("{other:?}"),
    }
    drop(open);
    session(&model);
}

#[tokio::test]
async fn a_short_prompt_behind_a_long_one_gets_its_first_token_within_a_few_steps() {
    let model = real(4, 8192);
    let long = Prompt::Text("many words ".repeat(2000));
    let long = start(&model, long, greedy(1)).await.unwrap();
    until(&model, |status| status.running == 1).await;
    let before = model.status().steps;
    let mut short = start(&model, text(SUBJECTS[0]), greedy(4)).await.unwrap();
    let first = short.next().await.unwrap();
    assert!(matches!(first.first(), Some(Event::Text(_))), "{first:?}");
    let status = model.status();
    assert!(
        status.steps - before <= 4,
        "{} steps until the first token",
        status.steps - before
    );
    assert_eq!(status.running, 2, "the long one still reads its prompt");
    drop(long);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_of_the_guests_killed_while_they_generate_leaves_the_rest_unharmed() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(1024),
        max_concurrent: 16,
        queue_size: 100,
        ..ModelConfig::default()
    });
    let program = Started::new("stream_two_requests").unwrap();
    let guests: Vec<RunningGuest> = (0..48)
        .map(|n| {
            // Guests that will be killed never end by themselves.
            let tokens = if n % 3 == 0 { "900" } else { "60" };
            Guest::new("stream_two_requests")
                .model(model.clone())
                .args(&[&format!("guest {n}"), tokens])
                .spawn(&program)
        })
        .collect();
    until(&model, |status| status.running == 16).await;
    let mut rest = Vec::new();
    for (n, guest) in guests.into_iter().enumerate() {
        if n % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(n as u64 % 7)).await;
            guest.stop().await;
        } else {
            rest.push(guest);
        }
    }
    for guest in rest {
        assert_eq!(printed(guest.ended().await), "120\n");
    }
    let status = until(&model, is_idle).await;
    assert_eq!(
        (status.parked, status.parked_bytes, status.sessions),
        (0, 0, 0)
    );
    let requests = status.requests;
    assert_eq!(requests.accepted, requests.ended());
    assert_eq!((requests.failed, requests.timed_out), (0, 0));
}

#[tokio::test]
async fn an_owner_with_fifty_requests_does_not_starve_those_with_a_few() {
    let model = crowded(200);
    let ask = async |owner: &Owner, n: usize| {
        let mut session = model.session(owner.clone()).unwrap();
        let prompt = text(&format!("the {n}th of {}", owner.name()));
        let generation = session.start(prompt, greedy(40)).await.unwrap();
        (session, generation)
    };
    let crowd = Owner::named("crowd");
    let mut many = Vec::new();
    for n in 0..50 {
        many.push(ask(&crowd, n).await);
    }
    let mut few = Vec::new();
    for name in ["one", "two", "three"] {
        let owner = Owner::named(name);
        for n in 0..10 {
            few.push(ask(&owner, n).await);
        }
    }
    // Two thirds of what the few request.
    let status = until(&model, |_| {
        let owners = model.owners();
        let served = owners.iter().filter(|owner| &*owner.name != "crowd");
        served.map(|owner| owner.served_tokens).sum::<u64>() > 3 * 10 * 40 * 2 / 3
    })
    .await;
    assert!(status.fairness > 0.85, "{status:#?}");
    for (_, generation) in &mut few {
        finish(generation).await;
    }
    let status = model.status();
    assert!(
        status.requests.completed < 70,
        "the crowd was served first: {status:#?}"
    );
    drop(many);
    until(&model, is_idle).await;
}

#[tokio::test]
async fn higher_priorities_are_served_first_and_low_ones_in_the_end() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(2048),
        max_concurrent: 1,
        ..ModelConfig::default()
    });
    let hog = start(&model, text("a"), greedy(1500)).await.unwrap();
    until(&model, |status| status.running == 1).await;
    let owner = Owner::named("one owner");
    let mut waiting = Vec::new();
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        let mut session = model.session(owner.clone()).unwrap();
        let settings = with_priority(priority, 50);
        let generation = session.start(text("b"), settings).await.unwrap();
        waiting.push((session, generation));
    }
    assert_eq!(model.status().queued_by_priority, [1, 1, 1, 0]);
    drop(hog);
    // The last request to arrive ends first.
    let mut begun = Vec::new();
    for (_, generation) in &mut waiting {
        begun.push(finish(generation).await.1.usage.queue_time);
    }
    assert!(begun[0] > begun[1] && begun[1] > begun[2], "{begun:?}");
}
