//! What the engine remembers: which KV cells hold what, which part of it serves a new prompt, and what goes first when room
//! is short. Pure: nothing here touches llama.cpp, and time is an argument.
//!
//! The loop doesn't use it yet, so only the tests build it.

mod align;
mod cells;
mod shelf;

use align::common;
