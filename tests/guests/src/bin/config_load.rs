//! Promise: loading a model with settings applies them to each of its contexts. A name that is not
//! granted is not found.

use mynah_guest::{Model, Origin};
use mynah_test_guests::{Done, PROMPT, ensure, refused};

fn main() -> Done {
    let json =
        r#"{"model": {"n_predict": 5}, "sampling": {"temp": 0.0}, "backend": {"queue_size": 7}}"#;
    let (model, warnings) = Model::load_with_config("default", json, false)?;
    ensure!(
        warnings.len() == 1 && warnings[0].path == "backend.queue_size",
        "{warnings:?}"
    );
    for _ in 0..2 {
        let session = model.session()?;
        let all = session.effective()?;
        let tokens = all.iter().find(|one| one.path == "stopping.max_tokens");
        ensure!(
            tokens.is_some_and(|one| one.value == "5" && one.origin == Origin::Session),
            "{tokens:?}"
        );
        let answer = session.generate(PROMPT)?;
        ensure!(answer.outcome.usage.generated_tokens == 5, "{answer:?}");
    }
    // The model itself is unchanged.
    let plain = Model::load("default")?.session()?.effective()?;
    let tokens = plain.iter().find(|one| one.path == "stopping.max_tokens");
    ensure!(
        tokens.is_some_and(|one| one.origin != Origin::Session),
        "{tokens:?}"
    );

    refused(
        "strict",
        &["invalid-settings"],
        Model::load_with_config("default", json, true),
    )?;
    refused(
        "bad",
        &["invalid-settings"],
        Model::load_with_config("default", r#"{"temp": -1}"#, false),
    )?;
    refused(
        "name",
        &["not-found"],
        Model::load_with_config("no-such-model", "{}", false),
    )?;
    println!("ok");
    Ok(())
}
