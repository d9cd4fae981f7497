//! WasmEdge's `GGMLBackend`, cases 19 to 28, and its other cases on lifetimes: unloading, draining,
//! reloading, and dead handles.

use mynah_settings::ModelConfig;
use mynah_tests::core_driver::{BUFFER, Driver, PLACE};
use mynah_wasi::Limits;

use super::*;

/// All functions that take a context, with valid other arguments.
const OF_A_CONTEXT: [(&str, &[u32]); 7] = [
    ("set_input", &[0, 0]),
    ("compute", &[]),
    ("compute_single", &[]),
    ("fini_single", &[]),
    ("get_output", &[0, BUFFER, 1024, PLACE]),
    ("get_output_single", &[0, BUFFER, 1024, PLACE]),
    ("finalize_execution_context", &[]),
];

/// Calls a function on a context.
async fn on(driver: &mut Driver, context: u32, (function, rest): (&str, &[u32])) -> u32 {
    driver.call(function, &[&[context], rest].concat()).await
}

/// A module whose graph was unloaded after its context 0 had answered, and the answer's text.
async fn unloaded() -> (Driver, String) {
    let mut driver = computed().await;
    let text = driver.text(0).await;
    assert_eq!(driver.call("unload", &[0]).await, OK);
    (driver, text)
}

#[tokio::test]
async fn wasmedge_ggml_backend_19_the_second_context_is_handle_one() {
    let mut driver = loaded().await;
    assert_eq!(driver.init(0).await, Ok(1));
}

#[tokio::test]
async fn wasmedge_ggml_backend_20_a_graph_with_live_contexts_is_unloaded_at_once() {
    let mut driver = computed().await;
    assert_eq!(driver.init(0).await, Ok(1));
    // One of them is in the middle of its answer.
    assert_eq!(driver.set_input(1, 0, PROMPT.as_bytes()).await, OK);
    assert_eq!(driver.call("compute_single", &[1]).await, OK);
    assert_eq!(driver.call("unload", &[0]).await, OK);
}

#[tokio::test]
async fn wasmedge_ggml_backend_21_a_graph_is_unloaded_once() {
    let (mut driver, _) = unloaded().await;
    assert_eq!(driver.call("unload", &[0]).await, INVALID);
}

#[tokio::test]
async fn wasmedge_ggml_backend_22_an_unloaded_graph_makes_no_context() {
    let (mut driver, _) = unloaded().await;
    driver.put_numbers(PLACE, &[77]);
    assert_eq!(driver.init(0).await, Err(INVALID));
    assert_eq!(driver.number(PLACE), 77, "written only on success");
}

