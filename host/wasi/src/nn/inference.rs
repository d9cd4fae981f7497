//! `wasi:nn/inference`: an execution context is a session, and `compute` runs one request to its
//! end.

use mynah_core::log::{TASK, logged_path};
use mynah_core::{Event, FinishReason, Generation, Prompt, Session};
use mynah_settings::{Reading, Settings};
use wasmtime::component::Resource;

use super::kept::{OUTPUT, short};
use crate::bindings::wasi::nn::inference::{Host, HostGraphExecutionContext};
use crate::held::Kept;
use crate::{ErrorCode, ExecutionContext, Graph, LlmCtx, LlmCtxView, NnError, Tensor};

/// Name of the input tensor.
const PROMPT: &str = "prompt";
/// Name of the input tensor with settings, a JSON document in any dialect.
const CONFIG: &str = "config";
type NamedTensor = (String, Resource<Tensor>);

impl LlmCtx {
    /// Checks that the guest may hold one more execution context than `held`.
    pub(crate) fn check_contexts(&self, held: usize) -> Result<(), NnError> {
        let limit = self.limits.max_contexts;
        if held < limit as usize {
            return Ok(());
        }
        Err(NnError::new(
            ErrorCode::TooLarge,
            format!("this guest holds {limit} execution contexts, the maximum: drop one"),
        ))
    }

    /// Opens a session with a graph's model and settings.
    pub(crate) fn open(&self, graph: &Graph) -> mynah_core::Result<Session> {
        let mut session = graph.model.session(self.owner.clone())?;
        session.configure(graph.settings.clone())?;
        Ok(session)
    }
}

impl LlmCtxView<'_> {
    pub(super) fn init_execution_context(
        &mut self,
        graph: &Resource<Graph>,
    ) -> wasmtime::Result<Result<Resource<ExecutionContext>, NnError>> {
        let graph = self.table.get(graph)?;
        let held = self.ctx.held.contexts.len();
        let opened = self.ctx.check_contexts(held);
        let opened = opened.and_then(|()| Ok(self.ctx.open(graph)?));
        let session = match opened {
            Ok(session) => session,
            Err(error) => return Ok(Err(error)),
        };
        let context = ExecutionContext {
            session,
            guest_model: graph.guest_model.clone(),
            kept: Kept::default(),
        };
        let context = self.table.push(context)?;
        self.ctx.held.contexts.insert(context.rep());
        Ok(Ok(context))
    }

    /// Finds the prompt and the settings among the inputs, by the names of the tensors. A single
    /// tensor is the prompt.
    fn request(
        &mut self,
        context: &Resource<ExecutionContext>,
        inputs: Vec<NamedTensor>,
    ) -> wasmtime::Result<Result<(String, Settings), NnError>> {
        // The call owns the tensors, so they leave the table whatever the result.
        let mut tensors = Vec::new();
        for (name, tensor) in inputs {
            tensors.push((name, self.take_tensor(tensor)?));
        }
        let session = &self.table.get(context)?.session;
        Ok(self.read_request(session, tensors))
    }

    /// Computes the output for these inputs.
    pub(super) async fn output_of(
        &mut self,
        context: &Resource<ExecutionContext>,
        request: Result<(String, Settings), NnError>,
    ) -> wasmtime::Result<Result<Tensor, NnError>> {
        let session = &mut self.table.get_mut(context)?.session;
        Ok(match request {
            Ok((prompt, settings)) => answer(session, Prompt::Text(prompt), settings).await,
            Err(error) => Err(error),
        })
    }

    pub(super) fn drop_context(
        &mut self,
        context: Resource<ExecutionContext>,
    ) -> wasmtime::Result<()> {
        self.ctx.held.contexts.remove(&context.rep());
        let context = self.table.delete(context)?;
        self.release(context.kept.cost());
        Ok(())
    }

    pub(super) fn read_request(
        &self,
        session: &Session,
        mut tensors: Vec<(String, Tensor)>,
    ) -> Result<(String, Settings), NnError> {
        let count = tensors.len();
        let invalid = |what: String| Err(NnError::new(ErrorCode::InvalidArgument, what));
        if count == 0 {
            return invalid(format!("no input tensor: give one named `{PROMPT}`"));
        }
        let config: Vec<_> = tensors.extract_if(.., |(name, _)| name == CONFIG).collect();
        let prompt: Vec<_> = match tensors.len() {
            1 => std::mem::take(&mut tensors),
            _ => tensors.extract_if(.., |(name, _)| name == PROMPT).collect(),
        };
        let mut prompt = prompt.into_iter();
        let mut config = config.into_iter();
        match (prompt.next(), prompt.next(), config.next(), config.next()) {
            (Some((name, prompt)), None, config, None) if tensors.is_empty() => {
                let settings = match config {
                    Some((_, config)) => self.settings(session, &config.into_text(CONFIG)?)?,
                    None => Settings::default(),
                };
                Ok((prompt.into_text(short(&name))?, settings))
            }
            _ => invalid(format!(
                "{count} input tensors were given: give one named `{PROMPT}`, beside it one named \
                 `{CONFIG}` if you like, and no others"
            )),
        }
    }

    /// Parses the settings of a `config` tensor. `compute` cannot return warnings, so they go to
    /// the log.
    fn settings(&self, session: &Session, json: &str) -> Result<Settings, NnError> {
        let (settings, warnings) = Reading::json(json.as_bytes())
            .with_max_priority(self.ctx.max_priority)
            .for_guest(false)?;
        for warning in warnings {
            // The guest's text stays out of the log: an unknown key can be any text.
            tracing::warn!(
                target: TASK,
                model = &*session.model().name(),
                session = session.number(),
                owner = session.owner().name(),
                path = short(logged_path(&warning)),
                "a setting of a `{CONFIG}` tensor is not in force"
            );
        }
        Ok(settings)
    }
}

