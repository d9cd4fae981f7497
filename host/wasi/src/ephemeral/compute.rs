//! Computes an answer to a prompt, as a whole or piece by piece.

use mynah_core::{Error, Event, FinishReason, Prompt};
use mynah_settings::Settings;
use serde_json::json;

use super::errno::{Errno, Failure};
use super::state::unloaded;
use super::tensor;
use crate::LlmCtx;
use crate::held::{Answer, Live, Stdout, Stream, Writer};

/// Sets a context's prompt and counts its tokens. A running stream ends, because it belongs to the
/// old prompt.
pub(super) async fn set_prompt(
    ctx: &mut LlmCtx,
    handle: u32,
    data: Vec<u8>,
) -> Result<(), Failure> {
    let bytes = data.len() as u64;
    let prompt = String::from_utf8(data).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Failure::invalid(format!(
            "the prompt is not UTF-8 from byte {valid} on: encode it as UTF-8"
        ))
    })?;
    let max_bytes = ctx.limits.max_tensor_bytes;
    let context = ctx.core_modules.context_mut(handle)?;
    let Some(live) = &mut context.live else {
        return Err(unloaded());
    };
    let before = live.prompt.as_ref().map_or(0, |prompt| prompt.len() as u64);
    let others = ctx.held.tensor_bytes.saturating_sub(before);
    if others.saturating_add(bytes) > max_bytes {
        return Err(tensor::too_large(bytes, max_bytes.saturating_sub(others)));
    }
    let counted = live.session.tokens(Prompt::Text(prompt.clone())).await;
    let input_tokens = match counted {
        Ok(tokens) => tokens.len(),
        // Guests count tokens to find out by how much to shorten a prompt; only `compute` refuses
        // it.
        Err(Error::PromptTooLong { prompt, .. }) => prompt,
        // The backend counts no tokens ahead: the outcome has their number.
        Err(Error::Unsupported { .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    ctx.held.tensor_bytes = others + bytes;
    live.prompt = Some(prompt);
    live.stream = None;
    context.answer = Answer {
        input_tokens: u32::try_from(input_tokens).unwrap_or(u32::MAX),
        ..Answer::default()
    };
    Ok(())
}

/// The parts of a context for computing, if it is usable, and the stdout for the pieces of its
/// answer, if the setting asks for it.
fn ready(
    ctx: &mut LlmCtx,
    handle: u32,
) -> Result<(&mut Live, &mut Answer, Option<Writer>), Failure> {
    let stdout = ctx.core_modules.stdout.clone();
    let (live, answer) = ctx.core_modules.context_mut(handle)?.ready()?;
    let stdout = stdout.filter(|_| live.stream_stdout);
    Ok((live, answer, stdout.as_ref().map(Stdout::writer)))
}

/// Computes the whole answer.
pub(super) async fn compute(ctx: &mut LlmCtx, handle: u32) -> Result<(), Failure> {
    let max_bytes = ctx.limits.max_tensor_bytes;
    let (live, answer, mut stdout) = ready(ctx, handle)?;
    live.stream = None;
    answer.begin();
    if live.session.wants_vectors(&Settings::default()) {
        return embed(live, answer).await;
    }
    let mut stream = start(live).await?;
    // The stream is dropped at the end of the function, whatever the result.
    let reason = loop {
        match step(&mut stream, answer, stdout.as_mut(), max_bytes).await? {
            Step::Piece => {}
            Step::Ended(reason) => break reason,
        }
    };
    answer.piece.clear();
    match ended(reason, answer) {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

/// Computes the next piece of the answer. The first call starts the generation.
pub(super) async fn compute_single(ctx: &mut LlmCtx, handle: u32) -> Result<(), Failure> {
    let max_bytes = ctx.limits.max_tensor_bytes;
    let (live, answer, mut stdout) = ready(ctx, handle)?;
    if live.session.wants_vectors(&Settings::default()) {
        return Err(Failure::new(
            Errno::UnsupportedOperation,
            "`embedding` is set, and a vector has no pieces: use `compute`, or set it to false",
        ));
    }
    if live.stream.is_none() {
        answer.begin();
        live.stream = Some(start(live).await?);
    }
    let Some(stream) = &mut live.stream else {
        return Err(no_prompt());
    };
    answer.piece.clear();
    if stream.is_broken {
        return Err(Failure::new(
            Errno::RuntimeError,
            "the stream has failed: end it with `fini_single`",
        ));
    }
    let reason = match stream.ended {
        Some(reason) => reason,
        None => match step(stream, answer, stdout.as_mut(), max_bytes).await {
            Ok(Step::Piece) => return Ok(()),
            Ok(Step::Ended(reason)) => {
                stream.ended = Some(reason);
                reason
            }
            Err(failure) => {
                stream.is_broken = true;
                stream.generation.cancel();
                return Err(failure);
            }
        },
    };
    Err(ended(reason, answer)
        .unwrap_or_else(|| Failure::new(Errno::EndOfSequence, "the text has ended")))
}

/// Ends a stream at any point and discards its text.
pub(super) fn fini_single(ctx: &mut LlmCtx, handle: u32) -> Result<(), Failure> {
    let context = ctx.core_modules.context_mut(handle)?;
    if let Some(live) = &mut context.live {
        live.stream = None;
    }
    context.answer.begin();
    Ok(())
}

fn no_prompt() -> Failure {
    Failure::invalid("the context has no prompt: set one (index 0) before it computes")
}

async fn start(live: &mut Live) -> Result<Stream, Failure> {
    let prompt = live.prompt.clone().ok_or_else(no_prompt)?;
    let generation = live
        .session
        .start_by_token(Prompt::Text(prompt), Settings::default())
        .await?;
    Ok(Stream {
        generation,
        ended: None,
        is_broken: false,
    })
}

/// The result of a step.
enum Step {
    /// More text.
    Piece,
    /// The end.
    Ended(FinishReason),
}

/// Waits for the next piece or the end.
async fn step(
    stream: &mut Stream,
    answer: &mut Answer,
    mut stdout: Option<&mut Writer>,
    max_bytes: u64,
) -> Result<Step, Failure> {
    loop {
        // The generation returns one event at a time.
        for event in stream.generation.next().await? {
            match event {
                // This ABI cannot return them, and the answer to a text is all text.
                Event::Token(_)
                | Event::Reasoning(_)
                | Event::ToolCallStart { .. }
                | Event::ToolCallArguments { .. } => {}
                Event::Text(text) => {
                    answer.output_tokens = stream.generation.read_tokens();
                    answer.text.push_str(&text);
                    if let Some(stdout) = &mut stdout
                        && let Err(error) = stdout.write(&text).await
                    {
                        tracing::debug!(%error, "cannot write to the guest's stdout");
                    }
                    answer.piece = text;
                    if answer.text.len() as u64 > max_bytes {
                        return Err(Failure::new(
                            Errno::TooLarge,
                            format!(
                                "the answer has more than {max_bytes} bytes, as many as are kept: \
                                 bound it with `n-predict`"
                            ),
                        ));
                    }
                    return Ok(Step::Piece);
                }
                Event::Finished(outcome) => {
                    answer.output_tokens = outcome.usage.generated_tokens;
                    answer.outcome = Some(outcome);
                    return Ok(Step::Ended(outcome.reason));
                }
            }
        }
    }
}

/// The error of an end, if it counts as one.
fn ended(reason: FinishReason, answer: &Answer) -> Option<Failure> {
    match reason {
        FinishReason::EndOfGeneration
        | FinishReason::ToolCalls
        | FinishReason::MaxTokens
        | FinishReason::StopString
        | FinishReason::DeadEnd => None,
        FinishReason::ContextFull => Some(Failure::new(
            Errno::ContextFull,
            format!(
                "{} tokens of the prompt and {} of the answer fill the context, the text so far \
                 can be read: shorten the prompt, bound the answer with `n-predict`, or have the \
                 operator raise `ctx_size`",
                answer.input_tokens, answer.output_tokens
            ),
        )),
        // A timeout before any text is an error.
        FinishReason::MaxTime if answer.text.is_empty() => Some(Failure::new(
            Errno::RuntimeError,
            "the time of the request was over before its first token: give it more, or have the \
             operator raise `max_time_ms`",
        )),
        FinishReason::MaxTime => None,
        FinishReason::Cancelled => Some(Failure::new(
            Errno::RuntimeError,
            "the generation was cancelled",
        )),
    }
}

/// Computes the prompt's vector and formats it as the JSON that these guests expect.
async fn embed(live: &mut Live, answer: &mut Answer) -> Result<(), Failure> {
    let prompt = live.prompt.clone().ok_or_else(no_prompt)?;
    let found = live
        .session
        .embed(&[Prompt::Text(prompt)], Settings::default())
        .await?;
    let vector = found.vectors.into_iter().next().unwrap_or_default();
    answer.input_tokens = found.prompt_tokens;
    answer.text = json!({"n_embedding": vector.len(), "embedding": vector}).to_string();
    Ok(())
}
