//! What an answer must look like as a whole: text, calls and forms in an order.

use mynah_settings::OutputForm;

/// What an answer, or a part of it, must look like. The engine makes a grammar of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// This text. The model may write a part of it with a control token of that text.
    Literal(String),
    /// Any text, which may be empty, without these strings. It ends where one of them begins, or
    /// with the answer.
    Without(Vec<String>),
    /// A value of this JSON Schema.
    Json(String),
    /// What a request asks for.
    Form(OutputForm),
    /// These, one after another.
    All(Vec<Shape>),
    /// One of these.
    Any(Vec<Shape>),
    /// The same so many times.
    Repeat {
        /// What is repeated.
        shape: Box<Shape>,
        /// The smallest number of times.
        least: u32,
        /// The largest number of times; `None`: any.
        most: Option<u32>,
    },
}
