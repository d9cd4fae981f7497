//! The contract as it stands: `wasi:nn` and `mynah:llm`, generated from the `wit/` folder.
//!
//! For what the rest of this crate doesn't wrap, such as `wasi:nn`'s `compute`. The names follow
//! the WIT: the function `start` of `mynah:llm/generation` is [`mynah::llm::generation::start`].
//! [`Error`](crate::Error) converts from the errors of both packages, so `?` works here too.

#![expect(missing_docs, reason = "wasi:nn leaves some items undocumented")]

wit_bindgen::generate!({
    path: "../wit",
    world: "imports",
    generate_all,
});
