//! Texts as vectors. Requests for them have a queue and a small context of their own. Their steps
//! take turns with those of the text loop, on the same thread.

mod embedder;
mod job;
mod pool;

pub(super) use embedder::Embedder;
pub(crate) use job::{EmbedJob, Vectors};
pub(crate) use pool::Pooling;
