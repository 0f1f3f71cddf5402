//! Where the messages of one stream are: sequence to place, in blocks of 512 sequences.

use std::collections::VecDeque;

use crate::block::Block;
use crate::bounds::BLOCK_SEQUENCES;
use crate::ids::Place;

/// Blocks that hold messages, ascending; a block without messages is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequences {
    blocks: VecDeque<(u64, Block)>,
    messages: u64,
    bytes: u64,
}

fn split(sequence: u64) -> (u64, u16) {
    (sequence / BLOCK_SEQUENCES, (sequence % BLOCK_SEQUENCES) as u16)
}

impl Sequences {
    /// How many messages there are.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of their records in the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the message is.
    pub(crate) fn get(&self, sequence: u64) -> Option<Place> {
        let (number, slot) = split(sequence);
        let at = self.find(number).ok()?;
        self.blocks[at].1.get(slot)
    }

    /// Sets where the message is, and returns where it was before.
    pub(crate) fn set(&mut self, sequence: u64, place: Place) -> Option<Place> {
        let (number, slot) = split(sequence);
        let at = match self.find(number) {
            Ok(at) => at,
            Err(at) => {
                if let Some((_, last)) = self.blocks.back_mut() {
                    last.seal();
                }
                self.blocks.insert(at, (number, Block::default()));
                at
            }
        };
        let old = self.blocks[at].1.set(slot, place);
        self.bytes += u64::from(place.len);
        match old {
            Some(old) => self.bytes -= u64::from(old.len),
            None => self.messages += 1,
        }
        old
    }

    /// Forgets the message, and returns where it was.
    pub(crate) fn remove(&mut self, sequence: u64) -> Option<Place> {
        let (number, slot) = split(sequence);
        let at = self.find(number).ok()?;
        let block = &mut self.blocks[at].1;
        let old = block.remove(slot)?;
        if block.live() == 0 {
            self.blocks.remove(at);
        }
        self.messages -= 1;
        self.bytes -= u64::from(old.len);
        Some(old)
    }

    /// Forgets the messages from `first` to `last`, telling each place.
    pub(crate) fn remove_range(&mut self, first: u64, last: u64, removed: &mut dyn FnMut(Place)) {
        let mut from = first;
        while let Some((sequence, _)) = self.next(from)
            && sequence <= last
        {
            if let Some(place) = self.remove(sequence) {
                removed(place);
            }
            let Some(after) = sequence.checked_add(1) else {
                return;
            };
            from = after;
        }
    }

    /// The first message at or behind `from`.
    pub(crate) fn next(&self, from: u64) -> Option<(u64, Place)> {
        self.iter_from(from).next()
    }

    /// The last message.
    pub(crate) fn last(&self) -> Option<u64> {
        let (number, block) = self.blocks.back()?;
        Some(number * BLOCK_SEQUENCES + u64::from(block.last()?))
    }

    /// All messages at or behind `from`, ascending.
    pub(crate) fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, Place)> + '_ {
        let (number, slot) = split(from);
        let at = self.find(number).unwrap_or_else(|at| at);
        self.blocks.range(at..).flat_map(move |(block_number, block)| {
            let begin = if *block_number == number { slot } else { 0 };
            block
                .iter_from(begin)
                .map(move |(slot, place)| (block_number * BLOCK_SEQUENCES + u64::from(slot), place))
        })
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        let empty = (self.blocks.capacity() - self.blocks.len()) * size_of::<(u64, Block)>();
        empty
            + self
                .blocks
                .iter()
                .map(|(_, block)| 8 + block.memory())
                .sum::<usize>()
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        // Nearly always the last block is asked: that of the newest messages.
        match self.blocks.back() {
            Some((last, _)) if *last == number => Ok(self.blocks.len() - 1),
            Some((last, _)) if *last < number => Err(self.blocks.len()),
            _ => self.blocks.binary_search_by_key(&number, |(number, _)| *number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u32) -> Place {
        Place {
            segment: 1,
            offset,
            len: 64,
        }
    }

    #[test]
    fn messages_are_found_in_ascending_order_over_blocks() {
        let mut sequences = Sequences::default();
        for sequence in [3, 511, 512, 5000, 700] {
            sequences.set(sequence, place(64));
        }
        let all: Vec<u64> = sequences.iter_from(0).map(|(sequence, _)| sequence).collect();
        assert_eq!(all, [3, 511, 512, 700, 5000]);
        assert_eq!(sequences.next(513), Some((700, place(64))));
        assert_eq!(
            (sequences.last(), sequences.messages(), sequences.bytes()),
            (Some(5000), 5, 320)
        );
    }

    #[test]
    fn a_range_is_removed_with_its_ends() {
        let mut sequences = Sequences::default();
        for sequence in 1..=2000 {
            sequences.set(sequence, place(64));
        }
        let mut removed = 0;
        sequences.remove_range(1, 1990, &mut |_| removed += 1);
        assert_eq!(
            (removed, sequences.messages(), sequences.next(0).map(|(s, _)| s)),
            (1990, 10, Some(1991))
        );
        sequences.remove_range(0, u64::MAX, &mut |_| removed += 1);
        assert_eq!((removed, sequences.bytes(), sequences.last()), (2000, 0, None));
    }

    #[test]
    fn a_sealed_message_costs_eight_bytes() {
        let mut sequences = Sequences::default();
        for sequence in 0..100_000 {
            sequences.set(sequence, place(64));
        }
        assert!(sequences.memory() < 100_000 * 9, "{}", sequences.memory());
    }
}
