//! What the tests share: running the command, generations and their ends, conversations, vectors.

pub(crate) mod command;
pub(crate) mod conversations;
pub(crate) mod generations;
pub(crate) mod process;
pub(crate) mod vectors;
