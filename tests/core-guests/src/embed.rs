//! Computes the vector of a text.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use serde_json::Value;

fn main() {
    let graph = shared::load(
        r#"{"embedding": true, "ctx-size": 512, "batch-size": 512, "ubatch-size": 512}"#,
    );
    let mut context = graph
        .expect("the model is granted")
        .init_execution_context()
        .expect("a context");
    let text = shared::answer(&mut context, "A parrot speaks.").expect("a vector");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let vector: Vec<f64> = answer["embedding"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect();
    assert_eq!(answer["n_embedding"], vector.len());
    let length = vector
        .iter()
        .map(|number| number * number)
        .sum::<f64>()
        .sqrt();
    assert!((length - 1.0).abs() < 1e-3, "{length}");
    println!("dimensions={}", vector.len());
}
