//! `wasi_ephemeral_nn` for core modules: the complete ABI of `wasi:nn` before components, and its
//! extensions for LLMs.
//!
//! Written by hand, because code generated from the witx cannot return error numbers that the witx
//! does not define. A function only returns an [`Errno`], so the reason for a failure goes to the
//! log.
//!
//! | file | subject |
//! |---|---|
//! | `errno` | the error numbers, and their mapping from the host's errors |
//! | `memory`, `tensor` | data in the guest's memory |
//! | `document` | settings as JSON |
//! | `state` | finds what a guest holds, by its handle |
//! | `graph`, `compute`, `output` | the functions |

mod compute;
mod document;
mod errno;
mod graph;
mod memory;
mod output;
mod state;
mod tensor;

pub use errno::Errno;

use errno::Failure;
use graph::{LoadArguments, NameArguments};
use output::{OutputArguments, Which};
use wasmtime::{Caller, Linker};

use crate::LlmView;

/// Name of the module in guests' imports.
const MODULE: &str = "wasi_ephemeral_nn";

/// Number of failures of one guest that are logged as warnings. Later ones are logged at debug
/// level, because a guest can cause any number.
const MAX_WARNINGS: u32 = 1000;

/// Adds `wasi_ephemeral_nn` to a linker of core modules: the functions of the witx (`load`,
/// `init_execution_context`, `set_input`, `compute`, `get_output`), and the extensions of hosts
/// that run LLMs (`load_by_name`, `load_by_name_with_config`, `compute_single`,
/// `get_output_single`, `fini_single`, `unload`, `finalize_execution_context`). `wasmtime_wasi::p1`
/// adds WASI itself.
///
/// As for components, the store's [`LlmCtx`](crate::LlmCtx) defines models, limits and owner.
/// Mistakes of a guest give error numbers ([`Errno`]), never traps. The store must support
/// asynchronous calls.
///
/// ```
/// use mynah_wasi::LlmView;
/// use wasmtime::{Engine, Linker, Result};
///
/// fn link<T: LlmView + 'static>(engine: &Engine) -> Result<Linker<T>> {
///     let mut linker = Linker::new(engine);
///     mynah_wasi::add_to_core_linker(&mut linker)?;
///     Ok(linker)
/// }
/// ```
///
/// # Errors
///
/// A function is already in the linker.
pub fn add_to_core_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    add_graphs(linker)?;
    add_inference(linker)?;
    add_outputs(linker)
}

/// The number that the guest gets. The reason for a failure goes to the log.
fn answer<T: LlmView>(
    caller: &mut Caller<'_, T>,
    function: &'static str,
    handle: Option<u32>,
    done: Result<(), Failure>,
) -> u32 {
    let Err(Failure { errno, words }) = done else {
        return Errno::Success.number();
    };
    let warned = &mut caller.data_mut().llm().ctx.core_modules.warned;
    let number = errno.number();
    if errno == Errno::EndOfSequence || *warned > MAX_WARNINGS {
        tracing::debug!(function, handle, errno = number, "{words}");
        return number;
    }
    *warned += 1;
    if *warned > MAX_WARNINGS {
        tracing::warn!(
            "a core module had {MAX_WARNINGS} failures: further ones are logged at level debug"
        );
    } else {
        tracing::warn!(function, handle, errno = number, "{words}");
    }
    number
}

