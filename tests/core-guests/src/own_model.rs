//! Loads its own model from a file, with settings as the second builder.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use wasmedge_wasi_nn::{ExecutionTarget, GraphBuilder, GraphEncoding};

fn main() {
    let model = std::fs::read("/models/model.gguf").expect("the model is there");
    let builder = || GraphBuilder::new(GraphEncoding::Ggml, ExecutionTarget::AUTO);
    let graph = builder()
        .build_from_bytes([&model[..], br#"{"temp": 0, "n-predict": 5}"#])
        .expect("the model is allowed");
    let mut context = graph.init_execution_context().expect("a context");
    shared::answer(&mut context, "Once upon a time").expect("an answer");
    assert_eq!(shared::metadata(&context)["output_tokens"], 5);
    assert!(
        builder().build_from_bytes([&model]).is_err(),
        "one at a time"
    );
    graph.unload().expect("it is there");
    builder()
        .build_from_files(["/models/model.gguf"])
        .expect("there is room again");
    println!("ok");
}
