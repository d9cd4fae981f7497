//! `mynah:llm`: Mynah's own interfaces, one file each, in all their versions.
//!
//! A version's folder converts its types to those of the host and back. What versions have alike is
//! in `alike`, one source that is compiled with the bindings of each version; the work itself is in
//! `work`, which knows no version.

mod v0_1;
mod v0_2;
mod work;

use wasmtime::component::Linker;

use crate::LlmView;

pub(crate) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    v0_1::add_to_linker(linker)?;
    v0_2::add_to_linker(linker)
}
