//! Versions of `mynah:llm`: components built for a published version keep running, and the host
//! serves several versions at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mynah_tests::{Guest, Host, foreach_version, tiny, wasm};
use mynah_wasi::{ExecutionContext, Llm, LlmCtxView, LlmView};
use wasmtime::component::{Linker, Resource};
use wit_parser::Resolve;
use wit_parser::decoding::{DecodedWasm, decode};

use super::contract;
use crate::assert_test_exists;

foreach_version!(assert_test_exists);

/// The published versions. Each has a guest in `fixtures/` that was built when the version was
/// published.
const PUBLISHED: [&str; 3] = ["0.1.0", "0.1.1", "0.2.0"];

fn fixture(version: &str) -> PathBuf {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    fixtures.join(format!("mynah-llm-{version}.wasm"))
}

#[tokio::test]
async fn guests_of_every_published_version_run_as_they_were_built() {
    for version in PUBLISHED {
        let name = format!("mynah-llm-{version}");
        let guest = Guest::prebuilt(&name, fixture(version)).model(tiny());
        let said = guest.stdout().await;
        assert!(said.ends_with("ok\n"), "{version}: {said}");
    }
}

#[tokio::test]
async fn version_whole() {
    let said = Guest::new("version_whole").model(tiny()).stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
}

/// The names of all functions of `mynah:llm` in a package or component.
fn functions(resolve: &Resolve) -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    for (_, interface) in &resolve.interfaces {
        let package = interface.package.and_then(|id| resolve.packages.get(id));
        let Some(package) = package.filter(|package| package.name.name == "llm") else {
            continue;
        };
        let interface_name = interface.name.as_deref().unwrap_or_default();
        for function in interface.functions.keys() {
            functions.insert(format!("{}/{interface_name} {function}", package.name));
        }
    }
    functions
}

#[test]
fn the_guest_that_is_kept_of_a_version_uses_every_function_of_it() {
    let guest = std::fs::read(wasm("version_whole")).unwrap();
    let DecodedWasm::Component(guest, _) = decode(&guest).unwrap() else {
        panic!("the guest is no component");
    };
    assert_eq!(functions(&guest), functions(&contract()));
}

/// A host with two versions, of which this test defines the second.
mod next {
    wasmtime::component::bindgen!({
        path: ["../wit/deps/io", "../wit/deps/nn", "next"],
        world: "mynah:llm/next@0.3.0",
        imports: { default: async | trappable },
        with: {
            "wasi:nn": mynah_wasi::bindings::wasi::nn,
            "mynah:llm/generation.generation": super::NextGeneration,
        },
    });
}

/// The result of `start` in the second version.
#[expect(unreachable_pub, reason = "the bindings export it again")]
#[derive(Debug)]
pub struct NextGeneration {
    prompt: String,
}

impl next::mynah::llm::generation::Host for LlmCtxView<'_> {
    async fn start(
        &mut self,
        context: Resource<ExecutionContext>,
        prompt: String,
    ) -> wasmtime::Result<Result<Resource<NextGeneration>, String>> {
        // The context is the same resource that the first version's functions take.
        self.table.get(&context)?;
        Ok(Ok(self.table.push(NextGeneration { prompt })?))
    }
}

impl next::mynah::llm::generation::HostGeneration for LlmCtxView<'_> {
    async fn finish(
        &mut self,
        generation: Resource<NextGeneration>,
    ) -> wasmtime::Result<next::mynah::llm::generation::Outcome> {
        Ok(next::mynah::llm::generation::Outcome {
            text: self.table.get(&generation)?.prompt.clone(),
            joules: Some(1.5),
        })
    }

    async fn drop(&mut self, generation: Resource<NextGeneration>) -> wasmtime::Result<()> {
        self.table.delete(generation)?;
        Ok(())
    }
}

fn add_next(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    next::mynah::llm::generation::add_to_linker::<Host, Llm>(linker, Host::llm)
}

#[tokio::test]
async fn version_two() {
    let guest = Guest::new("version_two").model(tiny()).beside(add_next);
    let said = guest.stdout().await;
    assert!(said.ends_with("ok\n"), "{said}");
    // Without the second version, linking refuses the component before it runs.
    let ended = Guest::new("version_two").model(tiny()).run().await;
    let error = ended.code.unwrap_err();
    let told = format!("{error:#}");
    assert!(told.contains("mynah:llm/generation@0.3.0"), "{told}");
}
