//! What the engine remembers: which KV cells hold what, which part of it serves a new prompt, and
//! what goes first when room is short. Pure: nothing here touches llama.cpp, and time is an
//! argument.

mod align;
mod cells;
mod shelf;

pub(crate) use align::{Alignment, align, common};
pub(crate) use cells::Cells;
pub(crate) use shelf::{Entry, Place, Shelf};
