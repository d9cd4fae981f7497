//! `wasi:nn/graph`: models by name and from bytes.
//!
//! Linked by hand. The generated binding would copy the bytes of a `load` before the host can check
//! their number, and trap if they exceed the store's hostcall fuel. This code checks the size
//! before copying.

use std::sync::atomic::Ordering;

use mynah_settings::Settings;
use wasmtime::component::{Linker, Resource, ResourceType, WasmList};
use wasmtime::{AsContextMut, StoreContextMut};

use super::load::{self, LoadRequest};
use crate::bindings::wasi::nn::graph::{ExecutionTarget, GraphEncoding};
use crate::{ErrorCode, ExecutionContext, Graph, LlmCtx, LlmCtxView, LlmView, NnError};

type Answer<T> = Result<Resource<T>, Resource<NnError>>;

/// Links the interface for one snapshot of `wasi:nn`; it is the same in all of them.
pub(super) fn add_to_linker<T: LlmView + 'static>(
    linker: &mut Linker<T>,
    snapshot: &str,
) -> wasmtime::Result<()> {
    let mut graph = linker.instance(&format!("wasi:nn/graph@{snapshot}"))?;
    graph.resource(
        "graph",
        ResourceType::host::<Graph>(),
        |mut store: StoreContextMut<'_, T>, rep| {
            store.data_mut().llm().drop_graph(Resource::new_own(rep))
        },
    )?;
    graph.func_wrap(
        "[method]graph.init-execution-context",
        |mut store: StoreContextMut<'_, T>,
         (graph,): (Resource<Graph>,)|
         -> wasmtime::Result<(Answer<ExecutionContext>,)> {
            let mut llm = store.data_mut().llm();
            let context = llm.init_execution_context(&graph)?;
            Ok((llm.answer(context)?,))
        },
    )?;
    graph.func_wrap(
        "load-by-name",
        |mut store: StoreContextMut<'_, T>,
         (name,): (String,)|
         -> wasmtime::Result<(Answer<Graph>,)> {
            let mut llm = store.data_mut().llm();
            let graph = llm.load_by_name(&name, Settings::default())?;
            Ok((llm.answer(graph)?,))
        },
    )?;
    graph.func_wrap_async(
        "load",
        |mut store: StoreContextMut<'_, T>,
         (builder, encoding, target): (
            WasmList<WasmList<u8>>,
            GraphEncoding,
            ExecutionTarget,
        )| {
            Box::new(async move {
                let request =
                    store
                        .data_mut()
                        .llm()
                        .ctx
                        .check_load(builder.len(), encoding, target);
                let graph = match request {
                    Ok(request) => match model_bytes(&mut store, &builder, &request)? {
                        Ok(bytes) => load::load(bytes, request).await,
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                };
                let mut llm = store.data_mut().llm();
                let graph = match graph {
                    Ok(graph) => llm.push_graph(graph)?,
                    Err(error) => Err(error),
                };
                Ok((llm.answer(graph)?,))
            })
        },
    )
}

/// Copies the model from the guest's memory, if its size is allowed.
fn model_bytes<T: 'static>(
    store: &mut StoreContextMut<'_, T>,
    builder: &WasmList<WasmList<u8>>,
    request: &LoadRequest,
) -> wasmtime::Result<Result<Vec<u8>, NnError>> {
    // Fuel limits what the host copies in a call. Looking at a list's length costs nothing.
    let fuel = store.hostcall_fuel();
    store.set_hostcall_fuel(usize::MAX);
    let bytes = builder.get(store.as_context_mut(), 0).transpose();
    store.set_hostcall_fuel(fuel);
    let Some(bytes) = bytes? else {
        return Ok(Err(NnError::new(
            ErrorCode::InvalidArgument,
            "no model bytes: give one builder",
        )));
    };
    Ok(request
        .check_size(bytes.len() as u64)
        .map(|()| bytes.as_le_slice(&*store).to_vec()))
}

impl LlmCtx {
    /// A graph of the model that was granted under this name.
    pub(crate) fn granted(&self, name: &str, settings: Settings) -> Result<Graph, NnError> {
        // The error is the same for a model that does not exist and one that is not granted.
        let Some(model) = self.models.get(name) else {
            self.unknown_models.fetch_add(1, Ordering::Relaxed);
            let mut name = name.to_owned();
            if name.len() > 64 {
                name = name.chars().take(64).chain(['…']).collect();
            }
            return Err(NnError::new(
                ErrorCode::NotFound,
                format!(
                    "no model `{name}` is granted to this guest: ask for one that is, or have the \
                     operator grant it"
                ),
            ));
        };
        Ok(Graph {
            model: model.clone(),
            settings,
            guest_model: None,
        })
    }

    /// Checks that the guest may hold one more graph than `held`.
    pub(crate) fn check_graphs(&self, held: u32) -> Result<(), NnError> {
        let limit = self.limits.max_graphs;
        if held < limit {
            return Ok(());
        }
        Err(NnError::new(
            ErrorCode::TooLarge,
            format!("this guest holds {limit} graphs, the maximum: drop one"),
        ))
    }
}

impl LlmCtxView<'_> {
    /// Loads a model that was granted under this name.
    pub(crate) fn load_by_name(
        &mut self,
        name: &str,
        settings: Settings,
    ) -> wasmtime::Result<Result<Resource<Graph>, NnError>> {
        Ok(match self.ctx.granted(name, settings) {
            Ok(graph) => self.push_graph(graph)?,
            Err(error) => Err(error),
        })
    }

    fn push_graph(&mut self, graph: Graph) -> wasmtime::Result<Result<Resource<Graph>, NnError>> {
        if let Err(error) = self.ctx.check_graphs(self.ctx.held.graphs) {
            return Ok(Err(error));
        }
        let graph = self.table.push(graph)?;
        self.ctx.held.graphs += 1;
        Ok(Ok(graph))
    }

    fn drop_graph(&mut self, graph: Resource<Graph>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        self.ctx.held.graphs = self.ctx.held.graphs.saturating_sub(1);
        Ok(())
    }
}
