//! What the guests share: loading a model by its name, asking, and reading what comes back, as such
//! guests do.

use wasmedge_wasi_nn::{
    Error, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, GraphExecutionContext, TensorType,
};

/// The model called `default`, with these settings.
pub fn load(settings: &str) -> Result<Graph, Error> {
    GraphBuilder::new(GraphEncoding::Ggml, ExecutionTarget::AUTO)
        .config(settings.to_owned())
        .build_from_cache("default")
}

/// Sets the prompt, with a dimension of 1 as most guests have it.
pub fn set_prompt(context: &mut GraphExecutionContext, prompt: &str) -> Result<(), Error> {
    context.set_input(0, TensorType::U8, &[1], prompt.as_bytes())
}

/// Sets settings.
pub fn configure(context: &mut GraphExecutionContext, settings: &str) -> Result<(), Error> {
    context.set_input(1, TensorType::U8, &[1], settings.as_bytes())
}

/// An output: 0 is text, 1 metadata.
pub fn output(context: &GraphExecutionContext, index: usize) -> String {
    let mut buffer = vec![0_u8; 65_536];
    let size = context.get_output(index, &mut buffer).expect("an output");
    String::from_utf8(buffer[..size].to_vec()).expect("UTF-8")
}

/// What is known about the prompt and its answer.
pub fn metadata(context: &GraphExecutionContext) -> serde_json::Value {
    serde_json::from_str(&output(context, 1)).expect("JSON")
}

/// Asks and gives the answer.
pub fn answer(context: &mut GraphExecutionContext, prompt: &str) -> Result<String, Error> {
    set_prompt(context, prompt)?;
    context.compute()?;
    Ok(output(context, 0))
}
