//! The prefix cache: sequences that have ended, for new prompts with the same beginning.

use std::sync::Arc;
use std::time::Instant;

use mynah_core::{Owner, OwnerRef};

use super::common;

/// Where the keys and values of an entry are stored.
#[derive(Debug)]
pub enum Location<S> {
    /// In the KV cells of this sequence.
    Resident(u32),
    /// In host memory.
    Saved(S),
}

/// A sequence in the prefix cache.
#[derive(Debug)]
pub struct CacheEntry<T, S> {
    /// The owner of the session that computed it.
    pub owner: OwnerRef,
    /// The session that continues it, which may be closed. `None` if the session now continues
    /// another entry.
    pub session: Option<u64>,
    /// Its tokens, from the beginning.
    pub tokens: Vec<T>,
    /// Number of tokens at the beginning that were computed in the steps of a deterministic
    /// request.
    pub exact: u32,
    /// Where its keys and values are stored.
    pub location: Location<S>,
    /// Whether it is on disk, or need not be written there.
    pub is_stored: bool,
    /// When a prompt last used it.
    pub used_at: Instant,
}

impl<T, S> CacheEntry<T, S> {
    /// The same sequence at another location, without a session: on disk, or read back from disk.
    pub fn stored_at<P>(&self, location: Location<P>, used_at: Instant) -> CacheEntry<T, P>
    where
        T: Clone,
    {
        CacheEntry {
            owner: self.owner.clone(),
            session: None,
            tokens: self.tokens.clone(),
            exact: self.exact,
            location,
            is_stored: true,
            used_at,
        }
    }

    /// Number of its tokens.
    #[must_use]
    pub fn len(&self) -> u32 {
        // Fits: bounded by the context.
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    /// Whether it has no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The sequence of the context whose KV cells it has.
    #[must_use]
    pub fn resident(&self) -> Option<u32> {
        match self.location {
            Location::Resident(id) => Some(id),
            Location::Saved(_) => None,
        }
    }

    /// The entry's state in host memory.
    #[must_use]
    pub fn saved(&self) -> Option<&S> {
        match &self.location {
            Location::Resident(_) => None,
            Location::Saved(state) => Some(state),
        }
    }
}

/// Sequences that have ended, by owner.
///
/// A lookup compares the prompt with every entry of its owner, up to the first difference.
/// `max_cache_tokens` limits the number of entries.
#[derive(Debug)]
pub struct PrefixCache<T, S> {
    entries: Vec<CacheEntry<T, S>>,
    /// Whether owners may use the entries of others.
    is_shared: bool,
}

impl<T: PartialEq, S> PrefixCache<T, S> {
    /// An empty cache. With `is_shared`, owners may use the entries of others.
    #[must_use]
    pub fn new(is_shared: bool) -> Self {
        Self {
            entries: Vec::new(),
            is_shared,
        }
    }

    /// All entries, in no particular order.
    #[must_use]
    pub fn entries(&self) -> &[CacheEntry<T, S>] {
        &self.entries
    }

    /// The entry at this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&CacheEntry<T, S>> {
        self.entries.get(index)
    }

    /// Adds an entry.
    pub fn put(&mut self, entry: CacheEntry<T, S>) {
        self.entries.push(entry);
    }

    /// Removes the entry at this index. The last entry takes its index.
    pub fn take(&mut self, index: usize) -> Option<CacheEntry<T, S>> {
        (index < self.entries.len()).then(|| self.entries.swap_remove(index))
    }

    /// The index of the entry that this session continues.
    #[must_use]
    pub fn of_session(&self, session: u64) -> Option<usize> {
        let mut entries = self.entries.iter();
        entries.position(|entry| entry.session == Some(session))
    }

    /// Records that the session no longer continues its entry, which stays for other prompts.
    pub fn disown(&mut self, session: u64) {
        for entry in &mut self.entries {
            if entry.session == Some(session) {
                entry.session = None;
            }
        }
    }

