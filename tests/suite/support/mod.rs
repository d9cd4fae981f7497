//! Shared code of the tests: running the command, generations, conversations, vectors.

pub(crate) mod command;
pub(crate) mod conversations;
pub(crate) mod generations;
pub(crate) mod process;
pub(crate) mod vectors;
