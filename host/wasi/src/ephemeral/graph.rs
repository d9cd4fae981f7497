//! Graphs: loads them by name or from bytes, creates contexts of them, and unloads them.

use mynah_core::DeviceClass;
use mynah_settings::{Level, Settings};
use wasmtime::Caller;

use super::document::{self, Document};
use super::errno::{Errno, Failure};
use super::memory;
use super::state::unloaded;
use crate::bindings::wasi::nn::graph::{ExecutionTarget, GraphEncoding};
use crate::held::{Answer, Context, CoreGraph, Live};
use crate::nn::{LoadRequest, load};
use crate::{LlmCtx, LlmView};

/// The encodings of the supported models. One numbering has `ggml` as 5 and `autodetect` as 6, and
/// the other one has them the other way round.
const GGML: [u32; 2] = [5, 6];

/// The arguments of `load`.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadArguments {
    pub(super) builders: u32,
    pub(super) count: u32,
    pub(super) encoding: u32,
    pub(super) target: u32,
    pub(super) graph: u32,
}

/// Loads a model from the guest's bytes.
pub(super) async fn load_bytes<T: LlmView + 'static>(
    caller: &mut Caller<'_, T>,
    arguments: LoadArguments,
) -> Result<(), Failure> {
    let memory = memory::exported(caller)?;
    let (data, store) = memory.data_and_store_mut(&mut *caller);
    let (bytes, document, request) = prepare(data, store.llm().ctx, arguments)?;
    let mut graph = load(bytes, request).await?;
    graph.settings = document.settings.clone();
    let (data, store) = memory.data_and_store_mut(&mut *caller);
    let graph = CoreGraph::new(graph, None, &document);
    insert(store.llm().ctx, graph, data, arguments.graph)
}

/// Checks the arguments of `load`, and copies the model if its size is allowed.
fn prepare(
    data: &[u8],
    ctx: &mut LlmCtx,
    arguments: LoadArguments,
) -> Result<(Vec<u8>, Document, LoadRequest), Failure> {
    memory::check_number(data, arguments.graph, "the place for the graph")?;
    let LoadArguments {
        builders, count, ..
    } = arguments;
    let array = u64::from(count) * 8;
    let array = u32::try_from(array).map_err(|_| {
        Failure::invalid(format!(
            "{count} builders were given: give the model, and optionally its settings"
        ))
    })?;
    let array = memory::bytes(data, builders, array, "the array of builders")?;
    let mut numbers = memory::numbers(array);
    let mut builder = |what| match (numbers.next(), numbers.next()) {
        (Some(pointer), Some(length)) => memory::bytes(data, pointer, length, what).map(Some),
        _ => Ok(None),
    };
    let model = builder("the model")?;
    let settings = builder("the settings (second builder)")?;
    let Some(model) = model.filter(|_| count <= 2) else {
        return Err(Failure::invalid(format!(
            "{count} builders were given: give the model, and its settings as the second one if \
             you like"
        )));
    };
    if !GGML.contains(&arguments.encoding) {
        return Err(Failure::new(
            Errno::InvalidEncoding,
            format!(
                "encoding {} is not served here: give a model as ggml (5 or 6)",
                arguments.encoding
            ),
        ));
    }
    check_target(ctx, arguments.target)?;
    let document = match settings {
        Some(json) => read(ctx, json)?,
        None => Document::default(),
    };
    check_graphs(ctx)?;
    // The target was checked above.
    let request = ctx.check_load(1, GraphEncoding::Ggml, ExecutionTarget::Cpu)?;
    request.check_size(model.len() as u64)?;
    Ok((model.to_vec(), document, request))
}

fn check_target(ctx: &LlmCtx, target: u32) -> Result<(), Failure> {
    match target {
        // The operator sets how many layers run on a graphics card.
        0 | 3 => Ok(()),
        1 => {
            let loader = ctx.guest_models.as_ref().map(|allowed| &allowed.loader);
            if !loader.is_some_and(|loader| loader.has_device(DeviceClass::Gpu)) {
                tracing::warn!(
                    "a core module loads a model for a GPU, and there is none: it is computed by \
                     the CPU"
                );
            }
            Ok(())
        }
        2 => Err(Failure::new(
            Errno::UnsupportedOperation,
            "this host has no TPU: give the target cpu (0) or auto (3)",
        )),
        other => Err(Failure::invalid(format!(
            "there is no target {other}: give cpu (0), gpu (1) or auto (3)"
        ))),
    }
}

/// The arguments of `load_by_name` and `load_by_name_with_config`.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameArguments {
    pub(super) name: (u32, u32),
    pub(super) settings: Option<(u32, u32)>,
    pub(super) graph: u32,
}

/// Loads a model that was granted to the guest. A model that the guest has loaded with the same
/// settings keeps its handle, because guests of other hosts load it whenever they need it.
pub(super) fn load_by_name<T: LlmView>(
    caller: &mut Caller<'_, T>,
    arguments: NameArguments,
) -> Result<(), Failure> {
    let memory = memory::exported(caller)?;
    let (data, store) = memory.data_and_store_mut(&mut *caller);
    let ctx = store.llm().ctx;
    memory::check_number(data, arguments.graph, "the place for the graph")?;
    let (pointer, length) = arguments.name;
    let name = memory::text(data, pointer, length, "the model's name")?;
    let document = match arguments.settings {
        Some((pointer, length)) => {
            read(ctx, memory::bytes(data, pointer, length, "the settings")?)?
        }
        None => Document::default(),
    };
    let found = ctx.core_modules.graphs.iter().find(|(_, graph)| {
        graph.name.as_deref() == Some(name)
            && graph.graph.settings == document.settings
            && graph.stream_stdout == (document.stream_stdout == Some(true))
    });
    if let Some((handle, _)) = found {
        if let Some(graph) = ctx.core_modules.graphs.get_mut(handle) {
            graph.report(&document.ignored);
        }
        return memory::write_number(data, arguments.graph, handle, "the place for the graph");
    }
    let graph = ctx.granted(name, document.settings.clone())?;
    let graph = CoreGraph::new(graph, Some(name.to_owned()), &document);
    insert(ctx, graph, data, arguments.graph)
}

