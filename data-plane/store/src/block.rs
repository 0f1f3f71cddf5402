//! Places of up to 512 messages of a stream: eight bytes each, or ten when few of them are left.
//!
//! An entry packs a place into 64 bits: which of the block's segments (12 bits), offset and length
//! in units of eight bytes (26 bits each). Zero is "no message": no record is shorter than its header.

use crate::bounds::{ALIGN, BLOCK_SEGMENTS_MAX};
use crate::ids::Place;

const UNIT: u32 = ALIGN as u32;
const FIELD_BITS: u32 = 26;
const FIELD: u64 = (1 << FIELD_BITS) - 1;

/// A block. Slots are sequences counted from the block's beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Segments that entries may name; the last one is the newest and is asked first.
    segments: Vec<u32>,
    slots: Slots,
    live: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Slots {
    /// Entry of slot `first`, of the next slot, and so on.
    Dense { first: u16, entries: Vec<u64> },
    /// Slots that hold a message, ascending, and their entries.
    Sparse { slots: Vec<u16>, entries: Vec<u64> },
}

impl Default for Slots {
    fn default() -> Self {
        Self::Dense {
            first: 0,
            entries: Vec::new(),
        }
    }
}

impl Block {
    /// How many messages it holds.
    pub(crate) fn live(&self) -> usize {
        usize::from(self.live)
    }

    /// Where the message of a slot is.
    pub(crate) fn get(&self, slot: u16) -> Option<Place> {
        let entry = match &self.slots {
            Slots::Dense { first, entries } => *entries.get(usize::from(slot.checked_sub(*first)?))?,
            Slots::Sparse { slots, entries } => entries[slots.binary_search(&slot).ok()?],
        };
        self.unpack(entry)
    }

    /// Sets where the message of a slot is, and returns where it was before.
    pub(crate) fn set(&mut self, slot: u16, place: Place) -> Option<Place> {
        let entry = self.pack(place);
        let old = match &mut self.slots {
            Slots::Dense { first, entries } => {
                if entries.is_empty() {
                    *first = slot;
                }
                if slot < *first {
                    let missing = usize::from(*first - slot);
                    entries.splice(0..0, std::iter::repeat_n(0, missing));
                    *first = slot;
                }
                let at = usize::from(slot - *first);
                if at >= entries.len() {
                    entries.resize(at + 1, 0);
                }
                std::mem::replace(&mut entries[at], entry)
            }
            Slots::Sparse { slots, entries } => match slots.binary_search(&slot) {
                Ok(at) => std::mem::replace(&mut entries[at], entry),
                Err(at) => {
                    slots.insert(at, slot);
                    entries.insert(at, entry);
                    0
                }
            },
        };
        self.live += u16::from(old == 0);
        self.unpack(old)
    }

    /// Forgets the message of a slot, and returns where it was.
    pub(crate) fn remove(&mut self, slot: u16) -> Option<Place> {
        let old = match &mut self.slots {
            Slots::Dense { first, entries } => {
                let at = usize::from(slot.checked_sub(*first)?);
                std::mem::take(entries.get_mut(at)?)
            }
            Slots::Sparse { slots, entries } => {
                let at = slots.binary_search(&slot).ok()?;
                slots.remove(at);
                entries.remove(at)
            }
        };
        let place = self.unpack(old)?;
        self.live -= 1;
        self.thin_out();
        Some(place)
    }

