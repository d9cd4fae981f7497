//! What sessions left behind when they had nothing to do, to be found again by the prompts that
//! begin alike.

use std::sync::Arc;
use std::time::Instant;

use super::common;
use mynah_core::{Owner, OwnerRef};

/// Where the computation of an entry is.
#[derive(Debug)]
pub(crate) enum Place<S> {
    /// In the KV cells of this sequence of the context.
    Resident(u32),
    /// In host memory.
    Saved(S),
}

/// What one session left behind.
#[derive(Debug)]
pub(crate) struct Entry<T, S> {
    pub(crate) owner: OwnerRef,
    /// The session that goes on from it; it may be gone.
    pub(crate) session: Option<u64>,
    /// What was computed, from the beginning.
    pub(crate) tokens: Vec<T>,
    /// The first so many were computed in the steps of a deterministic request.
    pub(crate) exact: u32,
    pub(crate) place: Place<S>,
    /// It is on disk, or needn't be.
    pub(crate) is_stored: bool,
    /// When it was last of use.
    pub(crate) used_at: Instant,
}

impl<T, S> Entry<T, S> {
    /// The same computation at a place where it goes on nobody's session: on disk, or back from
    /// there.
    pub(crate) fn stored_at<P>(&self, place: Place<P>, used_at: Instant) -> Entry<T, P>
    where
        T: Clone,
    {
        Entry {
            owner: self.owner.clone(),
            session: None,
            tokens: self.tokens.clone(),
            exact: self.exact,
            place,
            is_stored: true,
            used_at,
        }
    }

    /// Its tokens.
    pub(crate) fn len(&self) -> u32 {
        // Fits: bounded by the context.
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    /// The sequence whose KV cells it has.
    pub(crate) fn resident(&self) -> Option<u32> {
        match self.place {
            Place::Resident(id) => Some(id),
            Place::Saved(_) => None,
        }
    }

    /// Its state in host memory.
    pub(crate) fn saved(&self) -> Option<&S> {
        match &self.place {
            Place::Resident(_) => None,
            Place::Saved(state) => Some(state),
        }
    }
}

/// All that sessions left behind.
///
/// Looking a prompt up compares it with every entry of its owner, which `max_cache_tokens` bounds,
/// up to the first token that differs.
#[derive(Debug)]
pub(crate) struct Shelf<T, S> {
    entries: Vec<Entry<T, S>>,
    /// Owners may use what others left.
    is_open: bool,
}

impl<T: PartialEq, S> Shelf<T, S> {
    /// An empty one; `is_open`: owners use what others left.
    pub(crate) fn new(is_open: bool) -> Self {
        Self {
            entries: Vec::new(),
            is_open,
        }
    }

    pub(crate) fn entries(&self) -> &[Entry<T, S>] {
        &self.entries
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Entry<T, S>> {
        self.entries.get(index)
    }

    /// Puts something there.
    pub(crate) fn put(&mut self, entry: Entry<T, S>) {
        self.entries.push(entry);
    }

    /// Takes something away.
    pub(crate) fn take(&mut self, index: usize) -> Option<Entry<T, S>> {
        (index < self.entries.len()).then(|| self.entries.swap_remove(index))
    }

    /// What this session left.
    pub(crate) fn of_session(&self, session: u64) -> Option<usize> {
        let mut entries = self.entries.iter();
        entries.position(|entry| entry.session == Some(session))
    }

    /// What this session left is no longer what it goes on from.
    pub(crate) fn disown(&mut self, session: u64) {
        for entry in &mut self.entries {
            if entry.session == Some(session) {
                entry.session = None;
            }
        }
    }

    /// It is on disk now, or needn't be.
    pub(crate) fn note_stored(&mut self, index: usize) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.is_stored = true;
        }
    }

