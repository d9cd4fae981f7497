//! Uses two models at once, each with its own settings.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use wasmedge_wasi_nn::{ExecutionTarget, GraphBuilder, GraphEncoding};

fn main() {
    let contexts = [("default", 3), ("other", 5)].map(|(name, tokens)| {
        let settings = format!(r#"{{"temp": 0, "n-predict": {tokens}}}"#);
        let graph = GraphBuilder::new(GraphEncoding::Ggml, ExecutionTarget::AUTO)
            .config(settings)
            .build_from_cache(name)
            .expect("the model is granted");
        (
            name,
            tokens,
            graph.init_execution_context().expect("a context"),
        )
    });
    for (name, tokens, mut context) in contexts {
        let text = shared::answer(&mut context, "The capital of France is").expect("an answer");
        assert_eq!(shared::metadata(&context)["output_tokens"], tokens);
        println!("{name}: {text}");
    }
}
