//! The three tools of the agent.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mynah_guest::{ToolOutput, Toolbox};
use schemars::JsonSchema;
use serde::Deserialize;

/// Limits of one result, so that it leaves room in the model's context.
const MAX_ENTRIES: usize = 100;
const MAX_LINES: usize = 100;
const MAX_COLUMNS: usize = 400;
/// Maximum size of a file in bytes.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Deserialize, JsonSchema)]
struct List {
    /// The folder, relative to the top. Empty is the top.
    folder: String,
}

#[derive(Deserialize, JsonSchema)]
struct Read {
    /// The file, relative to the top.
    file: String,
    /// The first line, from 1.
    first: usize,
    /// The last line.
    last: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Calculate {
    operation: Operation,
    /// The numbers, from left to right.
    numbers: Vec<f64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// The tools, over the files of a folder.
pub fn of(top: &Path) -> Toolbox<'_> {
    Toolbox::new()
        .with("list", "Lists files and folders.", |list: List| {
            entries(&inside(top, &list.folder))
        })
        .with("read", "Reads lines of a text file.", |read: Read| {
            lines(&inside(top, &read.file), read.first, read.last)
        })
        .with("calculate", "Calculates with numbers.", calculate)
}

/// A path within the folder. A model may begin it with `/`.
fn inside(top: &Path, path: &str) -> PathBuf {
    top.join(path.trim_start_matches('/'))
}

/// The names in a folder, one on each line, folders with a `/`.
fn entries(folder: &Path) -> ToolOutput {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().display()));
    }
    names.sort();
    if names.is_empty() {
        return Ok("(nothing)".to_owned());
    }
    let more = names.len().saturating_sub(MAX_ENTRIES);
    names.truncate(MAX_ENTRIES);
    if more > 0 {
        names.push(format!("({more} more)"));
    }
    Ok(names.join("\n"))
}

/// Lines with their numbers.
fn lines(file: &Path, first: usize, last: usize) -> ToolOutput {
    if fs::metadata(file)?.len() > MAX_BYTES {
        return Err(format!("the file has more than {MAX_BYTES} bytes").into());
    }
    let text = fs::read_to_string(file)?;
    let count = text.lines().count();
    if first == 0 || first > last || first > count {
        return Err(format!("there are lines 1 to {count}, not {first} to {last}").into());
    }
    let wanted = (1..).zip(text.lines()).skip(first - 1);
    let mut read = String::new();
    for (number, line) in wanted.take((last - first + 1).min(MAX_LINES)) {
        let line: String = line.chars().take(MAX_COLUMNS).collect();
        writeln!(read, "{number}: {line}")?;
    }
    write!(read, "({count} lines in the file)")?;
    Ok(read)
}

fn calculate(Calculate { operation, numbers }: Calculate) -> ToolOutput {
    let result = numbers.into_iter().reduce(match operation {
        Operation::Add => |left, right| left + right,
        Operation::Subtract => |left, right| left - right,
        Operation::Multiply => |left, right| left * right,
        Operation::Divide => |left, right| left / right,
    });
    match result {
        Some(result) if result.is_finite() => Ok(result.to_string()),
        Some(_) => Err("the result is no number".into()),
        None => Err("there are no numbers".into()),
    }
}
