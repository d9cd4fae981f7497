//! Checks the vocabulary of a file while it is read, because llama.cpp aborts the process over some
//! vocabularies.

use std::collections::HashSet;

use super::charsmap;
use super::error::GgufProblem;
use super::{GgufHeader, Value};

/// What the checks need to know about the tokens so far.
#[derive(Debug)]
pub(super) struct Vocabulary {
    seen: HashSet<Vec<u8>>,
    bytes: [bool; 256],
    rwkv: RwkvBytes,
    /// `tokenizer.ggml.precompiled_charsmap`.
    pub(super) charsmap: Vec<u8>,
    /// Whether a token has the type of byte tokens.
    pub(super) has_byte_type: bool,
}

/// The bytes with which tokens of a vocabulary begin, and those that are tokens.
#[derive(Debug)]
struct RwkvBytes {
    begin: [bool; 256],
    whole: [bool; 256],
}

/// The control tokens that a tokenizer has if the file does not say: begin, end and separator.
/// Source: `llama_vocab::impl::load`.
struct Defaults {
    begin: Option<u64>,
    end: Option<u64>,
    separator: Option<u64>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self {
            seen: HashSet::new(),
            bytes: [false; 256],
            rwkv: RwkvBytes {
                begin: [false; 256],
                whole: [false; 256],
            },
            charsmap: Vec::new(),
            has_byte_type: false,
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
        self.rwkv.add(&token);
        if self.seen.contains(&token) {
            let token = String::from_utf8_lossy(&token).into_owned();
            let what = format!("the token {token:?} is there twice in its vocabulary");
            return Err(GgufProblem::Unusable(what));
        }
        self.seen.insert(token);
        Ok(())
    }

    /// Checks the complete vocabulary, with what the header says about its tokenizer.
    pub(super) fn check(&self, header: &GgufHeader) -> Result<(), GgufProblem> {
        let Some(tokenizer) = header.tokenizer() else {
            // llama.cpp refuses a file without one.
            return Ok(());
        };
        match tokenizer {
            "none" | "no_vocab" => {
                return Err(GgufProblem::Unusable(format!(
                    "it has no tokenizer (`tokenizer.ggml.model` is `{tokenizer}`), so it can't \
                     read text"
                )));
            }
            "llama" => self.has_bytes()?,
            "rwkv" => self.rwkv()?,
            // `llama_vocab::impl::token_to_byte` aborts.
            "bert" if self.has_byte_type => {
                return Err(GgufProblem::Unusable(
                    "its `bert` tokenizer has byte tokens, which only other kinds have".to_owned(),
                ));
            }
            "t5" if !self.charsmap.is_empty() => charsmap::check(&self.charsmap)?,
            _ => {}
        }
        self.control_tokens(header, tokenizer)
    }

    /// A SentencePiece tokenizer falls back to byte tokens for text that has no other token. A byte
    /// without a token throws a C++ exception through the caller (`llama_vocab::byte_to_token`),
    /// which aborts the process at some prompt.
    fn has_bytes(&self) -> Result<(), GgufProblem> {
        let missing = self.bytes.iter().filter(|&&seen| !seen).count();
        if !self.seen.is_empty() && missing > 0 {
            return Err(GgufProblem::Unusable(format!(
                "its tokenizer has no token for {missing} of the 256 bytes"
            )));
        }
        Ok(())
    }

    /// An RWKV tokenizer takes the longest token. If a text begins as a token and is none,
    /// llama.cpp starts again at the text's beginning, without an end
    /// (`llm_tokenizer_rwkv_session`).
    fn rwkv(&self) -> Result<(), GgufProblem> {
        let RwkvBytes { begin, whole } = &self.rwkv;
        let stuck = begin
            .iter()
            .zip(whole)
            .filter(|(begin, whole)| **begin && !**whole);
        match stuck.count() {
            0 => Ok(()),
            count => Err(GgufProblem::Unusable(format!(
                "its tokenizer has tokens that begin with {count} bytes for which it has no token"
            ))),
        }
    }

