//! What is remembered, on the real models: the same text as without, and only what is new is read. On the tiny one: that a session
//! which was closed for doing nothing opens anew, or says so.

use std::time::Duration;

use mynah_engine::{
    Conversation, Error, FinishReason, KvLayout, KvType, Memory, Message, Model, ModelConfig,
    Outcome, Owner, Prompt, Role, Session, Settings, Stopping,
};
use mynah_tests::{gemma_path, greedy, model_path, tiny_with};

use crate::engine::{finish, text, until};

/// Some three hundred words that several prompts begin with.
fn head() -> String {
    (1..=40)
        .map(|number| format!("Rule {number}: a parrot of colour {number} eats fruit. "))
        .collect()
}

fn config() -> ModelConfig {
    ModelConfig {
        ctx_size: Some(1024),
        max_concurrent: 2,
        defaults: greedy(24),
        ..ModelConfig::default()
    }
}

fn load(config: ModelConfig) -> Model {
    Model::load(&model_path(), config, |_| {}).unwrap()
}

/// What nothing is remembered for.
fn cold() -> Settings {
    Settings {
        memory: Memory {
            cache_prompt: Some(false),
            ..Memory::default()
        },
        ..Settings::default()
    }
}

fn deterministic(mut settings: Settings) -> Settings {
    settings.scheduling.deterministic = Some(true);
    settings
}

async fn ask(session: &mut Session, prompt: Prompt, settings: Settings) -> (String, Outcome) {
    finish(&mut session.start(prompt, settings).unwrap()).await
}

fn chat(messages: &[Message]) -> Prompt {
    Prompt::Messages(Conversation::from(messages.to_vec()))
}

#[tokio::test]
async fn warm_and_cold_runs_give_the_same_text() {
    for (kv_layout, exactly) in [
        (KvLayout::Split, true),
        (KvLayout::Split, false),
        (KvLayout::Unified, false),
    ] {
        let model = load(ModelConfig {
            kv_layout,
            ..config()
        });
        // The shape of a step changes the last bits of what it computes, so texts are compared where it is always the same.
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
        // A prefix that another session left; more sessions than places, so that some come back from host memory.
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
        assert!(status.cache.saved_tokens > 0, "{status:#?}");
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
        running.push(session.start(text(&prompt), greedy(8)).unwrap());
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
    let model = load(config());
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
        ctx_size: Some(12_288),
        max_concurrent: 1,
        batch_size: 512,
        ..config()
    });
    let mut session = model.session(Owner::unique()).unwrap();
    let long: String = (0..18).map(|_| head()).collect();
    let mut messages = vec![Message::new(Role::User, long)];
    let (answer, outcome) = ask(&mut session, chat(&messages), greedy(4)).await;
    assert!(outcome.usage.prompt_tokens > 10_000, "{outcome:?}");
    messages.push(Message::new(Role::Assistant, answer));
    messages.push(Message::new(Role::User, "And then?"));
    let (_, outcome) = ask(&mut session, chat(&messages), greedy(4)).await;
    let usage = outcome.usage;
    assert!(
        usage.cached_tokens * 100 >= usage.prompt_tokens * 99,
        "{usage:?}"
    );
}

