//! Goes through bytes of a segment and names what is there, whatever they are.
//!
//! Where nothing valid begins, it looks at every following multiple of eight: a record that is
//! damaged hides nothing that stands behind it.

use crate::batch::{BATCH_HEADER_BYTES, BatchHeader, seed_of};
use crate::bounds::ALIGN;
use crate::record::Header;

/// Something in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The header of a batch.
    Batch(BatchHeader),
    /// A record, and whether its body is what was written.
    Record(Header, bool),
    /// Bytes that are neither.
    Hole,
}

/// An iterator over what `bytes` hold; offsets count from their beginning.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    nonce: u64,
    seed: u32,
    segment: u32,
    at: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(bytes: &'a [u8], nonce: u64, segment: u32) -> Self {
        Self {
            bytes,
            nonce,
            seed: seed_of(nonce),
            segment,
            at: 0,
        }
    }

    fn here(&self, at: usize) -> Option<(Found, usize)> {
        let rest = self.bytes.get(at..)?;
        if let Some(batch) =
            BatchHeader::decode(rest, self.nonce).filter(|batch| batch.segment == self.segment)
        {
            return Some((Found::Batch(batch), BATCH_HEADER_BYTES));
        }
        let header = Header::decode(rest, self.seed)?;
        let len = header.record_len();
        (len <= rest.len()).then(|| (Found::Record(header, header.body_is_right(rest, self.seed)), len))
    }
}

impl Iterator for Walk<'_> {
    /// What is there, where it begins, how long it is.
    type Item = (Found, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.at;
        if begin >= self.bytes.len() {
            return None;
        }
        if let Some((found, len)) = self.here(begin) {
            self.at += len;
            return Some((found, begin, len));
        }
        let mut at = begin + ALIGN;
        while at < self.bytes.len() && self.here(at).is_none() {
            at += ALIGN;
        }
        self.at = at.min(self.bytes.len());
        Some((Found::Hole, begin, self.at - begin))
    }
}
