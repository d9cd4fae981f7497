//! Converted weights: the files that the quantiser writes, the cache, and the messages of the
//! command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use mynah_core::{Error, Registry};
use mynah_engine::EngineError;
use mynah_engine::model::optimize::{compare, divergence, main_type, optimize, optimized};
use mynah_gguf::GgufHeader;
use mynah_settings::{ModelConfig, Optimize, Quantisation, Target};
use mynah_tests::model_path;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{engine_error, gguf};
use tempfile::TempDir;

use crate::support::command::{Said, refused, run, run_with_cache};

const Q8_0: Quantisation = Quantisation::Q8_0;

/// A folder with a tiny model named `tiny.gguf`.
fn tiny_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    (folder, path)
}

fn convert(source: &Path, destination: &Path) -> Result<GgufHeader, Error> {
    optimize(source, destination, Q8_0, 2, &mut |_| {})
}

/// The names of the files in a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The only converted model in a cache folder.
fn only_entry(cache: &Path) -> PathBuf {
    let folder = cache.join("optimized");
    let names = files(&folder);
    assert_eq!(names.len(), 1, "{names:?}");
    folder.join(&names[0])
}

fn changed_at(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn the_real_model_as_q8_0_says_almost_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("converted.gguf");
    let mut told = Vec::new();
    let header = optimize(&model_path(), &path, Q8_0, 2, &mut |share| told.push(share)).unwrap();
    assert_eq!(header.file_type(), "Q8_0");
    assert!(told.len() > 10 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&1.0));
    assert_eq!(files(folder.path()), ["converted.gguf"]);

    let near = divergence(&model_path(), &path, 2).unwrap();
    assert!((0.0..0.02).contains(&near.mean_kl), "{near:?}");
    assert!(near.same_top > 0.9 && near.tokens > 300, "{near:?}");
    let same = divergence(&path, &path, 2).unwrap();
    assert!(same.mean_kl < 1e-9 && same.same_top == 1.0, "{same:?}");
}

#[test]
fn every_target_gives_a_file_that_loads() {
    // Rows of 256 weights, so that no type falls back to another.
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("wide.gguf");
    let model = TinyModel {
        embedding: 256,
        layers: 1,
        ..TinyModel::default()
    };
    model.write_to(&source).unwrap();
    for to in Quantisation::ALL {
        let path = folder.path().join(format!("{to}.gguf"));
        let header = optimize(&source, &path, to, 1, &mut |_| {}).unwrap();
        let types = header.weights_by_type();
        assert!(
            types.iter().any(|&(ty, ..)| ty == main_type(to)),
            "{to}: {types:?}"
        );
        mynah_engine::load(&path, ModelConfig::default(), |_| {}).unwrap();
    }
}

#[test]
fn both_models_are_measured() {
    let (folder, source) = tiny_file();
    let path = folder.path().join("converted.gguf");
    convert(&source, &path).unwrap();
    let mut told = Vec::new();
    let compared = compare(&source, &path, 1, &mut |share| told.push(share)).unwrap();
    for speed in [compared.before, compared.after] {
        assert!(speed.prefill > 0.0 && speed.decode.iter().all(|&speed| speed > 0.0));
    }
    assert!((0.0..=1.0).contains(&compared.spread), "{compared:?}");
    assert!(compared.divergence.mean_kl > 0.0, "{compared:?}");
    assert!(told.is_sorted() && told.last() == Some(&1.0), "{told:?}");
}

/// llama.cpp's AMX kernel uses the old contents of its output buffer as initial sums.
#[test]
fn matrices_of_one_block_are_multiplied_right_whatever_was_computed_before() {
    let (folder, source) = tiny_file();
    let path = folder.path().join("converted.gguf");
    convert(&source, &path).unwrap();
    let fresh = divergence(&source, &path, 1).unwrap();
    let used = compare(&source, &path, 1, &mut |_| {}).unwrap().divergence;
    assert!(
        (fresh.mean_kl - used.mean_kl).abs() < 1e-3,
        "{fresh:?} {used:?}"
    );
    assert!(used.mean_kl < 0.1 && used.same_top > 0.8, "{used:?}");
}

