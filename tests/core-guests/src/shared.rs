//! Helpers of the guests: loading a model by name, sending a prompt, and reading the outputs.

use wasmedge_wasi_nn::{
    Error, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, GraphExecutionContext, TensorType,
};

/// Loads the model named `default` with these settings.
pub fn load(settings: &str) -> Result<Graph, Error> {
    GraphBuilder::new(GraphEncoding::Ggml, ExecutionTarget::AUTO)
        .config(settings.to_owned())
        .build_from_cache("default")
}

/// Sets the prompt. The tensor's dimension is 1, as in most guests.
pub fn set_prompt(context: &mut GraphExecutionContext, prompt: &str) -> Result<(), Error> {
    context.set_input(0, TensorType::U8, &[1], prompt.as_bytes())
}

/// Sends settings as the second input.
pub fn configure(context: &mut GraphExecutionContext, settings: &str) -> Result<(), Error> {
    context.set_input(1, TensorType::U8, &[1], settings.as_bytes())
}

/// Reads an output: 0 is the text, 1 the metadata.
pub fn output(context: &GraphExecutionContext, index: usize) -> String {
    let mut buffer = vec![0_u8; 65_536];
    let size = context.get_output(index, &mut buffer).expect("an output");
    String::from_utf8(buffer[..size].to_vec()).expect("UTF-8")
}

/// Reads the metadata of the prompt and its answer.
pub fn metadata(context: &GraphExecutionContext) -> serde_json::Value {
    serde_json::from_str(&output(context, 1)).expect("JSON")
}

/// Sends a prompt and returns the answer.
pub fn answer(context: &mut GraphExecutionContext, prompt: &str) -> Result<String, Error> {
    set_prompt(context, prompt)?;
    context.compute()?;
    Ok(output(context, 0))
}
