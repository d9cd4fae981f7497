//! Checks the vocabulary of a file while it is read, because llama.cpp aborts the process over some
//! vocabularies.

use std::collections::HashSet;

use super::error::GgufProblem;

/// What the checks need to know about the tokens so far.
#[derive(Debug)]
pub(super) struct Vocabulary {
    seen: HashSet<Vec<u8>>,
    bytes: [bool; 256],
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self {
            seen: HashSet::new(),
            bytes: [false; 256],
        }
    }
}

impl Vocabulary {
    /// Adds the next token as llama.cpp does: up to a zero byte, and with a generated name if it is
    /// empty.
    ///
    /// A duplicate token fails an assertion in `llama-vocab.cpp`.
    pub(super) fn add(&mut self, token: &[u8]) -> Result<(), GgufProblem> {
        let token = token.split(|&byte| byte == 0).next().unwrap_or_default();
        let token = if token.is_empty() {
            format!("[EMPTY_{}]", self.seen.len()).into_bytes()
        } else {
            token.to_vec()
        };
        if let Some(seen) = byte_of(&token).and_then(|byte| self.bytes.get_mut(usize::from(byte))) {
            *seen = true;
        }
        if self.seen.contains(&token) {
            let token = String::from_utf8_lossy(&token).into_owned();
            let what = format!("the token {token:?} is there twice in its vocabulary");
            return Err(GgufProblem::Unusable(what));
        }
        self.seen.insert(token);
        Ok(())
    }

    /// Checks the complete vocabulary for a tokenizer of this name.
    ///
    /// A SentencePiece tokenizer falls back to byte tokens for text that has no other token. A byte
    /// without a token throws a C++ exception through the caller (`llama_vocab::byte_to_token`),
    /// which aborts the process at some prompt.
    pub(super) fn check(&self, tokenizer: Option<&str>) -> Result<(), GgufProblem> {
        let missing = self.bytes.iter().filter(|&&seen| !seen).count();
        if tokenizer == Some("llama") && !self.seen.is_empty() && missing > 0 {
            return Err(GgufProblem::Unusable(format!(
                "its tokenizer has no token for {missing} of the 256 bytes"
            )));
        }
        Ok(())
    }
}

/// The byte of a byte token: `<0x0A>`, or the byte itself.
fn byte_of(token: &[u8]) -> Option<u8> {
    match token {
        [byte] => Some(*byte),
        [b'<', b'0', b'x', high, low, b'>'] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// llama.cpp expects upper-case digits.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary<T: AsRef<[u8]>>(
        tokens: impl IntoIterator<Item = T>,
    ) -> Result<Vocabulary, GgufProblem> {
        let mut vocabulary = Vocabulary::default();
        for token in tokens {
            vocabulary.add(token.as_ref())?;
        }
        Ok(vocabulary)
    }

    #[test]
    fn a_token_that_is_there_twice_is_refused() {
        vocabulary(["a", "b", "", ""]).unwrap();
        for twice in [["a", "b", "a"], ["a", "", "[EMPTY_1]"], ["a\0b", "b", "a"]] {
            let problem = vocabulary(twice).unwrap_err();
            assert!(
                problem.to_string().contains("twice"),
                "{twice:?}: {problem}"
            );
        }
    }

    #[test]
    fn a_sentencepiece_vocabulary_needs_every_byte() {
        let all = (0..=255u8).map(|byte| format!("<0x{byte:02X}>"));
        vocabulary(all.clone())
            .unwrap()
            .check(Some("llama"))
            .unwrap();
        let some = vocabulary(all.skip(2)).unwrap();
        let problem = some.check(Some("llama")).unwrap_err().to_string();
        assert!(problem.contains("2 of the 256"), "{problem}");
        some.check(Some("gpt2")).unwrap();
    }
}
