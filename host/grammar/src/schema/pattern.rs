//! Regular expressions of JSON Schema (ECMA-262) in the syntax of the crate `regex-syntax`.

/// What `\s` means in ECMA-262, for use within a class.
const SPACE: &str = "\\t-\\r \\u{a0}\\u{1680}\\u{2000}-\\u{200a}\\u{2028}\\u{2029}\\u{202f}\
                     \\u{205f}\\u{3000}\\u{feff}";
const WORD: &str = "0-9A-Za-z_";

/// Translates an expression.
///
/// # Errors
///
/// What of it isn't supported, and what to do instead.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translation = Translation {
        rest: pattern.chars().collect(),
        place: 0,
        out: String::with_capacity(pattern.len() * 2),
    };
    translation.run()?;
    let translated = translation.out;
    match regex_syntax::Parser::new().parse(&translated) {
        Ok(_) => Ok(translated),
        Err(error) => Err(format!("it isn't a regular expression: {}", reason(&error))),
    }
}

/// The reason of an error, in one line and without its excerpt of the expression.
fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it can't be read".to_owned(),
    }
}

struct Translation {
    rest: Vec<char>,
    place: usize,
    out: String,
}

impl Translation {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.place + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek(0);
        self.place += 1;
        next
    }

    /// Whether the next characters are these.
    fn at(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(ahead, char)| self.peek(ahead) == Some(char))
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(char) = self.next() {
            match char {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' if self.at("?") => self.group()?,
                '.' => self.out.push_str("[^\\n\\r\\u{2028}\\u{2029}]"),
                '{' if !self.is_repetition() => self.out.push_str("\\{"),
                '{' => self.repetition(),
                '}' => self.out.push_str("\\}"),
                ']' => self.out.push_str("\\]"),
                _ => self.out.push(char),
            }
        }
        Ok(())
    }

    /// Whether `{` begins a repetition, such as `{2}`, `{2,}` or `{2,5}`.
    fn is_repetition(&self) -> bool {
        let digits = |from: usize| {
            let all = self.rest.get(self.place + from..).unwrap_or_default();
            all.iter().take_while(|char| char.is_ascii_digit()).count()
        };
        let low = digits(0);
        if low == 0 {
            return false;
        }
        match self.peek(low) {
            Some('}') => true,
            Some(',') => self.peek(low + 1 + digits(low + 1)) == Some('}'),
            _ => false,
        }
    }

    fn repetition(&mut self) {
        self.out.push('{');
        while let Some(char) = self.next() {
            self.out.push(char);
            if char == '}' {
                return;
            }
        }
    }

    fn group(&mut self) -> Result<(), String> {
        if ["?=", "?!", "?<=", "?<!"].iter().any(|look| self.at(look)) {
            return Err(
                "look-around is not supported: leave it out, and check it in what reads the answer"
                    .to_owned(),
            );
        }
        let name = [("?<", 2), ("?P<", 3)]
            .into_iter()
            .find(|(begin, _)| self.at(begin));
        self.out.push('(');
        if let Some((_, length)) = name {
            self.place += length;
            while let Some(char) = self.next()
                && char != '>'
            {}
            // The names of groups have a meaning of their own in the engine.
            self.out.push_str("?:");
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let is_negated = self.at("^");
        if is_negated {
            self.next();
        }
        if self.at("]") {
            self.next();
            self.out
                .push_str(if is_negated { "[\\s\\S]" } else { "[^\\s\\S]" });
            return Ok(());
        }
        self.out.push_str(if is_negated { "[^" } else { "[" });
        let mut is_after_set = true;
        while let Some(char) = self.next() {
            match char {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => {
                    let is_set = self.peek(0).is_some_and(|char| "dDwWsSpP".contains(char));
                    self.escape(true)?;
                    is_after_set = is_set;
                    continue;
                }
                // Beside a set of characters, and at the ends, it is itself.
                '-' if is_after_set || self.at("]") || self.is_before_set() => {
                    self.out.push_str("\\-");
                    is_after_set = false;
                    continue;
                }
                '[' | '&' | '~' | '^' => self.out.push('\\'),
                _ => {}
            }
            self.out.push(char);
            is_after_set = false;
        }
        Err("a class of characters has no end: close it with `]`".to_owned())
    }

    fn is_before_set(&self) -> bool {
        self.at("\\") && self.peek(1).is_some_and(|char| "dDwWsSpP".contains(char))
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(char) = self.next() else {
            return Err("it ends with a backslash: write two of them for one".to_owned());
        };
        let set = |set: &str, is_negated: bool| match (in_class, is_negated) {
            (true, false) => set.to_owned(),
            (_, true) => format!("[^{set}]"),
            (false, false) => format!("[{set}]"),
        };
        let text = match char {
            'd' | 'D' => set("0-9", char == 'D'),
            'w' | 'W' => set(WORD, char == 'W'),
            's' | 'S' => set(SPACE, char == 'S'),
            'n' | 'r' | 't' | 'f' | 'v' => format!("\\{char}"),
            'b' if in_class => "\\x{8}".to_owned(),
            'b' | 'B' => {
                return Err(
                    "word boundaries are not supported: leave them out, or say which characters \
                     may stand there"
                        .to_owned(),
                );
            }
            'p' | 'P' => return self.property(char),
            '0' => "\\x{0}".to_owned(),
            '1'..='9' | 'k' => {
                return Err(
                    "back-references are not supported: repeat what they refer to".to_owned(),
                );
            }
            'c' => match self.next() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    format!("\\x{{{:x}}}", u32::from(letter) % 32)
                }
                _ => return Err("`\\c` needs a letter".to_owned()),
            },
            'x' => self.hex(2)?,
            'u' if self.at("{") => {
                self.out.push_str("\\u");
                self.next();
                self.repetition();
                return Ok(());
            }
            'u' => self.hex(4)?,
            _ if char.is_ascii_alphanumeric() => {
                return Err(format!("`\\{char}` is no escape of ECMA-262: change it"));
            }
            _ => regex_syntax::escape(&char.to_string()),
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn property(&mut self, char: char) -> Result<(), String> {
        if !self.at("{") {
            return Err(format!(
                "`\\{char}` needs a property in braces, such as `\\p{{L}}`"
            ));
        }
        self.next();
        self.out.push('\\');
        self.out.push(char);
        self.repetition();
        Ok(())
    }

    /// A character by its number. Two halves of a surrogate pair are one character.
    fn hex(&mut self, digits: usize) -> Result<String, String> {
        let number = |from: usize| {
            let digits = self
                .rest
                .get(self.place + from..self.place + from + digits)?;
            let text: String = digits.iter().collect();
            u32::from_str_radix(&text, 16).ok()
        };
        let Some(first) = number(0) else {
            return Err(format!(
                "`\\x` and `\\u` need {digits} hexadecimal digits here"
            ));
        };
        let second = self.peek(digits) == Some('\\') && self.peek(digits + 1) == Some('u');
        let second = second.then(|| number(digits + 2)).flatten();
        if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (first, second) {
            self.place += 2 * digits + 2;
            return Ok(format!(
                "\\x{{{:x}}}",
                0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)
            ));
        }
        self.place += digits;
        if char::from_u32(first).is_none() {
            return Err("half of a surrogate pair is no character: leave it out".to_owned());
        }
        Ok(format!("\\x{{{first:x}}}"))
    }
}

