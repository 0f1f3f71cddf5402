//! Messages of a stream that is kept in memory alone, in the same form as in the log.

use std::collections::BTreeMap;

/// Records by sequence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryStream {
    records: BTreeMap<u64, Box<[u8]>>,
    bytes: usize,
}

impl MemoryStream {
    /// Keeps a record.
    pub(crate) fn insert(&mut self, sequence: u64, record: Box<[u8]>) {
        self.bytes += record.len();
        if let Some(old) = self.records.insert(sequence, record) {
            self.bytes -= old.len();
        }
    }

    /// The record of this sequence.
    pub(crate) fn get(&self, sequence: u64) -> Option<&[u8]> {
        self.records.get(&sequence).map(|record| &**record)
    }

    /// The first record at or behind `from`.
    pub(crate) fn next(&self, from: u64) -> Option<(u64, &[u8])> {
        let (sequence, record) = self.records.range(from..).next()?;
        Some((*sequence, record))
    }

    /// Forgets the records from `first` to `last`.
    pub(crate) fn remove_range(&mut self, first: u64, last: u64) {
        while let Some((&sequence, _)) = self.records.range(first..).next()
            && sequence <= last
        {
            if let Some(record) = self.records.remove(&sequence) {
                self.bytes -= record.len();
            }
        }
    }

    /// How many records there are.
    pub(crate) fn messages(&self) -> u64 {
        self.records.len() as u64
    }

    /// Bytes of all records.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
