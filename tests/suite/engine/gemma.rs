//! A second real model with another architecture, a sliding window, and a vocabulary five times as
//! large.

use mynah_core::{FinishReason, Message, Outcome, Prompt, Role};
use mynah_settings::{Sampling, Seed, Settings, Stopping};
use mynah_tests::{gemma, greedy};

use crate::support::generations::{finish, start, text};

/// The answer to a prompt.
async fn answer(prompt: &str, settings: Settings) -> (String, Outcome) {
    let mut generation = start(&gemma(), text(prompt), settings).await.unwrap();
    finish(&mut generation).await
}

#[tokio::test]
async fn gemma_answers_greedily_and_the_same_each_time() {
    assert_eq!(gemma().info().vocabulary, 262_144);
    let (first, outcome) = answer("The capital of France is", greedy(8)).await;
    assert!(!first.trim().is_empty(), "{first:?}");
    assert!(outcome.usage.generated_tokens > 0, "{outcome:?}");
    let (second, _) = answer("The capital of France is", greedy(8)).await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn gemma_draws_from_its_whole_vocabulary_the_same_for_the_same_seed() {
    let drawn = |seed| {
        let settings = Settings {
            sampling: Sampling {
                temperature: Some(1.0),
                top_k: Some(0),
                top_p: Some(1.0),
                min_p: Some(0.0),
                seed: Some(Seed::Fixed(seed)),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens: Some(16),
                ..Stopping::default()
            },
            ..Settings::default()
        };
        answer("Once upon a time", settings)
    };
    let (first, outcome) = drawn(1).await;
    assert!(
        matches!(
            outcome.reason,
            FinishReason::MaxTokens | FinishReason::EndOfGeneration
        ),
        "{outcome:?}"
    );
    assert_eq!(outcome.seed, 1);
    assert_eq!(first, drawn(1).await.0);
    assert_ne!(first, drawn(2).await.0, "another seed draws other tokens");
}

#[tokio::test]
async fn gemma_answers_a_message_in_turns_of_its_own_though_its_file_has_no_template() {
    let said = Prompt::Messages(vec![Message::new(Role::User, "Hello")].into());
    let mut generation = start(&gemma(), said, greedy(4)).await.unwrap();
    let (said, outcome) = finish(&mut generation).await;
    assert!(outcome.usage.generated_tokens > 0, "{outcome:?}");
    let turns = "<start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n";
    let (written, as_text) = answer(turns, greedy(4)).await;
    assert_eq!(
        outcome.usage.prompt_tokens, as_text.usage.prompt_tokens,
        "{outcome:?}, as text {as_text:?}"
    );
    assert_eq!(said, written);
}
