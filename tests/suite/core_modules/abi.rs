//! WasmEdge's `GGMLBackend`, cases 1 to 18, and its other cases on pointers: addresses outside the
//! memory, data that is too short, and unknown handles.

use mynah_tests::core_driver::{BUFFER, BUFFER_BYTES, Driver, MEMORY_BYTES, PLACE};
use mynah_tests::guest_models;

use super::*;

/// Addresses of the array of builders and of the model.
const BUILDERS: u32 = 1024;
const BYTES: u32 = 262_144;
/// A pointer outside any memory.
const OUTSIDE: u32 = u32::MAX;
/// `ggml` in one of the two numberings.
const GGML: u32 = 6;

/// Writes builders to the memory and returns the arguments of `load`.
async fn load_arguments(driver: &mut Driver, builders: &[&[u8]]) -> [u32; 5] {
    let all: usize = builders.iter().map(|bytes| bytes.len()).sum();
    driver.grow_to(BYTES as usize + all).await;
    let mut at = BYTES;
    let mut array = Vec::new();
    for bytes in builders {
        let length = u32::try_from(bytes.len()).unwrap();
        driver.put(at, bytes);
        array.extend([at, length]);
        at += length;
    }
    driver.put_numbers(BUILDERS, &array);
    let count = u32::try_from(builders.len()).unwrap();
    [BUILDERS, count, GGML, 0, PLACE]
}

async fn load(driver: &mut Driver, builders: &[&[u8]]) -> u32 {
    let arguments = load_arguments(driver, builders).await;
    driver.call("load", &arguments).await
}

#[tokio::test]
async fn wasmedge_ggml_backend_01_meaningless_bytes_are_no_model() {
    let mut driver = driver().await;
    assert_eq!(load(&mut driver, &[b"no model at all"]).await, INVALID);
    assert_eq!(load(&mut driver, &[b""]).await, INVALID);
}

#[tokio::test]
async fn wasmedge_ggml_backend_02_load_refuses_a_place_for_the_graph_outside() {
    let mut driver = driver().await;
    let mut arguments = load_arguments(&mut driver, &[&model_bytes()]).await;
    let end = u32::try_from(driver.memory().len()).unwrap();
    for place in [OUTSIDE, end, end - 3] {
        arguments[4] = place;
        assert_eq!(driver.call("load", &arguments).await, INVALID);
    }
    // The failed calls have loaded nothing: the next handle is 0.
    arguments[4] = end - 4;
    assert_eq!(driver.call("load", &arguments).await, OK);
    assert_eq!(driver.number(end - 4), 0);
}

