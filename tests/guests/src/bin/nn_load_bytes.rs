//! Promise: a guest that is allowed to load its own model can compute with it, and every wrong way
//! to load has its own error.
//!
//! Argument: a GGUF file in a granted folder.

use mynah_guest::Result;
use mynah_test_guests::bindings::wasi::nn::graph::{ExecutionTarget, Graph, GraphEncoding, load};
use mynah_test_guests::{Done, PROMPT, arg, compute, ensure, refused};

fn main() -> Done {
    let gguf = std::fs::read(arg(1, "/models/model.gguf".to_owned()))?;
    let builder = [gguf];
    let load = |builder: &[Vec<u8>], encoding, target| -> Result<Graph> {
        Ok(load(builder, encoding, target)?)
    };
    let run = |graph: Graph| compute(&graph.init_execution_context()?, PROMPT);

    let ggml = run(load(&builder, GraphEncoding::Ggml, ExecutionTarget::Cpu)?)?;
    let detected = run(load(
        &builder,
        GraphEncoding::Autodetect,
        ExecutionTarget::Cpu,
    )?)?;
    ensure!(ggml == detected, "ggml {ggml:?}, autodetect {detected:?}");

    for (name, encoding) in [
        ("openvino", GraphEncoding::Openvino),
        ("onnx", GraphEncoding::Onnx),
        ("tensorflow", GraphEncoding::Tensorflow),
        ("pytorch", GraphEncoding::Pytorch),
        ("tensorflowlite", GraphEncoding::Tensorflowlite),
    ] {
        let result = load(&builder, encoding, ExecutionTarget::Cpu);
        refused(name, &["invalid-encoding"], result)?;
    }
    let result = load(&builder, GraphEncoding::Ggml, ExecutionTarget::Tpu);
    refused("tpu", &["unsupported-operation"], result)?;

    let [gguf] = builder;
    let two = [gguf, Vec::new()];
    let result = load(&two, GraphEncoding::Ggml, ExecutionTarget::Cpu);
    refused("two builders", &["invalid-argument"], result)?;
    let result = load(&[], GraphEncoding::Ggml, ExecutionTarget::Cpu);
    refused("no builder", &["invalid-argument"], result)?;
    println!("{ggml}");
    Ok(())
}
