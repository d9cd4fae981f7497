//! Python's methods of texts, lists and dictionaries that the engine's own collection lacks or does
//! otherwise. All others are `minijinja_contrib`'s.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::arguments::{named, size, text, truth};
use super::values::{ensure, refused};
use super::{list, printf};

/// Calls a method of a value.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let Some(done) = list::call(state, value, method, arguments) {
        return done;
    }
    let own = match value.kind() {
        ValueKind::String => {
            let of = value.as_str().unwrap_or_default();
            if method == "format" {
                printf::check(state, of, '{', arguments)?;
            }
            of_text(state, of, method, arguments)?
        }
        ValueKind::Seq => of_list(value, method, arguments)?,
        ValueKind::Map if method == "copy" => Some(value.clone()),
        _ => None,
    };
    match own {
        Some(done) => Ok(done),
        None => unknown_method_callback(state, value, method, arguments),
    }
}

/// The result of a method of a text, or nothing if the method is another's.
fn of_text(
    state: &State,
    of: &str,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    let done = match method {
        "split" | "rsplit" => {
            let [separator, most] = named(arguments, ["sep", "maxsplit"])?;
            let separator = separator.filter(|separator| !separator.is_none());
            let separator = separator
                .as_ref()
                .map(|it| text(Some(it), ""))
                .transpose()?;
            let most = match most {
                Some(most) => usize::try_from(i64::try_from(most)?).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let pieces = match method {
                "split" => split(of, separator, most)?,
                _ => rsplit(of, separator, most)?,
            };
            Value::from_iter(pieces)
        }
        "replace" => {
            let [old, new, count] = named(arguments, ["old", "new", "count"])?;
            let (old, new) = (text(old.as_ref(), "")?, text(new.as_ref(), "")?);
            let count = count.map(i64::try_from).transpose()?;
            let count = count.and_then(|count| usize::try_from(count).ok());
            let found = of.matches(old).take(count.unwrap_or(usize::MAX)).count();
            ensure(
                state,
                of.len().saturating_add(found.saturating_mul(new.len())),
            )?;
            Value::from(of.replacen(old, new, found))
        }
        "partition" | "rpartition" => {
            let [separator] = named(arguments, ["sep"])?;
            let separator = text(separator.as_ref(), "")?;
            let (found, is_first) = match method {
                "partition" => (of.split_once(separator), true),
                _ => (of.rsplit_once(separator), false),
            };
            let parts = match (found, is_first) {
                (Some((before, after)), _) => [before, separator, after],
                (None, true) => [of, "", ""],
                (None, false) => ["", "", of],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = named(arguments, ["part"])?;
            let part = text(part.as_ref(), "")?;
            let rest = match method {
                "removeprefix" => of.strip_prefix(part),
                _ => of.strip_suffix(part),
            };
            Value::from(rest.unwrap_or(of))
        }
        "zfill" | "ljust" | "rjust" | "center" => padded(state, of, method, arguments)?,
        "casefold" => Value::from(of.to_lowercase().replace('\u{df}', "ss")),
        "swapcase" => {
            let swap = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().collect::<String>(),
                false => c.to_uppercase().collect::<String>(),
            };
            Value::from(of.chars().map(swap).collect::<String>())
        }
        "isdecimal" => Value::from(!of.is_empty() && of.chars().all(|c| c.is_ascii_digit())),
        "istitle" => Value::from(of.chars().any(char::is_alphabetic) && title(of) == of),
        "title" => Value::from(title(of)),
        "index" | "rindex" => {
            let [part] = named(arguments, ["sub"])?;
            let part = text(part.as_ref(), "")?;
            let at = match method {
                "index" => of.find(part),
                _ => of.rfind(part),
            };
            let at = at.ok_or_else(|| refused("substring not found"))?;
            Value::from(of.get(..at).map_or(0, |before| before.chars().count()))
        }
        "expandtabs" => {
            let [columns] = named(arguments, ["tabsize"])?;
            expanded(state, of, size(columns.as_ref(), 8)?)?
        }
        "splitlines" => {
            let [keeps] = named(arguments, ["keepends"])?;
            Value::from_iter(lines(of, truth(keeps.as_ref())))
        }
        _ => return Ok(None),
    };
    Ok(Some(done))
}

fn of_list(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "index" => {
            let [item] = named(arguments, ["value"])?;
            let at = value
                .try_iter()?
                .position(|one| Some(&one) == item.as_ref());
            let at = at.ok_or_else(|| refused("the value is not in the list"))?;
            Ok(Some(Value::from(at)))
        }
        "copy" => Ok(Some(value.clone())),
        _ => Ok(None),
    }
}

