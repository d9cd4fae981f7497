//! Ends an answer at a stop string, wherever token boundaries fall.
//!
//! Text is held back while it may be the beginning of a stop string. Which stop string ends the
//! answer depends on the text alone, not on the pieces that it comes in: the one that is complete
//! first, and the longest of those that are complete at once.

/// Looks for stop strings in the text of one answer.
#[derive(Debug)]
pub(super) struct StopMatcher {
    stops: Vec<String>,
    // The end of the text so far that begins a stop string: shorter than the longest of them after
    // each `push`.
    held: String,
}

impl StopMatcher {
    /// None of `stops` may be empty.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Adds text, and moves the text that can't be part of a stop string any more to `out`. Returns
    /// whether there is a stop string. Then `out` has all text before it, and no more text may be
    /// added.
    pub(super) fn push(&mut self, text: &str, out: &mut String) -> bool {
        if self.stops.is_empty() {
            out.push_str(text);
            return false;
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop)?;
            Some((start + stop.len(), start))
        });
        let (kept, is_found) = match found.min() {
            Some((_, start)) => (start, true),
            None => (self.held.len() - self.begun(), false),
        };
        out.extend(self.held.drain(..kept));
        if is_found {
            self.held.clear();
        }
        is_found
    }

    /// Moves the rest to `out`, since no text follows.
    pub(super) fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }

    /// How many bytes at the end of the held text begin a stop string.
    fn begun(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or_default();
        let first = self.held.len().saturating_sub(longest.saturating_sub(1));
        self.held
            .char_indices()
            .map(|(index, _)| index)
            .filter(|&index| index >= first)
            .filter_map(|index| self.held.get(index..))
            .find(|end| self.stops.iter().any(|stop| stop.starts_with(end)))
            .map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(stops: &[&str]) -> StopMatcher {
        StopMatcher::new(stops.iter().map(|&stop| stop.to_owned()).collect())
    }

    /// The delivered text for each of these pieces, and whether a stop string was found.
    fn deliver(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut matcher = matcher(stops);
        let mut delivered = Vec::new();
        for piece in pieces {
            let mut out = String::new();
            let found = matcher.push(piece, &mut out);
            delivered.push(out);
            if found {
                return (delivered, true);
            }
        }
        let mut out = String::new();
        matcher.finish(&mut out);
        delivered.push(out);
        (delivered, false)
    }

    #[test]
    fn a_stop_string_is_found_across_pieces_and_not_delivered() {
        let (delivered, found) = deliver(&["User:"], &["Hi.\nUs", "er", ": more"]);
        assert!(found);
        assert_eq!(delivered, ["Hi.\n", "", ""]);
    }

    #[test]
    fn text_that_only_looked_like_one_is_delivered() {
        let (delivered, found) = deliver(&["User:"], &["a Us", "eful ", "Us"]);
        assert!(!found);
        assert_eq!(delivered, ["a ", "Useful ", "", "Us"]);
    }

    #[test]
    fn the_first_that_is_whole_ends_it_and_of_two_at_once_the_longest() {
        assert_eq!(deliver(&["bcd", "c"], &["abcd"]).0, ["ab"]);
        assert_eq!(deliver(&["c", "abc"], &["xabc"]).0, ["x"]);
    }

    #[test]
    fn a_stop_string_may_hold_any_character() {
        assert_eq!(deliver(&["\0é"], &["a\0", "éb"]).0, ["a", ""]);
    }

    /// The same, looked for in the whole text.
    fn plain(stops: &[String], text: &str) -> (String, bool) {
        let found = stops
            .iter()
            .filter_map(|stop| {
                text.find(stop.as_str())
                    .map(|start| (start + stop.len(), start))
            })
            .min();
        match found {
            Some((_, start)) => (text[..start].to_owned(), true),
            None => (text.to_owned(), false),
        }
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(
            stops in prop::collection::vec("[abé]{1,4}", 0..4),
            pieces in prop::collection::vec("[abcé]{0,4}", 0..12),
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (delivered, found) = deliver(&stops, &pieces);
            let owned: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
            prop_assert_eq!((delivered.concat(), found), plain(&owned, &pieces.concat()));
        }

        /// Text that cannot be part of a stop string is never held back.
        #[test]
        fn only_the_beginning_of_a_stop_string_is_held(
            stop in "[ab]{1,5}",
            pieces in prop::collection::vec("[abc]{0,4}", 0..12),
        ) {
            let mut matcher = matcher(&[&stop]);
            for piece in &pieces {
                if matcher.push(piece, &mut String::new()) {
                    break;
                }
                prop_assert!(stop.starts_with(&matcher.held) && matcher.held.len() < stop.len());
            }
        }
    }
}
