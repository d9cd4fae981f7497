//! Keys of guests' settings that set nothing: what was sent, and what would have been right.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Keys that are kept at most; guests choose what they send.
const MAX_KEYS: usize = 64;
/// Characters of a key that are kept.
const MAX_CHARACTERS: usize = 64;

/// A key of a guest's settings that set nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredKey {
    /// The key as it was written; its first 64 characters.
    pub key: String,
    /// What would be right, or why it sets nothing.
    pub hint: String,
    /// How often it was reported: once for each graph whose guest sent it.
    pub reports: u64,
}

/// The keys of one model: the first 64 that were reported, with how often.
#[derive(Debug, Default)]
pub(crate) struct IgnoredKeys(Mutex<Vec<IgnoredKey>>);

impl IgnoredKeys {
    /// Notes a key that was sent. Beyond 64 different ones, others are left to the log.
    pub(crate) fn note(&self, key: &str, hint: &str) {
        let key: String = key.chars().take(MAX_CHARACTERS).collect();
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.iter_mut().find(|known| known.key == key) {
            known.reports += 1;
        } else if keys.len() < MAX_KEYS {
            keys.push(IgnoredKey {
                key,
                hint: hint.to_owned(),
                reports: 1,
            });
        }
    }

    /// All of them, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<IgnoredKey> {
        let keys = self.0.lock();
        keys.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_once_and_counted() {
        let keys = IgnoredKeys::default();
        keys.note("tempp", "did you mean `temp`?");
        keys.note("tempp", "did you mean `temp`?");
        let all = keys.all();
        assert_eq!((all.len(), all[0].reports), (1, 2));
        assert_eq!(all[0].hint, "did you mean `temp`?");
    }

    #[test]
    fn neither_their_number_nor_their_length_is_the_guests_to_choose() {
        let keys = IgnoredKeys::default();
        for number in 0..1000 {
            keys.note(&format!("{number}{}", "ä".repeat(1000)), "");
        }
        let all = keys.all();
        assert_eq!(all.len(), MAX_KEYS);
        assert!(
            all.iter()
                .all(|one| one.key.chars().count() == MAX_CHARACTERS)
        );
    }
}
