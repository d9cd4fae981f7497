//! Cases 21 and 26: mistakes are reported, and no input ends the host.

use std::path::Path;

use mynah_core::{Error, Prompt};
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::core_driver::{Driver, PLACE};
use mynah_tests::is_file_error;
use mynah_tests::tiny_model::TinyModel;
use mynah_wasi::LlmCtx;

use super::{context, load, read, run, settings, tiny};

/// Case 21, `error_handling`.
#[tokio::test]
async fn what_is_missing_or_empty_is_refused_and_the_session_goes_on() {
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
    let missing = mynah_engine::load(
        Path::new("nonexistent.gguf"),
        ModelConfig::default(),
        |_| {},
    );
    assert!(is_file_error(&missing));
    let nameless = mynah_engine::load(Path::new(""), ModelConfig::default(), |_| {});
    assert!(is_file_error(&nameless));
    let model = tiny("{}");
    let mut session = context(&model);
    assert!(matches!(
        run(&mut session, "", "{}").await,
        Err(Error::EmptyPrompt)
    ));
    let empty = session
        .start(Prompt::Tokens(Vec::new()), Settings::default())
        .await;
    assert!(matches!(empty.map(drop), Err(Error::EmptyPrompt)));
    run(&mut session, "and it goes on", r#"{"max_tokens": 1}"#)
        .await
        .unwrap();
}

/// Case 21 for a guest: each function is called with unknown handles and with addresses outside the
/// memory. No call traps, and each returns its number.
#[tokio::test]
async fn every_function_of_a_core_module_answers_bad_arguments_with_a_number() {
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
        // An empty tensor is not a prompt.
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

/// Case 26, `dangerous_edge_cases`.
#[tokio::test]
async fn junk_of_every_kind_is_refused_or_does_no_harm() {
    // A megabyte of junk is refused without parsing.
    let told = read(&"x".repeat(1 << 20))
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(told.contains("at most 262144"), "{told}");
    // Ten levels of unknown keys: an error in an operator's document, ignored in a guest's.
    let levels: String = (1..=10)
        .map(|level| format!("{{\"level{level}\":"))
        .collect();
    let deep = format!("{levels}{{\"value\": \"deep\"}}{}", "}".repeat(10));
    let told = read(&deep).map(drop).unwrap_err().to_string();
    assert!(told.contains("`level1` is no setting"), "{told}");
    assert_eq!(settings(&deep).unwrap(), Settings::default());
    // Characters of all kinds in keys and values.
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
    // An empty document, and one with only white space.
    for nothing in ["", "   \n\t  "] {
        let told = read(nothing).map(drop).unwrap_err().to_string();
        assert!(told.contains("not JSON"), "{told}");
    }
    // Unloaded twice.
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

    // For a guest: text that is not JSON has its number, unknown keys are ignored, and nothing can
    // be finalized twice.
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