#[test]
fn what_cannot_be_converted_leaves_nothing_behind() {
    let (folder, source) = tiny_file();
    let out = folder.path().join("out.gguf");
    let text = |source: &Path, out: &Path| convert(source, out).unwrap_err().to_string();

    let no_gguf = folder.path().join("text.gguf");
    fs::write(&no_gguf, "once upon a time").unwrap();
    let said = text(&no_gguf, &out);
    assert!(
        said.contains("text.gguf") && said.contains("not a GGUF"),
        "{said}"
    );

    let same = convert(&source, &source).unwrap_err();
    let own = engine_error(&same);
    assert!(matches!(own, Some(EngineError::SameFile { .. })), "{same}");
    let missing = folder.path().join("no/such/folder/out.gguf");
    let said = text(&source, &missing);
    assert!(
        said.contains("no/such/folder/out.gguf can't be written"),
        "{said}"
    );
    let said = text(&source, folder.path());
    assert!(said.contains("can't be written"), "{said}");
    assert_eq!(files(folder.path()), ["text.gguf", "tiny.gguf"]);
}

#[test]
fn a_reason_of_llama_cpps_comes_through() {
    // A well-formed file with an unknown architecture.
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("odd.gguf");
    let mut bytes = TinyModel::default().bytes();
    let key = b"general.architecture";
    let at = bytes.windows(key.len()).position(|window| window == key);
    let value = at.unwrap() + key.len() + 12;
    bytes[value..value + 5].copy_from_slice(b"lhama");
    fs::write(&source, bytes).unwrap();
    let out = folder.path().join("out.gguf");
    fs::write(&out, "what was there").unwrap();
    let said = convert(&source, &out).unwrap_err().to_string();
    assert!(
        said.contains("lhama") && said.contains("odd.gguf"),
        "{said}"
    );
    assert_eq!(fs::read(&out).unwrap(), b"what was there");
    assert_eq!(files(folder.path()), ["odd.gguf", "out.gguf"]);
}

#[test]
fn a_panic_of_the_observer_is_the_callers_own() {
    let (folder, source) = tiny_file();
    let out = folder.path().join("out.gguf");
    let caught = std::panic::catch_unwind(|| {
        optimize(&source, &out, Q8_0, 1, &mut |_| panic!("the observer's"))
    });
    assert!(caught.is_err());
    assert_eq!(files(folder.path()), ["tiny.gguf"]);
}

