//! The bindings that `bindgen!` generates from the project's WIT.

pub use generated::{mynah, wasi};

#[expect(missing_docs, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "host",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:nn/errors.error": crate::NnError,
            "wasi:nn/graph.graph": crate::Graph,
            "wasi:nn/inference.graph-execution-context": crate::ExecutionContext,
            "wasi:nn/tensor.tensor": crate::Tensor,
            "mynah:llm/generation.generation": crate::Generation,
        },
    });
}