    /// The tokens that a tokenizer adds to a text must exist: llama.cpp asserts it for each prompt.
    fn control_tokens(&self, header: &GgufHeader, tokenizer: &str) -> Result<(), GgufProblem> {
        let defaults = match tokenizer {
            "llama" | "plamo2" => Defaults::new(Some(1), Some(2), None),
            "bert" => Defaults::new(Some(101), None, Some(102)),
            "t5" => Defaults::new(None, Some(1), None),
            "gemma4" => Defaults::new(None, None, None),
            "gpt2" | "hybriddna" | "whitespace" => Defaults::new(Some(11), Some(11), None),
            // These add no tokens, or are refused by llama.cpp.
            _ => return Ok(()),
        };
        let flag = |key: &str| match header.metadata.get(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        };
        let is_wordpiece = tokenizer == "bert";
        let is_gemma4 = tokenizer == "gemma4" || header.pre_tokenizer() == Some("gemma4");
        // By default, some pre-tokenizers of `gpt2` add them.
        let by_default = tokenizer != "t5";
        let begins =
            is_wordpiece || is_gemma4 || flag("tokenizer.ggml.add_bos_token").unwrap_or(by_default);
        let ends =
            !is_wordpiece && flag("tokenizer.ggml.add_eos_token").unwrap_or(tokenizer == "t5");
        for (needed, key, default) in [
            (begins, "bos", defaults.begin),
            (ends, "eos", defaults.end),
            // Spelt so in the format.
            (is_wordpiece, "seperator", defaults.separator),
        ] {
            let key = format!("tokenizer.ggml.{key}_token_id");
            let exists = |id: &u64| usize::try_from(*id).is_ok_and(|id| id < self.seen.len());
            let named = match header.metadata.get(&key) {
                Some(Value::Unsigned(id)) => Some(*id),
                _ => None,
            };
            if needed && named.filter(exists).or(default.filter(exists)).is_none() {
                return Err(GgufProblem::Unusable(format!(
                    "its tokenizer adds a token to each text that it does not have (`{key}` of {} \
                     tokens)",
                    self.seen.len()
                )));
            }
        }
        Ok(())
    }
}

impl Defaults {
    fn new(begin: Option<u64>, end: Option<u64>, separator: Option<u64>) -> Self {
        Self {
            begin,
            end,
            separator,
        }
    }
}

impl RwkvBytes {
    fn add(&mut self, token: &[u8]) {
        let text = unescaped(token);
        let Some(&first) = text.first() else {
            return;
        };
        let set = |list: &mut [bool; 256]| {
            if let Some(seen) = list.get_mut(usize::from(first)) {
                *seen = true;
            }
        };
        set(&mut self.begin);
        if text.len() == 1 {
            set(&mut self.whole);
        }
    }
}

