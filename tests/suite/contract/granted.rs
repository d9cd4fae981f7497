//! The name by which a request reached its model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_core::testing::ScriptedSource;
use mynah_core::{Observer, Owner, Prompt, Registry};
use mynah_settings::Settings;

/// Newcomer 16.
#[tokio::test]
async fn with_two_grants_of_one_model_a_request_has_the_name_by_which_it_came() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let observer = Observer::new(move |end| seen.lock().unwrap().push(end)).unwrap();
    let registry = Registry::observed(Some(observer.clone()));
    let source = || {
        Arc::new(ScriptedSource {
            name: "the name in the file".to_owned(),
        })
    };
    let first = registry.load("default", source(), |_| {}).unwrap();
    let second = registry.load("small", source(), |_| {}).unwrap();
    assert_eq!((&*first.name(), &*second.name()), ("default", "small"));
    for name in ["small", "default", "small"] {
        let model = registry.get(name).unwrap();
        let mut session = model.session(Owner::unique()).unwrap();
        let prompt = Prompt::Text("go on".to_owned());
        let generation = session.start(prompt, Settings::default()).await;
        let mut generation = generation.unwrap();
        while generation
            .next()
            .await
            .is_ok_and(|events| !events.is_empty())
        {}
    }
    assert!(observer.flush(Duration::from_secs(60)));
    let ends = ends.lock().unwrap();
    let names: Vec<&str> = ends.iter().map(|end| &*end.name).collect();
    assert_eq!(names, ["small", "default", "small"]);
    assert!(
        ends.iter()
            .all(|end| end.model.name == "the name in the file")
    );
}
