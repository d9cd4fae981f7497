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

/// Version 0.1 of `mynah:llm`, with the `wasi:nn` of the version above.
pub mod v0_1 {
    pub use generated::mynah;

    #[expect(missing_docs, reason = "generated code")]
    mod generated {
        wasmtime::component::bindgen!({
            path: ["../../wit/deps/io", "../../wit/deps/nn", "../../wit/older/mynah-llm-0.1.1"],
            world: "mynah:llm/host",
            imports: { default: async | trappable },
            with: {
                "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
                "wasi:nn": crate::bindings::wasi::nn,
                "mynah:llm/generation.generation": crate::Generation,
            },
        });
    }
}
