//! Settings of a store.

use crate::bounds::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// How a store divides disk and memory. The default suits a node of any size.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Length of new segments. A store that is opened with another length keeps the files it has.
    pub segment_bytes: u32,
    /// A batch takes no more once it has this many bytes.
    pub batch_bytes: usize,
    /// What an account may put into a batch before it is the next account's turn.
    pub turn_bytes: usize,
    /// Records that wait for their batch, of all accounts together.
    pub waiting_bytes: usize,
    /// Records of one account that wait for their batch.
    pub account_waiting_bytes: usize,
    /// A checkpoint is written after this much of the log.
    pub checkpoint_bytes: u64,
    /// A segment is rewritten when less than this percentage of it still counts.
    pub compact_below_percent: u32,
    /// Bytes of the file system that are left to others: no segment is added when fewer would be free.
    pub keep_free_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            batch_bytes: 1 << 20,
            turn_bytes: 64 << 10,
            waiting_bytes: 64 << 20,
            account_waiting_bytes: 16 << 20,
            checkpoint_bytes: 256 << 20,
            compact_below_percent: 50,
            keep_free_bytes: 64 << 20,
        }
    }
}

impl Options {
    /// The settings within what the format can hold.
    pub(crate) fn bounded(mut self) -> Self {
        self.segment_bytes = self.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX) & !7;
        self.batch_bytes = self.batch_bytes.min(self.group_max());
        self
    }

    /// The longest record: half a segment, so that a batch always has room for it.
    pub(crate) fn record_max(&self) -> usize {
        self.segment_bytes as usize / 2
    }

    /// The longest group of records: a quarter, because its summary may be as long as the group.
    pub(crate) fn group_max(&self) -> usize {
        self.segment_bytes as usize / 4
    }

    /// Counters that one summary carries beside those of its own messages.
    pub(crate) fn counters_max(&self) -> usize {
        self.segment_bytes as usize / 8 / 16
    }
}
