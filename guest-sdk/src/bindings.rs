//! The bindings generated from the `wit/` folder: `wasi:nn` and `mynah:llm`.
//!
//! Use them for what the rest of this crate does not wrap, such as `wasi:nn`'s `compute`. Names
//! follow the WIT: the function `start` of `mynah:llm/generation` is
//! [`mynah::llm::generation::start`]. [`Error`](crate::Error) converts from the errors of both
//! packages, so `?` works here too.

#![expect(missing_docs, reason = "wasi:nn leaves some items undocumented")]

wit_bindgen::generate!({
    path: "../wit",
    world: "imports",
    generate_all,
});
