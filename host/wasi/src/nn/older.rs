//! The older snapshots of `wasi:nn` that components still import: 0.2.0-rc-2024-08-19 and
//! 0.2.0-rc-2024-06-25.
//!
//! They differ from 0.2.0-rc-2024-10-28 in two ways. A context keeps its inputs and its output
//! between three calls (`set-input`, `compute`, `get-output`), where the later snapshot has a
//! `compute` with parameters and results. And the oldest lets a guest create an error. All types
//! are the same, and so are the host's types. Everything else is linked again by hand under the
//! older names, because generated bindings would have separate types for each snapshot.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType};

use super::graph;
use super::kept::{OUTPUT, input_cost, short};
use super::tensor::OVERHEAD;
use crate::bindings::wasi::nn::errors::HostError;
use crate::bindings::wasi::nn::tensor::{HostTensor, TensorType};
use crate::{ErrorCode, ExecutionContext, LlmCtxView, LlmView, NnError, Tensor};

/// The snapshot with kept inputs and without errors created by guests.
const AUGUST: &str = "0.2.0-rc-2024-08-19";
/// The snapshot with both.
const JUNE: &str = "0.2.0-rc-2024-06-25";

type Answer<T> = Result<T, Resource<NnError>>;

pub(super) fn add_to_linker<T: LlmView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for snapshot in [AUGUST, JUNE] {
        let mut errors = linker.instance(&format!("wasi:nn/errors@{snapshot}"))?;
        add_errors(&mut errors)?;
        if snapshot == JUNE {
            add_error_constructor(&mut errors)?;
        }
        add_tensors(&mut linker.instance(&format!("wasi:nn/tensor@{snapshot}"))?)?;
        add_inference(&mut linker.instance(&format!("wasi:nn/inference@{snapshot}"))?)?;
        graph::add_to_linker(linker, snapshot)?;
    }
    Ok(())
}

fn add_errors<T: LlmView + 'static>(errors: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    errors.resource(
        "error",
        ResourceType::host::<NnError>(),
        |mut store: StoreContextMut<'_, T>, rep| {
            store.data_mut().llm().drop_error(Resource::new_own(rep))
        },
    )?;
    errors.func_wrap_async(
        "[method]error.code",
        |mut store: StoreContextMut<'_, T>, (error,): (Resource<NnError>,)| {
            Box::new(async move { Ok((store.data_mut().llm().code(error).await?,)) })
        },
    )?;
    errors.func_wrap_async(
        "[method]error.data",
        |mut store: StoreContextMut<'_, T>, (error,): (Resource<NnError>,)| {
            Box::new(
                async move { Ok((HostError::data(&mut store.data_mut().llm(), error).await?,)) },
            )
        },
    )
}

fn add_error_constructor<T: LlmView + 'static>(
    errors: &mut LinkerInstance<'_, T>,
) -> wasmtime::Result<()> {
    errors.func_wrap(
        "[constructor]error",
        |mut store: StoreContextMut<'_, T>,
         (code, data): (ErrorCode, String)|
         -> wasmtime::Result<(Resource<NnError>,)> {
            Ok((store.data_mut().llm().make_error(code, data)?,))
        },
    )
}

fn add_tensors<T: LlmView + 'static>(tensors: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    tensors.resource(
        "tensor",
        ResourceType::host::<Tensor>(),
        |mut store: StoreContextMut<'_, T>, rep| {
            let tensor = Resource::new_own(rep);
            store.data_mut().llm().take_tensor(tensor).map(drop)
        },
    )?;
    tensors.func_wrap_async(
        "[constructor]tensor",
        |mut store: StoreContextMut<'_, T>,
         (dimensions, ty, data): (Vec<u32>, TensorType, Vec<u8>)| {
            Box::new(async move {
                let mut llm = store.data_mut().llm();
                Ok((HostTensor::new(&mut llm, dimensions, ty, data).await?,))
            })
        },
    )?;
    tensors.func_wrap_async(
        "[method]tensor.dimensions",
        |mut store: StoreContextMut<'_, T>, (tensor,): (Resource<Tensor>,)| {
            Box::new(async move { Ok((store.data_mut().llm().dimensions(tensor).await?,)) })
        },
    )?;
    tensors.func_wrap_async(
        "[method]tensor.ty",
        |mut store: StoreContextMut<'_, T>, (tensor,): (Resource<Tensor>,)| {
            Box::new(async move { Ok((store.data_mut().llm().ty(tensor).await?,)) })
        },
    )?;
    tensors.func_wrap_async(
        "[method]tensor.data",
        |mut store: StoreContextMut<'_, T>, (tensor,): (Resource<Tensor>,)| {
            Box::new(
                async move { Ok((HostTensor::data(&mut store.data_mut().llm(), tensor).await?,)) },
            )
        },
    )
}

