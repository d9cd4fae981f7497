//! The contract from the guest's side: `wasi:nn`, the interfaces of `mynah:llm`, their versions,
//! and the SDK.

mod granted;
mod nn;
mod scripted;
mod sdk;
mod settings;
mod stream;
mod versions;

use std::path::Path;

use wit_parser::Resolve;

/// The contract in `wit/`.
fn contract() -> Resolve {
    let mut contract = Resolve::default();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"));
    contract.push_dir(folder).unwrap();
    contract
}
