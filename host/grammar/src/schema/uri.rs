//! References of schemas to one another: URIs relative to a base, without fetching anything.

/// Resolves a reference against the URI of the schema that contains it (RFC 3986, section 5.2). The
/// fragment is not a part of either.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if scheme(reference).is_some() {
        return reference.to_owned();
    }
    let scheme_length = scheme(base).map_or(0, |scheme| scheme.len() + 1);
    let (scheme, rest) = base.split_at_checked(scheme_length).unwrap_or(("", base));
    if reference.starts_with("//") {
        return format!("{scheme}{reference}");
    }
    let authority_length = match rest.strip_prefix("//") {
        Some(after) => 2 + after.find('/').unwrap_or(after.len()),
        None => 0,
    };
    let (authority, path) = rest
        .split_at_checked(authority_length)
        .unwrap_or((rest, ""));
    let path = match reference.starts_with('/') {
        true => reference.to_owned(),
        false => {
            let folder = path.rfind('/').and_then(|end| path.get(..=end));
            let folder = folder.unwrap_or(if authority.is_empty() { "" } else { "/" });
            format!("{folder}{reference}")
        }
    };
    format!("{scheme}{authority}{}", without_dots(&path))
}

/// The scheme of an absolute URI.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let mut letters = scheme.bytes();
    let first = letters.next()?;
    let is_scheme = first.is_ascii_alphabetic()
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." if is_last => kept.push(""),
            "." => {}
            ".." => {
                if kept.len() > 1 {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(part),
        }
    }
    kept.join("/")
}

/// Decodes `%` escapes. Returns `None` if the result is not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_their_base() {
        for (base, reference, expected) in [
            ("http://a/b/c", "d", "http://a/b/d"),
            ("http://a/b/c", "/d", "http://a/d"),
            ("http://a/b/c/", "../d", "http://a/b/d"),
            ("http://a", "d", "http://a/d"),
            ("http://a/b", "http://c/d", "http://c/d"),
            ("http://a/b", "//c/d", "http://c/d"),
            ("http://a/b", "", "http://a/b"),
            ("http://a/b", "urn:x:y", "urn:x:y"),
            ("", "item.json", "item.json"),
            ("folder/root.json", "item.json", "folder/item.json"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{base} {reference}");
        }
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decode("a%25b%C3%A9").as_deref(), Some("a%bé"));
        assert_eq!(decode("%ff"), None);
        assert_eq!(decode("%2"), None);
    }
}
