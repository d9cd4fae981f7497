//! Cases 21 to 26: what is wrong is told, what is full says so, and nothing that anybody sends ends
//! the host.

use std::path::Path;

use mynah_engine::{Error, Model, ModelConfig, Owner, Prompt, Settings};
use mynah_tests::core_driver::{Driver, PLACE};
use mynah_tests::tiny_model::TinyModel;
use mynah_wasi::LlmCtx;

use super::{Endless, context, load, read, run, settings, tiny};
use crate::support::generations::{finish, is_idle, start, text, until};

/// The document of three of the cases there.
const QUEUE: &str = r#"{
  "model": {"n_gpu_layers": 49, "ctx_size": 2048, "n_predict": 128, "batch_size": 512, "threads": 8},
  "sampling": {"temp": 0.7, "top_p": 0.95, "top_k": 40},
  "backend": {"max_sessions": 100, "max_concurrent": 2, "queue_size": 5, "default_task_timeout_ms": 30000,
    "priority_scheduling_enabled": true, "fair_scheduling_enabled": true, "queue_warning_threshold": 4,
    "queue_reject_threshold": 5}
}"#;

#[tokio::test]
async fn apuslabs_21_error_handling() {
    for junk in ["invalid_json", "", "null"] {
        assert!(
            matches!(read(junk).map(drop), Err(Error::Settings { .. })),
            "{junk:?}"
        );
        assert!(
            matches!(settings(junk), Err(Error::Settings { .. })),
            "{junk:?}"
        );
    }
    let missing = Model::load(
        Path::new("nonexistent.gguf"),
        ModelConfig::default(),
        |_| {},
    );
    assert!(matches!(missing.map(drop), Err(Error::File(_))));
    let nameless = Model::load(Path::new(""), ModelConfig::default(), |_| {});
    assert!(matches!(nameless.map(drop), Err(Error::File(_))));
    let model = tiny("{}");
    let mut session = context(&model);
    assert!(matches!(
        run(&mut session, "", "{}").await,
        Err(Error::EmptyPrompt)
    ));
    let empty = session.start(Prompt::Tokens(Vec::new()), Settings::default());
    assert!(matches!(empty.map(drop), Err(Error::EmptyPrompt)));
    run(&mut session, "and it goes on", r#"{"max_tokens": 1}"#)
        .await
        .unwrap();
}

/// The same of a guest: each function with what isn't there and with what lies nowhere. Nothing
/// traps, each gives its number.
#[tokio::test]
async fn apuslabs_21_error_handling_of_every_function() {
    const NOWHERE: u32 = u32::MAX;
    const ZEROS: u32 = 2048;

    let model = tiny(r#"{"max_tokens": 3}"#);
    let mut guest = Driver::new(LlmCtx::builder().model("default", model)).await;
    assert_eq!(
        guest.load_with_config("default", "invalid_json").await,
        Err(2)
    );
    assert_eq!(guest.load_with_config("default", "").await, Err(2));
    assert_eq!(
        guest.load_with_config("nonexistent.gguf", "{}").await,
        Err(8)
    );
    assert_eq!(guest.load_by_name("").await, Err(8));
    let graph = guest.load_by_name("default").await.unwrap();
    let context = guest.init(graph).await.unwrap();
    guest.put(PLACE, &[0xAA; 4]);
    let calls: [(&str, &[u32], u32); 21] = [
        ("load", &[NOWHERE, 1, 5, 0, PLACE], 1),
        ("load", &[ZEROS, 1, 5, 0, PLACE], 6),
        ("load", &[ZEROS, 0, 5, 0, PLACE], 1),
        ("load", &[ZEROS, 1, 5, 0, NOWHERE], 1),
        ("load_by_name", &[NOWHERE, 7, PLACE], 1),
        ("load_by_name", &[ZEROS, 7, NOWHERE], 1),
        (
            "load_by_name_with_config",
            &[NOWHERE, 0, ZEROS, 2, PLACE],
            1,
        ),
        (
            "load_by_name_with_config",
            &[ZEROS, 7, NOWHERE, 2, PLACE],
            1,
        ),
        ("init_execution_context", &[999, PLACE], 1),
        ("init_execution_context", &[graph, NOWHERE], 1),
        ("set_input", &[999, 0, ZEROS], 1),
        ("set_input", &[context, 0, NOWHERE], 1),
        // A tensor of nothing is no prompt.
        ("set_input", &[context, 0, ZEROS], 1),
        ("compute", &[999], 1),
        ("compute", &[context], 1),
        ("compute_single", &[999], 1),
        ("get_output", &[context, 0, NOWHERE, 256, PLACE], 1),
        ("get_output_single", &[999, 0, ZEROS, 256, PLACE], 1),
        ("fini_single", &[999], 1),
        ("unload", &[999], 1),
        ("finalize_execution_context", &[999], 1),
    ];
    for (function, arguments, number) in calls {
        let answer = guest.call(function, arguments).await;
        assert_eq!(answer, number, "{function}{arguments:?}");
        assert_eq!(
            guest.number(PLACE),
            0xAAAA_AAAA,
            "{function}{arguments:?} wrote"
        );
    }
    assert!(
        !guest
            .answer(context, "and it goes on")
            .await
            .unwrap()
            .is_empty()
    );
}

#[test]
fn apuslabs_22_phase42_backend_init() {
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
    // Always so, and a bound of one number: told, each once.
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

#[tokio::test]
async fn apuslabs_23_task_queue_interface() {
    let dummy = Model::load(
        Path::new("dummy_model.gguf"),
        read(QUEUE).unwrap().config,
        |_| {},
    );
    assert!(matches!(dummy.map(drop), Err(Error::File(_))));

    let model = tiny(&QUEUE.replace("30000", "600000"));
    let endless = [Endless::start(&model), Endless::start(&model)];
    until(&model, |status| status.running == 2).await;
    // Two run, five wait, and the next is refused at once.
    let ask = || start(&model, text("b"), settings(r#"{"max_tokens": 3}"#).unwrap());
    let mut waiting: Vec<_> = (0..5).map(|_| ask().unwrap()).collect();
    let refused = ask().map(drop);
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

#[test]
fn apuslabs_24_phase42_concurrent_access() {
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

#[test]
fn apuslabs_25_advanced_task_queue_config() {
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
    // That fairness can't be turned off is told.
    assert!(
        told.warnings
            .iter()
            .any(|warning| warning.contains("`backend.fair_scheduling_enabled` has no effect")),
        "{:?}",
        told.warnings
    );
    // Out of range is no warning.
    let refused = read(&document.replace("\"queue_size\": 10", "\"queue_size\": 0"))
        .map(drop)
        .unwrap_err();
    assert!(
        refused.to_string().contains("`backend.queue_size` is 0"),
        "{refused}"
    );
}

#[tokio::test]
async fn apuslabs_26_dangerous_edge_cases() {
    // A megabyte of junk is not even read.
    let told = read(&"x".repeat(1 << 20))
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(told.contains("at most 262144"), "{told}");
    // Ten levels of nothing that is known: an operator's mistake, and of a guest's no harm.
    let levels: String = (1..=10)
        .map(|level| format!("{{\"level{level}\":"))
        .collect();
    let deep = format!("{levels}{{\"value\": \"deep\"}}{}", "}".repeat(10));
    let told = read(&deep).map(drop).unwrap_err().to_string();
    assert!(told.contains("`level1` is no setting"), "{told}");
    assert_eq!(settings(&deep).unwrap(), Settings::default());
    // Characters of every kind, in keys and values.
    let unicode = r#"{"model": {"path": "模型文件.gguf", "name": "测试模型", "description": "🤖 AI测试 🚀"}, "模型": "🚀"}"#;
    let told = read(unicode).map(drop).unwrap_err().to_string();
    for key in [
        "`model.path`",
        "`model.name`",
        "`model.description`",
        "`模型`",
    ] {
        assert!(told.contains(key), "{key} in: {told}");
    }
    assert_eq!(settings(unicode).unwrap(), Settings::default());
    // Nothing at all, and nothing but blanks.
    for nothing in ["", "   \n\t  "] {
        let told = read(nothing).map(drop).unwrap_err().to_string();
        assert!(told.contains("not JSON"), "{told}");
    }
    // Taken out of memory twice.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = load(&path, "{}");
    assert!(model.unload());
    assert!(model.unload() && !model.is_loaded());
    let said = run(&mut context(&model), "still there", r#"{"max_tokens": 2}"#)
        .await
        .unwrap();
    assert_eq!(said.1.usage.generated_tokens, 2);

    // And of a guest: what is no JSON has its number, what nobody knows does no harm, and nothing
    // is given up twice.
    let mut guest = Driver::new(LlmCtx::builder().model("default", model)).await;
    let junk = "x".repeat(1 << 20);
    assert_eq!(guest.load_with_config("default", &junk).await, Err(7));
    for nothing in ["", "   \n\t  "] {
        assert_eq!(guest.load_with_config("default", nothing).await, Err(2));
    }
    for harmless in [deep.as_str(), unicode] {
        let graph = guest.load_with_config("default", harmless).await.unwrap();
        let context = guest.init(graph).await.unwrap();
        assert_eq!(guest.set_input(context, 1, br#"{"n-predict": 2}"#).await, 0);
        assert!(
            !guest
                .answer(context, "still there")
                .await
                .unwrap()
                .is_empty()
        );
        for (function, handle) in [("unload", graph), ("finalize_execution_context", context)] {
            assert_eq!(guest.call(function, &[handle]).await, 0, "{function}");
            assert_eq!(guest.call(function, &[handle]).await, 1, "{function} again");
        }
    }
}
