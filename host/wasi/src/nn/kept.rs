//! The names of tensors, and the bytes of what an execution context keeps between the calls of an
//! older snapshot.

use crate::Tensor;
use crate::held::Kept;

/// Name of the output tensor.
pub(super) const OUTPUT: &str = "output";

/// Shortens a name for a message, because the guest chooses its length.
pub(crate) fn short(name: &str) -> &str {
    name.char_indices()
        .nth(64)
        .and_then(|(end, _)| name.get(..end))
        .unwrap_or(name)
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