fn add_inference<T: LlmView + 'static>(
    inference: &mut LinkerInstance<'_, T>,
) -> wasmtime::Result<()> {
    inference.resource(
        "graph-execution-context",
        ResourceType::host::<ExecutionContext>(),
        |mut store: StoreContextMut<'_, T>, rep| {
            store.data_mut().llm().drop_context(Resource::new_own(rep))
        },
    )?;
    inference.func_wrap(
        "[method]graph-execution-context.set-input",
        |mut store: StoreContextMut<'_, T>,
         (context, name, tensor): (Resource<ExecutionContext>, String, Resource<Tensor>)|
         -> wasmtime::Result<(Answer<()>,)> {
            let mut llm = store.data_mut().llm();
            let set = llm.set_input(&context, name, tensor)?;
            Ok((llm.answer(set)?,))
        },
    )?;
    inference.func_wrap_async(
        "[method]graph-execution-context.compute",
        |mut store: StoreContextMut<'_, T>, (context,): (Resource<ExecutionContext>,)| {
            Box::new(async move {
                let mut llm = store.data_mut().llm();
                let computed = llm.compute_kept(&context).await?;
                Ok((llm.answer(computed)?,))
            })
        },
    )?;
    inference.func_wrap(
        "[method]graph-execution-context.get-output",
        |mut store: StoreContextMut<'_, T>,
         (context, name): (Resource<ExecutionContext>, String)|
         -> wasmtime::Result<(Answer<Resource<Tensor>>,)> {
            let mut llm = store.data_mut().llm();
            let output = llm.output(&context, &name)?;
            Ok((llm.answer(output)?,))
        },
    )
}

impl LlmCtxView<'_> {
    /// Creates an error for the guest. The call cannot fail, so beyond the guest's limit the error
    /// is created without its text.
    fn make_error(&mut self, code: ErrorCode, data: String) -> wasmtime::Result<Resource<NnError>> {
        let cost = OVERHEAD + data.len() as u64;
        let error = match self.room_for(cost) {
            Ok(()) => NnError { code, data, cost },
            Err((wanted, limit)) => NnError {
                code,
                data: too_many_bytes("this error's text", wanted, limit),
                cost: OVERHEAD,
            },
        };
        self.ctx.held.tensor_bytes += error.cost;
        Ok(self.table.push(error)?)
    }

    /// Keeps an input for this and later calls of `compute`. It replaces an input with the same
    /// name.
    fn set_input(
        &mut self,
        context: &Resource<ExecutionContext>,
        name: String,
        tensor: Resource<Tensor>,
    ) -> wasmtime::Result<Result<(), NnError>> {
        // The call owns the tensor, so it leaves the table whatever the result.
        let input = (name, self.take_tensor(tensor)?);
        let cost = input_cost(&input);
        if let Err((wanted, limit)) = self.room_for(cost) {
            let what = format!("tensor `{}`", short(&input.0));
            let told = too_many_bytes(&what, wanted, limit);
            return Ok(Err(NnError::new(ErrorCode::TooLarge, told)));
        }
        let inputs = &mut self.table.get_mut(context)?.kept.inputs;
        let before: u64 = inputs
            .extract_if(.., |(name, _)| *name == input.0)
            .map(|replaced| input_cost(&replaced))
            .sum();
        inputs.push(input);
        self.release(before);
        self.ctx.held.tensor_bytes += cost;
        Ok(Ok(()))
    }

    /// Computes the output for the kept inputs. After a failure there is no output, not even the
    /// previous one.
    async fn compute_kept(
        &mut self,
        context: &Resource<ExecutionContext>,
    ) -> wasmtime::Result<Result<(), NnError>> {
        let kept = &mut self.table.get_mut(context)?.kept;
        let inputs = kept.inputs.clone();
        let before = kept.output.take().map_or(0, |output| output.cost);
        self.release(before);
        let session = &self.table.get(context)?.session;
        let request = self.read_request(session, inputs);
        let output = match self.output_of(context, request).await? {
            Ok(output) => output,
            Err(error) => return Ok(Err(error)),
        };
        self.ctx.held.tensor_bytes += output.cost;
        self.table.get_mut(context)?.kept.output = Some(output);
        Ok(Ok(()))
    }

    /// A copy of the output, which remains for later calls.
    fn output(
        &mut self,
        context: &Resource<ExecutionContext>,
        name: &str,
    ) -> wasmtime::Result<Result<Resource<Tensor>, NnError>> {
        let refuse = |code, what: String| Ok(Err(NnError::new(code, what)));
        let Some(output) = &self.table.get(context)?.kept.output else {
            return refuse(
                ErrorCode::InvalidArgument,
                "there is no output: `compute` must succeed first".to_owned(),
            );
        };
        if name != OUTPUT {
            return refuse(
                ErrorCode::InvalidArgument,
                format!(
                    "there is no output `{}`: it is named `{OUTPUT}`",
                    short(name)
                ),
            );
        }
        if let Err((wanted, limit)) = self.room_for(output.cost) {
            let told = too_many_bytes("a copy of the output", wanted, limit);
            return refuse(ErrorCode::TooLarge, told);
        }
        let output = output.clone();
        Ok(Ok(self.push_tensor(output)?))
    }
}

fn too_many_bytes(what: &str, wanted: u64, limit: u64) -> String {
    format!(
        "with {what} this guest would hold {wanted} bytes of tensors and the like, at most {limit} \
         are kept: send less, or drop what is no longer needed"
    )
}
