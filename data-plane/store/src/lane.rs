//! What one account has waiting for one level of durability, as bytes that are ready to be written.

use crate::record::{FLAG_GROUP, HEADER_BYTES, Header};

/// A queue of records, one behind the other. Taking some of them is one copy.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    bytes: Vec<u8>,
    /// Where the first record begins that was not taken yet.
    head: usize,
    /// Records that ever came in: the number of the newest ticket.
    pub appended: u64,
    /// Records that ever were taken into a batch.
    pub taken: u64,
    /// Records whose batch is committed.
    pub committed: u64,
    /// Bytes that the account may take out before it is the next one's turn.
    pub credit: usize,
}

/// A lane keeps this much room when nothing waits in it.
const IDLE_BYTES: usize = 4 << 10;

impl Lane {
    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// The end of the queue, to append records to. [`Self::appended`] must be moved with it.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Moves groups of records to the end of `out`: as many as the credit and `room` allow, and one
    /// that is longer than `room` when `alone`. Returns whether the first that is left did not find room.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>, room: usize, alone: bool) -> bool {
        let mut end = self.head;
        let mut records = 0;
        let mut full = false;
        while let Some((len, count)) = self.group_at(end) {
            let taken = end - self.head;
            if taken + len > self.credit {
                break;
            }
            if taken + len > room && !(alone && taken == 0) {
                full = true;
                break;
            }
            end += len;
            records += count;
        }
        out.extend_from_slice(&self.bytes[self.head..end]);
        self.credit -= end - self.head;
        self.taken += records;
        self.head = end;
        if self.waiting() == 0 {
            self.bytes.clear();
            self.head = 0;
            self.credit = 0;
            self.bytes.shrink_to(IDLE_BYTES.max(self.bytes.capacity() / 2));
        } else if self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        full
    }

    /// Length of the group of records that begins at `at`, and how many there are.
    fn group_at(&self, at: usize) -> Option<(usize, u64)> {
        let mut end = at;
        let mut count = 0;
        loop {
            let header = Header::decode_trusted(self.bytes.get(end..end + HEADER_BYTES)?)?;
            end += header.record_len();
            count += 1;
            if header.flags & FLAG_GROUP == 0 {
                return Some((end - at, count));
            }
        }
    }
}