#[cfg(test)]
mod tests {
    use llguidance::derivre::RegexAst;

    use super::super::valid::compiled;
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let regex = RegexAst::SearchRegex(translate(pattern).unwrap());
        compiled(&regex).unwrap().is_match(text)
    }

    #[test]
    fn expressions_mean_what_they_mean_in_ecmascript() {
        for (pattern, good, bad) in [
            (r"^[\w.-]+$", "a-b.c_1", "a b"),
            (r"^[\w-.]+$", "a-b.c", "a b"),
            (r"^[a-c-]+$", "a-", "d"),
            (r"^[[\]&&~~]+$", "[]&~", "a"),
            (r"^\d+$", "12", "١"),
            (r"^\S+\s\S+$", "a\u{a0}b", "ab"),
            (r"^a.b$", "axb", "a\nb"),
            (r"^{\w+}$", "{ab}", "ab"),
            (r"^a{2,3}$", "aaa", "a"),
            (r"^(?<year>[0-9]{4})$", "2026", "26"),
            (r"^(?P<stop>[0-9])(x)$", "1x", "1"),
            (r"^\u00e9\x41$", "éA", "eA"),
            (r"^\uD83D\uDE00$", "😀", "x"),
            (r"^\u{1F600}$", "😀", "x"),
            (r"^\p{Lu}[^\p{L}]$", "A1", "aB"),
            (r"^https?:\/\/", "http://x", "ftp://x"),
            (r"^\cJ$", "\n", "J"),
            ("^[^]$", "\n", "ab"),
            ("b", "abc", "ac"),
            ("^a|c$", "xc", "b"),
        ] {
            assert!(matches(pattern, good), "{pattern} {good}");
            assert!(!matches(pattern, bad), "{pattern} {bad}");
        }
        assert!(!matches("[]", "a"));
    }

    #[test]
    fn what_is_not_supported_is_refused_in_one_line() {
        for (pattern, reason) in [
            ("^(?!_)a", "look-around"),
            ("(?<=a)b", "look-around"),
            (r"\bword\b", "word boundaries"),
            (r"(a)\1", "back-references"),
            (r"a\", "backslash"),
            (r"\Z", "ECMA-262"),
            (r"[a", "no end"),
            (r"(a", "unclosed group"),
            (r"\uD83D", "surrogate"),
            (r"\p{Banana}", "not found"),
            ("a**b)", "unopened group"),
        ] {
            let refused = translate(pattern).unwrap_err();
            assert!(refused.contains(reason), "{pattern}: {refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }
}
