//! The contract as guests see it: `wasi:nn`, the interfaces of `mynah:llm`, their versions, and the
//! SDK.

mod nn;
mod sdk;
mod settings;
mod stream;
mod versions;
