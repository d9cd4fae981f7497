//! Handles: numbers for what a guest holds. They count up from 0 and are never reused.

use std::collections::BTreeMap;

/// What a guest holds, by handle.
#[derive(Debug)]
pub(crate) struct Handles<T> {
    held: BTreeMap<u32, T>,
    // One more than the highest handle so far.
    next: u32,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Handles<T> {
    /// Adds a value and returns its handle. Returns the value if all numbers are used up.
    pub(crate) fn insert(&mut self, value: T) -> Result<u32, T> {
        let handle = self.next;
        // The last number stays unused, so that there is always a number that is not a handle.
        let Some(next) = handle.checked_add(1) else {
            return Err(value);
        };
        self.next = next;
        self.held.insert(handle, value);
        Ok(handle)
    }

    pub(crate) fn get(&self, handle: u32) -> Option<&T> {
        self.held.get(&handle)
    }

    pub(crate) fn get_mut(&mut self, handle: u32) -> Option<&mut T> {
        self.held.get_mut(&handle)
    }

    /// Removes a value. Its handle is then invalid.
    pub(crate) fn remove(&mut self, handle: u32) -> Option<T> {
        self.held.remove(&handle)
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.held.iter().map(|(handle, value)| (*handle, value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.held.values_mut()
    }
}

/// The cases of WasmEdge's `resource_table_test.cpp`.
#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn wasmedge_resource_table_ids_are_sequential_from_zero() {
        let mut handles = Handles::default();
        for id in 0..5 {
            assert_eq!(handles.insert("x"), Ok(id));
        }
        assert_eq!(handles.len(), 5);
    }

    #[test]
    fn wasmedge_resource_table_rejects_unknown_ids() {
        let mut handles = Handles::<u8>::default();
        assert_eq!(handles.insert(1), Ok(0));
        for id in [1, 9999, u32::MAX] {
            assert_eq!(handles.get(id), None);
            assert_eq!(handles.get_mut(id), None);
            assert_eq!(handles.remove(id), None);
        }
    }

    #[test]
    fn wasmedge_resource_table_remove_gives_ownership_once() {
        let mut handles = Handles::default();
        assert_eq!(handles.insert("mine".to_owned()), Ok(0));
        assert_eq!(handles.remove(0).as_deref(), Some("mine"));
        assert_eq!(handles.remove(0), None);
        assert_eq!(handles.get(0), None);
    }

    #[test]
    fn wasmedge_resource_table_never_reuses_an_id() {
        let mut handles = Handles::default();
        for id in 0..100 {
            assert_eq!(handles.insert(()), Ok(id));
            assert_eq!(handles.remove(id), Some(()));
        }
        assert_eq!(handles.insert(()), Ok(100));
    }

    #[test]
    fn wasmedge_resource_table_what_is_pinned_survives_its_removal() {
        let mut handles = Handles::default();
        let pinned = Arc::new(7);
        assert!(handles.insert(Arc::clone(&pinned)).is_ok());
        drop(handles.remove(0));
        assert_eq!(*pinned, 7);
        assert_eq!(Arc::strong_count(&pinned), 1);
    }

    #[test]
    fn wasmedge_resource_table_a_destructor_may_use_the_table() {
        struct Reenters(Arc<Mutex<Handles<Option<Self>>>>);

        impl Drop for Reenters {
            fn drop(&mut self) {
                // The caller of `remove` drops the value, when the table is no longer borrowed.
                assert!(self.0.lock().unwrap().insert(None).is_ok());
            }
        }

        let handles = Arc::new(Mutex::new(Handles::default()));
        let value = Reenters(Arc::clone(&handles));
        assert!(handles.lock().unwrap().insert(Some(value)).is_ok());
        let removed = handles.lock().unwrap().remove(0);
        drop(removed);
        assert!(handles.lock().unwrap().get(1).is_some());
    }

    #[test]
    fn wasmedge_resource_table_a_value_can_be_swapped_under_its_id() {
        let mut handles = Handles::default();
        assert_eq!(handles.insert(1), Ok(0));
        let before = std::mem::replace(handles.get_mut(0).unwrap(), 2);
        assert_eq!((before, handles.get(0)), (1, Some(&2)));
    }

    #[test]
    fn wasmedge_resource_table_is_exhausted_at_the_last_number_and_gives_the_value_back() {
        let mut handles = Handles {
            held: BTreeMap::new(),
            next: u32::MAX - 1,
        };
        assert_eq!(handles.insert("last"), Ok(u32::MAX - 1));
        assert_eq!(handles.insert("more"), Err("more"));
        assert_eq!(handles.remove(u32::MAX - 1), Some("last"));
        assert_eq!(handles.insert("still"), Err("still"));
    }

    #[test]
    fn wasmedge_resource_table_concurrent_churn_keeps_ownership_exact() {
        const ROUNDS: u32 = 500;
        let handles = Arc::new(Mutex::new(Handles::default()));
        let alive = Arc::new(());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (handles, alive) = (Arc::clone(&handles), Arc::clone(&alive));
                std::thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        let id = handles.lock().unwrap().insert(Arc::clone(&alive)).unwrap();
                        let removed = handles.lock().unwrap().remove(id);
                        assert!(removed.is_some());
                        assert!(handles.lock().unwrap().remove(id).is_none());
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(handles.lock().unwrap().insert(alive), Ok(4 * ROUNDS));
    }
}
