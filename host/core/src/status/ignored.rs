//! Keys in guests' settings that have no effect, with what to use instead.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Maximum number of recorded keys. Guests choose the keys that they send.
const MAX_KEYS: usize = 64;
/// Maximum number of recorded characters of a key.
const MAX_CHARACTERS: usize = 64;

/// A key in a guest's settings that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredKey {
    /// The key as it was written, up to 64 characters.
    pub key: String,
    /// What to use instead, or why it has no effect.
    pub hint: String,
    /// Number of reports: one for each graph whose guest sent it.
    pub reports: u64,
}

/// The keys of one model: the first 64 that were reported, with their number of reports.
#[derive(Debug, Default)]
pub(crate) struct IgnoredKeys(Mutex<Vec<IgnoredKey>>);

impl IgnoredKeys {
    /// Records a key. If there are already 64, others only go to the log.
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

    /// All keys, in the order of their first report.
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
