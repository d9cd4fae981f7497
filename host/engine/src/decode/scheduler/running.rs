//! The sequences that run, by their ids.

use crate::decode::cache::SequenceId;
use crate::decode::sequence::Sequence;

/// The sequences that run, in the order in which they were admitted or resumed.
#[derive(Debug, Default)]
pub(in crate::decode) struct Running {
    // At most as many as the context has sequences, so a linear search is cheap.
    sequences: Vec<Sequence>,
}

impl Running {
    pub(in crate::decode) fn len(&self) -> usize {
        self.sequences.len()
    }

    pub(in crate::decode) fn iter(&self) -> std::slice::Iter<'_, Sequence> {
        self.sequences.iter()
    }

    pub(in crate::decode) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Sequence> {
        self.sequences.iter_mut()
    }

    pub(in crate::decode) fn get_mut(&mut self, id: SequenceId) -> Option<&mut Sequence> {
        self.iter_mut().find(|sequence| sequence.id == id)
    }

    /// A sequence, and all others: those before it and those after it.
    pub(in crate::decode) fn split_mut(
        &mut self,
        id: SequenceId,
    ) -> Option<(&mut Sequence, [&[Sequence]; 2])> {
        let index = self.index(id)?;
        let (before, rest) = self.sequences.split_at_mut(index);
        let (sequence, after) = rest.split_first_mut()?;
        Some((sequence, [before, after]))
    }

    /// Adds a sequence. The cache gave it an id that no other one has.
    pub(in crate::decode) fn insert(&mut self, sequence: Sequence) {
        self.sequences.push(sequence);
    }

    pub(in crate::decode) fn remove(&mut self, id: SequenceId) -> Option<Sequence> {
        let index = self.index(id)?;
        Some(self.sequences.remove(index))
    }

    pub(in crate::decode) fn clear(&mut self) {
        self.sequences.clear();
    }

    fn index(&self, id: SequenceId) -> Option<usize> {
        self.iter().position(|sequence| sequence.id == id)
    }
}