#[tokio::test]
async fn wasmedge_ggml_backend_03_load_refuses_an_array_of_builders_outside() {
    let mut driver = driver().await;
    for (array, count) in [
        (OUTSIDE, 1),
        (MEMORY_BYTES - 7, 1),
        (0, OUTSIDE),
        (8, 0x2000_0000),
        (0, 0),
    ] {
        let arguments = [array, count, GGML, 0, PLACE];
        assert_eq!(
            driver.call("load", &arguments).await,
            INVALID,
            "{array} {count}"
        );
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_04_load_refuses_a_model_outside() {
    let mut driver = driver().await;
    for (pointer, length) in [
        (OUTSIDE, 1),
        (MEMORY_BYTES, 1),
        (1, OUTSIDE),
        (OUTSIDE, OUTSIDE),
    ] {
        driver.put_numbers(BUILDERS, &[pointer, length]);
        let arguments = [BUILDERS, 1, GGML, 0, PLACE];
        assert_eq!(
            driver.call("load", &arguments).await,
            INVALID,
            "{pointer} {length}"
        );
    }
    // The same for the settings.
    driver.put_numbers(BUILDERS, &[0, 16, OUTSIDE, 2]);
    assert_eq!(
        driver.call("load", &[BUILDERS, 2, GGML, 0, PLACE]).await,
        INVALID
    );
}

#[tokio::test]
async fn wasmedge_ggml_backend_05_load_refuses_metadata_that_is_not_json() {
    let mut driver = driver().await;
    let model = model_bytes();
    assert_eq!(
        load(&mut driver, &[&model, b"not json"]).await,
        BAD_ENCODING
    );
    assert_eq!(
        load(&mut driver, &[&model, br#"{"temp": "hot"}"#]).await,
        INVALID
    );
    assert_eq!(load(&mut driver, &[&model, b"{}", b"{}"]).await, INVALID);
}

#[tokio::test]
async fn wasmedge_ggml_backend_06_the_first_graph_is_handle_zero() {
    let mut driver = driver().await;
    let arguments = load_arguments(&mut driver, &[&model_bytes(), br#"{"n-predict": 3}"#]).await;
    driver.put_numbers(PLACE, &[77]);
    assert_eq!(driver.call("load", &arguments).await, OK);
    assert_eq!(driver.number(PLACE), 0);
    let context = driver.init(0).await.unwrap();
    driver.answer(context, PROMPT).await.unwrap();
    assert_eq!(driver.metadata(context).await["output_tokens"], 3);
}

#[tokio::test]
async fn wasmedge_ggml_backend_07_init_refuses_an_unknown_graph() {
    let mut driver = driver().await;
    for graph in [0, 1, 9999, u32::MAX] {
        assert_eq!(driver.init(graph).await, Err(INVALID));
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_08_the_first_context_is_handle_zero() {
    let mut driver = driver().await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(
        driver.call("init_execution_context", &[0, OUTSIDE]).await,
        INVALID
    );
    assert_eq!(driver.init(0).await, Ok(0));
}

#[tokio::test]
async fn wasmedge_ggml_backend_09_a_fresh_context_has_no_piece_of_text() {
    let mut driver = loaded().await;
    assert_eq!(
        driver.output("get_output_single", 0, 0).await,
        Ok(Vec::new())
    );
    assert_eq!(driver.output("get_output", 0, 0).await, Ok(Vec::new()));
}

#[tokio::test]
async fn wasmedge_ggml_backend_10_set_input_refuses_an_unknown_context() {
    let mut driver = loaded().await;
    for context in [1, 9999, u32::MAX] {
        assert_eq!(
            driver.set_input(context, 0, PROMPT.as_bytes()).await,
            INVALID
        );
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_11_set_input_takes_a_prompt_and_no_other_index() {
    let mut driver = loaded().await;
    assert_eq!(driver.set_input(0, 0, PROMPT.as_bytes()).await, OK);
    for index in [2, 9, u32::MAX] {
        assert_eq!(driver.set_input(0, index, PROMPT.as_bytes()).await, INVALID);
    }
    assert_eq!(driver.set_input(0, 0, b"a\xff").await, INVALID);
    for tensor in [OUTSIDE, MEMORY_BYTES - 19] {
        assert_eq!(driver.call("set_input", &[0, 0, tensor]).await, INVALID);
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_12_compute_refuses_an_unknown_context() {
    let mut driver = loaded().await;
    for context in [1, 9999, u32::MAX] {
        assert_eq!(driver.call("compute", &[context]).await, INVALID);
        assert_eq!(driver.call("compute_single", &[context]).await, INVALID);
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_13_compute_ends_or_fills_the_context() {
    let mut driver = loaded().await;
    assert_eq!(driver.call("compute", &[0]).await, INVALID, "no prompt yet");
    assert_eq!(driver.answer(0, PROMPT).await.map(drop), Ok(()));
    // Without a limit, an answer continues until its context is full, and its text can be read.
    let mut driver = with(unbounded(64)).await;
    assert_eq!(driver.load_by_name("default").await, Ok(0));
    assert_eq!(driver.init(0).await, Ok(0));
    assert_eq!(driver.set_input(0, 1, br#"{"ignore-eos": true}"#).await, OK);
    assert_eq!(driver.answer(0, PROMPT).await, Err(FULL));
    assert!(!driver.text(0).await.is_empty());
    let about = driver.metadata(0).await;
    assert_eq!(about["finish_reason"], "context-full");
    let tokens = about["input_tokens"].as_u64().unwrap() + about["output_tokens"].as_u64().unwrap();
    assert!((64..=65).contains(&tokens), "{about}");
}

#[tokio::test]
async fn wasmedge_ggml_backend_14_get_output_refuses_a_place_for_the_number_outside() {
    let mut driver = computed().await;
    for place in [OUTSIDE, MEMORY_BYTES, MEMORY_BYTES - 3] {
        let arguments = [0, 0, BUFFER, BUFFER_BYTES, place];
        assert_eq!(driver.call("get_output", &arguments).await, INVALID);
        assert_eq!(driver.call("get_output_single", &arguments).await, INVALID);
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_15_get_output_refuses_a_buffer_outside() {
    let mut driver = computed().await;
    for (buffer, length) in [
        (OUTSIDE, 1),
        (MEMORY_BYTES - 9, 10),
        (BUFFER, OUTSIDE),
        (OUTSIDE, 0),
    ] {
        let arguments = [0, 0, buffer, length, PLACE];
        assert_eq!(
            driver.call("get_output", &arguments).await,
            INVALID,
            "{buffer} {length}"
        );
        assert_eq!(driver.call("get_output_single", &arguments).await, INVALID);
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_16_get_output_gives_the_text() {
    let mut driver = with(unbounded(256)).await;
    assert_eq!(
        driver
            .load_with_config("default", r#"{"n-predict": 100, "ignore-eos": true}"#)
            .await,
        Ok(0)
    );
    assert_eq!(driver.init(0).await, Ok(0));
    let text = driver.answer(0, PROMPT).await.unwrap();
    assert!(text.len() >= 50, "{text}");
    assert_eq!(driver.metadata(0).await["output_tokens"], 100);
}

#[tokio::test]
async fn wasmedge_ggml_backend_17_one_byte_short_leaves_guard_bytes() {
    let mut driver = computed().await;
    let size = u32::try_from(driver.text(0).await.len()).unwrap();
    let guards = vec![0xA5; BUFFER_BYTES as usize];
    for length in [0, 1, size - 1] {
        driver.put(BUFFER, &guards);
        driver.put_numbers(PLACE, &[0]);
        let arguments = [0, 0, BUFFER, length, PLACE];
        assert_eq!(driver.call("get_output", &arguments).await, TOO_LARGE);
        assert_eq!(driver.number(PLACE), size, "what it takes");
        let buffer = driver
            .memory()
            .iter()
            .skip(BUFFER as usize)
            .take(guards.len());
        assert!(
            buffer.copied().all(|byte| byte == 0xA5),
            "nothing is written"
        );
    }
}

#[tokio::test]
async fn wasmedge_ggml_backend_18_an_exact_buffer_is_enough() {
    let mut driver = computed().await;
    let text = driver.text(0).await;
    let size = u32::try_from(text.len()).unwrap();
    driver.put(BUFFER, &vec![0xA5; BUFFER_BYTES as usize]);
    assert_eq!(
        driver
            .call("get_output", &[0, 0, BUFFER, size, PLACE])
            .await,
        OK
    );
    let written: Vec<u8> = driver.memory()[BUFFER as usize..][..text.len() + 1].to_vec();
    assert_eq!(written[..text.len()], *text.as_bytes());
    assert_eq!(written[text.len()], 0xA5, "and not one byte more");
}

#[tokio::test]
async fn wasmedge_load_by_name_rejects_a_name_beyond_memory() {
    let mut driver = driver().await;
    for (name, length) in [
        (MEMORY_BYTES - 36, 64),
        (OUTSIDE, 0),
        (OUTSIDE, OUTSIDE),
        (0, OUTSIDE),
    ] {
        let arguments = [name, length, PLACE];
        assert_eq!(
            driver.call("load_by_name", &arguments).await,
            INVALID,
            "{name} {length}"
        );
    }
    driver.put(256, b"default");
    assert_eq!(
        driver.call("load_by_name", &[256, 7, OUTSIDE]).await,
        INVALID
    );
    driver.put(256, b"\xff\xfe");
    assert_eq!(driver.call("load_by_name", &[256, 2, PLACE]).await, INVALID);
    // None of these calls has used a handle.
    assert_eq!(driver.load_by_name("default").await, Ok(0));
}

#[tokio::test]
async fn wasmedge_load_by_name_with_config_rejects_an_extent_out_of_bounds() {
    let mut driver = driver().await;
    driver.put(256, b"default");
    driver.put(512, b"{}");
    for (name, config) in [
        ((MEMORY_BYTES - 3, 7), (512, 2)),
        ((256, 7), (MEMORY_BYTES - 1, 2)),
        ((256, 7), (512, OUTSIDE)),
        ((OUTSIDE, 0), (OUTSIDE, 0)),
    ] {
        let arguments = [name.0, name.1, config.0, config.1, PLACE];
        let errno = driver.call("load_by_name_with_config", &arguments).await;
        assert_eq!(errno, INVALID, "{name:?} {config:?}");
    }
    assert_eq!(
        driver
            .call("load_by_name_with_config", &[256, 7, 512, 2, PLACE])
            .await,
        OK
    );
}

#[tokio::test]
async fn wasmedge_unload_rejects_an_invalid_graph_id() {
    let mut driver = loaded().await;
    for graph in [1, 9999, u32::MAX] {
        assert_eq!(driver.call("unload", &[graph]).await, INVALID);
    }
    assert_eq!(driver.call("unload", &[0]).await, OK);
}

#[tokio::test]
async fn wasmedge_finalize_rejects_an_invalid_context_id() {
    let mut driver = loaded().await;
    for context in [1, 9999, u32::MAX] {
        let errno = driver.call("finalize_execution_context", &[context]).await;
        assert_eq!(errno, INVALID);
    }
}

#[tokio::test]
async fn wasmedge_compute_rejects_an_invalid_context_id() {
    let mut driver = loaded().await;
    for function in ["compute", "compute_single", "fini_single"] {
        assert_eq!(driver.call(function, &[9999]).await, INVALID, "{function}");
    }
    for function in ["get_output", "get_output_single"] {
        let errno = driver.call(function, &[9999, 0, BUFFER, 16, PLACE]).await;
        assert_eq!(errno, INVALID, "{function}");
    }
}

#[tokio::test]
async fn every_numbering_of_a_gguf_is_one_and_what_is_unknown_is_refused() {
    let model = model_bytes();
    for (encoding, target, errno) in [
        (5, 0, OK),
        (6, 0, OK),
        (6, 1, OK),
        (6, 3, OK),
        (6, 2, UNSUPPORTED),
        (6, 4, INVALID),
        (6, u32::MAX, INVALID),
        (0, 0, BAD_ENCODING),
        (1, 0, BAD_ENCODING),
        (7, 0, BAD_ENCODING),
        (14, 0, BAD_ENCODING),
        (9999, 0, BAD_ENCODING),
        (u32::MAX, 0, BAD_ENCODING),
    ] {
        let mut driver = driver().await;
        let mut arguments = load_arguments(&mut driver, &[&model]).await;
        arguments[2] = encoding;
        arguments[3] = target;
        assert_eq!(
            driver.call("load", &arguments).await,
            errno,
            "{encoding} {target}"
        );
    }
}

#[tokio::test]
async fn a_guest_that_may_not_bring_models_is_refused() {
    let mut driver = Driver::new(granted(tiny())).await;
    assert_eq!(load(&mut driver, &[&model_bytes()]).await, UNSUPPORTED);
    let small = GuestModels {
        max_bytes: 1000,
        ..guest_models(ModelConfig::default())
    };
    let mut driver = Driver::new(granted(tiny()).guest_models(small)).await;
    assert_eq!(load(&mut driver, &[&model_bytes()]).await, TOO_LARGE);
}

#[tokio::test]
async fn a_module_without_a_memory_is_told_so() {
    let module = r#"(module
        (import "wasi_ephemeral_nn" "load_by_name" (func $load (param i32 i32 i32) (result i32)))
        (import "wasi_ephemeral_nn" "unload" (func $unload (param i32) (result i32)))
        (memory (export "hidden") 1)
        (func (export "load_by_name") (param i32 i32 i32) (result i32)
            (call $load (local.get 0) (local.get 1) (local.get 2)))
        (func (export "unload") (param i32) (result i32) (call $unload (local.get 0))))"#;
    let mut driver = Driver::of(module, granted(tiny())).await.unwrap();
    let missing = Errno::MissingMemory.number();
    assert_eq!(driver.call("load_by_name", &[0, 0, 0]).await, missing);
    assert_eq!(driver.call("unload", &[0]).await, INVALID, "it needs none");
}

#[tokio::test]
async fn names_that_are_not_granted_are_not_found_whether_they_exist_or_not() {
    let mut driver = driver().await;
    for name in [
        "no-such-model",
        "",
        "Default",
        "/etc/passwd",
        &"x".repeat(3000),
    ] {
        assert_eq!(driver.load_by_name(name).await, Err(NOT_FOUND), "{name}");
    }
}