fn split<'a>(of: &'a str, by: Option<&str>, most: usize) -> Result<Vec<&'a str>, Error> {
    match by {
        Some("") => Err(refused("empty separator")),
        Some(by) => Ok(of.splitn(most.saturating_add(1), by).collect()),
        None => {
            let (mut pieces, mut rest) = (Vec::new(), of.trim_start());
            while !rest.is_empty() {
                let end = rest
                    .find(char::is_whitespace)
                    .filter(|_| pieces.len() < most);
                let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
                pieces.push(piece);
                rest = after.trim_start();
            }
            Ok(pieces)
        }
    }
}

fn rsplit<'a>(of: &'a str, by: Option<&str>, most: usize) -> Result<Vec<&'a str>, Error> {
    let mut pieces: Vec<&str> = match by {
        Some("") => return Err(refused("empty separator")),
        Some(by) => of.rsplitn(most.saturating_add(1), by).collect(),
        None => {
            let (mut pieces, mut rest) = (Vec::new(), of.trim_end());
            while !rest.is_empty() {
                let space = rest.char_indices().rev().find(|(_, c)| c.is_whitespace());
                let begin = space.filter(|_| pieces.len() < most);
                let begin = begin.map_or(0, |(at, c)| at + c.len_utf8());
                let (before, piece) = rest.split_at(begin);
                pieces.push(piece);
                rest = before.trim_end();
            }
            pieces
        }
    };
    pieces.reverse();
    Ok(pieces)
}

fn padded(state: &State, of: &str, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [width, fill] = named(arguments, ["width", "fillchar"])?;
    let width = size(width.as_ref(), 0)?;
    let fill = match method {
        "zfill" => "0",
        _ => text(fill.as_ref(), " ")?,
    };
    let missing = width.saturating_sub(of.chars().count());
    ensure(
        state,
        missing.saturating_mul(fill.len()).saturating_add(of.len()),
    )?;
    let (before, after) = match method {
        "ljust" => (0, missing),
        // Python puts the odd one before the text if the width is odd.
        "center" => {
            let before = missing / 2 + (missing & width & 1);
            (before, missing - before)
        }
        _ => (missing, 0),
    };
    let (sign, digits) = match (method, of.chars().next()) {
        ("zfill", Some('+' | '-')) => of.split_at(1),
        _ => ("", of),
    };
    let (before, after) = (fill.repeat(before), fill.repeat(after));
    Ok(Value::from([sign, &before, digits, &after].concat()))
}

fn expanded(state: &State, of: &str, columns: usize) -> Result<Value, Error> {
    let tabs = of.matches('\t').count();
    ensure(state, tabs.saturating_mul(columns).saturating_add(of.len()))?;
    let (mut written, mut column) = (String::new(), 0);
    for c in of.chars() {
        match c {
            '\t' if columns == 0 => {}
            '\t' => {
                let spaces = columns - column % columns;
                written.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            c => {
                written.push(c);
                column = if matches!(c, '\n' | '\r') {
                    0
                } else {
                    column + 1
                };
            }
        }
    }
    Ok(Value::from(written))
}

/// The lines of a text, with all line ends that Python knows.
pub(super) fn lines(of: &str, keeps_ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let (mut lines, mut rest) = (Vec::new(), of);
    while !rest.is_empty() {
        let Some((end, c)) = rest.char_indices().find(|(_, c)| is_end(*c)) else {
            lines.push(rest);
            break;
        };
        let is_pair = rest.get(end..).is_some_and(|rest| rest.starts_with("\r\n"));
        let next = end + if is_pair { 2 } else { c.len_utf8() };
        lines.push(
            rest.get(..if keeps_ends { next } else { end })
                .unwrap_or_default(),
        );
        rest = rest.get(next..).unwrap_or_default();
    }
    lines
}

/// Every word begins with a capital letter; whatever is no letter separates words.
fn title(of: &str) -> String {
    let mut is_within = false;
    let mut turned = String::with_capacity(of.len());
    for c in of.chars() {
        match is_within {
            true => turned.extend(c.to_lowercase()),
            false => turned.extend(c.to_uppercase()),
        }
        is_within = c.is_alphabetic();
    }
    turned
}