/// A conversation of many turns in a context of 2,048 tokens, to its end.
async fn outgrows(model: &Model, shifts_cells: bool) {
    let mut session = model.session(Owner::unique()).unwrap();
    let shifts = Settings {
        memory: Memory {
            context_shifting: Some(true),
            ..Memory::default()
        },
        stopping: Stopping {
            max_tokens: Some(16),
            ignore_eos: Some(true),
            ..Stopping::default()
        },
        ..Settings::greedy()
    };
    let system = Message::new(Role::System, "You are a parrot and answer in few words.");
    let mut messages = vec![system.clone()];
    let mut read = Vec::new();
    let mut said = 0;
    let story: String = head().chars().take(1200).collect();
    while said < 12_000 {
        let question = format!("Part {}: {story} What comes next?", messages.len());
        messages.push(Message::new(Role::User, question));
        let (answer, outcome) = ask(&mut session, chat(&messages), shifts.clone()).await;
        messages.push(Message::new(Role::Assistant, answer));
        let usage = outcome.usage;
        assert_eq!(outcome.reason, FinishReason::MaxTokens);
        assert_eq!(usage.generated_tokens, 16);
        // A memory that can't be shifted reads anew what is kept, when something has made room.
        let may_read_all = read.is_empty() || (!shifts_cells && usage.forgotten_tokens > 0);
        assert!(
            may_read_all || usage.cached_tokens > 0,
            "{usage:?} after {read:?}"
        );
        let new = usage.prompt_tokens - usage.cached_tokens;
        read.push(new);
        said += if said == 0 { usage.prompt_tokens } else { 400 } + usage.generated_tokens;
    }
    let (middle, end) = (read.len() / 3, read.len() * 2 / 3);
    let mean = |turns: &[u32]| turns.iter().sum::<u32>() / turns.len() as u32;
    let (middle, end) = (mean(&read[middle..end]), mean(&read[end..]));
    assert!(
        end <= middle + middle / 4,
        "tokens read in each turn: {read:?}"
    );
    let status = model.status();
    assert!(status.cells_used <= 2048, "{status:#?}");
}

#[tokio::test]
async fn a_conversation_outgrows_its_context_and_goes_on() {
    let model = load(ModelConfig {
        ctx_size: Some(2048),
        max_concurrent: 1,
        ..config()
    });
    outgrows(&model, true).await;
}

#[tokio::test]
async fn a_conversation_outgrows_a_sliding_window_with_all_its_cells_and_without() {
    for swa_full in [true, false] {
        let config = ModelConfig {
            ctx_size: Some(2048),
            max_concurrent: 1,
            swa_full,
            ..config()
        };
        let model = Model::load(&gemma_path(), config, |_| {}).unwrap();
        outgrows(&model, swa_full).await;
    }
}

#[tokio::test]
async fn an_answer_outgrows_its_context_and_goes_on() {
    for (kv_type, kv_layout) in [
        (KvType::F16, KvLayout::Split),
        (KvType::F16, KvLayout::Unified),
        (KvType::Q8_0, KvLayout::Split),
    ] {
        let model = load(ModelConfig {
            ctx_size: Some(128),
            kv_type,
            kv_layout,
            ..config()
        });
        let mut session = model.session(Owner::unique()).unwrap();
        let mut settings = greedy(300);
        settings.memory.context_shifting = Some(true);
        settings.stopping.ignore_eos = Some(true);
        let prompt = "A story about a parrot that counts: one, two, three,";
        let (_, outcome) = ask(&mut session, text(prompt), settings).await;
        let usage = outcome.usage;
        assert_eq!(
            (outcome.reason, usage.generated_tokens),
            (FinishReason::MaxTokens, 300)
        );
        assert!(usage.forgotten_tokens > 180, "{usage:?}");
        let status = model.status();
        assert!(
            status.cache.shifts >= 3 && status.cache.reevaluated == 0,
            "{status:#?}"
        );
    }
}

#[tokio::test]
async fn a_full_context_ends_the_answer_where_nothing_makes_room() {
    let model = load(ModelConfig {
        ctx_size: Some(128),
        ..config()
    });
    let mut session = model.session(Owner::unique()).unwrap();
    let mut settings = greedy(300);
    settings.stopping.ignore_eos = Some(true);
    let (answer, outcome) = ask(&mut session, text("A story about"), settings).await;
    assert_eq!(outcome.reason, FinishReason::ContextFull);
    assert!(!answer.is_empty() && outcome.usage.forgotten_tokens == 0);
}

fn idle_after(idle_timeout: Duration, resume_closed: bool) -> Model {
    tiny_with(ModelConfig {
        idle_timeout,
        auto_cleanup: true,
        resume_closed,
        defaults: greedy(4),
        ..ModelConfig::default()
    })
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
        .unwrap_err();
    assert!(matches!(error, Error::SessionClosed { .. }), "{error}");
    assert!(error.to_string().contains("open a new one"), "{error}");
}
