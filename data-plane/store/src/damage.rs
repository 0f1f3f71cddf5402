//! What was found broken, kept to be shown: nothing is repaired silently.

use crate::bounds::DAMAGES_KEPT;
use crate::ids::{Place, StreamId};

/// Something on the disk that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A message cannot be read any more; its sequence stays given.
    Message {
        /// The stream it was in.
        stream: StreamId,
        /// Its sequence.
        sequence: u64,
        /// Where it was.
        place: Place,
    },
    /// A record that is not a message cannot be read: what it said does not count.
    Record {
        /// The stream it is about, or the account.
        stream: u32,
        /// The number of its kind, as in `record.rs`.
        kind: u8,
        /// Where it was.
        place: Place,
    },
    /// Bytes of the log in which no record could be found.
    Region {
        /// Where; the length may be that of several records.
        place: Place,
    },
    /// The header of a segment; its batches told its number.
    SegmentHeader {
        /// The file's name.
        file: String,
    },
    /// A segment that must be there is not.
    SegmentMissing {
        /// Its number in the log.
        segment: u32,
    },
    /// A checkpoint cannot be read: an earlier one was taken, or the whole log was read.
    Checkpoint {
        /// The file's name.
        file: String,
    },
}

/// Damages in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct DamageLog {
    kept: Vec<Damage>,
    count: u64,
}

impl DamageLog {
    /// Takes note of a damage, once.
    pub(crate) fn add(&mut self, damage: Damage) {
        if self.kept.contains(&damage) {
            return;
        }
        self.count += 1;
        if self.kept.len() < DAMAGES_KEPT {
            self.kept.push(damage);
        }
    }

    /// The first [`DAMAGES_KEPT`] of them.
    pub(crate) fn kept(&self) -> &[Damage] {
        &self.kept
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}
