//! Prompts with a common beginning, and models with a prefix cache, for comparing warm runs with
//! cold ones.

use std::time::Duration;

use mynah_core::{Conversation, Event, Message, Model, Outcome, Prompt, Session};
use mynah_settings::{Memory, ModelConfig, Settings};
use mynah_tests::{gemma_path, greedy, model_path, tiny_with};

use super::generations::{finish, text};

/// The common beginning of several prompts, about three hundred words long.
pub(crate) fn head() -> String {
    (1..=40)
        .map(|number| format!("Rule {number}: a parrot of colour {number} eats fruit. "))
        .collect()
}

pub(crate) fn config() -> ModelConfig {
    ModelConfig {
        // Tests run side by side: models with several threads would wait for each other's in each
        // step.
        threads: Some(1),
        ctx_size: Some(1024),
        max_concurrent: 2,
        defaults: greedy(24),
        ..ModelConfig::default()
    }
}

pub(crate) fn load(config: ModelConfig) -> Model {
    mynah_engine::load(&model_path(), config, |_| {}).unwrap()
}

/// Gemma, with cells for all tokens or only for those inside its sliding window.
pub(crate) fn gemma(swa_full: bool, config: ModelConfig) -> Model {
    let config = ModelConfig { swa_full, ..config };
    mynah_engine::load(&gemma_path(), config, |_| {}).unwrap()
}

pub(crate) fn idle_after(idle_timeout: Duration, resume_closed: bool) -> Model {
    tiny_with(ModelConfig {
        idle_timeout,
        auto_cleanup: true,
        resume_closed,
        defaults: greedy(4),
        ..ModelConfig::default()
    })
}

/// Settings without a prefix cache.
pub(crate) fn cold() -> Settings {
    Settings {
        memory: Memory {
            cache_prompt: Some(false),
            ..Memory::default()
        },
        ..Settings::default()
    }
}

pub(crate) fn deterministic(mut settings: Settings) -> Settings {
    settings.scheduling.deterministic = Some(true);
    settings
}

pub(crate) async fn ask(
    session: &mut Session,
    prompt: Prompt,
    settings: Settings,
) -> (String, Outcome) {
    finish(&mut session.start(prompt, settings).await.unwrap()).await
}

pub(crate) fn chat(messages: &[Message]) -> Prompt {
    Prompt::Messages(Conversation::from(messages.to_vec()))
}

/// The most likely first tokens after a prompt with their log-probabilities, and the number of
/// cached prompt tokens.
pub(crate) async fn first(
    session: &mut Session,
    prompt: &str,
    mut settings: Settings,
) -> (Vec<(u32, f32)>, u32) {
    settings.stopping.max_tokens = Some(1);
    settings.sampling.n_probs = Some(20);
    let mut generation = session.start(text(prompt), settings).await.unwrap();
    let mut top = Vec::new();
    loop {
        for event in generation.next().await.unwrap() {
            match event {
                Event::Token(token) => {
                    let all = token.top.into_iter();
                    top = all.map(|token| (token.id, token.log_prob)).collect();
                }
                Event::Finished(outcome) => return (top, outcome.usage.cached_tokens),
                _ => {}
            }
        }
    }
}

/// The maximum distance of the three most likely tokens here from their log-probabilities there.
pub(crate) fn apart(these: &[(u32, f32)], others: &[(u32, f32)]) -> f32 {
    assert!(these.len() >= 3, "{these:?}");
    let distances = these.iter().take(3).map(|(id, log_prob)| {
        let other = others.iter().find(|(other, _)| other == id);
        other.map_or(f32::INFINITY, |(_, other)| (log_prob - other).abs())
    });
    distances.fold(0.0, f32::max)
}
