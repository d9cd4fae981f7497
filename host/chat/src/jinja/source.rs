//! Checks a template's source before it is parsed, and removes the tag of Hugging Face that has no
//! effect here.

use std::borrow::Cow;

use minijinja::machinery::{Token, tokenize};

use super::syntax;

/// Maximum size of a template in bytes. Published ones have some thousand.
const MAX_BYTES: usize = 1 << 20;

/// Maximum number of words and operators within one pair of braces. The parser builds a tree as
/// deep as a chain of them is long.
const MAX_TOKENS_IN_TAG: usize = 1000;

/// Maximum number of `elif` tags in a template, because the parser nests each into the one before.
const MAX_ELIF: usize = 500;

/// The source, ready to be parsed.
///
/// # Errors
///
/// The limit that it exceeds.
pub(super) fn checked(source: &str) -> Result<Cow<'_, str>, String> {
    if source.len() > MAX_BYTES {
        let bytes = source.len();
        return Err(format!(
            "it has {bytes} bytes, {MAX_BYTES} at most are read"
        ));
    }
    let source = without_blocks(source);
    let (mut in_tag, mut elifs) = (0, 0);
    let mut starts = false;
    let syntax = syntax().map_err(|error| error.to_string())?;
    for token in tokenize(&source, false, syntax) {
        // The parser reports syntax errors.
        let Ok((token, span)) = token else { break };
        in_tag += 1;
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => in_tag = 0,
            Token::Ident("elif") if starts => elifs += 1,
            _ if in_tag > MAX_TOKENS_IN_TAG => {
                let line = span.start_line;
                return Err(format!(
                    "line {line} has an expression of more than {MAX_TOKENS_IN_TAG} words and signs"
                ));
            }
            _ => {}
        }
        starts = matches!(token, Token::BlockStart);
    }
    if elifs > MAX_ELIF {
        return Err(format!(
            "it has {elifs} `elif`, {MAX_ELIF} at most are read"
        ));
    }
    Ok(source)
}

/// The source with `{% generation %}` blocks, which mark training data, and `{% block %}` blocks,
/// which only another template could replace, turned into blocks that are always rendered.
fn without_blocks(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") && !source.contains("block") {
        return Cow::Borrowed(source);
    }
    let mut changed = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag, after)) = next_tag(rest) {
        let signs: &[char] = &['-', '+'];
        let words = tag.trim_start_matches(signs).trim_end_matches(signs).trim();
        let mut each = words.split_whitespace();
        let replaced = match (each.next(), each.next()) {
            (Some("generation"), None) => tag.replacen(words, "if true", 1),
            (Some("endgeneration"), None) => tag.replacen(words, "endif", 1),
            (Some("block"), Some(_)) => tag.replacen(words, "with", 1),
            (Some("endblock"), _) => tag.replacen(words, "endwith", 1),
            _ => tag.to_owned(),
        };
        changed.push_str(before);
        changed.push_str(&replaced);
        rest = after;
    }
    changed.push_str(rest);
    Cow::Owned(changed)
}

/// The text before the next `{% ... %}`, the inside of that tag, and the rest.
fn next_tag(source: &str) -> Option<(&str, &str, &str)> {
    let begin = source.find("{%")? + 2;
    let end = begin + source.get(begin..)?.find("%}")?;
    Some((
        source.get(..begin)?,
        source.get(begin..end)?,
        source.get(end..)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_blocks_become_blocks_that_are_always_there() {
        let source = "a{%- generation -%}b{% endgeneration%}c {{ 'generation' }} \
            {% if add_generation_prompt %}{%- block a -%}d{%endblock a%}{{ block }}";
        let expected = "a{%- if true -%}b{% endif%}c {{ 'generation' }} \
            {% if add_generation_prompt %}{%- with -%}d{%endwith%}{{ block }}";
        assert_eq!(checked(source).unwrap(), expected);
    }

    #[test]
    fn a_source_beyond_its_bounds_is_refused() {
        let told = |source: String| checked(&source).unwrap_err();
        assert!(told("x".repeat(MAX_BYTES + 1)).contains("bytes"));
        assert!(told(format!("{{{{ a{} }}}}", " ~ a".repeat(300_000 / 4))).contains("line 1"));
        assert!(told("{% if a %}".to_owned() + &"{% elif a %}".repeat(501)).contains("elif"));
        // Text may have any length, and there may be many tags.
        let fine = "some words ".repeat(5000) + &"{{ a ~ b }}".repeat(5000);
        assert!(checked(&fine).is_ok());
    }
}
