//! Unloads a graph, reads the last answer of its context, and loads the graph again.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

fn main() {
    let prompt = "The capital of France is";
    let graph = shared::load(r#"{"temp": 0, "n-predict": 8}"#).expect("the model is granted");
    let mut context = graph.init_execution_context().expect("a context");
    let text = shared::answer(&mut context, prompt).expect("an answer");
    graph.unload().expect("it is there");
    assert!(graph.unload().is_err(), "it is gone");
    assert!(
        graph.init_execution_context().is_err(),
        "it makes no contexts"
    );
    assert_eq!(
        shared::output(&context, 0),
        text,
        "what was said can be read"
    );
    assert!(context.compute().is_err(), "nothing more is said");
    let again = shared::load(r#"{"temp": 0, "n-predict": 8}"#).expect("the model is granted");
    let mut context = again.init_execution_context().expect("a context");
    assert_eq!(
        shared::answer(&mut context, prompt).expect("an answer"),
        text
    );
    println!("{text}");
}
