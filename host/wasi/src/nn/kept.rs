//! What an execution context keeps between the calls of an older snapshot, and how tensors are
//! named.

use super::Tensor;

/// Name of the output tensor.
pub(super) const OUTPUT: &str = "output";

/// Shortens a name for a message, because the guest chooses its length.
pub(crate) fn short(name: &str) -> &str {
    name.char_indices()
        .nth(64)
        .and_then(|(end, _)| name.get(..end))
        .unwrap_or(name)
}

/// What a context keeps between calls.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) inputs: Vec<(String, Tensor)>,
    pub(super) output: Option<Tensor>,
}

impl Kept {
    /// Bytes that count towards the guest's limit.
    pub(super) fn cost(&self) -> u64 {
        let inputs = self.inputs.iter().map(input_cost);
        inputs
            .chain(self.output.as_ref().map(|output| output.cost))
            .sum()
    }
}

/// Bytes that an input counts among those that the guest holds.
pub(super) fn input_cost((name, tensor): &(String, Tensor)) -> u64 {
    name.len() as u64 + tensor.cost
}