/// The begin of an RWKV token's bytes, as many as [`RwkvBytes`] needs: `\t`, `\n`, `\r`,
/// `\x` with two hexadecimal digits, or a character after a backslash
/// (`llama_unescape_rwkv_token`).
fn unescaped(token: &[u8]) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
    let mut bytes = Vec::new();
    let mut rest = token;
    while bytes.len() < 2 {
        let (byte, after) = match *rest {
            [] => break,
            [b'\\', b'x', high, low, ref after @ ..] => {
                let byte = digit(high) * 16 + digit(low);
                (u8::try_from(byte).unwrap_or(0), after)
            }
            [b'\\', b't', ref after @ ..] => (b'\t', after),
            [b'\\', b'n', ref after @ ..] => (b'\n', after),
            [b'\\', b'r', ref after @ ..] => (b'\r', after),
            [b'\\', b'x'] | [b'\\', b'x', _] | [b'\\'] => break,
            [b'\\', byte, ref after @ ..] | [byte, ref after @ ..] => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// The byte of a byte token: `<0x0A>`, or the byte itself.
fn byte_of(token: &[u8]) -> Option<u8> {
    match token {
        [byte] => Some(*byte),
        [b'<', b'0', b'x', high, low, b'>'] => Some(hex(*high)? * 16 + hex(*low)?),
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
    use std::slice::from_ref;

    use super::*;
    use crate::testing;

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
        let all_of_them = vocabulary(all.clone()).unwrap();
        all_of_them.check(&header("llama", &[])).unwrap();
        let some = vocabulary(all.skip(2)).unwrap();
        let problem = some.check(&header("llama", &[])).unwrap_err().to_string();
        assert!(problem.contains("2 of the 256"), "{problem}");
        some.check(&header("gpt2", &[])).unwrap();
    }

    /// A header with this tokenizer.
    fn header(tokenizer: &str, keys: &[(&str, Value)]) -> GgufHeader {
        let model = ("model", Value::String(tokenizer.to_owned()));
        let keys = keys.iter().cloned().chain([model]);
        let keys = keys.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
        testing::header(keys, Vec::new())
    }

    #[test]
    fn the_tokens_that_a_tokenizer_adds_must_exist() {
        let many = vocabulary((0..103).map(|id| format!("t{id}"))).unwrap();
        let few = vocabulary((0..12).map(|id| format!("t{id}"))).unwrap();
        let check = |vocabulary: &Vocabulary, tokenizer: &str, keys: &[(&str, Value)]| {
            vocabulary.check(&header(tokenizer, keys)).is_ok()
        };
        let id = |id| Value::Unsigned(id);
        let yes = || Value::Bool(true);
        let no = || Value::Bool(false);
        assert!(check(&many, "bert", &[]));
        assert!(!check(&few, "bert", &[]));
        assert!(!check(&few, "bert", &[("bos_token_id", id(11))]));
        let both = [("bos_token_id", id(11)), ("seperator_token_id", id(0))];
        assert!(check(&few, "bert", &both));
        let beyond = [("bos_token_id", id(12)), ("seperator_token_id", id(0))];
        assert!(!check(&few, "bert", &beyond));
        // T5 has no begin token of its own.
        assert!(check(&few, "t5", &[]));
        assert!(!check(&few, "t5", &[("add_bos_token", yes())]));
        let begins = [("add_bos_token", yes()), ("bos_token_id", id(0))];
        assert!(check(&few, "t5", &begins));
        assert!(check(&few, "gpt2", &[]));
        let tiny = vocabulary((0..11).map(|id| format!("t{id}"))).unwrap();
        assert!(!check(&tiny, "gpt2", &[]));
        assert!(check(&tiny, "gpt2", &[("add_bos_token", no())]));
        assert!(!check(&few, "gemma4", &[("add_bos_token", no())]));
        let one = vocabulary(["a"]).unwrap();
        assert!(!check(&one, "t5", &[]));
        assert!(check(&one, "t5", &[("add_eos_token", no())]));
    }

    /// Case H2.
    #[test]
    fn a_model_without_a_tokenizer_is_refused() {
        for name in ["none", "no_vocab"] {
            let problem = Vocabulary::default().check(&header(name, &[]));
            let problem = problem.unwrap_err().to_string();
            assert!(problem.contains("no tokenizer"), "{problem}");
        }
    }

    #[test]
    fn a_wordpiece_tokenizer_has_no_byte_tokens() {
        let mut many = vocabulary((0..103).map(|id| format!("t{id}"))).unwrap();
        many.check(&header("bert", &[])).unwrap();
        many.has_byte_type = true;
        many.check(&header("gpt2", &[])).unwrap();
        many.check(&header("bert", &[])).unwrap_err();
    }

    #[test]
    fn an_rwkv_tokenizer_gets_on_from_every_byte() {
        let check = |tokens: &[&str]| {
            let vocabulary = vocabulary(tokens).unwrap();
            vocabulary.check(&header("rwkv", &[])).is_ok()
        };
        assert!(check(&["a", "ab", "\\x0a", "\\nb"]));
        assert!(!check(&["ab"]));
        assert!(!check(&["a", "\\x0ab"]));
        assert!(check(&["\\\\", "\\\\a"]));
    }

    #[test]
    fn a_byte_token_is_the_byte_or_its_two_upper_case_digits() {
        for (token, byte) in [
            ("a", Some(b'a')),
            ("<0x00>", Some(0)),
            ("<0x0A>", Some(0x0A)),
            ("<0x9F>", Some(0x9F)),
            ("<0xFA>", Some(0xFA)),
            ("<0x0a>", None),
            ("<0xa0>", None),
            ("<0x0G>", None),
            ("<0x:0>", None),
            ("<0x0>", None),
            ("ab", None),
            ("", None),
        ] {
            assert_eq!(byte_of(token.as_bytes()), byte, "{token}");
        }
    }

    #[test]
    fn the_begin_of_an_rwkv_token_is_read_without_its_escapes() {
        for (token, begin) in [
            ("", &b""[..]),
            ("abc", b"ab"),
            ("\\t\\n", b"\t\n"),
            ("\\ra", b"\ra"),
            ("\\x4fB", b"\x4fB"),
            ("\\xF0", b"\xf0"),
            ("\\\\\\'", b"\\'"),
            // What is incomplete is no byte.
            ("a\\", b"a"),
            ("\\x", b""),
            ("\\x4", b""),
        ] {
            assert_eq!(unescaped(token.as_bytes()), begin, "{token:?}");
        }
    }

    #[test]
    fn a_file_may_lack_a_vocabulary_or_a_tokenizer() {
        let none = Vocabulary::default();
        none.has_bytes().unwrap();
        none.check(&testing::header::<&str>([], Vec::new()))
            .unwrap();
        none.check(&header("unknown", &[])).unwrap();
    }

    #[test]
    fn only_a_t5_tokenizer_uses_its_table() {
        let mut few = vocabulary((0..12).map(|id| format!("t{id}"))).unwrap();
        few.check(&header("t5", &[])).unwrap();
        few.charsmap = vec![1];
        few.check(&header("gpt2", &[])).unwrap();
        let problem = few.check(&header("t5", &[])).unwrap_err().to_string();
        assert!(problem.contains("precompiled_charsmap"), "{problem}");
    }

    #[test]
    fn each_kind_of_tokenizer_has_its_own_defaults_and_what_it_adds() {
        let id = Value::Unsigned;
        let flag = Value::Bool;
        let check = |count: usize, tokenizer: &str, keys: &[(&str, Value)]| {
            let bytes = (0..=255u8).map(|byte| format!("<0x{byte:02X}>"));
            let bytes = bytes.filter(|_| tokenizer == "llama");
            let few = (0..count).map(|id| format!("t{id}"));
            vocabulary(bytes.chain(few))
                .unwrap()
                .check(&header(tokenizer, keys))
                .is_ok()
        };
        let no_begin = ("add_bos_token", flag(false));
        let ends = ("add_eos_token", flag(true));
        // The default of these is token 1 for the begin, and 2 for the end.
        assert!(check(2, "plamo2", &[]) && !check(1, "plamo2", &[]));
        assert!(check(3, "plamo2", from_ref(&ends)) && !check(2, "plamo2", from_ref(&ends)));
        assert!(check(0, "llama", from_ref(&ends)));
        for tokenizer in ["gpt2", "hybriddna", "whitespace"] {
            assert!(check(12, tokenizer, from_ref(&ends)), "{tokenizer}");
            assert!(
                !check(11, tokenizer, &[no_begin.clone(), ends.clone()]),
                "{tokenizer}"
            );
            assert!(check(11, tokenizer, from_ref(&no_begin)), "{tokenizer}");
        }
        // The end of `t5` is token 1 unless it adds none.
        assert!(check(2, "t5", &[]) && !check(1, "t5", &[]));
        // The begin of gemma4 is added whatever the file says, and has no default.
        assert!(!check(99, "gemma4", &[]) && !check(99, "gemma4", from_ref(&no_begin)));
        assert!(check(99, "gemma4", &[("bos_token_id", id(98))]));
        assert!(!check(99, "gemma4", &[("bos_token_id", id(99))]));
        let pre = ("pre", Value::String("gemma4".to_owned()));
        assert!(!check(11, "gpt2", &[no_begin, pre]));
        // A WordPiece tokenizer has a separator, and no end.
        assert!(check(103, "bert", &[ends]) && !check(102, "bert", &[]));
    }
}
