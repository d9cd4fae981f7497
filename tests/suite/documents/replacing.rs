//! Case 15: a model is replaced by another and then by the first again, while a session stays open.

use mynah_engine::LocalModel;
use mynah_tests::tiny_model::TinyModel;

use super::{context, read, run};

/// Case 15, `safe_model_switch`.
#[tokio::test]
async fn a_session_stays_while_its_model_is_replaced() {
    let document = r#"{"ctx_size": 512, "temp": 0, "max_tokens": 16}"#;
    let folder = tempfile::tempdir().unwrap();
    let files = [1, 2].map(|seed| {
        let path = folder.path().join(format!("{seed}.gguf"));
        let model = TinyModel {
            seed,
            ..TinyModel::default()
        };
        model.write_to(&path).unwrap();
        path
    });
    let config = || read(document).unwrap().config;
    let local = LocalModel::load(&files[0], config(), |_| {}).unwrap();
    let model = local.clone().into_model();
    let mut session = context(&model);
    let mut said = Vec::new();
    for file in [&files[0], &files[1], &files[0]] {
        if model.info().path != *file {
            local.replace(file, config(), |_| {}).unwrap();
        }
        assert_eq!(model.info().path, *file);
        // It is the same session throughout: none is closed.
        said.push(run(&mut session, "Once upon a time", "{}").await.unwrap().0);
    }
    assert_ne!(said[0], said[1], "two models, two texts");
    assert_eq!(said[0], said[2], "the first one is as it was");
    assert_eq!(model.status().sessions, 1);
    // A file that is not a model changes nothing.
    let damaged = folder.path().join("damaged.gguf");
    std::fs::write(&damaged, "no model").unwrap();
    local.replace(&damaged, config(), |_| {}).unwrap_err();
    assert_eq!(
        run(&mut session, "Once upon a time", "{}").await.unwrap().0,
        said[0]
    );
}
