//! A model in a process of its own answers as one in this process.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_core::{Error, Event, FinishReason, GuestLoader, Observer};
use mynah_isolate::Processes;
use mynah_settings::{Sampling, Seed, Settings, Stopping};

use crate::model::LONG;
use crate::support::{
    answer, cancel_load, children, load, load_with, loader, nothing_is_left, prompt, read,
    scripted, session, start, until, wait,
};

crate::tests![
    text_vectors_and_tokens_arrive,
    a_long_answer_arrives_whole_however_it_is_read,
    a_reader_that_does_not_read_holds_up_nobody_else,
    a_token_and_its_probability_arrive_as_they_were,
    an_error_in_the_middle_comes_after_the_text,
    a_cancelled_generation_ends_with_what_was_there,
    a_dropped_generation_frees_its_session,
    settings_are_resolved_by_the_host_and_used_by_the_process,
    a_wrong_setting_is_refused_as_elsewhere,
    figures_and_sessions_are_told,
    the_observer_is_told_of_each_end,
    the_process_ends_with_its_model,
    the_processes_are_bounded_for_all,
    a_refused_model_is_an_error_in_the_loaders_words,
    a_load_that_nobody_waits_for_ends,
];

fn text_vectors_and_tokens_arrive() {
    let model = scripted();
    assert_eq!(model.info().name, "scripted");
    assert_eq!(answer(&model, "hello there").unwrap(), "hello there");
    wait(async {
        let mut session = session(&model);
        let texts = [prompt("one"), prompt("two words")];
        let vectors = session.embed(&texts, Settings::default()).await.unwrap();
        assert_eq!((vectors.vectors.len(), vectors.prompt_tokens), (2, 3));
        assert_eq!(session.tokens(prompt("a b c")).await.unwrap(), [0, 1, 2]);
        let none = session.embed(&[], Settings::default()).await;
        assert!(matches!(none, Err(Error::EmptyPrompt)), "{none:?}");
    });
    drop(model);
    nothing_is_left();
}

fn long() -> String {
    (0..LONG).map(|number| format!("{number} ")).collect()
}

fn unlimited() -> Settings {
    Settings {
        stopping: Stopping {
            max_tokens: Some(u32::try_from(LONG).unwrap() + 1),
            ..Stopping::default()
        },
        ..Settings::default()
    }
}

fn a_long_answer_arrives_whole_however_it_is_read() {
    let model = scripted();
    let expected = long();
    wait(async {
        let mut session = session(&model);
        let whole = session.start(prompt("long"), unlimited()).await.unwrap();
        assert_eq!(read(whole).await.unwrap().0, expected);
        let mut slowly = session.start(prompt("long"), unlimited()).await.unwrap();
        let mut text = String::new();
        let mut pauses = 0;
        'all: loop {
            for event in slowly.next().await.unwrap() {
                match event {
                    Event::Text(piece) => {
                        // The limits for unread text on both sides, and what exceeds them.
                        assert!(piece.len() < 70 << 10, "{} bytes at once", piece.len());
                        text.push_str(&piece);
                    }
                    Event::Finished(_) => break 'all,
                    _ => {}
                }
            }
            pauses += 1;
            if pauses % 16 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert!(
            text == expected,
            "{} of {} bytes",
            text.len(),
            expected.len()
        );
    });
    wait(async {
        let mut by_token = session(&model);
        let few = Settings {
            stopping: Stopping {
                max_tokens: Some(100),
                ..Stopping::default()
            },
            ..Settings::default()
        };
        let mut generation = by_token.start_by_token(prompt("long"), few).await.unwrap();
        for number in 0..100 {
            let events = generation.next().await.unwrap();
            assert_eq!(events, [Event::Text(format!("{number} "))]);
            assert_eq!(generation.read_tokens(), number + 1);
        }
        let end = generation.next().await.unwrap();
        assert!(matches!(end[..], [Event::Finished(_)]), "{end:?}");
    });
}

fn a_reader_that_does_not_read_holds_up_nobody_else() {
    let model = scripted();
    wait(async {
        let mut idle = session(&model);
        let unread = idle.start(prompt("long"), unlimited()).await.unwrap();
        let mut other = session(&model);
        for _ in 0..20 {
            let generation = start(&mut other, "hello").await.unwrap();
            assert_eq!(read(generation).await.unwrap().0, "hello");
        }
        assert_eq!(read(unread).await.unwrap().0, long());
    });
}

fn a_token_and_its_probability_arrive_as_they_were() {
    let model = scripted();
    wait(async {
        let mut session = session(&model);
        let settings = Settings {
            sampling: Sampling {
                n_probs: Some(1),
                ..Sampling::default()
            },
            ..Settings::default()
        };
        let mut generation = session.start(prompt("token"), settings).await.unwrap();
        let mut tokens = Vec::new();
        'all: loop {
            for event in generation.next().await.unwrap() {
                match event {
                    Event::Token(token) => tokens.push(token.chosen),
                    Event::Text(text) => assert_eq!(text, "token"),
                    Event::Finished(_) => break 'all,
                    _ => {}
                }
            }
        }
        let [token] = &tokens[..] else {
            panic!("{tokens:?}");
        };
        assert_eq!((token.id, &token.bytes[..]), (7, &b"token"[..]));
        assert_eq!(token.log_prob, f32::NEG_INFINITY);
    });
}

fn an_error_in_the_middle_comes_after_the_text() {
    let model = scripted();
    wait(async {
        let mut session = session(&model);
        let mut generation = start(&mut session, "fail").await.unwrap();
        let events = generation.next().await.unwrap();
        assert_eq!(events, [Event::Text("some ".into())]);
        let error = generation.next().await.unwrap_err();
        assert!(
            matches!(error, Error::Decode { attempts: 1, .. }),
            "{error:?}"
        );
        let again = start(&mut session, "hello").await.unwrap();
        assert_eq!(read(again).await.unwrap().0, "hello");
    });
}

