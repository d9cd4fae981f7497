//! A model's tokenizer, with the limits that keep any text from ending or holding up the process.
//!
//! llama.cpp splits a text into words first, for most models with `std::regex`. That recurses for
//! each character of a word, and for two of its expressions the time grows with the square of a
//! stretch. No word is longer than the longest stretch of the text without white space, and the
//! longest stretch of white space after it. The stack that a text needs, and the time where it
//! matters, follow from the lengths of these stretches.

use std::sync::{Arc, OnceLock};

use bytesize::ByteSize;
use mynah_core::{Error, Result, TokenId};
use mynah_llama::LlamaModel;

use super::gguf::GgufHeader;
use crate::prepare::with_stack;

/// Stack in bytes for each character of a word. Measured: 326 at most, for any of llama.cpp's
/// expressions, and 422 without optimisation.
const STACK_PER_CHAR: usize = 512;

/// Memory of this stack that is used, in bytes.
const USED_PER_CHAR: u64 = 340;

/// The longest word in characters: it takes a stack of 1 GiB.
const LONGEST_WORD: usize = (1 << 30) / STACK_PER_CHAR;

/// Stack below this is used without looking whether the process has the memory, in bytes.
const NOTICEABLE: u64 = 16 << 20;

/// A prompt that has more than this many times the tokens of the context is refused without
/// counting them. Below, the error has their number.
const FAR_TOO_LONG: usize = 4;

/// A model's tokenizer.
#[derive(Debug)]
pub(super) struct Tokenizer {
    llama: Arc<LlamaModel>,
    /// The model's name, for errors.
    model: String,
    words: Words,
    keeps: Keeps,
    /// For each class of [`classes`], the most of its characters that one token has.
    longest: OnceLock<Option<[usize; CLASSES]>>,
}

/// Whether every printable ASCII character of a text is in one of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// Yes: there is a token for each byte.
    Bytes,
    /// Yes, if there is a token for each of these characters.
    Characters,
    /// No: text can be dropped, or a token may stand for any number of unknown characters.
    Nothing,
}

impl Keeps {
    fn of((kind, pre): (&str, &str)) -> Self {
        match (kind, pre) {
            // The check of the header requires the tokens.
            ("llama", _) => Self::Bytes,
            // If the merged text is no token, it is written in tokens for bytes, and a file need
            // not have them.
            ("gpt2", "gemma4" | "granite-embed-multi-311m" | "mmbert") => Self::Nothing,
            ("gpt2", "sarvam-moe" | "whitespace") => Self::Nothing,
            // If the merged text is no token, it is written in tokens for characters.
            ("gpt2", _) => Self::Characters,
            _ => Self::Nothing,
        }
    }
}

/// How llama.cpp splits a text into words.
#[derive(Debug, Clone, Copy)]
enum Words {
    /// At white space at least.
    AtSpaces,
    /// A word may span single spaces.
    Anywhere,
    /// At white space, and the time grows with the square of stretches of this kind.
    Quadratic(Stretch),
}

/// A kind of stretch for which the time grows with the square of its length.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    unit: &'static str,
    is_in: fn(char) -> bool,
    /// The sum of the squares of all stretches. Measured: two seconds.
    most: usize,
}

impl Words {
    /// The splitting of the pre-tokenizer with this name (`tokenizer.ggml.pre`).
    fn of(pre: &str) -> Self {
        match pre {
            // Letters with a single space between them are one word.
            "exaone-moe" => Self::Anywhere,
            // Looks ahead over all digits at each digit.
            "superbpe" => Self::Quadratic(Stretch {
                unit: "digits",
                is_in: |char| char.is_ascii_digit(),
                most: 30_000_000,
            }),
            // Looks ahead over all white space after each 512 characters of it.
            "jais-2" => Self::Quadratic(Stretch {
                unit: "white space characters",
                is_in: char::is_whitespace,
                most: 10_000_000_000,
            }),
            _ => Self::AtSpaces,
        }
    }
}

/// The kinds of characters that are counted for a lower bound of tokens: letters, digits, other.
const CLASSES: usize = 3;

/// The number of printable ASCII characters of each kind.
fn classes(text: &[u8]) -> [usize; CLASSES] {
    let mut counts = [0; CLASSES];
    let [letters, digits, others] = &mut counts;
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => *letters += 1,
            b'0'..=b'9' => *digits += 1,
            b'!'..=b'~' => *others += 1,
            _ => {}
        }
    }
    counts
}

impl Tokenizer {
    pub(super) fn new(llama: &Arc<LlamaModel>, header: &GgufHeader, model: &str) -> Self {
        let kind = header.tokenizer().unwrap_or_default();
        let pre = header.pre_tokenizer().unwrap_or_default();
        Self {
            llama: Arc::clone(llama),
            model: model.to_owned(),
            words: Words::of(pre),
            keeps: Keeps::of((kind, pre)),
            longest: OnceLock::new(),
        }
    }