    /// Slots that hold a message, from `from` on, with their places.
    pub(crate) fn iter_from(&self, from: u16) -> impl Iterator<Item = (u16, Place)> + '_ {
        let (sparse, begin, entries): (Option<&[u16]>, u16, &[u64]) = match &self.slots {
            Slots::Dense { first, entries } => {
                let skipped = usize::from(from.saturating_sub(*first)).min(entries.len());
                (None, *first + skipped as u16, &entries[skipped..])
            }
            Slots::Sparse { slots, entries } => {
                let skipped = slots.partition_point(|slot| *slot < from);
                (Some(&slots[skipped..]), 0, &entries[skipped..])
            }
        };
        entries.iter().enumerate().filter_map(move |(at, entry)| {
            let slot = sparse.map_or(begin + at as u16, |slots| slots[at]);
            Some((slot, self.unpack(*entry)?))
        })
    }

    /// The last slot that holds a message.
    pub(crate) fn last(&self) -> Option<u16> {
        match &self.slots {
            Slots::Dense { first, entries } => {
                let at = entries.iter().rposition(|entry| *entry != 0)?;
                Some(*first + at as u16)
            }
            Slots::Sparse { slots, .. } => slots.last().copied(),
        }
    }

    /// No more messages will come behind those it holds: gives back room that was kept for them.
    pub(crate) fn seal(&mut self) {
        self.segments.shrink_to_fit();
        match &mut self.slots {
            Slots::Dense { entries, .. } => entries.shrink_to_fit(),
            Slots::Sparse { slots, entries } => {
                slots.shrink_to_fit();
                entries.shrink_to_fit();
            }
        }
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        let slots = match &self.slots {
            Slots::Dense { entries, .. } => entries.capacity() * 8,
            Slots::Sparse { slots, entries } => slots.capacity() * 2 + entries.capacity() * 8,
        };
        size_of::<Self>() + self.segments.capacity() * 4 + slots
    }

    /// A list of slots is smaller once fewer than a quarter of a dense block's entries are left.
    fn thin_out(&mut self) {
        let Slots::Dense { entries, .. } = &self.slots else {
            return;
        };
        if entries.len() < 32 || self.live() * 4 > entries.len() {
            return;
        }
        let mut slots = Vec::with_capacity(self.live());
        let mut places = Vec::with_capacity(self.live());
        for (slot, place) in self.iter_from(0) {
            slots.push(slot);
            places.push(place);
        }
        self.segments = Vec::new();
        let entries = places.into_iter().map(|place| self.pack(place)).collect();
        self.slots = Slots::Sparse { slots, entries };
    }

    fn unpack(&self, entry: u64) -> Option<Place> {
        (entry != 0).then(|| Place {
            segment: self.segments[(entry >> (2 * FIELD_BITS)) as usize],
            offset: (entry >> FIELD_BITS & FIELD) as u32 * UNIT,
            len: (entry & FIELD) as u32 * UNIT,
        })
    }

    fn pack(&mut self, place: Place) -> u64 {
        let number = match self
            .segments
            .iter()
            .rposition(|segment| *segment == place.segment)
        {
            Some(number) => number,
            None => {
                if self.segments.len() + 1 >= BLOCK_SEGMENTS_MAX {
                    self.forget_unused_segments();
                }
                self.segments.push(place.segment);
                self.segments.len() - 1
            }
        };
        (number as u64) << (2 * FIELD_BITS)
            | u64::from(place.offset / UNIT) << FIELD_BITS
            | u64::from(place.len / UNIT)
    }

    /// At most 512 segments are in use, so this always makes room.
    fn forget_unused_segments(&mut self) {
        let places: Vec<(u16, Place)> = self.iter_from(0).collect();
        self.segments.clear();
        match &mut self.slots {
            Slots::Dense { entries, .. } => entries.fill(0),
            Slots::Sparse { slots, entries } => {
                slots.clear();
                entries.clear();
            }
        }
        self.live = 0;
        for (slot, place) in places {
            self.set(slot, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_block_is_a_map_from_slots_to_places(
            steps in proptest::collection::vec((0u16..512, any::<bool>(), 0u32..5000), 0..2000)
        ) {
            let mut block = Block::default();
            let mut map = BTreeMap::new();
            for (slot, set, segment) in steps {
                let place = Place { segment, offset: u32::from(slot) * 64 + 64, len: 64 };
                if set {
                    prop_assert_eq!(block.set(slot, place), map.insert(slot, place));
                } else {
                    prop_assert_eq!(block.remove(slot), map.remove(&slot));
                }
                prop_assert_eq!(block.live(), map.len());
            }
            prop_assert_eq!(block.last(), map.keys().next_back().copied());
            let from = 200;
            prop_assert_eq!(
                block.iter_from(from).collect::<Vec<_>>(),
                map.range(from..).map(|(slot, place)| (*slot, *place)).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn the_largest_place_fits() {
        let mut block = Block::default();
        let place = Place {
            segment: u32::MAX,
            offset: (256 << 20) - 8,
            len: 256 << 20,
        };
        block.set(511, place);
        assert_eq!(block.get(511), Some(place));
    }
}