/// Reads the settings that come with a graph.
fn read(ctx: &LlmCtx, json: &[u8]) -> Result<Document, Failure> {
    document::read(json, ctx.max_priority, ctx.core_modules.stdout.is_some())
        .map_err(|refused| refused.failure)
}

fn check_graphs(ctx: &LlmCtx) -> Result<(), Failure> {
    let held = u32::try_from(ctx.core_modules.graphs.len()).unwrap_or(u32::MAX);
    ctx.check_graphs(held).map_err(Failure::limit)
}

/// Adds a graph and writes its handle to the guest's memory.
fn insert(ctx: &mut LlmCtx, graph: CoreGraph, data: &mut [u8], place: u32) -> Result<(), Failure> {
    check_graphs(ctx)?;
    let handle = ctx
        .core_modules
        .graphs
        .insert(graph)
        .map_err(|_| used_up())?;
    memory::write_number(data, place, handle, "the place for the graph")
}

fn used_up() -> Failure {
    Failure::new(
        Errno::RuntimeError,
        "all handles are used up: start the guest again",
    )
}

/// Creates a context of a graph.
pub(super) fn init_execution_context<T: LlmView>(
    caller: &mut Caller<'_, T>,
    graph: u32,
    place: u32,
) -> Result<(), Failure> {
    let memory = memory::exported(caller)?;
    let (data, store) = memory.data_and_store_mut(&mut *caller);
    let ctx = store.llm().ctx;
    memory::check_number(data, place, "the place for the context")?;
    let Some(of) = ctx.core_modules.graphs.get(graph) else {
        return Err(ctx.core_modules.no_graph(graph));
    };
    ctx.check_contexts(ctx.core_modules.contexts.len())
        .map_err(Failure::limit)?;
    let mut session = ctx.open(&of.graph)?;
    let mut settings = of.graph.settings.clone();
    if says_nobody(&session.effective(), "stopping.max_tokens") {
        // As in other hosts of this ABI, the default limit of an answer is the context.
        settings.stopping.max_tokens = Some(u32::MAX);
        session.configure(settings.clone())?;
    }
    let context = Context {
        graph,
        is_invalid: false,
        answer: Answer::default(),
        about: of.graph.model.about(),
        live: Some(Live {
            session,
            settings,
            stream_stdout: of.stream_stdout,
            prompt: None,
            stream: None,
            _guest_model: of.graph.guest_model.clone(),
        }),
    };
    let handle = ctx
        .core_modules
        .contexts
        .insert(context)
        .map_err(|_| used_up())?;
    memory::write_number(data, place, handle, "the place for the context")
}

/// Whether a setting has the engine's default value.
fn says_nobody(effective: &[mynah_settings::SettingInForce], path: &str) -> bool {
    let mut of_path = effective.iter().filter(|setting| setting.path == path);
    of_path.any(|setting| setting.level == Level::Default)
}

/// Unloads a graph. Its contexts stop computing, but their answers can still be read.
pub(super) fn unload(ctx: &mut LlmCtx, graph: u32) -> Result<(), Failure> {
    if ctx.core_modules.graphs.remove(graph).is_none() {
        return Err(ctx.core_modules.no_graph(graph));
    }
    let mut freed = 0;
    for context in ctx.core_modules.contexts.values_mut() {
        if context.graph == graph
            && let Some(live) = context.live.take()
        {
            freed += live.prompt.map_or(0, |prompt| prompt.len() as u64);
        }
    }
    ctx.held.tensor_bytes = ctx.held.tensor_bytes.saturating_sub(freed);
    Ok(())
}

/// Drops a context and cancels its computation.
pub(super) fn finalize(ctx: &mut LlmCtx, context: u32) -> Result<(), Failure> {
    let Some(context) = ctx.core_modules.contexts.remove(context) else {
        return Err(ctx.core_modules.no_context(context));
    };
    let prompt = context.live.and_then(|live| live.prompt);
    let freed = prompt.map_or(0, |prompt| prompt.len() as u64);
    ctx.held.tensor_bytes = ctx.held.tensor_bytes.saturating_sub(freed);
    Ok(())
}

/// Merges settings over those that the context has.
pub(super) fn configure(ctx: &mut LlmCtx, handle: u32, json: &[u8]) -> Result<(), Failure> {
    let read = document::read(json, ctx.max_priority, ctx.core_modules.stdout.is_some());
    let context = ctx.core_modules.context_mut(handle)?;
    let Some(live) = &mut context.live else {
        return Err(unloaded());
    };
    let document = match read {
        Ok(document) => document,
        Err(refused) => {
            context.is_invalid |= refused.is_reload;
            return Err(refused.failure);
        }
    };
    let settings: Settings = document::after(document.settings, &live.settings);
    live.session.configure(settings.clone())?;
    live.settings = settings;
    live.stream_stdout = document.stream_stdout.unwrap_or(live.stream_stdout);
    context.is_invalid = false;
    let graph = context.graph;
    if let Some(graph) = ctx.core_modules.graphs.get_mut(graph) {
        graph.report(&document.ignored);
    }
    Ok(())
}
