//! `mynah:llm/generation`, tested with guests that use the bindings directly.

use mynah_settings::{ModelConfig, Priority, Settings};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{Guest, foreach_stream, solo, tiny, tiny_with};

use crate::assert_test_exists;
use crate::support::generations::{is_idle, until};

foreach_stream!(assert_test_exists);

/// Runs a guest on the real model.
async fn real(name: &str, args: &[&str]) -> String {
    Guest::new(name).model(solo()).args(args).stdout().await
}

/// Runs a guest on the tiny model.
async fn mechanics(name: &str, args: &[&str]) -> String {
    Guest::new(name).model(tiny()).args(args).stdout().await
}

const PROMPT: &str = "The capital of France is";

#[tokio::test]
async fn stream_text() {
    let text = real("stream_text", &[PROMPT, "8"]).await;
    assert!(text.contains("Paris") && text.contains("finish="), "{text}");
}

#[tokio::test]
async fn stream_poll() {
    let polled = real("stream_poll", &[PROMPT, "8"]).await;
    assert_eq!(polled, real("stream_text", &[PROMPT, "8"]).await);
}

#[tokio::test]
async fn stream_equals_compute() {
    assert!(real("stream_equals_compute", &[]).await.contains("Paris"));
}

#[tokio::test]
async fn stream_seed() {
    let prompt = "Once upon a time there was";
    assert_eq!(real("stream_seed", &[prompt, "24"]).await, "ok\n");
}

#[tokio::test]
async fn stream_max_tokens() {
    let text = mechanics("stream_max_tokens", &[]).await;
    assert!(text.contains("finish=max-tokens tokens=5"), "{text}");
}

#[tokio::test]
async fn stream_stop() {
    let told = real("stream_stop", &[]).await;
    assert!(told.ends_with("\nok\n"), "{told}");
    for range in ["1 to 256 bytes", "at most 64"] {
        assert!(told.contains(range), "`{range}` in: {told}");
    }
}

#[tokio::test]
async fn stream_cancel() {
    let text = mechanics("stream_cancel", &[]).await;
    assert!(text.contains("finish=cancelled"), "{text}");
}

#[tokio::test]
async fn stream_drop() {
    let text = mechanics("stream_drop", &[]).await;
    assert!(text.contains("finish=max-tokens tokens=8"), "{text}");
}

#[tokio::test]
async fn stream_drop_in_prefill() {
    let text = real("stream_drop_in_prefill", &["800"]).await;
    assert!(text.contains("Paris"), "{text}");
}

#[tokio::test]
async fn stream_busy_context() {
    let text = real("stream_busy_context", &["Once upon a time there was"]).await;
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test]
async fn stream_bad_options() {
    assert!(mechanics("stream_bad_options", &[]).await.ends_with("ok\n"));
}

#[tokio::test]
async fn stream_tokens() {
    let text = mechanics("stream_tokens", &["1,40,41,42"]).await;
    assert!(text.contains("prompt=4"), "{text}");
}

#[tokio::test]
async fn stream_conversation() {
    let said = Guest::new("stream_conversation")
        .model(solo())
        .stdout()
        .await;
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn stream_messages() {
    let text = real("stream_messages", &["24"]).await;
    assert!(text.contains("Paris"), "{text}");
}

#[tokio::test]
async fn stream_bad_prompts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.gguf");
    let model = TinyModel {
        chat_template: Some("{% for m in messages %}{{ m.content }}{% endfor %}".into()),
        ..TinyModel::default()
    };
    model.write_to(&path).unwrap();
    let model = mynah_engine::load(&path, ModelConfig::default(), |_| {}).unwrap();
    let guest = Guest::new("stream_bad_prompts").model(model);
    assert!(guest.stdout().await.ends_with("ok\n"));
}

#[tokio::test]
async fn stream_context_full() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(64),
        ..ModelConfig::default()
    });
    let text = Guest::new("stream_context_full")
        .model(model)
        .stdout()
        .await;
    assert!(text.contains("finish=context-full"), "{text}");
}

#[tokio::test]
async fn stream_unread() {
    let model = tiny_with(ModelConfig {
        max_concurrent: 1,
        max_unread_bytes: 1024,
        defaults: Settings::greedy(),
        ..ModelConfig::default()
    });
    // More text than the stream's buffer holds.
    let guest = Guest::new("stream_unread").model(model);
    let text = guest.args(&["a", "1900", "300"]).stdout().await;
    assert!(text.contains("tokens=1900"), "{text}");
}

#[tokio::test]
async fn stream_utf8() {
    // The tiny model mostly generates single bytes, few of which form characters.
    let text = mechanics("stream_utf8", &["emoji: 😀", "500"]).await;
    assert!(text.contains(char::REPLACEMENT_CHARACTER), "{text}");
    real("stream_utf8", &["Write some emoji: 😀", "60"]).await;
}

#[tokio::test]
async fn a_store_that_is_dropped_takes_its_generations_with_it() {
    let model = tiny();
    // Would sleep for an hour on an unread generation.
    let guest = Guest::new("stream_unread").model(model.clone());
    let guest = guest.args(&["a", "1900", "3600000"]);
    tokio::select! {
        ended = guest.run() => panic!("it ended: {ended:?}"),
        _ = until(&model, |status| status.running == 1) => {}
    }
    until(&model, is_idle).await;
}

#[tokio::test]
async fn stream_context_dropped() {
    let model = tiny();
    let guest = Guest::new("stream_context_dropped").model(model.clone());
    assert!(guest.stdout().await.ends_with("ok\n"));
    until(&model, is_idle).await;
}

#[tokio::test]
async fn stream_two_requests() {
    assert_eq!(mechanics("stream_two_requests", &["x", "5"]).await, "10\n");
}

#[tokio::test]
async fn stream_deterministic() {
    let text = real("stream_deterministic", &[PROMPT, "8"]).await;
    assert!(text.contains("Paris"), "{text}");
}

#[tokio::test]
async fn stream_limits() {
    let model = tiny_with(ModelConfig {
        ctx_size: Some(100_000),
        max_concurrent: 1,
        ..ModelConfig::default()
    });
    let guest = Guest::new("stream_limits").grant(|llm| {
        llm.model("default", model.clone())
            .max_priority(Priority::Normal)
    });
    assert!(guest.stdout().await.ends_with("ok\n"));
    until(&model, is_idle).await;
}
