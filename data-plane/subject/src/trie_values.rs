//! The values of one filter of a [`Trie`](crate::Trie).

use std::ops::ControlFlow;

use crate::trie::{Key, WalkEnd};

/// Values in the order of their keys, which is that of their coming.
///
/// A value that goes leaves a hole, so that the others keep their order and a walk that pauses finds
/// its place again by the key. Holes are never more than half: removing takes a binary search, and
/// now and then a pass that was paid for by the removals before it.
#[derive(Debug, Clone)]
pub(crate) struct Values<V> {
    /// The last one is never a hole.
    entries: Vec<(Key, Option<V>)>,
    holes: usize,
}

impl<V> Values<V> {
    /// What one value takes in the vector.
    pub(crate) const ENTRY_BYTES: usize = size_of::<(Key, Option<V>)>();

    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            holes: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a value with the greatest key so far.
    pub(crate) fn push(&mut self, key: Key, value: V) {
        self.entries.push((key, Some(value)));
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<V> {
        let position = self.entries.binary_search_by_key(&key, |entry| entry.0).ok()?;
        self.remove_at(position)
    }

    pub(crate) fn remove_first(&mut self, mut wanted: impl FnMut(&V) -> bool) -> Option<V> {
        let position = self
            .entries
            .iter()
            .position(|(_, value)| value.as_ref().is_some_and(&mut wanted))?;
        self.remove_at(position)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// Visits values from the key `from` on, and moves `from` behind those. Each costs a step, holes too.
    pub(crate) fn visit_from<'t>(
        &'t self,
        from: &mut u64,
        steps: &mut usize,
        visit: &mut impl FnMut(&'t V) -> ControlFlow<()>,
    ) -> WalkEnd {
        let first = match *from {
            0 => 0,
            from => self.entries.partition_point(|entry| entry.0.0 < from),
        };
        for (key, value) in &self.entries[first..] {
            if *steps == 0 {
                return WalkEnd::Paused;
            }
            *steps -= 1;
            *from = key.0 + 1;
            if let Some(value) = value
                && visit(value).is_break()
            {
                return WalkEnd::Stopped;
            }
        }
        WalkEnd::Finished
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    fn remove_at(&mut self, position: usize) -> Option<V> {
        let value = self.entries[position].1.take()?;
        self.holes += 1;
        while self.entries.pop_if(|(_, value)| value.is_none()).is_some() {
            self.holes -= 1;
        }
        if self.holes > self.entries.len() / 2 {
            self.entries.retain(|(_, value)| value.is_some());
            self.holes = 0;
        }
        if self.entries.len() < self.entries.capacity() / 4 {
            // A filter that once had many values must not keep their room; twice what is needed,
            // so that the next insertion does not grow it again.
            self.entries.shrink_to(self.entries.len() * 2);
        }
        Some(value)
    }
}
