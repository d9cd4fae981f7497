//! That every fault of a file says what is wrong and what to do.

use std::io;

use mynah_core::testing::{check_messages, error_messages};

use super::*;

fn io_error() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[test]
fn every_fault_of_a_file_says_what_to_do() {
    check_messages(error_messages! { GgufProblem:
        GgufProblem::Io(_) => GgufProblem::Io(io_error()),
            says ["permission denied"], advises "Give one that is there";
        GgufProblem::Folder => GgufProblem::Folder,
            says ["a folder"], advises "give the model file, a .gguf";
        GgufProblem::NotAFile => GgufProblem::NotAFile,
            says ["not a regular file"], advises "give the model file, a .gguf";
        GgufProblem::Empty => GgufProblem::Empty, says ["empty"], advises "download it again";
        GgufProblem::Magic { .. } => GgufProblem::Magic { begins: "begins as a ZIP file" },
            says ["begins as a ZIP file"], advises "give a .gguf";
        GgufProblem::Version { .. } => GgufProblem::Version { version: 1 },
            says ["version 1", "2 and 3"], advises "convert the model again";
        GgufProblem::BigEndian => GgufProblem::BigEndian,
            says ["big-endian"], advises "convert the model again";
        GgufProblem::HeaderCutOff { .. } => GgufProblem::HeaderCutOff { at: 7, file_bytes: 9 },
            says ["byte 7 of 9"], advises "download it again";
        GgufProblem::DataCutOff { .. } => GgufProblem::DataCutOff { needed: 9, file_bytes: 7 },
            says ["need 9 bytes", "it has 7"], advises "Download it again";
        GgufProblem::Damaged(_) => GgufProblem::Damaged("no name".to_owned()),
            says ["no name"], advises "Download it again";
        GgufProblem::MissingPart { .. } =>
            GgufProblem::MissingPart { path: "a-2.gguf".into(), number: 2, count: 3 },
            says ["3 files", "number 2", "a-2.gguf"], advises "Put all of them into one folder";
        GgufProblem::Part { .. } => GgufProblem::Part {
            path: "a-2.gguf".into(), problem: Box::new(GgufProblem::Empty)
        },
            says ["a-2.gguf", "is empty"], advises "download it again";
        GgufProblem::LaterPart { .. } =>
            GgufProblem::LaterPart { number: 2, count: 3, first: "a-1.gguf".into() },
            says ["file 2 of 3"], advises "give the first one, a-1.gguf";
        GgufProblem::Parts(_) => GgufProblem::Parts("two names".to_owned()),
            says ["two names"], advises "Download all of them again";
        GgufProblem::Unusable(_) => GgufProblem::Unusable("no layers".to_owned()),
            says ["no layers"], advises "Convert the model again";
    });
}
