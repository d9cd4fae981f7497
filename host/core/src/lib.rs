//! What everybody speaks of: prompts, events, outcomes, owners, errors, status, and the `Backend`
//! seam.

#![forbid(unsafe_code)]

mod token;

pub use token::{TokenAttributes, TokenId};
