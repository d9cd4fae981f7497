//! Joins the bytes of tokens to whole characters.
//!
//! A token may end in the middle of a character. Its bytes then wait for the next token. Invalid
//! bytes are replaced by U+FFFD, exactly as `String::from_utf8_lossy` would do for the whole text.

/// Puts characters together across tokens.
#[derive(Debug, Default)]
pub(super) struct Characters {
    // The beginning of one character: at most 3 bytes after each `push`.
    held: Vec<u8>,
}

impl Characters {
    /// Adds the bytes of a token, and moves all whole characters to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        self.held.extend_from_slice(bytes);
        let mut kept = 0;
        for chunk in self.held.utf8_chunks() {
            out.push_str(chunk.valid());
            kept += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if kept + invalid.len() == self.held.len() && may_continue(invalid) {
                break;
            }
            out.push(char::REPLACEMENT_CHARACTER);
            kept += invalid.len();
        }
        self.held.drain(..kept);
    }

    /// Whether no character has begun.
    pub(super) fn is_whole(&self) -> bool {
        self.held.is_empty()
    }

    /// Moves the rest to `out`, since no bytes follow.
    pub(super) fn finish(&mut self, out: &mut String) {
        out.push_str(&String::from_utf8_lossy(&self.held));
        self.held.clear();
    }
}

/// Whether these bytes are the beginning of a character, as opposed to bytes that no continuation
/// can save.
fn may_continue(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(bytes: &[u8], sizes: &[usize]) -> (String, Vec<String>) {
        let mut characters = Characters::default();
        let mut pieces = Vec::new();
        let mut rest = bytes;
        for &size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            let mut out = String::new();
            characters.push(piece, &mut out);
            pieces.push(out);
        }
        let mut out = String::new();
        characters.finish(&mut out);
        pieces.push(out);
        (pieces.concat(), pieces)
    }

    #[test]
    fn a_character_arrives_when_its_last_byte_does() {
        let (_, pieces) = in_pieces("a😀b".as_bytes(), &[1]);
        assert_eq!(pieces, ["a", "", "", "", "😀", "b", ""]);
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            sizes in prop::collection::vec(1usize..6, 1..8),
        ) {
            prop_assert_eq!(in_pieces(&bytes, &sizes).0, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn valid_text_is_never_replaced(
            text in any::<String>(),
            sizes in prop::collection::vec(1usize..6, 1..8),
        ) {
            prop_assert_eq!(in_pieces(text.as_bytes(), &sizes).0, text);
        }

        #[test]
        fn at_most_three_bytes_are_held(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut characters = Characters::default();
            for &byte in &bytes {
                characters.push(&[byte], &mut String::new());
                prop_assert!(characters.held.len() <= 3);
            }
        }
    }
}
