//! Tests of the operator's settings of a model.

use super::*;
use crate::{Sampling, Stopping};

#[test]
fn one_owner_leaves_room_for_others_unless_the_operator_says_otherwise() {
    for (whole, of_one) in [(1, 1), (2, 2), (3, 3), (4, 3), (50, 38), (100, 75)] {
        let config = ModelConfig {
            queue_size: whole,
            max_sessions: whole,
            ..ModelConfig::default()
        };
        let bounds = (config.owner_queue(), config.owner_sessions());
        assert_eq!(bounds, (of_one, of_one), "of {whole}");
    }
    let config = ModelConfig {
        max_owner_queue: Some(7),
        max_owner_sessions: Some(500),
        ..ModelConfig::default()
    };
    assert_eq!((config.owner_queue(), config.owner_sessions()), (7, 500));
}

#[test]
fn the_defaults_are_in_range() {
    ModelConfig::default().check().unwrap();
}

#[test]
fn every_setting_out_of_range_is_named() {
    let config = ModelConfig {
        ctx_size: Some(0),
        batch_size: 0,
        max_concurrent: 0,
        queue_size: 0,
        max_sessions: 0,
        max_owner_queue: Some(0),
        max_owner_sessions: Some(0),
        idle_timeout: Duration::ZERO,
        default_task_timeout: Duration::ZERO,
        ageing: Duration::ZERO,
        kv_type: KvType::Q8_0,
        swa_full: false,
        check_memory: false,
        max_process_bytes: Some(0),
        pressure_threshold: 0.0,
        store_after: Duration::ZERO,
        keep_alive: Some(Duration::from_secs(86_401)),
        threads: Some(0),
        max_prompt_bytes: 0,
        max_unread_bytes: 0,
        defaults: Settings {
            sampling: Sampling {
                temperature: Some(f32::NAN),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens: Some(0),
                max_time: Some(Duration::ZERO),
                ..Stopping::default()
            },
            ..Settings::default()
        },
        ..ModelConfig::default()
    };
    let text = config.check().unwrap_err().to_string();
    for key in [
        "model.ctx_size",
        "model.batch_size",
        "backend.max_concurrent",
        "backend.queue_size",
        "backend.max_sessions",
        "backend.max_owner_queue",
        "backend.max_owner_sessions",
        "backend.default_task_timeout_ms",
        "backend.ageing_ms",
        "backend.idle_timeout_ms",
        "backend.store_after_ms",
        "backend.max_process_bytes",
        "backend.pressure_threshold",
        "model.keep_alive_ms",
        "stopping.max_time_ms",
        "model.threads",
        "backend.max_prompt_bytes",
        "backend.max_unread_bytes",
        "stopping.max_tokens",
        "sampling.temperature",
    ] {
        assert!(
            text.contains(&format!("`{key}`")),
            "{key} is missing in: {text}"
        );
    }
}

#[test]
fn cells_are_split_where_there_are_enough_for_all() {
    let config = ModelConfig {
        max_concurrent: 4,
        ..ModelConfig::default()
    };
    let cells = |kv_cells, kv_layout| {
        let config = ModelConfig {
            kv_cells,
            kv_layout,
            ..config.clone()
        };
        config.kv_cells_for(500)
    };
    let full = cells(None, KvLayout::Auto).unwrap();
    assert_eq!((full.total, full.split), (2048, true));
    let pool = cells(Some(1000), KvLayout::Auto).unwrap();
    assert_eq!((pool.total, pool.split), (1000, false));
    assert!(!cells(None, KvLayout::Unified).unwrap().split);
    for (kv_cells, layout, words) in [
        (499, KvLayout::Auto, "500 or more"),
        (2049, KvLayout::Auto, "at most 2048"),
        (1000, KvLayout::Split, "2048 for the split layout"),
    ] {
        let error = cells(Some(kv_cells), layout).unwrap_err().to_string();
        assert!(
            error.contains("`model.kv_cells`") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn the_context_is_what_was_asked_for_else_bounded_by_training() {
    let config = ModelConfig::default();
    assert_eq!(config.context_for(512, None), 512);
    assert_eq!(config.context_for(131_072, Some(4096)), 2048);
    let asked = ModelConfig {
        ctx_size: Some(4096),
        ..config
    };
    assert_eq!(asked.context_for(512, None), 4096);
    assert_eq!(asked.context_for(512, Some(512)), 512);
}

#[test]
fn a_step_holds_a_token_of_each_generation() {
    let config = |batch_size| ModelConfig {
        batch_size,
        max_concurrent: 16,
        ..ModelConfig::default()
    };
    config(16).check().unwrap();
    let error = config(15).check().unwrap_err().to_string();
    assert!(
        error.contains("`model.batch_size` is 15, it must be at least"),
        "{error}"
    );
}

#[test]
fn cells_hold_one_session_and_at_most_all_that_may_run() {
    let cells = |max_concurrent, kv_cells, kv_layout, context| {
        let config = ModelConfig {
            max_concurrent,
            kv_cells,
            kv_layout,
            ..ModelConfig::default()
        };
        let cells = config.kv_cells_for(context).ok()?;
        Some((cells.total, cells.split))
    };
    assert_eq!(cells(4, Some(500), KvLayout::Auto, 500), Some((500, false)));
    assert_eq!(
        cells(4, Some(2048), KvLayout::Auto, 500),
        Some((2048, true))
    );
    assert_eq!(
        cells(4, Some(2048), KvLayout::Split, 500),
        Some((2048, true))
    );
    assert_eq!(cells(4, Some(2047), KvLayout::Split, 500), None);
    assert_eq!(
        cells(4, Some(2047), KvLayout::Auto, 500),
        Some((2047, false))
    );
    // llama.cpp counts cells in 31 bits.
    let most = i32::MAX.cast_unsigned();
    assert_eq!(
        cells(1, Some(most), KvLayout::Auto, most),
        Some((most, false))
    );
    assert_eq!(cells(1, None, KvLayout::Auto, most), None);
    assert_eq!(
        cells(2, None, KvLayout::Auto, 1 << 29),
        Some((1 << 30, true))
    );
    assert_eq!(cells(4, None, KvLayout::Auto, 1 << 29), None);
}

#[test]
fn a_context_is_at_least_16_tokens_by_default() {
    let config = ModelConfig::default();
    let contexts = [0, 15, 16, 17, 2048, 2049].map(|trained| config.context_for(trained, None));
    assert_eq!(contexts, [16, 16, 16, 17, 2048, 2048]);
    assert_eq!(config.context_for(2048, Some(2047)), 2047);
}

#[test]
fn all_cores_compute_unless_the_operator_says_otherwise() {
    let asked = ModelConfig {
        threads: Some(3),
        ..ModelConfig::default()
    };
    assert_eq!(asked.threads_here(), 3);
    let cores = std::thread::available_parallelism().unwrap().get();
    let most = usize::try_from(ModelConfig::MAX_THREADS).unwrap();
    let threads = usize::try_from(ModelConfig::default().threads_here()).unwrap();
    assert_eq!(threads, cores.min(most));
}