    /// Records that the entry is on disk, or need not be written there.
    pub fn note_stored(&mut self, index: usize) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.is_stored = true;
        }
    }

    /// Records that a prompt used the entry.
    pub fn touch(&mut self, index: usize, now: Instant) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.used_at = now;
        }
    }

    /// Whether `owner` may use the entries of the owner named `other`.
    #[must_use]
    pub fn may_use(&self, owner: &Owner, other: &str) -> bool {
        self.is_shared || owner.name() == other
    }

    /// The entry with the longest usable prefix of `wanted`, and the length of that prefix.
    /// `usable` returns how many tokens of the common prefix of an entry can be used.
    pub fn best(
        &self,
        owner: &Owner,
        wanted: &[T],
        usable: impl Fn(&CacheEntry<T, S>, u32) -> u32,
    ) -> Option<(usize, u32)> {
        let entries = self.entries.iter().enumerate();
        let served = entries
            .filter(|(_, entry)| self.may_use(owner, entry.owner.name()))
            .map(|(index, entry)| (index, usable(entry, common(&entry.tokens, wanted))));
        served
            .filter(|(_, tokens)| *tokens > 0)
            .max_by_key(|(index, tokens)| (*tokens, std::cmp::Reverse(*index)))
    }

    /// The entry to evict among those that `among` accepts: one whose owner is gone, or else the
    /// least recently used.
    pub fn least_valuable(&self, among: impl Fn(&CacheEntry<T, S>) -> bool) -> Option<usize> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| among(entry))
            .min_by_key(|(_, entry)| (!entry.owner.is_gone(), entry.used_at))
            .map(|(index, _)| index)
    }

    /// Removes all entries for which `goes` is true.
    pub fn take_all(&mut self, goes: impl Fn(&CacheEntry<T, S>) -> bool) -> Vec<CacheEntry<T, S>> {
        self.entries.extract_if(.., |entry| goes(entry)).collect()
    }

    /// Whether an entry of this owner begins with all of these tokens, the first `exact` of them
    /// computed deterministically.
    pub fn has(&self, owner: &str, tokens: &[T], exact: u32) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            entry.owner.name() == owner && entry.exact >= exact && entry.tokens.starts_with(tokens)
        })
    }

    /// Removes the entries of this owner that are a prefix of these tokens and have no more exact
    /// tokens.
    pub fn take_covered(&mut self, owner: &str, tokens: &[T], exact: u32) -> Vec<CacheEntry<T, S>> {
        self.take_all(|entry| {
            entry.owner.name() == owner && entry.exact <= exact && tokens.starts_with(&entry.tokens)
        })
    }

    /// Number of tokens in all entries of this owner.
    pub fn tokens_of(&self, owner: &Arc<str>) -> u64 {
        let entries = self.entries.iter();
        entries
            .filter(|entry| entry.owner.name() == &**owner)
            .map(|entry| u64::from(entry.len()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cache(is_shared: bool, entries: &[(&str, &[u8], u64)]) -> PrefixCache<u8, ()> {
        let begin = Instant::now();
        let mut cache = PrefixCache::new(is_shared);
        for (number, (owner, tokens, second)) in (0u64..).zip(entries) {
            cache.put(CacheEntry {
                owner: Owner::named(*owner).to_ref(),
                session: Some(number),
                tokens: tokens.to_vec(),
                exact: 0,
                location: Location::Resident(0),
                is_stored: false,
                used_at: begin + Duration::from_secs(*second),
            });
        }
        cache
    }

    #[test]
    fn the_longest_common_beginning_serves() {
        let cache = cache(
            false,
            &[
                ("a", &[1, 2], 0),
                ("a", &[1, 2, 3, 9], 1),
                ("b", &[1, 2, 3, 4], 2),
            ],
        );
        let all = |_: &CacheEntry<u8, ()>, tokens| tokens;
        let a = Owner::named("a");
        assert_eq!(cache.best(&a, &[1, 2, 3, 4], all), Some((1, 3)));
        assert_eq!(cache.best(&a, &[7], all), None);
        let none = |_: &CacheEntry<u8, ()>, _| 0;
        assert_eq!(cache.best(&a, &[1, 2, 3, 4], none), None);
    }

    #[test]
    fn of_equally_long_beginnings_the_first_serves() {
        let cache = cache(
            false,
            &[("a", &[9], 0), ("a", &[1, 2], 1), ("a", &[1, 3], 2)],
        );
        let all = |_: &CacheEntry<u8, ()>, tokens| tokens;
        assert_eq!(cache.best(&Owner::named("a"), &[1], all), Some((1, 1)));
    }

    #[test]
    fn each_session_has_its_entry_until_it_continues_another() {
        let mut cache = cache(false, &[("a", &[1], 0), ("a", &[2], 0), ("a", &[3], 0)]);
        assert_eq!(
            (0..4).map(|n| cache.of_session(n)).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(2), None]
        );
        cache.disown(1);
        assert_eq!(cache.of_session(1), None);
        // The entries of the others stay theirs, and this one stays for other prompts.
        assert_eq!(
            (cache.of_session(0), cache.of_session(2)),
            (Some(0), Some(2))
        );
        assert_eq!(cache.entries().len(), 3);
    }

    #[test]
    fn only_an_entry_that_is_there_can_be_taken_used_or_marked() {
        let mut cache = cache(false, &[("a", &[1], 0), ("a", &[2], 0), ("b", &[3, 4], 0)]);
        let later = Instant::now() + Duration::from_secs(9);
        cache.touch(3, later);
        cache.note_stored(3);
        assert!(cache.take(3).is_none());
        cache.touch(1, later);
        cache.note_stored(1);
        let marked = |one: &CacheEntry<u8, ()>| (one.used_at == later, one.is_stored);
        let entries = cache.entries().iter().map(marked);
        assert_eq!(
            entries.collect::<Vec<_>>(),
            [(false, false), (true, true), (false, false)]
        );
        assert_eq!(cache.take(0).unwrap().tokens, [1]);
        // The last one has its index now.
        assert_eq!(cache.get(0).unwrap().tokens, [3, 4]);
        assert!(cache.get(2).is_none());
    }

    #[test]
    fn the_tokens_of_an_owner_are_counted_without_those_of_others() {
        let cache = cache(
            false,
            &[("a", &[1, 2, 3], 0), ("b", &[4, 5], 0), ("a", &[], 0)],
        );
        let of = |name: &str| cache.tokens_of(&Arc::from(name));
        assert_eq!((of("a"), of("b"), of("c")), (3, 2, 0));
        let is_empty = cache.entries().iter().map(CacheEntry::is_empty);
        assert_eq!(is_empty.collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn an_entry_is_in_cells_or_in_memory_and_keeps_all_else_when_it_moves() {
        let mut cache = cache(false, &[("a", &[1, 2], 0)]);
        let mut entry = cache.take(0).unwrap();
        entry.location = Location::Resident(7);
        entry.exact = 1;
        assert_eq!((entry.resident(), entry.saved()), (Some(7), None));
        let at = entry.used_at + Duration::from_secs(1);
        let moved = entry.stored_at(Location::Saved("state"), at);
        assert_eq!((moved.resident(), moved.saved()), (None, Some(&"state")));
        assert_eq!((moved.owner.name(), &moved.tokens[..]), ("a", &[1, 2][..]));
        assert_eq!((moved.exact, moved.session), (1, None));
        assert!(moved.is_stored && moved.used_at == at);
    }

    #[test]
    fn what_others_left_serves_only_where_it_may() {
        let entries: &[(&str, &[u8], u64)] = &[("b", &[1, 2, 3, 4], 2)];
        let all = |_: &CacheEntry<u8, ()>, tokens| tokens;
        let a = Owner::named("a");
        assert_eq!(cache(false, entries).best(&a, &[1, 2], all), None);
        assert_eq!(cache(true, entries).best(&a, &[1, 2], all), Some((0, 2)));
    }

    /// A longer entry that was computed otherwise does not serve a deterministic request.
    #[test]
    fn an_exact_entry_is_covered_only_by_one_that_is_as_exact() {
        for (exact, covered) in [(2, 0), (3, 1), (4, 1)] {
            let mut cache = cache(false, &[("a", &[1, 2, 3], 0), ("b", &[1, 2, 3], 0)]);
            cache.entries[0].exact = 3;
            assert!(cache.has("a", &[1, 2], 3) && !cache.has("a", &[1, 2], 4));
            let taken = cache.take_covered("a", &[1, 2, 3, 4], exact);
            assert_eq!(taken.len(), covered, "{exact}");
            assert_eq!(cache.has("a", &[1, 2, 3], 3), covered == 0);
            assert!(cache.has("b", &[1, 2, 3], 0), "another owner's goes too");
        }
    }

    #[test]
    fn what_was_of_no_use_for_longest_goes_first() {
        let entries: &[(&str, &[u8], u64)] =
            &[("a", &[1, 2, 3], 2), ("a", &[5], 1), ("b", &[1], 3)];
        let cache = cache(false, entries);
        assert_eq!(cache.least_valuable(|_| true), Some(1));
        assert_eq!(
            cache.least_valuable(|entry| entry.session != Some(1)),
            Some(0)
        );
        assert_eq!(cache.least_valuable(|_| false), None);
    }

    #[test]
    fn what_another_begins_with_is_covered() {
        let entries: &[(&str, &[u8], u64)] =
            &[("a", &[1, 2], 1), ("a", &[1, 3], 1), ("b", &[1, 2], 1)];
        let mut cache = cache(false, entries);
        assert!(cache.has("a", &[1, 2], 0) && cache.has("a", &[1], 0));
        assert!(!cache.has("a", &[1, 2, 3], 0) && !cache.has("c", &[1], 0));
        // None of the tokens is exact.
        assert!(!cache.has("a", &[1], 1));
        let covered = cache.take_covered("a", &[1, 2, 3], 0);
        assert_eq!(covered.len(), 1);
        assert_eq!(cache.entries().len(), 2);
    }

    #[test]
    fn what_nobody_can_ask_for_goes_before_all() {
        let mut cache = cache(false, &[("a", &[1], 0), ("a", &[1, 2], 1)]);
        let gone = Owner::unique();
        cache.put(CacheEntry {
            owner: gone.to_ref(),
            session: Some(7),
            tokens: vec![1, 2, 3],
            exact: 0,
            location: Location::Saved(()),
            is_stored: false,
            used_at: Instant::now() + Duration::from_secs(60),
        });
        assert_eq!(cache.least_valuable(|_| true), Some(0));
        drop(gone);
        assert_eq!(cache.least_valuable(|_| true), Some(2));
    }
}
