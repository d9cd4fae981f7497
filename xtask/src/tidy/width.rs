//! Checks the width of lines, except for lines that cannot be broken. Pure.

use super::rules::Problem;

/// Maximum columns of a line of Rust, as in `rustfmt.toml`.
const RUST: usize = 100;
/// Maximum columns of a line of Markdown.
const MARKDOWN: usize = 120;

/// The lines of Rust that are too wide.
///
/// These cannot be broken: rows of a table in a comment, addresses, chat templates and their
/// results, which stay as published, and raw strings, which contain their line breaks. rustfmt does
/// not break a line with a long string; such a string continues in the next line after a backslash.
pub(super) fn rust(text: &str) -> Vec<Problem> {
    let mut raw = RawStrings::default();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let has_raw_string = raw.passes(line);
        let comment = line.trim_start();
        let is_row = comment.starts_with("/// |") || comment.starts_with("//! |");
        let is_template = ["{%", "{{-", "<|"].iter().any(|sign| line.contains(sign));
        if !has_raw_string && !is_row && !is_template && !has_address(line) {
            problems.extend(too_wide(number, line, RUST));
        }
    }
    problems
}

/// The lines of Markdown that are too wide.
///
/// These cannot be broken: rows of a table, headings, lines of code, addresses, and targets of
/// links.
pub(super) fn markdown(text: &str) -> Vec<Problem> {
    let mut is_code = false;
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let begin = line.trim_start();
        if begin.starts_with("```") {
            is_code = !is_code;
        }
        if !is_code && !begin.starts_with(['|', '#']) && !has_address(line) {
            problems.extend(too_wide(number, &without_targets(line), MARKDOWN));
        }
    }
    problems
}

fn too_wide(number: usize, line: &str, columns: usize) -> Option<Problem> {
    let width = line.chars().count();
    (width > columns).then(|| (number, format!("{width} columns, at most {columns}")))
}

fn has_address(line: &str) -> bool {
    line.contains("https://") || line.contains("http://")
}

/// A line without the targets of its links.
fn without_targets(line: &str) -> String {
    let mut parts = line.split("](");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        left.push(']');
        left.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    left
}

/// Follows raw strings from line to line.
#[derive(Debug, Default)]
struct RawStrings {
    /// The end of the open string.
    end: Option<String>,
}

impl RawStrings {
    /// Reads a line, and returns whether it contains a part of a raw string.
    fn passes(&mut self, line: &str) -> bool {
        let mut found = self.end.is_some();
        let mut rest = line;
        loop {
            if let Some(end) = &self.end {
                let Some((_, after)) = rest.split_once(end.as_str()) else {
                    return found;
                };
                rest = after;
                self.end = None;
            }
            let Some((end, after)) = begins(rest) else {
                return found;
            };
            found = true;
            self.end = Some(end);
            rest = after;
        }
    }
}

/// The next raw string of a line: its end, and the text after its first quote.
fn begins(line: &str) -> Option<(String, &str)> {
    if line.trim_start().starts_with("//") {
        return None;
    }
    let mut before = ' ';
    for (at, letter) in line.char_indices() {
        let rest = line.get(at..)?.strip_prefix('r');
        // `br"`, or `r"` that is not the end of a name.
        if let Some(rest) = rest.filter(|_| before == 'b' || !is_of_name(before)) {
            let after = rest.trim_start_matches('#');
            if let Some(after) = after.strip_prefix('"') {
                let hashes = rest.len() - after.len() - 1;
                return Some((format!("\"{}", "#".repeat(hashes)), after));
            }
        }
        before = letter;
    }
    None
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that are too wide.
    fn lines(problems: Vec<Problem>) -> Vec<usize> {
        problems.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_line_of_rust_has_100_columns_of_code_or_comment() {
        let code = format!("let a = {};", "b".repeat(92));
        let comment = format!("    // {}", "words ".repeat(16));
        let text = format!("{}\n{code}\n{comment}\n", "ä".repeat(100));
        assert_eq!(code.len(), 101);
        assert_eq!(lines(rust(&text)), [2, 3]);
    }

    #[test]
    fn what_cannot_be_broken_in_rust_may_be_wider() {
        let long = "x".repeat(100);
        let text = format!(
            "/// | a | {long} |\n// https://{long}\n\"{{% {long} %}}\"\n\
             let a = r#\"{long}\"#;\nlet b = r\"\n{long}\n\";\n"
        );
        assert_eq!(lines(rust(&text)), [] as [usize; 0]);
        // The line after it is not exempt.
        assert_eq!(lines(rust(&format!("{text}{long}.\n"))), [8]);
        // A name that ends with `r` begins no raw string, nor does a comment.
        let text = format!("bar\"{long}\";\n// r\"{long}\n");
        assert_eq!(lines(rust(&text)), [1, 2]);
    }

    #[test]
    fn a_line_of_markdown_has_120_columns() {
        let text = format!("{}\n{}.\n", "word ".repeat(24).trim(), "word ".repeat(24));
        assert_eq!(lines(markdown(&text)), [2]);
        let link = format!("Read [this]({}) first.\n", "a/".repeat(60));
        assert_eq!(lines(markdown(&link)), [] as [usize; 0]);
    }

    #[test]
    fn what_cannot_be_broken_in_markdown_may_be_wider() {
        let long = "word ".repeat(30);
        let text = format!("# {long}.\n\n| {long} |\n\n```\n{long}.\n```\n\nhttps://a.b {long}.\n");
        assert_eq!(lines(markdown(&text)), [] as [usize; 0]);
        assert_eq!(lines(markdown(&format!("{text}{long}.\n"))), [10]);
    }
}
