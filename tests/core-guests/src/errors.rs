//! Provokes each error of the ABI and checks its code.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use wasmedge_wasi_nn::{
    BackendError, Error, ExecutionTarget, GraphBuilder, GraphEncoding, TensorType,
};

/// The host's error code in the result of a call.
fn code<T>(done: Result<T, Error>) -> BackendError {
    match done {
        Err(Error::BackendError(error)) => error,
        Err(error) => panic!("not the host's: {error}"),
        Ok(_) => panic!("it worked"),
    }
}

macro_rules! refused {
    ($done:expr, $error:ident) => {
        let error = code($done);
        assert!(
            matches!(error, BackendError::$error),
            "{error}: {}",
            stringify!($done)
        );
    };
}

fn main() {
    let builder = || GraphBuilder::new(GraphEncoding::Ggml, ExecutionTarget::AUTO);
    refused!(builder().build_from_cache("no-such-model"), NotFound);
    refused!(shared::load("no json"), InvalidEncoding);
    refused!(shared::load(r#"{"temp": "hot"}"#), InvalidArgument);
    refused!(
        builder().build_from_bytes([b"no model"]),
        UnsupportedOperation
    );
    let onnx = GraphBuilder::new(GraphEncoding::Onnx, ExecutionTarget::CPU);
    refused!(onnx.build_from_bytes([b"no model"]), InvalidEncoding);
    // The host ignores unknown keys.
    let graph = shared::load(r#"{"temp": 0, "n-predict": 4, "llama3": true, "model_name": "x"}"#);
    let graph = graph.expect("the model is granted");
    let mut context = graph.init_execution_context().expect("a context");
    refused!(context.compute(), InvalidArgument);
    refused!(shared::configure(&mut context, "no json"), InvalidEncoding);
    refused!(
        shared::configure(&mut context, r#"{"top-p": 5}"#),
        InvalidArgument
    );
    refused!(
        context.set_input(2, TensorType::U8, &[1], b"text"),
        InvalidArgument
    );
    refused!(
        context.set_input(0, TensorType::I64, &[1], b"text"),
        InvalidArgument
    );
    refused!(
        context.set_input(0, TensorType::U8, &[9], b"text"),
        InvalidArgument
    );
    let long = "word ".repeat(20_000);
    shared::set_prompt(&mut context, &long).expect("it is only counted");
    refused!(context.compute(), PromptTooLong);
    shared::set_prompt(&mut context, "The capital of France is").expect("a prompt");
    context.compute().expect("an answer");
    let mut small = [0_u8; 1];
    refused!(context.get_output(0, &mut small), TooLarge);
    refused!(context.get_output(7, &mut small), InvalidArgument);
    println!("{}", shared::output(&context, 0));
}
