//! Lists of what is supported of a language that others define, for `docs/supported.md`.
//!
//! A crate that reads such a language declares one list. Its tests try the example of every row,
//! and compare the list with the page. So the page can't promise what the crate doesn't do.

use std::fmt::Write as _;

/// One construct of a language.
#[derive(Debug, Clone, Copy)]
pub struct Supported {
    /// What it is, in the language's own words, as Markdown.
    pub construct: &'static str,
    /// What happens to it.
    pub support: Support,
    /// A complete text in the language that has the construct.
    pub example: &'static str,
    /// What is particular about it, or what to do instead. May be empty.
    pub note: &'static str,
}

/// What happens to a construct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It has its meaning.
    Yes,
    /// It is taken, but has less than its whole meaning, and the log says so.
    Partly,
    /// It is refused with an error that names its place.
    No,
}

impl Supported {
    /// A construct that has its meaning.
    #[must_use]
    pub const fn yes(construct: &'static str, example: &'static str, note: &'static str) -> Self {
        Self {
            construct,
            support: Support::Yes,
            example,
            note,
        }
    }

    /// A construct that is taken with less than its whole meaning.
    #[must_use]
    pub const fn partly(
        construct: &'static str,
        example: &'static str,
        note: &'static str,
    ) -> Self {
        Self {
            support: Support::Partly,
            ..Self::yes(construct, example, note)
        }
    }

    /// A construct that is refused.
    #[must_use]
    pub const fn no(construct: &'static str, example: &'static str, note: &'static str) -> Self {
        Self {
            support: Support::No,
            ..Self::yes(construct, example, note)
        }
    }
}

/// The rows as a Markdown table. Its lines may be long.
#[must_use]
pub fn table(rows: &[Supported]) -> String {
    let mut table = String::from("| construct | supported | note |\n|---|---|---|\n");
    for row in rows {
        let support = match row.support {
            Support::Yes => "yes",
            Support::Partly => "partly",
            Support::No => "no",
        };
        let (construct, note) = (row.construct, row.note);
        // Writing to a text can't fail.
        let _ = writeln!(table, "| {construct} | {support} | {note} |");
    }
    table
}

/// The table below a heading of a page, or nothing if there is none.
#[must_use]
pub fn section<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n"))?;
    let begin = rest.find("| construct |")?;
    let table = rest.get(begin..)?;
    let end = table.find("\n\n").map_or(table.len(), |end| end + 1);
    table.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_of_a_page_is_its_table() {
        let (one, other) = (
            [Supported::yes("`a`", "", "")],
            [Supported::no("`b`", "", "")],
        );
        let page = format!(
            "# Page\n\n## One\n\nText.\n\n{}\n## Other\n\n{}",
            table(&one),
            table(&other)
        );
        assert_eq!(section(&page, "One"), Some(table(&one).as_str()));
        assert_eq!(section(&page, "Other"), Some(table(&other).as_str()));
        assert_eq!(section(&page, "None"), None);
        assert!(table(&one).ends_with("| `a` | yes |  |\n"));
    }

    #[test]
    fn each_row_tells_how_far_its_construct_is_supported() {
        let rows = [
            Supported::yes("`a`", "an a", "all"),
            Supported::partly("`b`", "a b", "some"),
            Supported::no("`c`", "a c", "none"),
        ];
        let table = table(&rows);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| `a` | yes | all |",
                "| `b` | partly | some |",
                "| `c` | no | none |"
            ]
        );
        let examples = rows.map(|row| row.example);
        assert_eq!(examples, ["an a", "a b", "a c"]);
        let supports = rows.map(|row| row.support);
        assert_eq!(supports, [Support::Yes, Support::Partly, Support::No]);
    }
}