#[tokio::test]
async fn wasmedge_ggml_backend_23_get_output_drains_after_unload() {
    let (mut driver, text) = unloaded().await;
    assert_eq!(driver.text(0).await, text);
    assert!(driver.metadata(0).await["output_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn wasmedge_ggml_backend_24_get_output_single_drains_after_unload() {
    let mut driver = loaded().await;
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    assert_eq!(driver.call("compute_single", &[0]).await, OK);
    let piece = driver.output("get_output_single", 0, 0).await.unwrap();
    assert!(!piece.is_empty());
    assert_eq!(driver.call("unload", &[0]).await, OK);
    assert_eq!(driver.output("get_output_single", 0, 0).await, Ok(piece));
}

#[tokio::test]
async fn wasmedge_ggml_backend_25_fini_single_after_unload() {
    let (mut driver, _) = unloaded().await;
    assert_eq!(driver.call("fini_single", &[0]).await, OK);
    assert_eq!(
        driver.output("get_output_single", 0, 0).await,
        Ok(Vec::new())
    );
}

#[tokio::test]
async fn wasmedge_ggml_backend_26_a_context_is_finalized_once() {
    let mut driver = computed().await;
    assert_eq!(driver.init(0).await, Ok(1));
    assert_eq!(driver.call("unload", &[0]).await, OK);
    for context in [0, 1] {
        let finalize = ("finalize_execution_context", &[][..]);
        assert_eq!(on(&mut driver, context, finalize).await, OK);
        for function in OF_A_CONTEXT {
            assert_eq!(
                on(&mut driver, context, function).await,
                INVALID,
                "{function:?}"
            );
        }
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_27_a_reload_has_a_fresh_id() {
    let (mut driver, _) = unloaded().await;
    assert_eq!(driver.load_by_name("default").await, Ok(1));
    assert_eq!(driver.init(1).await, Ok(1));
    assert!(driver.answer(1, PROMPT).await.is_ok());
    assert_eq!(driver.call("unload", &[0]).await, INVALID, "never 0 again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasmedge_ggml_backend_28_hammering_dead_handles_disturbs_nobody() {
    const ROUNDS: u32 = 100;
    let model = unbounded(512);
    let mut live = with(model.clone()).await;
    assert_eq!(
        live.load_with_config("default", r#"{"n-predict": 200, "ignore-eos": true}"#)
            .await,
        Ok(0)
    );
    assert_eq!(live.init(0).await, Ok(0));
    let alone = live.answer(0, PROMPT).await.unwrap();
    let hammering = tokio::spawn(async move {
        let mut driver = with(model).await;
        assert_eq!(driver.load_by_name("default").await, Ok(0));
        assert_eq!(driver.init(0).await, Ok(0));
        assert_eq!(driver.call("unload", &[0]).await, OK);
        for round in 0..ROUNDS {
            assert_eq!(driver.init(0).await, Err(INVALID), "{round}");
            assert_eq!(driver.call("compute", &[0]).await, INVALID, "{round}");
            assert_eq!(driver.call("compute", &[7]).await, INVALID, "{round}");
            assert_eq!(driver.call("unload", &[0]).await, INVALID, "{round}");
        }
    });
    assert_eq!(live.answer(0, PROMPT).await, Ok(alone.clone()));
    hammering.await.unwrap();
    // Calls with its own dead handles while it is in the middle of an answer.
    assert_eq!(live.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    let mut pieces = String::new();
    for _ in 0..ROUNDS {
        match live.call("compute_single", &[0]).await {
            OK => {}
            errno => assert_eq!(errno, END),
        }
        let piece = live.output("get_output_single", 0, 0).await.unwrap();
        pieces.push_str(&String::from_utf8(piece).unwrap());
        assert_eq!(live.init(5).await, Err(INVALID));
        assert_eq!(live.call("compute", &[5]).await, INVALID);
        assert_eq!(live.call("unload", &[5]).await, INVALID);
    }
    assert!(alone.starts_with(&pieces) && !pieces.is_empty());
    assert_eq!(live.call("unload", &[0]).await, OK);
    assert_eq!(live.text(0).await, pieces);
    assert_eq!(live.call("finalize_execution_context", &[0]).await, OK);
}

#[tokio::test]
async fn wasmedge_drain_after_unload_host_op_tiers() {
    // The existing answer can be read, and the context ended; every other call is refused.
    let (mut driver, text) = unloaded().await;
    let before = driver.metadata(0).await;
    for input in [0, 1] {
        assert_eq!(driver.set_input(0, input, b"{}").await, INVALID);
    }
    assert_eq!(driver.call("compute", &[0]).await, INVALID);
    assert_eq!(driver.call("compute_single", &[0]).await, INVALID);
    assert_eq!(
        driver.text(0).await,
        text,
        "refused calls leave it as it was"
    );
    assert_eq!(driver.metadata(0).await, before);
    assert_eq!(
        driver.output("get_output_single", 0, 0).await,
        Ok(Vec::new())
    );
    assert_eq!(driver.call("fini_single", &[0]).await, OK);
    assert_eq!(driver.call("finalize_execution_context", &[0]).await, OK);
}

#[tokio::test]
async fn wasmedge_graph_status_detached_is_terminal() {
    let (mut driver, _) = unloaded().await;
    // Loading the same model again and sending valid settings does not revive the old context.
    assert_eq!(driver.load_by_name("default").await, Ok(1));
    assert_eq!(driver.set_input(0, 1, b"{}").await, INVALID);
    assert_eq!(driver.call("compute", &[0]).await, INVALID);
    assert_eq!(driver.init(0).await, Err(INVALID));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasmedge_load_by_name_concurrent_builds_share_one_graph() {
    let model = tiny();
    let before = model.status().sessions;
    let loads = [0, 1].map(|_| {
        let model = model.clone();
        tokio::spawn(async move {
            let mut driver = with(model).await;
            assert_eq!(driver.load_by_name("default").await, Ok(0));
            // Loading it again returns the same handle.
            assert_eq!(driver.load_by_name("default").await, Ok(0));
            assert_eq!(driver.load_with_config("default", "{}").await, Ok(0));
            assert_eq!(driver.init(0).await, Ok(0));
            driver.answer(0, PROMPT).await.unwrap()
        })
    });
    let [one, other] = loads;
    assert_eq!(one.await.unwrap(), other.await.unwrap());
    assert_eq!(
        model.status().sessions,
        before,
        "all were of this one model, and are gone"
    );
    assert_eq!(model.report().queue.completed, 2);
}

#[tokio::test]
async fn a_name_with_other_settings_is_another_graph() {
    let mut driver = driver().await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(
        driver
            .load_with_config("default", r#"{"n-predict": 2}"#)
            .await,
        Ok(1)
    );
    assert_eq!(
        driver
            .load_with_config("default", r#"{"n-predict": 3}"#)
            .await,
        Ok(2)
    );
    assert_eq!(
        driver
            .load_with_config("default", r#"{"n-predict": 2}"#)
            .await,
        Ok(1)
    );
    for (graph, tokens) in [(1, 2), (2, 3)] {
        let context = driver.init(graph).await.unwrap();
        driver.answer(context, PROMPT).await.unwrap();
        assert_eq!(driver.metadata(context).await["output_tokens"], tokens);
    }
}

#[tokio::test]
async fn wasmedge_load_by_name_skips_a_detached_graph_still_in_the_table() {
    let (mut driver, text) = unloaded().await;
    // Its context can still be read, and the name gives a usable new graph.
    assert_eq!(driver.load_by_name("default").await, Ok(1));
    assert_eq!(driver.init(1).await, Ok(1));
    assert_eq!(driver.answer(1, PROMPT).await, Ok(text.clone()));
    assert_eq!(driver.text(0).await, text);
}

#[tokio::test]
async fn wasmedge_ggml_backend_drain_after_invalid_reload_and_unload() {
    let mut driver = loaded().await;
    let bad = br#"{"embedding": true, "batch-size": 0, "ubatch-size": 0}"#;
    assert_eq!(driver.set_input(0, 1, bad).await, INVALID);
    assert_eq!(driver.output("get_output_single", 0, 0).await, Err(INVALID));
    assert_eq!(
        driver.set_input(0, 0, PROMPT.as_bytes()).await,
        OK,
        "inputs are taken"
    );
    assert_eq!(driver.call("compute", &[0]).await, INVALID);
    assert_eq!(driver.call("compute_single", &[0]).await, INVALID);
    assert_eq!(
        driver.text(0).await,
        "",
        "the whole output can be read in any state"
    );
    assert_eq!(driver.call("unload", &[0]).await, OK);
    assert_eq!(driver.output("get_output_single", 0, 0).await, Err(INVALID));
    assert_eq!(driver.call("fini_single", &[0]).await, OK);
    assert_eq!(driver.call("finalize_execution_context", &[0]).await, OK);
}

#[tokio::test]
async fn a_context_that_gets_good_settings_is_good_again_and_its_neighbours_always_were() {
    let mut driver = loaded().await;
    assert_eq!(driver.init(0).await, Ok(1));
    assert_eq!(
        driver.set_input(0, 1, br#"{"batch-size": 0}"#).await,
        INVALID
    );
    assert!(driver.answer(1, PROMPT).await.is_ok());
    assert_eq!(driver.answer(0, PROMPT).await, Err(INVALID));
    assert_eq!(driver.set_input(0, 1, b"{}").await, OK);
    assert!(driver.answer(0, PROMPT).await.is_ok());
    // An invalid value that does not require a reload leaves the context usable.
    assert_eq!(driver.set_input(0, 1, br#"{"top-p": 7}"#).await, INVALID);
    assert!(driver.answer(0, PROMPT).await.is_ok());
}

#[tokio::test]
async fn handles_and_prompts_have_their_bounds() {
    let limits = Limits {
        max_graphs: 2,
        max_contexts: 2,
        max_tensor_bytes: 100,
    };
    let mut driver = Driver::new(granted(tiny()).limits(limits)).await;
    let exhausted = Errno::RuntimeError.number();
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(
        driver.load_with_config("default", r#"{"seed": 1}"#).await,
        Ok(1)
    );
    assert_eq!(
        driver.load_with_config("default", r#"{"seed": 2}"#).await,
        Err(exhausted)
    );
    assert_eq!((driver.init(0).await, driver.init(1).await), (Ok(0), Ok(1)));
    assert_eq!(driver.init(0).await, Err(exhausted));
    // The prompts of all contexts count together, each once.
    assert_eq!(driver.set_input(0, 0, &[b'a'; 60]).await, OK);
    assert_eq!(driver.set_input(0, 0, &[b'b'; 60]).await, OK);
    assert_eq!(driver.set_input(1, 0, &[b'c'; 60]).await, TOO_LARGE);
    assert_eq!(driver.set_input(1, 0, &[b'c'; 101]).await, TOO_LARGE);
    assert_eq!(driver.call("unload", &[0]).await, OK);
    assert_eq!(driver.set_input(1, 0, &[b'c'; 100]).await, OK);
    assert_eq!(driver.call("finalize_execution_context", &[0]).await, OK);
    assert_eq!(driver.load_by_name("default").await, Ok(2));
    assert_eq!(driver.init(2).await, Ok(2));
    // Settings are not kept, but they are not read either if they are too large.
    assert_eq!(driver.set_input(2, 1, &[b' '; 101]).await, TOO_LARGE);
}

#[tokio::test]
async fn a_guests_own_model_leaves_memory_when_it_is_unloaded() {
    let mut driver = driver().await;
    let model = model_bytes();
    let at = 262_144;
    driver.grow_to(at as usize + model.len()).await;
    driver.put(at, &model);
    driver.put_numbers(1024, &[at, u32::try_from(model.len()).unwrap()]);
    let load = [1024, 1, 5, 0, PLACE];
    assert_eq!(driver.call("load", &load).await, OK);
    assert_eq!(driver.init(0).await, Ok(0));
    let text = driver.answer(0, PROMPT).await.unwrap();
    // The limit is one model, and a context without its graph does not count.
    assert_eq!(driver.call("load", &load).await, TOO_LARGE);
    assert_eq!(driver.call("unload", &[0]).await, OK);
    assert_eq!(driver.call("load", &load).await, OK);
    assert_eq!(driver.number(PLACE), 1);
    assert_eq!(driver.text(0).await, text);
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    // The running answer is long, and its buffer holds all of its unread text.
    let model = tiny_with(ModelConfig {
        ctx_size: Some(1 << 16),
        max_concurrent: 1,
        queue_size: 1,
        max_unread_bytes: 256 << 20,
        defaults: mynah_settings::Settings::greedy(),
        ..ModelConfig::default()
    });
    // One request runs without being read, and one waits.
    let mut other = with(model.clone()).await;
    assert_eq!(
        other
            .load_with_config("default", r#"{"ignore-eos": true}"#)
            .await,
        Ok(0)
    );
    for context in [0, 1] {
        assert_eq!(other.init(0).await, Ok(context));
        assert_eq!(other.set_input(context, 0, PROMPT.as_bytes()).await, OK);
    }
    assert_eq!(other.call("compute_single", &[0]).await, OK);
    let mut session = model.session(mynah_core::Owner::unique()).unwrap();
    let waiting = session
        .start(
            mynah_core::Prompt::Text(PROMPT.into()),
            mynah_settings::Settings::default(),
        )
        .await;
    assert!(waiting.is_ok());
    assert_eq!(other.call("compute", &[1]).await, BUSY);
}
