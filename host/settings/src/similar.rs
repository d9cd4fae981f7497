//! The name that was probably meant, for hints about unknown names.

/// The most similar known name, if at most a third of its letters differ. Case does not count, and
/// a name of more than 64 bytes is similar to none.
#[must_use]
pub fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // The time grows with the product of both lengths, and a guest chooses one of them.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_lowercase();
    known
        .iter()
        .map(|known| (strsim::osa_distance(&name, known), *known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slip_is_near_and_another_word_is_not() {
        let known = ["error", "info", "debug", "mynah::task"];
        assert_eq!(closest("infoo", &known), Some("info"));
        assert_eq!(closest("DEBGU", &known), Some("debug"));
        assert_eq!(closest("mynah::tsak", &known), Some("mynah::task"));
        assert_eq!(closest("potato", &known), None);
        assert_eq!(closest(&"x".repeat(65), &["x"]), None);
    }

    #[test]
    fn a_third_of_the_letters_may_differ_and_one_in_a_short_name() {
        let known = ["abcdefghi", "on"];
        assert_eq!(closest("abcdefxyz", &known), Some("abcdefghi"));
        assert_eq!(closest("abcdewxyz", &known), None);
        assert_eq!(
            (closest("om", &known), closest("xy", &known)),
            (Some("on"), None)
        );
        // Of equally close ones, the first by name.
        assert_eq!(closest("b", &["c", "a"]), Some("a"));
        // Names longer than any setting's are not compared.
        let long = "x".repeat(64);
        assert_eq!(closest(&long, &[&long]), Some(long.as_str()));
    }
}
