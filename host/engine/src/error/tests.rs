//! Tests that every message says what was requested, what the state was, and what to do.

use std::io;

use mynah_core::testing::{check_messages, error_messages};

use super::*;
use crate::model::gguf::GgufProblem;

fn io_error() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[test]
fn every_error_says_what_was_there_and_what_to_do() {
    let (path, mib) = (|| PathBuf::from("a.gguf"), ByteSize::mib);
    let reason = || "out of luck".to_owned();
    let name = || "parrot".to_owned();
    check_messages(error_messages! { EngineError:
        EngineError::Backend { .. } => EngineError::Backend { reason: reason() },
            says ["out of luck"], advises "start it through this engine alone";
        EngineError::File(_) =>
            EngineError::File(GgufError { path: path(), problem: GgufProblem::Empty }),
            says ["a.gguf", "empty"], advises "download it again";
        EngineError::Load { .. } => EngineError::Load { path: path(), reason: reason() },
            says ["a.gguf", "out of luck"], advises "Download the file again";
        EngineError::FileChanged { .. } => EngineError::FileChanged { path: path() },
            says ["a.gguf", "was changed while it was in use"], advises "Ask again";
        EngineError::Kind { .. } =>
            EngineError::Kind { path: path(), architecture: "t5".to_owned() },
            says ["a.gguf", "`t5`"], advises "use a decoder-only text model";
        EngineError::TooLittleMemory { .. } => EngineError::TooLittleMemory {
            path: path(), needed: mib(60), weights: mib(30), cells: mib(20),
            step: mib(10), available: mib(5), limit: Some(mib(7)),
        },
            says [
                "a.gguf", "60.0 MiB", "30.0 MiB", "20.0 MiB", "10.0 MiB", "5.0 MiB",
                "of the 7.0 MiB"
            ], advises "Lower `ctx_size`";
        EngineError::StateFolder { .. } =>
            EngineError::StateFolder { reason: "states: permission denied".into() },
            says ["states", "permission denied"], advises "Give another one (`state_dir`)";
        EngineError::Context { .. } => EngineError::Context {
            cells: 4096, max_concurrent: 2, ctx_size: 2048, reason: reason()
        },
            says ["4096 KV cells", "2 sequences of 2048 tokens", "out of luck"],
            advises "Lower `ctx_size`";
        EngineError::UnknownTarget { .. } => EngineError::UnknownTarget { name: name() },
            says ["`parrot`", "q8_0"], advises "give one of";
        EngineError::Convert { .. } =>
            EngineError::Convert { path: path(), to: Quantisation::Q8_0, reason: reason() },
            says ["a.gguf", "Q8_0", "out of luck"], advises "Use the model as it is";
        EngineError::SameFile { .. } => EngineError::SameFile { path: path() },
            says ["a.gguf", "into itself"], advises "give another file to write";
        EngineError::Write { .. } => EngineError::Write { path: path(), error: io_error() },
            says ["a.gguf", "permission denied"], advises "Give a place that can";
        EngineError::TemporaryFile(_) => EngineError::TemporaryFile(io_error()),
            says ["permission denied"], advises "Free space";
        EngineError::Panic => EngineError::Panic,
            says ["failed while it prepared"], advises "see its error output";
        EngineError::Measure { .. } => EngineError::Measure { reason: reason() },
            says ["out of luck"], advises "free some, or convert without measuring";
    });
}

/// Case M2.
#[test]
fn the_advice_about_a_context_fits_its_cause() {
    let error = |reason: &str| {
        let error = EngineError::Context {
            cells: 256,
            max_concurrent: 1,
            ctx_size: 256,
            reason: reason.to_owned(),
        };
        error.to_string()
    };
    for of_kv_type in [
        "K cache type q8_0 with block size 32 does not divide n_embd_head_k=80",
        "V cache type q8_0 with block size 32 does not divide n_embd_head_v=80",
        "quantized V cache requires flash_attn to be enabled",
    ] {
        let text = error(of_kv_type);
        assert!(text.contains("`kv_type` to f16"), "{text}");
        assert!(!text.contains("Lower"), "{text}");
    }
    let text = error("failed to allocate compute pp buffers");
    assert!(
        text.ends_with("Lower `ctx_size` or `max_concurrent`"),
        "{text}"
    );
}
