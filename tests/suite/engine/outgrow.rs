//! Conversations and answers that outgrow their context. On the real models: what is removed, what
//! stays, and the cost. On the tiny model: that shifted cells equal computed ones.

use mynah_core::{Error, FinishReason, Message, Model, Owner, Role};
use mynah_settings::{KvLayout, KvType, Memory, ModelConfig, Settings, Stopping};
use mynah_tests::tiny_model::{TinyModel, TinyPositions};
use mynah_tests::{Guest, greedy};

use crate::support::conversations::{
    apart, ask, chat, cold, config, deterministic, first, gemma, head, load,
};
use crate::support::generations::{session, start, text};

/// Settings with context shifting, and at most this number of tokens.
fn shifting(max_tokens: u32) -> Settings {
    Settings {
        memory: Memory {
            context_shifting: Some(true),
            ..Memory::default()
        },
        stopping: Stopping {
            max_tokens: Some(max_tokens),
            ignore_eos: Some(true),
            ..Stopping::default()
        },
        ..Settings::greedy()
    }
}

fn system() -> Message {
    Message::new(Role::System, "You are a parrot and answer in few words.")
}

fn one_place(ctx_size: u32) -> ModelConfig {
    ModelConfig {
        ctx_size: Some(ctx_size),
        max_concurrent: 1,
        ..config()
    }
}

/// Runs a conversation of more than 6,000 tokens in a context of 2,048.
async fn outgrows(model: &Model, shifts_cells: bool) {
    let mut session = model.session(Owner::unique()).unwrap();
    let count = async |prompt| u32::try_from(model.tokens(prompt).await.unwrap().len()).unwrap();
    let mut messages = vec![system()];
    let head_tokens = count(text(&system().text())).await;
    let mut read = Vec::new();
    let (mut said, mut forgot) = (0, 0);
    let story: String = head().chars().take(1200).collect();
    while said < 6000 {
        let question = format!("Part {}: {story} What comes next?", messages.len());
        let question_tokens = count(text(&question)).await;
        messages.push(Message::new(Role::User, question));
        let (answer, outcome) = ask(&mut session, chat(&messages), shifting(16)).await;
        messages.push(Message::new(Role::Assistant, answer));
        let usage = outcome.usage;
        assert_eq!(outcome.reason, FinishReason::MaxTokens);
        assert_eq!(usage.generated_tokens, 16);
        let new = usage.prompt_tokens - usage.cached_tokens;
        forgot += u32::from(usage.forgotten_tokens > 0);
        // If cells cannot be shifted, the kept tokens are computed again after a shift.
        let may_read_all = read.is_empty() || (!shifts_cells && usage.forgotten_tokens > 0);
        if !may_read_all {
            assert!(usage.cached_tokens >= head_tokens, "{usage:?}");
            // The new message, and what the template adds to it.
            assert!(new < question_tokens + 64, "{usage:?} after {read:?}");
        }
        read.push(new);
        said += question_tokens + usage.generated_tokens;
    }
    assert!(forgot > 1, "tokens read in each turn: {read:?}");
    let (middle, end) = (read.len() / 3, read.len() * 2 / 3);
    let mean = |turns: &[u32]| turns.iter().sum::<u32>() / turns.len() as u32;
    let (middle, end) = (mean(&read[middle..end]), mean(&read[end..]));
    assert!(
        end <= middle + middle / 4,
        "tokens read in each turn: {read:?}"
    );
    let status = model.status();
    assert!(status.cells_used <= 2048, "{status:#?}");
    assert!(status.cache.shifts > 0, "{status:#?}");
    assert_eq!(
        status.cache.reevaluated,
        if shifts_cells { 0 } else { status.cache.shifts },
        "{status:#?}"
    );
}

#[tokio::test]
async fn a_conversation_outgrows_its_context_and_goes_on() {
    outgrows(&load(one_place(2048)), true).await;
}

#[tokio::test]
async fn a_conversation_outgrows_a_sliding_window_with_all_its_cells_and_without() {
    for swa_full in [true, false] {
        outgrows(&gemma(swa_full, one_place(2048)), swa_full).await;
    }
}

