//! Cuts texts where they begin to differ, but never within a tag.

/// Length of the longest common beginning of two texts that ends outside of tags.
pub(super) fn common_start(one: &str, other: &str) -> usize {
    let pairs = one.char_indices().zip(other.chars());
    let same = pairs.take_while(|((_, a), b)| a == b).last();
    let end = same.map_or(0, |((at, c), _)| at + c.len_utf8());
    open_tag(one, end).or(open_tag(other, end)).unwrap_or(end)
}

/// Length of the longest common end of two texts that begins outside of tags.
pub(super) fn common_end(one: &str, other: &str) -> usize {
    let start = one.len() - same_end(one, other);
    let (before, rest) = one.split_at_checked(start).unwrap_or(("", one));
    let is_cut = |text: &str| open_tag(text, text.len() - rest.len()).is_some();
    if !is_cut(one) && !is_cut(other) {
        return rest.len();
    }
    let close = match before.rfind(['<', '[']) {
        Some(at) if before.get(at..).is_some_and(|tag| tag.starts_with('[')) => ']',
        _ => '>',
    };
    rest.find(close)
        .map_or(0, |at| rest.len() - at - close.len_utf8())
}

/// Length of the end of `one` that closes a turn: what it has in common with `other`. If that is
/// within one tag, the whole tag: some models close a turn with calls by a token of its own.
pub(super) fn turn_end(one: &str, other: &str) -> usize {
    let common = common_end(one, other);
    let (before, end) = one
        .split_at_checked(one.len() - common)
        .unwrap_or((one, ""));
    if !end.trim().is_empty() {
        return common;
    }
    let start = before.len() - same_end(before.trim_end(), other.trim_end());
    one.len() - open_tag(one, start).unwrap_or(before.len())
}

/// Length of the longest common end of two texts.
fn same_end(one: &str, other: &str) -> usize {
    let pairs = one.chars().rev().zip(other.chars().rev());
    let same = pairs.take_while(|(a, b)| a == b);
    same.map(|(c, _)| c.len_utf8()).sum()
}

/// Where the tag begins that this position of a text is in.
fn open_tag(text: &str, at: usize) -> Option<usize> {
    let (before, behind) = text.split_at_checked(at)?;
    let angle = before.rfind('<').filter(|at| {
        let tag = before.get(*at..).unwrap_or_default();
        !tag.contains('>') && !tag.contains(char::is_whitespace)
    });
    let square = before.rfind('[').filter(|at| {
        let tag = before.get(at + 1..).unwrap_or_default();
        let is_of_tag = |c: char| c.is_ascii_uppercase() || matches!(c, '/' | '_');
        let next = behind.chars().next();
        tag.chars().all(is_of_tag) && next.is_some_and(|c| is_of_tag(c) || c == ']')
    });
    angle.filter(|_| !behind.is_empty()).or(square)
}

/// The last tag of a text, and the white space behind it.
pub(super) fn last_tag(text: &str) -> Option<&str> {
    let trimmed = text.trim_end();
    let open = match trimmed.chars().last()? {
        '>' => '<',
        ']' => '[',
        _ => return None,
    };
    text.get(trimmed.rfind(open)?..)
}

/// The first tag of a text, with the white space around it.
pub(super) fn first_tag(text: &str) -> Option<&str> {
    let trimmed = text.trim_start();
    let close = match trimmed.chars().next()? {
        '<' => '>',
        '[' => ']',
        _ => return None,
    };
    let space = text.len() - trimmed.len();
    let end = space + trimmed.find(close)? + 1;
    let behind = text.get(end..)?;
    let behind = behind.len() - behind.trim_start().len();
    text.get(..end + behind)
}

/// What is around each of two equal things and around both of them, from what stands before them,
/// between them and after them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    pub(super) outer: [&'a str; 2],
    pub(super) inner: [&'a str; 2],
    pub(super) separator: &'a str,
}

impl<'a> Split<'a> {
    pub(super) fn of(before: &'a str, between: &'a str, after: &'a str) -> Option<Self> {
        let end = common_start(after, between);
        let (inner_end, outer_end) = after.split_at_checked(end)?;
        let rest = between.get(end..)?;
        let begin = common_end(before, rest);
        let (outer_begin, inner_begin) = before.split_at_checked(before.len() - begin)?;
        Some(Self {
            outer: [outer_begin, outer_end],
            inner: [inner_begin, inner_end],
            separator: rest.get(..rest.len() - begin)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_not_cut() {
        assert_eq!(common_start("a\n<think>\n", "a\n<tool_call>"), 2);
        assert_eq!(common_start("<a><b>", "<a><b>x"), 6);
        assert_eq!(common_start("x[INST]", "x[TOOL_CALLS]"), 1);
        assert_eq!(common_start("", "x"), 0);
        assert_eq!(common_end("<a>\n<b>\n", "</b>\n<b>\n"), "\n<b>\n".len());
        assert_eq!(common_end("[TOOL_CALLS][", ", "), 0);
        assert_eq!(turn_end("}<|eom_id|>", "x<|eot_id|>"), "<|eom_id|>".len());
        assert_eq!(turn_end("}</a><end>\n", "x</b><end>\n"), "<end>\n".len());
        assert_eq!(turn_end("}", "x"), 0);
    }

    #[test]
    fn what_is_around_each_and_around_all_is_told_apart() {
        let split = Split::of("<calls><call>", "</call>\n<call>", "</call></calls>");
        let expected = Split {
            outer: ["<calls>", "</calls>"],
            inner: ["<call>", "</call>"],
            separator: "\n",
        };
        assert_eq!(split, Some(expected));
        let list = Split::of("[TOOL_CALLS][", ", ", "]");
        let expected = Split {
            outer: ["[TOOL_CALLS][", "]"],
            inner: ["", ""],
            separator: ", ",
        };
        assert_eq!(list, Some(expected));
    }
}
