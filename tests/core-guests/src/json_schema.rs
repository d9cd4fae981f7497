//! Requests an answer in JSON of a schema.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use serde_json::{Value, json};

fn main() {
    let schema = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "people": {"type": "integer", "minimum": 0, "maximum": 99_999_999},
        },
        "required": ["city", "people"],
        "additionalProperties": false,
    });
    let settings =
        json!({"json-schema": schema.to_string(), "temp": 0, "n-predict": 100, "grammar": ""});
    let mut context = shared::load(&settings.to_string())
        .expect("the model is granted")
        .init_execution_context()
        .expect("a context");
    let text = shared::answer(&mut context, "Tell me about Paris as JSON: ").expect("an answer");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        answer["city"].is_string() && answer["people"].is_u64(),
        "{text}"
    );
    println!("{answer}");
}
