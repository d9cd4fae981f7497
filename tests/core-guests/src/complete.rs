//! Loads a model by name, counts the prompt's tokens, computes, and prints the answer and its
//! metadata.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use wasmedge_wasi_nn::{ExecutionTarget, GraphBuilder, GraphEncoding};

fn main() {
    let prompt = std::env::args().nth(1).expect("give a prompt");
    // Without settings the guest calls another function of the ABI.
    let graph = match std::env::args().nth(2) {
        Some(settings) => shared::load(&settings),
        None => {
            GraphBuilder::new(GraphEncoding::Ggml, ExecutionTarget::CPU).build_from_cache("default")
        }
    };
    let mut context = graph
        .expect("the model is granted")
        .init_execution_context()
        .expect("a context");
    shared::set_prompt(&mut context, &prompt).expect("a prompt");
    let before = shared::metadata(&context);
    assert!(before["input_tokens"].as_u64() > Some(0), "{before}");
    assert_eq!(before["output_tokens"], 0);
    context.compute().expect("an answer");
    println!("{}", shared::output(&context, 0));
    println!("{}", shared::metadata(&context));
}