#[test]
fn a_model_is_converted_once_and_taken_from_the_cache_then() {
    let (folder, source) = tiny_file();
    let cache = folder.path().join("cache");
    let config = ModelConfig {
        optimize: Some(Optimize {
            target: Target::To(Q8_0),
            cache: cache.clone(),
        }),
        ..ModelConfig::default()
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let load = || {
        told.lock().unwrap().clear();
        let progress = Arc::clone(&told);
        let model = mynah_engine::load(&source, config.clone(), move |share| {
            progress.lock().unwrap().push(share);
        });
        let told = told.lock().unwrap();
        assert!(told.is_sorted() && told.last() == Some(&1.0), "{told:?}");
        model.unwrap()
    };

    let info = load().info().clone();
    assert_eq!(info.path, source);
    assert_eq!(info.quantisation, "Q8_0");
    assert_eq!(info.optimized_from.as_deref(), Some("F32"));
    let entry = only_entry(&cache);
    assert_eq!(info.file_bytes, fs::metadata(&entry).unwrap().len());
    let made = changed_at(&entry);
    load();
    assert_eq!(changed_at(&only_entry(&cache)), made, "taken as it is");

    // A damaged entry is created again.
    let whole = fs::read(&entry).unwrap();
    fs::write(&entry, &whole[..whole.len() / 2]).unwrap();
    load();
    assert_eq!(fs::read(only_entry(&cache)).unwrap(), whole);

    // As without conversion, one file under two names is loaded once.
    let registry = Registry::new();
    let first = registry.load("a", gguf(&source, &config), |_| {}).unwrap();
    let second = registry.load("b", gguf(&source, &config), |_| {}).unwrap();
    assert!(first.is_same(&second));

    // Other contents under the same name are another entry.
    let other = TinyModel {
        seed: 2,
        ..TinyModel::default()
    };
    other.write_to(&source).unwrap();
    load();
    assert_eq!(files(&cache.join("optimized")).len(), 2);
}

#[test]
fn several_threads_may_fill_the_cache_at_once() {
    let (folder, source) = tiny_file();
    let wanted = Optimize {
        target: Target::To(Q8_0),
        cache: folder.path().join("cache"),
    };
    let paths: Vec<_> = std::thread::scope(|scope| {
        let work = || optimized(&source, &wanted, 1, &mut |_| {}).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let entry = only_entry(&wanted.cache);
    assert!(
        paths
            .iter()
            .all(|path| path.as_deref() == Some(entry.as_path()))
    );
    mynah_engine::load(&entry, ModelConfig::default(), |_| {}).unwrap();
}

#[test]
fn without_being_asked_nothing_is_converted() {
    let (folder, source) = tiny_file();
    let model = mynah_engine::load(&source, ModelConfig::default(), |_| {}).unwrap();
    assert_eq!(model.info().optimized_from, None);
    assert_eq!(model.info().quantisation, "F32");
    assert_eq!(files(folder.path()), ["tiny.gguf"]);
}

#[test]
fn a_cache_that_cannot_be_made_is_an_error() {
    let (folder, source) = tiny_file();
    let wanted = Optimize {
        target: Target::To(Q8_0),
        cache: source.clone(),
    };
    let error = optimized(&source, &wanted, 1, &mut |_| {}).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("can't be written"), "{said}");
    assert_eq!(files(folder.path()), ["tiny.gguf"]);
}

fn command(source: &Path, flags: &[&str]) -> Said {
    let source = source.display().to_string();
    run(&[&["models", "optimize", &source], flags].concat())
}

#[test]
fn the_command_prints_what_is_gained_and_what_it_costs() {
    let (folder, source) = tiny_file();
    let said = command(&source, &["--to", "q8_0"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in [
        "tiny.Q8_0.gguf",
        "before",
        "F32",
        "Q8_0",
        "size",
        "prompt of 512 tokens",
        "decode, 1 sequence ",
        "decode, 8 sequences",
        "decode, 32 sequences",
        "spread",
        "divergence",
    ] {
        assert!(said.stdout.contains(words), "`{words}` in: {said:?}");
    }
    assert_eq!(files(folder.path()), ["tiny.Q8_0.gguf", "tiny.gguf"]);

    let again = command(&source, &["--to", "q8_0"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    again.host_line("is there already");
    let forced = command(&source, &["--to", "q8_0", "--force", "--no-measure"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(!forced.stdout.contains("divergence"), "{forced:?}");
}

#[test]
fn wrong_conversions_are_refused_on_one_line() {
    let (folder, source) = tiny_file();
    let unknown = command(&source, &["--to", "q4_1"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("q8_0"), "{unknown:?}");
    refused(
        &["models", "optimize", "/no/such/model.gguf"],
        "/no/such/model.gguf",
    );
    let path = source.display().to_string();
    let onto_itself = ["--to", "q8_0", "--out", &path, "--force"];
    command(&source, &onto_itself).host_line("into itself");
    assert_eq!(files(folder.path()), ["tiny.gguf"]);
}

#[test]
fn a_component_runs_on_converted_weights_when_the_operator_asks() {
    let (_folder, source) = tiny_file();
    let cache = tempfile::tempdir().unwrap();
    let model = format!("default={}", source.display());
    let example = mynah_tests::cargo_component_wasm("complete");
    let example = example.display().to_string();
    let line = [
        "run",
        "--model",
        &model,
        "--optimize=q8_0",
        "--max-tokens",
        "3",
        &example,
        "hello",
    ];
    let said = run_with_cache(&line, cache.path());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        GgufHeader::read(&only_entry(cache.path()))
            .unwrap()
            .file_type(),
        "Q8_0"
    );
}