fn add_graphs<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        MODULE,
        "load",
        |mut caller: Caller<'_, T>,
         (builders, count, encoding, target, graph): (u32, u32, u32, u32, u32)| {
            Box::new(async move {
                let arguments = LoadArguments {
                    builders,
                    count,
                    encoding,
                    target,
                    graph,
                };
                let done = graph::load_bytes(&mut caller, arguments).await;
                answer(&mut caller, "load", None, done)
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "load_by_name",
        |mut caller: Caller<'_, T>, name: u32, length: u32, graph: u32| -> u32 {
            let arguments = NameArguments {
                name: (name, length),
                settings: None,
                graph,
            };
            let done = graph::load_by_name(&mut caller, arguments);
            answer(&mut caller, "load_by_name", None, done)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "load_by_name_with_config",
        |mut caller: Caller<'_, T>,
         name: u32,
         length: u32,
         config: u32,
         config_length: u32,
         graph: u32|
         -> u32 {
            let arguments = NameArguments {
                name: (name, length),
                settings: Some((config, config_length)),
                graph,
            };
            let done = graph::load_by_name(&mut caller, arguments);
            answer(&mut caller, "load_by_name_with_config", None, done)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "init_execution_context",
        |mut caller: Caller<'_, T>, graph: u32, context: u32| -> u32 {
            let done = graph::init_execution_context(&mut caller, graph, context);
            answer(&mut caller, "init_execution_context", Some(graph), done)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "unload",
        |mut caller: Caller<'_, T>, graph: u32| -> u32 {
            let done = graph::unload(caller.data_mut().llm().ctx, graph);
            answer(&mut caller, "unload", Some(graph), done)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "finalize_execution_context",
        |mut caller: Caller<'_, T>, context: u32| -> u32 {
            let done = graph::finalize(caller.data_mut().llm().ctx, context);
            answer(
                &mut caller,
                "finalize_execution_context",
                Some(context),
                done,
            )
        },
    )?;
    Ok(())
}

fn add_inference<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        MODULE,
        "set_input",
        |mut caller: Caller<'_, T>, (context, index, tensor): (u32, u32, u32)| {
            Box::new(async move {
                let done = set_input(&mut caller, context, index, tensor).await;
                answer(&mut caller, "set_input", Some(context), done)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "compute",
        |mut caller: Caller<'_, T>, (context,): (u32,)| {
            Box::new(async move {
                let done = compute::compute(caller.data_mut().llm().ctx, context).await;
                answer(&mut caller, "compute", Some(context), done)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "compute_single",
        |mut caller: Caller<'_, T>, (context,): (u32,)| {
            Box::new(async move {
                let done = compute::compute_single(caller.data_mut().llm().ctx, context).await;
                answer(&mut caller, "compute_single", Some(context), done)
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "fini_single",
        |mut caller: Caller<'_, T>, context: u32| -> u32 {
            let done = compute::fini_single(caller.data_mut().llm().ctx, context);
            answer(&mut caller, "fini_single", Some(context), done)
        },
    )?;
    Ok(())
}

/// Sets the prompt (index 0) or settings (index 1).
async fn set_input<T: LlmView>(
    caller: &mut Caller<'_, T>,
    context: u32,
    index: u32,
    tensor: u32,
) -> Result<(), Failure> {
    let memory = memory::exported(caller)?;
    let (data, store) = memory.data_and_store_mut(&mut *caller);
    let ctx = store.llm().ctx;
    ctx.core_modules.context(context)?;
    let data = tensor::read(data, tensor, ctx.limits.max_tensor_bytes)?;
    match index {
        0 => compute::set_prompt(ctx, context, data).await,
        1 => graph::configure(ctx, context, &data),
        other => Err(Failure::invalid(format!(
            "there is no input {other}: 0 is the prompt, 1 are settings as JSON"
        ))),
    }
}

fn add_outputs<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for (name, which) in [
        ("get_output", Which::All),
        ("get_output_single", Which::Piece),
    ] {
        linker.func_wrap(
            MODULE,
            name,
            move |mut caller: Caller<'_, T>,
                  context: u32,
                  index: u32,
                  buffer: u32,
                  length: u32,
                  written: u32|
                  -> u32 {
                let arguments = OutputArguments {
                    context,
                    index,
                    buffer,
                    length,
                    written,
                };
                let done = output::get(&mut caller, arguments, which);
                answer(&mut caller, name, Some(context), done)
            },
        )?;
    }
    Ok(())
}
