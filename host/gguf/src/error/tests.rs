//! That every fault of a file says what is wrong and what to do.

use std::io;

use super::*;

/// Errors, each with what it must say: numbers and names of what was asked and what was there, then
/// what to do. The match fails to compile when there is a variant that the list lacks.
macro_rules! all {
    ($type:ty: $(
        $variant:pat => $sample:expr, says [$($says:literal),*], advises $advice:literal;
    )*) => {{
        fn is_listed(error: &$type) {
            match error {
                $($variant => (),)*
            }
        }
        let all = vec![$(($sample, vec![$($says),*], $advice)),*];
        for (error, ..) in &all {
            is_listed(error);
        }
        // Each sample is one of its own variant.
        $(assert!(matches!(&$sample, $variant), "{}", $sample);)*
        all
    }};
}

fn check<E: std::fmt::Display>(all: Vec<(E, Vec<&str>, &str)>) {
    for (error, says, advice) in all {
        let text = error.to_string();
        for words in says {
            assert!(text.contains(words), "`{words}` in: {text}");
        }
        let (said, advised) = text
            .split_once(advice)
            .unwrap_or_else(|| panic!("`{advice}` in: {text}"));
        // Advice is a clause of its own, behind what is wrong.
        let before = said.trim_end();
        assert!(
            before.ends_with([':', '.', ',', ';']),
            "a clause of its own: {text}"
        );
        assert!(!text.contains('\n') && !text.contains("  "), "{text}");
        assert!(
            !advised.ends_with('.'),
            "without a full stop at the end: {text}"
        );
    }
}

fn io_error() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[test]
fn every_fault_of_a_file_says_what_to_do() {
    check(all! { GgufProblem:
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
        GgufProblem::Unusable(_) => GgufProblem::Unusable("no layers".to_owned()),
            says ["no layers"], advises "Convert the model again";
    });
}
