//! Valid and invalid model files: each invalid one gives a clear error and has no other effect.

use std::path::Path;
use std::sync::{Arc, Mutex};

use mynah_core::{Error, Model, Registry};
use mynah_engine::EngineError;
use mynah_settings::ModelConfig;
use mynah_tests::model_path;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{engine_error, gguf};

fn load(path: &Path) -> Result<Model, Error> {
    mynah_engine::load(path, ModelConfig::default(), |_| {})
}

/// The error for a file with these bytes.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    let text = load(&path).expect_err("it is refused").to_string();
    assert!(text.contains("model.gguf"), "names the file: {text}");
    assert!(!text.contains('\n'), "is one line: {text}");
    text
}

#[test]
fn a_missing_file_is_refused() {
    let error = load("/no/such/model.gguf".as_ref())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/no/such/model.gguf") && error.contains("can't be read"),
        "{error}"
    );
}

#[test]
fn a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("folder"), "{error}");
}

#[test]
fn an_empty_file_is_refused() {
    assert!(refusal(b"").contains("empty"));
}

#[test]
fn random_bytes_are_refused() {
    assert!(refusal(&[0x5a; 4096]).contains("not a GGUF"));
}

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_is_cut() {
    let whole = TinyModel::default().bytes();
    for share in [1, 10, 30, 50, 70, 90, 99] {
        let text = refusal(&whole[..whole.len() * share / 100]);
        assert!(text.contains("cut off"), "at {share} %: {text}");
    }
    assert!(refusal(&whole[..whole.len() - 1]).contains("cut off"));
}

#[test]
fn what_llama_cpp_refuses_comes_with_its_reason() {
    // A well-formed file with an unknown architecture.
    let whole = TinyModel::default().bytes();
    let mut changed = whole.clone();
    let needle = b"general.architecture";
    let at = whole
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    // Key, type (4 bytes), length (8 bytes), then `llama`.
    let value = at + needle.len() + 12;
    assert_eq!(&changed[value..value + 5], b"llama");
    changed[value..value + 5].copy_from_slice(b"lhama");
    assert!(refusal(&changed).contains("lhama"));
}

#[test]
fn loading_tells_how_far_it_is() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::clone(&told);
    let config = ModelConfig {
        ctx_size: Some(64),
        max_concurrent: 1,
        ..ModelConfig::default()
    };
    mynah_engine::load(&model_path(), config, move |share| {
        progress.lock().unwrap().push(share);
    })
    .unwrap();
    let told = told.lock().unwrap();
    assert!(told.len() > 2, "{told:?}");
    assert!(
        told.is_sorted() && told.iter().all(|share| (0.0..=1.0).contains(share)),
        "{told:?}"
    );
    assert_eq!(told.last(), Some(&1.0));
}

#[test]
fn one_file_under_two_names_is_in_memory_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let registry = Registry::new();
    let config = ModelConfig::default();
    let first = registry.load("a", gguf(&path, &config), |_| {}).unwrap();
    let second = registry.load("b", gguf(&path, &config), |_| {}).unwrap();
    assert!(first.is_same(&second));
    let other = ModelConfig {
        ctx_size: Some(64),
        ..config
    };
    let third = registry.load("c", gguf(&path, &other), |_| {}).unwrap();
    assert!(!first.is_same(&third), "it is served otherwise");
    assert!(matches!(
        registry.load("a", gguf(&path, &other), |_| {}),
        Err(Error::DuplicateModel { .. })
    ));
    assert!(matches!(registry.get("d"), Err(Error::UnknownModel { .. })));
}

#[test]
fn the_header_of_the_real_model_is_read() {
    let header = mynah_gguf::GgufHeader::read(&model_path()).unwrap();
    assert_eq!(header.architecture(), Some("llama"));
    assert_eq!(header.file_type(), "Q4_1");
    assert_eq!(header.parameters(), 134_515_008);
    assert!(header.chat_template().is_some());
}

#[test]
fn settings_out_of_range_are_refused_before_the_file_is_touched() {
    let config = ModelConfig {
        max_concurrent: 1000,
        queue_size: 0,
        ..ModelConfig::default()
    };
    let error = mynah_engine::load("/no/such/model.gguf".as_ref(), config, |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`backend.max_concurrent`") && text.contains("`backend.queue_size`"),
        "{text}"
    );
}

#[test]
fn a_model_that_takes_more_memory_than_there_is_is_refused_with_the_numbers() {
    let config = ModelConfig {
        ctx_size: Some(20_000_000),
        ..ModelConfig::default()
    };
    let error = mynah_engine::load(&model_path(), config, |_| {}).unwrap_err();
    let Some(EngineError::TooLittleMemory {
        needed,
        cells,
        available,
        ..
    }) = engine_error(&error)
    else {
        panic!("{error}");
    };
    // 23,040 bytes per token, for each of eight sequences.
    assert_eq!(cells.as_u64(), 8 * 20_000_000 * 23_040);
    assert!(needed > cells && needed > available, "{error}");
    assert!(error.to_string().contains("Lower `ctx_size`"), "{error}");
}
