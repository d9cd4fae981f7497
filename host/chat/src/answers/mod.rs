//! How a model writes its reasoning and its calls of tools, and what follows from that: the parser
//! of its answers, and the shape that forces them.

mod compare;
mod describe;
mod find;
mod format;
mod named;
mod parameters;
mod parser;
mod pieces;
mod rendered;
mod shape;
mod tagged_shape;
#[cfg(test)]
mod tests;

pub use describe::Description;
pub use format::{AnswerFormat, Origin};
pub use parser::{AnswerEnd, AnswerParser, Piece};
pub use shape::{NotEnforced, Reasoning, Wanted};