/// The last answer equals that of a conversation with only the system message and the last
/// messages.
#[tokio::test]
async fn the_system_message_and_the_last_ones_are_what_stays() {
    let story: String = head().chars().take(300).collect();
    for model in [
        load(one_place(512)),
        gemma(true, one_place(512)),
        gemma(false, one_place(512)),
    ] {
        // Cells are not shifted for a deterministic request.
        let settings = || deterministic(shifting(24));
        let mut session = session(&model);
        let mut messages = vec![system()];
        let mut forgot = false;
        for part in 0..6 {
            let question = format!("Part {part}: {story} What comes next?");
            messages.push(Message::new(Role::User, question));
            let (answer, outcome) = ask(&mut session, chat(&messages), settings()).await;
            forgot |= outcome.usage.forgotten_tokens > 0;

            let mut alike = Vec::new();
            for first in (1..messages.len()).step_by(2) {
                let kept: Vec<Message> = std::iter::once(system())
                    .chain(messages[first..].iter().cloned())
                    .collect();
                let tokens = model.tokens(chat(&kept)).await.map(|tokens| tokens.len());
                if tokens.is_ok_and(|tokens| tokens == outcome.usage.prompt_tokens as usize) {
                    alike.push(kept);
                }
            }
            assert_eq!(alike.len(), 1, "{outcome:?}");
            let mut alone = Settings {
                stopping: settings().stopping,
                ..cold()
            };
            alone.memory.context_shifting = Some(true);
            let mut stranger = model.session(Owner::unique()).unwrap();
            let (expected, _) = ask(&mut stranger, chat(&alike[0]), deterministic(alone)).await;
            assert_eq!(answer, expected, "part {part}");
            messages.push(Message::new(Role::Assistant, answer));
        }
        assert!(forgot);
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
        let prompt = "A story about a parrot that counts: one, two, three,";
        let (_, outcome) = ask(&mut session, text(prompt), shifting(300)).await;
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

/// In the first layer, a token's keys and values only depend on the token and its position. In a
/// model with one layer, shifted cells must therefore equal computed ones.
#[tokio::test]
async fn what_is_moved_is_what_would_be_computed() {
    /// Maximum difference of logits, from half precision and the additional rotation.
    const NEAR: f32 = 0.02;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let tiny = TinyModel {
        layers: 1,
        ..TinyModel::default()
    };
    tiny.write_to(&path).unwrap();
    let words = |seed: u32, count: u32| -> String {
        let letters = (0..count).map(|n| char::from(b'a' + ((n * n + seed * n) % 26) as u8));
        letters.collect()
    };
    let (head, middle, tail) = (words(1, 70), words(2, 90), words(3, 100));
    let whole = format!("{head}{middle}{tail}");
    let without = format!("{head}{tail}");
    let swapped = format!("{tail}{head}");
    for kv_layout in [KvLayout::Split, KvLayout::Unified] {
        for places in [2, 1] {
            let config = ModelConfig {
                ctx_size: Some(512),
                max_concurrent: places,
                kv_layout,
                ..ModelConfig::default()
            };
            let model = mynah_engine::load(&path, config, |_| {}).unwrap();
            let mut own = session(&model);
            first(&mut own, &whole, shifting(1)).await;
            if places == 1 {
                // The sequence is moved to host memory and back.
                first(&mut session(&model), &tail, shifting(1)).await;
                assert!(model.status().cache.saved_tokens > 0);
            }
            let (moved, cached) = first(&mut own, &without, shifting(1)).await;
            let tokens = model.tokens(text(&without)).await.unwrap().len();
            assert_eq!(cached as usize, tokens - 1);
            let (computed, cached) = first(&mut session(&model), &without, cold()).await;
            assert_eq!(cached, 0);
            let distance = apart(&computed, &moved);
            assert!(distance < NEAR, "{distance}: {computed:?} {moved:?}");
            // The check is meaningful: positions do matter.
            let (other, _) = first(&mut session(&model), &swapped, cold()).await;
            let distance = apart(&computed, &other);
            assert!(distance > 5.0 * NEAR, "{distance}");
            let cache = model.status().cache;
            assert_eq!((cache.shifts, cache.reevaluated), (1, 0));
        }
    }
}

/// A model with a table of 48 positions, configured for a context of 512.
fn with_table() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.gguf");
    let table = TinyPositions {
        seed: 1,
        positions: 48,
    };
    table.write_to(&path).unwrap();
    let config = ModelConfig {
        ctx_size: Some(512),
        ..ModelConfig::default()
    };
    mynah_engine::load(&path, config, |_| {}).unwrap()
}

#[tokio::test]
async fn guests_are_told_where_a_table_of_positions_ends() {
    let said = Guest::new("nn_complete")
        .args(&["a".repeat(60).as_str()])
        .model(with_table())
        .run()
        .await;
    assert!(said.stderr.contains("48"), "{said:#?}");
}

/// llama.cpp aborts the process for a position outside the table.
#[tokio::test]
async fn positions_that_are_rows_of_a_table_are_never_left() {
    let model = with_table();
    assert_eq!(model.info().context_size, 48);
    let long = "a".repeat(60);
    let refused = start(&model, text(&long), greedy(4)).await.map(drop);
    assert!(
        matches!(refused, Err(Error::PromptTooLong { context: 48, .. })),
        "{refused:?}"
    );
    let texts = [text(&long)];
    let refused = session(&model).embed(&texts, Settings::default()).await;
    assert!(
        matches!(refused, Err(Error::PromptTooLong { context: 48, .. })),
        "{refused:?}"
    );
    let (answer, outcome) = ask(&mut session(&model), text("a"), greedy(100)).await;
    assert_eq!(outcome.reason, FinishReason::ContextFull);
    assert!(!answer.is_empty());
    // Computed cells contain their positions, so they cannot be shifted.
    let (_, outcome) = ask(&mut session(&model), text("a b"), shifting(200)).await;
    assert_eq!(outcome.usage.generated_tokens, 200);
    let cache = model.status().cache;
    assert!(
        cache.shifts > 3 && cache.reevaluated == cache.shifts,
        "{cache:?}"
    );
}
