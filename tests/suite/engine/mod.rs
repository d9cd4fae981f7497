//! The engine through its public API, on the real models where text matters, and on a tiny one for
//! mechanics.

mod changed_file;
mod chat;
mod damaged;
mod encoder;
mod files;
mod forms;
mod gemma;
mod hostile;
mod life;
mod optimize;
mod outgrow;
mod parts;
mod prefix_cache;
mod pressure;
mod requests;
mod restart;
mod serving;
mod tokenizers;
mod tools;
mod unusual_files;
mod vectors;