fn a_cancelled_generation_ends_with_what_was_there() {
    let model = scripted();
    wait(async {
        let mut session = session(&model);
        let mut generation = start(&mut session, "wait").await.unwrap();
        let events = generation.next().await.unwrap();
        assert_eq!(events, [Event::Text("begun ".into())]);
        generation.cancel();
        let (text, outcome) = read(generation).await.unwrap();
        assert_eq!(
            (text.as_str(), outcome.reason),
            ("", FinishReason::Cancelled)
        );
    });
}

fn a_dropped_generation_frees_its_session() {
    let model = scripted();
    wait(async {
        let mut session = session(&model);
        let generation = start(&mut session, "wait").await.unwrap();
        let busy = start(&mut session, "hello").await;
        assert!(matches!(busy, Err(Error::SessionBusy)), "{busy:?}");
        drop(generation);
        // The process is told before the next request.
        let next = start(&mut session, "hello").await.unwrap();
        assert_eq!(read(next).await.unwrap().0, "hello");
    });
    until("the cancelled request is counted", || {
        model.status().requests.cancelled == 1
    });
}

fn settings_are_resolved_by_the_host_and_used_by_the_process() {
    let model = scripted();
    wait(async {
        let mut session = session(&model);
        let of_session = Settings {
            stopping: Stopping {
                max_tokens: Some(3),
                ..Stopping::default()
            },
            ..Settings::default()
        };
        session.configure(of_session).unwrap();
        let drawn = start(&mut session, "long").await.unwrap();
        let seed = drawn.settings().seed;
        assert_eq!(drawn.settings().stopping.max_tokens, 3);
        let (text, outcome) = read(drawn).await.unwrap();
        assert_eq!(
            (text.as_str(), outcome.reason),
            ("0 1 2 ", FinishReason::MaxTokens)
        );
        assert_eq!(
            outcome.seed, seed,
            "the drawn seed is the one that was used"
        );
        let settings = Settings {
            sampling: Sampling {
                seed: Some(Seed::Fixed(9)),
                ..Sampling::default()
            },
            ..Settings::default()
        };
        let fixed = session.start(prompt("x"), settings).await.unwrap();
        assert_eq!(read(fixed).await.unwrap().1.seed, 9);
    });
}

fn a_wrong_setting_is_refused_as_elsewhere() {
    let model = scripted();
    wait(async {
        let settings = Settings {
            sampling: Sampling {
                temperature: Some(-1.0),
                ..Sampling::default()
            },
            ..Settings::default()
        };
        let refused = session(&model).start(prompt("x"), settings).await;
        assert!(
            matches!(refused, Err(Error::Settings { .. })),
            "{refused:?}"
        );
        let empty = start(&mut session(&model), "").await;
        assert!(matches!(empty, Err(Error::EmptyPrompt)), "{empty:?}");
    });
}

fn figures_and_sessions_are_told() {
    let model = scripted();
    wait(async {
        let mut session = session(&model);
        let generation = start(&mut session, "two words").await.unwrap();
        read(generation).await.unwrap();
        // They come with the end of the request.
        assert_eq!(model.status().requests.completed, 1);
        let status = session.status();
        assert_eq!((status.id, status.tokens), (session.number(), 2));
        let owners = model.owners();
        assert_eq!((&*owners[0].name, owners[0].served_tokens), ("a guest", 2));
    });
    until("the closed session is told", || {
        model.status().sessions == 0
    });
    assert!(model.is_loaded() && model.is_alive());
    assert!(!model.unload(), "its bytes are gone");
}

fn the_observer_is_told_of_each_end() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let observer = Observer::new(move |end| {
        let usage = (end.usage.prompt_tokens, end.usage.generated_tokens);
        seen.lock().unwrap().push((end.outcome.name(), usage));
    });
    let observer = observer.unwrap();
    let loader = loader(&Processes::default()).with_observer(Some(observer.clone()));
    let model = loader.load(b"scripted", Box::new(|_| ControlFlow::Continue(())));
    let model = model.unwrap();
    answer(&model, "two words").unwrap();
    answer(&model, "fail").unwrap_err();
    wait(async {
        let texts = [prompt("three more words")];
        session(&model)
            .embed(&texts, Settings::default())
            .await
            .unwrap();
    });
    assert!(observer.flush(Duration::from_secs(30)));
    let expected = [
        ("completed", (2, 1)),
        ("failed", (0, 0)),
        ("completed", (3, 0)),
    ];
    assert_eq!(*ends.lock().unwrap(), expected);
}

fn the_process_ends_with_its_model() {
    let model = scripted();
    let mut session = session(&model);
    let generation = wait(start(&mut session, "wait")).unwrap();
    assert_eq!(children().len(), 1);
    drop((session, model));
    assert_eq!(children().len(), 1, "a reader still waits");
    drop(generation);
    nothing_is_left();
}

fn the_processes_are_bounded_for_all() {
    let processes = Processes::new(2);
    let first = load_with(&processes, "scripted").unwrap();
    let _second = load_with(&processes, "scripted").unwrap();
    let refused = load_with(&processes, "scripted").unwrap_err().to_string();
    assert!(refused.contains("max_guest_processes"), "{refused}");
    drop(first);
    let _third = load_with(&processes, "scripted").unwrap();
}

fn a_refused_model_is_an_error_in_the_loaders_words() {
    let error = load("not a model").unwrap_err();
    assert_eq!(error.to_string(), "that is no model");
    nothing_is_left();
}

fn a_load_that_nobody_waits_for_ends() {
    cancel_load(&loader(&Processes::default()), "hangs", 3);
}
