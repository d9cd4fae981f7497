//! Models in several files (`x-00001-of-00003.gguf`): finds the others, and joins their headers.
//!
//! The first file has the metadata, all have tensors. llama.cpp finds the others by the name of the
//! first (`llama_get_list_splits`), and so does this.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

use super::error::GgufProblem;
use super::header::{GgufHeader, Part, Value};
use super::reader::read_part;

/// Keys that must not differ, where a later part has them.
const SAME: [&str; 3] = ["split.count", "general.architecture", "general.name"];

/// The header of the whole model whose first file is `path`, with the header `first`.
pub(super) fn join(path: &Path, first: GgufHeader) -> Result<GgufHeader, GgufProblem> {
    let count = match first.metadata.get("split.count") {
        Some(&Value::Unsigned(count)) if count > 1 => count,
        _ => return Ok(first),
    };
    let number = number(path, &first)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = ending(number, count);
    let Some(stem) = name.strip_suffix(&ending).filter(|stem| !stem.is_empty()) else {
        return Err(GgufProblem::Parts(format!(
            "this is one of {count}, and its name does not end in `{ending}`, by which the others \
             are found"
        )));
    };
    let part = |number| path.with_file_name(format!("{stem}{}", self::ending(number, count)));
    if number != 0 {
        return Err(GgufProblem::LaterPart {
            number: number + 1,
            count,
            first: part(0),
        });
    }
    let mut whole = first;
    whole.parts.push(described(path, &whole));
    let names = whole.tensors.iter().map(|tensor| tensor.name.clone());
    let mut names: HashSet<String> = names.collect();
    for number in 1..count {
        let path = part(number);
        let header = read(&path, number, count)?;
        belongs(&path, &whole, &header, number)?;
        whole.parts.push(described(&path, &header));
        whole.file_bytes = whole.file_bytes.saturating_add(header.file_bytes);
        for tensor in header.tensors {
            if !names.insert(tensor.name.clone()) {
                let what = format!("tensor `{}` is in two of them", tensor.name);
                return Err(GgufProblem::Parts(what));
            }
            whole.tensors.push(tensor);
        }
    }
    let found = whole.tensors.len();
    match whole.metadata.get("split.tensors.count") {
        Some(&Value::Signed(said)) if i64::try_from(found) == Ok(said) => Ok(whole),
        said => Err(GgufProblem::Parts(format!(
            "they have {found} tensors, and `split.tensors.count` is {said:?}"
        ))),
    }
}

fn read(path: &Path, number: u64, count: u64) -> Result<GgufHeader, GgufProblem> {
    match read_part(path) {
        Ok(contents) => Ok(contents.header),
        Err(GgufProblem::Io(error)) if error.kind() == ErrorKind::NotFound => {
            Err(GgufProblem::MissingPart {
                path: path.to_owned(),
                number: number + 1,
                count,
            })
        }
        Err(problem) => Err(GgufProblem::Part {
            path: path.to_owned(),
            problem: Box::new(problem),
        }),
    }
}

/// Checks that a later part is the one that its name says, of the same model.
fn belongs(
    path: &Path,
    first: &GgufHeader,
    part: &GgufHeader,
    expected: u64,
) -> Result<(), GgufProblem> {
    let number = number(path, part)?;
    if number != expected {
        return Err(GgufProblem::Parts(format!(
            "{} says that it is number {}",
            path.display(),
            number.saturating_add(1)
        )));
    }
    for key in SAME {
        let (one, other) = (first.metadata.get(key), part.metadata.get(key));
        if other.is_some() && one != other {
            return Err(GgufProblem::Parts(format!(
                "`{key}` of {} is {other:?}, of the first {one:?}",
                path.display()
            )));
        }
    }
    Ok(())
}

/// `split.no`, from 0.
fn number(path: &Path, header: &GgufHeader) -> Result<u64, GgufProblem> {
    match header.metadata.get("split.no") {
        Some(&Value::Unsigned(number)) => Ok(number),
        _ => Err(GgufProblem::Parts(format!(
            "{} does not say which one it is (`split.no`)",
            path.display()
        ))),
    }
}

/// The ending of a file's name (`LLAMA_SPLIT_PATH_FORMAT`).
fn ending(number: u64, count: u64) -> String {
    format!("-{:05}-of-{count:05}.gguf", number.saturating_add(1))
}

fn described(path: &Path, header: &GgufHeader) -> Part {
    Part {
        path: path.to_owned(),
        file_bytes: header.file_bytes,
        weight_bytes: header.weight_bytes(),
    }
}

#[cfg(test)]
mod tests;