    /// It was of use.
    pub(crate) fn touch(&mut self, index: usize, now: Instant) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.used_at = now;
        }
    }

    /// Whether `owner` may use what the other left.
    pub(crate) fn may_use(&self, owner: &Owner, other: &str) -> bool {
        self.is_open || owner.name() == other
    }

    /// The entry whose beginning serves `wanted` best, and how many tokens of it. `usable` says how
    /// many of so many tokens of an entry can be used.
    pub(crate) fn best(
        &self,
        owner: &Owner,
        wanted: &[T],
        usable: impl Fn(&Entry<T, S>, u32) -> u32,
    ) -> Option<(usize, u32)> {
        let entries = self.entries.iter().enumerate();
        let served = entries
            .filter(|(_, entry)| self.may_use(owner, entry.owner.name()))
            .map(|(index, entry)| (index, usable(entry, common(&entry.tokens, wanted))));
        served
            .filter(|(_, tokens)| *tokens > 0)
            .max_by_key(|(index, tokens)| (*tokens, std::cmp::Reverse(*index)))
    }

    /// What is least worth keeping among what `among` takes: what nobody can ask for any more, then
    /// what was of no use for longest.
    pub(crate) fn least_valuable(&self, among: impl Fn(&Entry<T, S>) -> bool) -> Option<usize> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| among(entry))
            .min_by_key(|(_, entry)| (!entry.owner.is_gone(), entry.used_at))
            .map(|(index, _)| index)
    }

    /// Takes away all for which `goes` says so.
    pub(crate) fn take_all(&mut self, goes: impl Fn(&Entry<T, S>) -> bool) -> Vec<Entry<T, S>> {
        self.entries.extract_if(.., |entry| goes(entry)).collect()
    }

    /// Whether an owner has an entry that begins with all of this, of which the first `exact`
    /// tokens are exact.
    pub(crate) fn has(&self, owner: &str, tokens: &[T], exact: u32) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            entry.owner.name() == owner && entry.exact >= exact && entry.tokens.starts_with(tokens)
        })
    }

    /// Takes away what an owner has of which this has all, and begins with it.
    pub(crate) fn take_covered(
        &mut self,
        owner: &str,
        tokens: &[T],
        exact: u32,
    ) -> Vec<Entry<T, S>> {
        self.take_all(|entry| {
            entry.owner.name() == owner && entry.exact <= exact && tokens.starts_with(&entry.tokens)
        })
    }

    /// Tokens that an owner has there.
    pub(crate) fn tokens_of(&self, owner: &Arc<str>) -> u64 {
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

    fn shelf(is_open: bool, entries: &[(&str, &[u8], u64)]) -> Shelf<u8, ()> {
        let begin = Instant::now();
        let mut shelf = Shelf::new(is_open);
        for (number, (owner, tokens, second)) in (0u64..).zip(entries) {
            shelf.put(Entry {
                owner: Owner::named(*owner).to_ref(),
                session: Some(number),
                tokens: tokens.to_vec(),
                exact: 0,
                place: Place::Resident(0),
                is_stored: false,
                used_at: begin + Duration::from_secs(*second),
            });
        }
        shelf
    }

    #[test]
    fn the_longest_common_beginning_serves() {
        let shelf = shelf(
            false,
            &[
                ("a", &[1, 2], 0),
                ("a", &[1, 2, 3, 9], 1),
                ("b", &[1, 2, 3, 4], 2),
            ],
        );
        let all = |_: &Entry<u8, ()>, tokens| tokens;
        let a = Owner::named("a");
        assert_eq!(shelf.best(&a, &[1, 2, 3, 4], all), Some((1, 3)));
        assert_eq!(shelf.best(&a, &[7], all), None);
        let none = |_: &Entry<u8, ()>, _| 0;
        assert_eq!(shelf.best(&a, &[1, 2, 3, 4], none), None);
    }

    #[test]
    fn what_others_left_serves_only_where_it_may() {
        let entries: &[(&str, &[u8], u64)] = &[("b", &[1, 2, 3, 4], 2)];
        let all = |_: &Entry<u8, ()>, tokens| tokens;
        let a = Owner::named("a");
        assert_eq!(shelf(false, entries).best(&a, &[1, 2], all), None);
        assert_eq!(shelf(true, entries).best(&a, &[1, 2], all), Some((0, 2)));
    }

    #[test]
    fn what_was_of_no_use_for_longest_goes_first() {
        let entries: &[(&str, &[u8], u64)] =
            &[("a", &[1, 2, 3], 2), ("a", &[5], 1), ("b", &[1], 3)];
        let shelf = shelf(false, entries);
        assert_eq!(shelf.least_valuable(|_| true), Some(1));
        assert_eq!(
            shelf.least_valuable(|entry| entry.session != Some(1)),
            Some(0)
        );
        assert_eq!(shelf.least_valuable(|_| false), None);
    }

    #[test]
    fn what_another_begins_with_is_covered() {
        let entries: &[(&str, &[u8], u64)] =
            &[("a", &[1, 2], 1), ("a", &[1, 3], 1), ("b", &[1, 2], 1)];
        let mut shelf = shelf(false, entries);
        assert!(shelf.has("a", &[1, 2], 0) && shelf.has("a", &[1], 0));
        assert!(!shelf.has("a", &[1, 2, 3], 0) && !shelf.has("c", &[1], 0));
        // None of them is exact.
        assert!(!shelf.has("a", &[1], 1));
        let covered = shelf.take_covered("a", &[1, 2, 3], 0);
        assert_eq!(covered.len(), 1);
        assert_eq!(shelf.entries().len(), 2);
    }

    #[test]
    fn what_nobody_can_ask_for_goes_before_all() {
        let mut shelf = shelf(false, &[("a", &[1], 0), ("a", &[1, 2], 1)]);
        let gone = Owner::unique();
        shelf.put(Entry {
            owner: gone.to_ref(),
            session: Some(7),
            tokens: vec![1, 2, 3],
            exact: 0,
            place: Place::Saved(()),
            is_stored: false,
            used_at: Instant::now() + Duration::from_secs(60),
        });
        assert_eq!(shelf.least_valuable(|_| true), Some(0));
        drop(gone);
        assert_eq!(shelf.least_valuable(|_| true), Some(2));
    }
}