/// Computes the answer to a prompt: text, or its vector if the settings ask for it.
async fn answer(
    session: &mut Session,
    prompt: Prompt,
    settings: Settings,
) -> Result<Tensor, NnError> {
    if session.wants_vectors(&settings) {
        let found = session.embed(&[prompt], settings).await?;
        let vector = found.vectors.first().map_or(&[][..], Vec::as_slice);
        return Ok(Tensor::vector(vector));
    }
    let generation = session.start(prompt, settings).await?;
    Ok(Tensor::text(run(generation).await?))
}

/// Runs a generation to its end. An error contains the text that was generated before it.
async fn run(mut generation: Generation) -> Result<String, NnError> {
    let mut answer = String::new();
    loop {
        let events = match generation.next().await {
            Ok(events) => events,
            Err(error) => return Err(NnError::from(error).with_partial(&answer)),
        };
        for event in events {
            match event {
                // `compute` only returns text. The answer to a text is all text, calls and
                // reasoning too.
                Event::Token(_)
                | Event::Reasoning(_)
                | Event::ToolCallStart { .. }
                | Event::ToolCallArguments { .. } => {}
                Event::Text(text) => answer.push_str(&text),
                // A timeout before any text is an error, because `compute` cannot report it
                // otherwise.
                Event::Finished(outcome)
                    if outcome.reason == FinishReason::MaxTime && answer.is_empty() =>
                {
                    return Err(NnError::new(
                        ErrorCode::Timeout,
                        "the time of the request was over before its first token: give it more, or \
                         have the operator raise `max_time_ms`",
                    ));
                }
                Event::Finished(_) => return Ok(answer),
            }
        }
    }
}

impl Host for LlmCtxView<'_> {}

impl HostGraphExecutionContext for LlmCtxView<'_> {
    async fn compute(
        &mut self,
        context: Resource<ExecutionContext>,
        inputs: Vec<NamedTensor>,
    ) -> wasmtime::Result<Result<Vec<NamedTensor>, Resource<NnError>>> {
        let request = self.request(&context, inputs)?;
        let answer = match self.output_of(&context, request).await? {
            Ok(output) => {
                let tensor = self.push_tensor(output)?;
                Ok(vec![(OUTPUT.to_owned(), tensor)])
            }
            Err(error) => Err(error),
        };
        self.answer(answer)
    }

    async fn drop(&mut self, context: Resource<ExecutionContext>) -> wasmtime::Result<()> {
        self.drop_context(context)
    }
}
