//! Cases 22 to 25: the queue that a document configures, and a full queue.

use std::path::Path;

use mynah_core::{Error, Owner};
use mynah_tests::is_file_error;

use super::{Endless, read, settings, tiny};
use crate::support::generations::{finish, is_idle, start, text, until};

/// The document of three of the cases.
const QUEUE: &str = r#"{
  "model": {"n_gpu_layers": 49, "ctx_size": 2048, "n_predict": 128, "batch_size": 512, "threads": 8},
  "sampling": {"temp": 0.7, "top_p": 0.95, "top_k": 40},
  "backend": {"max_sessions": 100, "max_concurrent": 2, "queue_size": 5, "default_task_timeout_ms": 30000,
    "priority_scheduling_enabled": true, "fair_scheduling_enabled": true, "queue_warning_threshold": 4,
    "queue_reject_threshold": 5}
}"#;

/// Case 22, `phase42_backend_init`.
#[test]
fn a_documents_queue_is_in_force_and_switches_without_effect_are_named() {
    let told = read(QUEUE).unwrap();
    let config = told.config;
    assert_eq!(
        (
            config.max_sessions,
            config.max_concurrent,
            config.queue_size
        ),
        (100, 2, 5)
    );
    assert_eq!(config.default_task_timeout.as_millis(), 30_000);
    // Each switch without effect has one warning: the feature is always on, or the limit is a
    // single number.
    assert_eq!(told.warnings.len(), 4, "{:?}", told.warnings);
    for key in [
        "priority_scheduling_enabled",
        "fair_scheduling_enabled",
        "queue_warning_threshold",
        "queue_reject_threshold",
    ] {
        let words = format!("`backend.{key}` has no effect: ");
        assert!(
            told.warnings.iter().any(|warning| warning.contains(&words)),
            "{key}: {:?}",
            told.warnings
        );
    }
    assert_eq!(tiny(QUEUE).status().queue_capacity, 5);
}

/// Case 23, `task_queue_interface`.
#[tokio::test]
async fn a_full_queue_refuses_the_next_request_and_finishes_the_others() {
    let dummy = mynah_engine::load(
        Path::new("dummy_model.gguf"),
        read(QUEUE).unwrap().config,
        |_| {},
    );
    assert!(is_file_error(&dummy));

    let model = tiny(&QUEUE.replace("30000", "600000"));
    let endless = [Endless::start(&model).await, Endless::start(&model).await];
    until(&model, |status| status.running == 2).await;
    // Two requests run, five wait, and the next is refused at once.
    let three = || settings(r#"{"max_tokens": 3}"#).unwrap();
    let ask = async || start(&model, text("b"), three()).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(ask().await.unwrap());
    }
    let refused = ask().await.map(drop);
    assert!(
        matches!(
            refused,
            Err(Error::Busy {
                queued: 5,
                capacity: 5,
                ..
            })
        ),
        "{refused:?}"
    );
    drop(endless);
    for generation in &mut waiting {
        assert_eq!(finish(generation).await.1.usage.generated_tokens, 3);
    }
    let requests = until(&model, is_idle).await.requests;
    assert_eq!(
        (requests.refused, requests.completed),
        (1, 5),
        "{requests:?}"
    );
}

/// Case 24, `phase42_concurrent_access`.
#[test]
fn sessions_that_several_threads_open_leave_nothing_behind() {
    let model = tiny(QUEUE);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2 {
                    let session = model.session(Owner::unique()).unwrap();
                    std::thread::yield_now();
                    drop(session);
                }
            });
        }
    });
    let status = model.status();
    assert_eq!(
        (status.sessions, status.queued, status.running),
        (0, 0, 0),
        "{status:?}"
    );
}

/// Case 25, `advanced_task_queue_config`.
#[test]
fn fairness_cannot_be_turned_off_and_a_queue_without_room_is_refused() {
    let document = r#"{
        "backend": {"max_concurrent": 4, "queue_size": 10, "default_task_timeout_ms": 60000, "priority_scheduling_enabled": true,
            "fair_scheduling_enabled": false, "queue_warning_threshold": 8, "queue_reject_threshold": 10},
        "model": {"n_gpu_layers": 98, "ctx_size": 4096, "threads": 16}
    }"#;
    let told = read(document).unwrap();
    let config = told.config;
    assert_eq!((config.max_concurrent, config.queue_size), (4, 10));
    assert_eq!(config.default_task_timeout.as_millis(), 60_000);
    assert_eq!(
        (config.n_gpu_layers, config.ctx_size, config.threads),
        (Some(98), Some(4096), Some(16))
    );
    // The warning says that fairness cannot be disabled.
    assert!(
        told.warnings
            .iter()
            .any(|warning| warning.contains("`backend.fair_scheduling_enabled` has no effect")),
        "{:?}",
        told.warnings
    );
    // A value out of range is an error, not a warning.
    let refused = read(&document.replace("\"queue_size\": 10", "\"queue_size\": 0"))
        .map(drop)
        .unwrap_err();
    assert!(
        refused.to_string().contains("`backend.queue_size` is 0"),
        "{refused}"
    );
}