    /// The tokens of a text. `Vocabulary::tokenize` describes the flags. May only be called on a
    /// preparing thread. `has_memory` checks that the process may take this much.
    ///
    /// # Errors
    ///
    /// [`Error::LongStretch`], the errors of `has_memory`, and [`Error::Thread`] if there is no
    /// thread with enough stack.
    pub(super) fn tokenize(
        &self,
        text: &str,
        add_special: bool,
        parse_special: bool,
        has_memory: impl Fn(ByteSize) -> Result<()>,
    ) -> Result<Vec<TokenId>> {
        let longest = self.check(text)?;
        let used = longest as u64 * USED_PER_CHAR;
        if used > NOTICEABLE {
            has_memory(ByteSize(used))?;
        }
        with_stack(longest * STACK_PER_CHAR, || {
            let vocabulary = self.llama.vocab();
            vocabulary.tokenize(text.as_bytes(), add_special, parse_special)
        })
    }

    /// Checks the stretches of a text. Returns an upper bound of the longest word in characters.
    fn check(&self, text: &str) -> Result<usize> {
        let refused = |length, unit, limit| Error::LongStretch {
            model: self.model.clone(),
            length,
            unit,
            limit,
        };
        let longest = match self.words {
            Words::Anywhere => text.chars().count(),
            Words::AtSpaces | Words::Quadratic(_) => longest_word(text),
        };
        if longest > LONGEST_WORD {
            return Err(refused(
                longest,
                "characters without white space",
                LONGEST_WORD,
            ));
        }
        if let Words::Quadratic(stretch) = self.words {
            let lengths = stretches(text, stretch.is_in);
            let work: usize = lengths
                .clone()
                .map(|length| length.saturating_mul(length))
                .sum();
            if work > stretch.most {
                let all: usize = lengths.clone().sum();
                let longest = lengths.max().unwrap_or_default();
                return Err(refused(longest, stretch.unit, stretch.most / all.max(1)));
            }
        }
        Ok(longest)
    }

    /// Refuses texts that have far more tokens than the context, without tokenising them.
    ///
    /// # Errors
    ///
    /// [`Error::PromptTooLong`].
    pub(super) fn refuse_far_too_long<'a>(
        &self,
        texts: impl Iterator<Item = &'a str> + Clone,
        context: u32,
    ) -> Result<()> {
        let bytes: usize = texts.clone().map(str::len).sum();
        let limit = (context as usize).saturating_mul(FAR_TOO_LONG);
        if bytes <= limit {
            return Ok(());
        }
        let Some(longest) = self.longest.get_or_init(|| self.longest_tokens()) else {
            return Ok(());
        };
        let counts = texts.fold([0; CLASSES], |counts, text| {
            let more = classes(text.as_bytes());
            std::array::from_fn(|class| {
                let of = |all: &[usize; CLASSES]| all.get(class).copied().unwrap_or_default();
                of(&counts) + of(&more)
            })
        });
        let least = counts
            .iter()
            .zip(longest)
            .map(|(count, most)| count.div_ceil(*most));
        let least = least.max().unwrap_or_default();
        if least > limit {
            return Err(Error::PromptTooLong {
                prompt: least,
                at_least: true,
                context,
            });
        }
        Ok(())
    }

    /// For each class, the most of its characters that one token has. `None` if a text may have
    /// characters that are in none of its tokens.
    fn longest_tokens(&self) -> Option<[usize; CLASSES]> {
        if self.keeps == Keeps::Nothing {
            return None;
        }
        let vocabulary = self.llama.vocab();
        let mut longest = [1; CLASSES];
        let mut alone = [false; 256];
        for token in (0..self.llama.n_vocab()).map(TokenId) {
            let Some(text) = vocabulary.text(token) else {
                continue;
            };
            if let [byte] = text.to_bytes()
                && let Some(alone) = alone.get_mut(usize::from(*byte))
            {
                *alone = true;
            }
            for (longest, count) in longest.iter_mut().zip(classes(text.to_bytes())) {
                *longest = count.max(*longest);
            }
        }
        let printable = alone.get(usize::from(b'!')..=usize::from(b'~'))?;
        let is_whole = printable.iter().all(|alone| *alone);
        (is_whole || self.keeps == Keeps::Bytes).then_some(longest)
    }
}

/// An upper bound of the longest word of a text, in characters: the longest stretch without ASCII
/// white space, which llama.cpp's expressions never cross, and the longest stretch of white space,
/// which some of them add to a word.
fn longest_word(text: &str) -> usize {
    let word = stretches(text, |char| !char.is_ascii_whitespace() && char != '\u{b}');
    let space = stretches(text, char::is_whitespace);
    // A character before a word may belong to it.
    word.max().unwrap_or_default() + space.max().unwrap_or_default() + 1
}

/// The lengths in characters of the stretches of one kind.
fn stretches(
    text: &str,
    is_in: impl Fn(char) -> bool + Clone,
) -> impl Iterator<Item = usize> + Clone {
    let is_out = move |char: char| !is_in(char);
    text.split(is_out)
        .map(|stretch| stretch.chars().count())
        .filter(|length| *length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_word_is_never_underestimated() {
        for (text, least) in [
            ("", 0),
            ("qqqq", 4),
            ("a  bb", 2),
            ("a\u{a0}\u{a0}b c", 4),
            // Alternating kinds of white space are one stretch.
            (" \u{a0} \u{a0} \u{a0}", 6),
            ("!!!\n\n\n\n", 7),
        ] {
            assert!(longest_word(text) >= least, "{text:?}");
        }
        assert!(longest_word(&"plum ".repeat(1000)) < 10);
    }

    #[test]
    fn characters_are_counted_by_kind() {
        assert_eq!(classes("Ab 12 ä!\n?".as_bytes()), [2, 2, 2]);
    }
}
