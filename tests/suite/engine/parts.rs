//! Models in several files (Case W3): all of them count, and what is missing or foreign is named.

use std::path::{Path, PathBuf};

use mynah_gguf::GgufHeader;
use mynah_settings::ModelConfig;
use mynah_tests::greedy;
use mynah_tests::tiny_model::TinyModel;

use crate::support::command::run;
use crate::support::generations::{finish, start, text};

fn split(folder: &Path) -> Vec<PathBuf> {
    TinyModel::default().write_split(folder, "x", 3).unwrap()
}

fn refusal(path: &Path) -> String {
    let loaded = mynah_engine::load(path, ModelConfig::default(), |_| {});
    loaded.expect_err("it is refused").to_string()
}

/// Case W3.
#[tokio::test]
async fn a_model_in_parts_is_the_whole_model() {
    let folder = tempfile::tempdir().unwrap();
    let whole_path = folder.path().join("whole.gguf");
    TinyModel::default().write_to(&whole_path).unwrap();
    let files = split(folder.path());
    let whole = GgufHeader::read(&whole_path).unwrap();
    let parts = GgufHeader::read(&files[0]).unwrap();
    assert_eq!(parts.parameters(), whole.parameters());
    assert_eq!(parts.weight_bytes(), whole.weight_bytes());
    let sizes = files
        .iter()
        .map(|file| std::fs::metadata(file).unwrap().len());
    assert_eq!(parts.file_bytes, sizes.sum::<u64>());
    assert_eq!(parts.parts.len(), 3);

    let mut answers = Vec::new();
    for path in [&whole_path, &files[0]] {
        let model = mynah_engine::load(path, ModelConfig::default(), |_| {}).unwrap();
        let mut running = start(&model, text("the word"), greedy(8)).await.unwrap();
        answers.push(finish(&mut running).await.0);
        assert_eq!(model.about().info.parameters, whole.parameters());
    }
    assert_eq!(answers[0], answers[1]);

    let said = run(&["models", "inspect", &files[0].display().to_string()]);
    assert!(said.stdout.contains("in 3 files"), "{said:?}");
    let out = folder.path().join("q8.gguf");
    let shown = [&files[0], &out].map(|path| path.display().to_string());
    let said = run(&[
        "models",
        "optimize",
        &shown[0],
        "--to",
        "q8_0",
        "--out",
        &shown[1],
        "--no-measure",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let converted = GgufHeader::read(&out).unwrap();
    assert_eq!(converted.parameters(), whole.parameters());
    assert!(converted.parts.is_empty());
}

/// Case W3.
#[test]
fn the_part_that_is_missing_is_named() {
    for missing in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let files = split(folder.path());
        std::fs::remove_file(&files[missing]).unwrap();
        let said = refusal(&files[0]);
        let name = files[missing].file_name().unwrap().to_str().unwrap();
        assert!(said.contains(name) && said.contains("missing"), "{said}");
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = split(folder.path());
    let said = refusal(&files[1]);
    assert!(
        said.contains("file 2 of 3") && said.contains("x-00001-of-00003"),
        "{said}"
    );

    let renamed = folder.path().join("model.gguf");
    std::fs::copy(&files[0], &renamed).unwrap();
    assert!(refusal(&renamed).contains("its name"));

    let second = std::fs::read(&files[1]).unwrap();
    std::fs::copy(&files[2], &files[1]).unwrap();
    assert!(refusal(&files[0]).contains("says that it is number 3"));
    // Of a model with other layers.
    let other = TinyModel {
        layers: 4,
        ..TinyModel::default()
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = other.write_split(elsewhere.path(), "x", 3).unwrap();
    std::fs::copy(&foreign[1], &files[1]).unwrap();
    assert!(refusal(&files[0]).contains("don't belong together"));
    std::fs::write(&files[1], &second[..second.len() - 1]).unwrap();
    let said = refusal(&files[0]);
    assert!(said.contains("00002") && said.contains("cut off"), "{said}");
    std::fs::write(&files[1], second).unwrap();
    GgufHeader::read(&files[0]).unwrap();
}
