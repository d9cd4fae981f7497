//! Copies the outputs of a context into the guest's buffer.

use std::borrow::Cow;
use std::time::Duration;

use mynah_core::{About, Outcome};
use serde_json::{Value, json};
use wasmtime::Caller;

use super::errno::{Errno, Failure};
use super::memory;
use crate::LlmView;
use crate::held::{Answer, Context};

/// The arguments of `get_output` and `get_output_single`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutputArguments {
    pub(super) context: u32,
    pub(super) index: u32,
    pub(super) buffer: u32,
    pub(super) length: u32,
    pub(super) written: u32,
}

/// Which text to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The whole text.
    All,
    /// The last computed piece.
    Piece,
}

/// Copies an output into the guest's buffer if it fits. Otherwise the guest only gets the required
/// size.
pub(super) fn get<T: LlmView>(
    caller: &mut Caller<'_, T>,
    arguments: OutputArguments,
    which: Which,
) -> Result<(), Failure> {
    const WRITTEN: &str = "the place for the number of bytes";
    const BUFFER: &str = "the buffer";

    let memory = memory::exported(caller)?;
    let (data, store) = memory.data_and_store_mut(&mut *caller);
    let ctx = store.llm().ctx;
    let OutputArguments {
        buffer,
        length,
        written,
        ..
    } = arguments;
    memory::check_number(data, written, WRITTEN)?;
    memory::bytes(data, buffer, length, BUFFER)?;
    let context = ctx.core_modules.context(arguments.context)?;
    if which == Which::Piece && context.is_invalid {
        return Err(Failure::invalid(
            "the context's settings were refused: set good ones (index 1), or read the whole \
             output",
        ));
    }
    let output = select(context, arguments.index, which)?;
    let size = u32::try_from(output.len()).map_err(|_| {
        Failure::new(
            Errno::TooLarge,
            "the output has more bytes than a 32-bit memory holds: bound it with `n-predict`",
        )
    })?;
    let is_lenient = length == 0 && ctx.core_modules.lenient_output_size;
    if size > length && !is_lenient {
        memory::write_number(data, written, size, WRITTEN)?;
        let hint = match length {
            0 => {
                "; a guest that expects no limit for length 0 needs `--compat lenient-output-size`"
            }
            _ => "",
        };
        return Err(Failure::new(
            Errno::TooLarge,
            format!("the output has {size} bytes, the buffer {length}: give a larger one{hint}"),
        ));
    }
    memory::bytes_mut(data, buffer, size, BUFFER)?.copy_from_slice(output.as_bytes());
    memory::write_number(data, written, size, WRITTEN)
}

fn select(context: &Context, index: u32, which: Which) -> Result<Cow<'_, str>, Failure> {
    match (index, which) {
        (0, Which::All) => Ok(Cow::Borrowed(&context.answer.text)),
        (0, Which::Piece) => Ok(Cow::Borrowed(&context.answer.piece)),
        (1, _) => {
            let metadata = metadata(&context.answer, &context.about);
            Ok(Cow::Owned(metadata.to_string()))
        }
        (other, _) => Err(Failure::invalid(format!(
            "there is no output {other}: 0 is the text, 1 its metadata"
        ))),
    }
}

/// The metadata of an answer: the fields that these guests expect, then this host's own.
fn metadata(answer: &Answer, model: &About) -> Value {
    let mut about = json!({
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
    });
    if let Some(about) = about.as_object_mut() {
        let build = model.build.iter();
        about.extend(build.map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    if let (
        Some(Outcome {
            reason,
            usage,
            seed,
        }),
        Some(about),
    ) = (answer.outcome, about.as_object_mut())
    {
        about.extend([
            ("finish_reason".to_owned(), json!(reason.name())),
            ("cached_tokens".to_owned(), json!(usage.cached_tokens)),
            ("forgotten_tokens".to_owned(), json!(usage.forgotten_tokens)),
            ("seed".to_owned(), json!(seed)),
            ("queue_ms".to_owned(), millis(usage.queue_time)),
            ("prefill_ms".to_owned(), millis(usage.prefill_time)),
            ("decode_ms".to_owned(), millis(usage.decode_time)),
        ]);
    }
    about
}

fn millis(time: Duration) -> Value {
    json!(time.as_secs_f64() * 1000.0)
}
