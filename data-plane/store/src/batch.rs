//! A commit batch: a header of 64 bytes, records, and a summary as the last of them.
//!
//! ```text
//!  0  nonce           u64   the store's; also says "here begins a batch"
//!  8  number          u64   one more than the batch before
//! 16  segment         u32   the segment's number: what a recycled file still holds has another
//! 20  epoch           u32   one more each time the store is opened
//! 24  length          u32   of all records
//! 28  records         u32   how many, with the summary
//! 32  synced          u32   everything before this offset of the segment was on the disk when
//!                           this batch was written; earlier segments always were
//! 36  next stream     u32   the number that the next stream gets
//! 40  next revision   u64   the revision that the next state gets
//! 48  next account    u32
//! 52  zeroes
//! 60  checksum        u32   CRC32C of bytes 0..60, begun with the seed
//! ```
//!
//! A batch counts as a whole: of one that may not have been synchronised, recovery takes all or
//! nothing. That makes groups atomic, and counters agree with the messages they count.

use crate::ids::{AccountId, Meter, StreamId};
use crate::record::{u32_at, u64_at};

/// Bytes of a batch before its records.
pub(crate) const BATCH_HEADER_BYTES: usize = 64;

/// The header of a batch, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the table above says it
pub(crate) struct BatchHeader {
    pub number: u64,
    pub segment: u32,
    pub epoch: u32,
    pub len: u32,
    pub records: u32,
    pub synced: u32,
    pub next_stream: u32,
    pub next_revision: u64,
    pub next_account: u32,
}

impl BatchHeader {
    /// The header's bytes, with nonce and checksum.
    pub(crate) fn encode(&self, nonce: u64) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[..8].copy_from_slice(&nonce.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.segment.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.len.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.records.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.synced.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.next_stream.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.next_revision.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.next_account.to_le_bytes());
        let crc = crc32c::crc32c_append(seed_of(nonce), &bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the beginning of `bytes`, if it belongs to this store and is whole.
    pub(crate) fn decode(bytes: &[u8], nonce: u64) -> Option<Self> {
        let header: &[u8; BATCH_HEADER_BYTES] = bytes.first_chunk()?;
        if u64_at(header, 0) != nonce
            || u32_at(header, 60) != crc32c::crc32c_append(seed_of(nonce), &header[..60])
        {
            return None;
        }
        Some(Self {
            number: u64_at(header, 8),
            segment: u32_at(header, 16),
            epoch: u32_at(header, 20),
            len: u32_at(header, 24),
            records: u32_at(header, 28),
            synced: u32_at(header, 32),
            next_stream: u32_at(header, 36),
            next_revision: u64_at(header, 40),
            next_account: u32_at(header, 48),
        })
    }
}

/// What the checksums of a store begin with: both halves of its nonce.
pub(crate) fn seed_of(nonce: u64) -> u32 {
    crc32c::crc32c(&nonce.to_le_bytes())
}

/// The body of the summary record: what a batch's records add up to, said a second time.
///
/// When the header of a message is damaged, the floors still tell which sequences the stream has
/// given. Counters are totals, so that a summary that is lost is healed by the next one.
///
/// ```text
///  0  floors u32, counters u32
///  8  each floor: stream u32, account u32, last sequence u64
///     each counter: account u32, meter u32, total u64
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Per stream of the batch: its account and the last sequence that it has given.
    pub floors: Vec<(StreamId, AccountId, u64)>,
    /// Per account and meter that moved: the total.
    pub counters: Vec<(AccountId, Meter, u64)>,
}

impl Summary {
    /// How long the encoded summary is.
    pub(crate) fn encoded_len(&self) -> usize {
        8 + 16 * (self.floors.len() + self.counters.len())
    }

    /// Appends the summary's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.floors.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.counters.len() as u32).to_le_bytes());
        for &(stream, account, last) in &self.floors {
            out.extend_from_slice(&stream.0.to_le_bytes());
            out.extend_from_slice(&account.0.to_le_bytes());
            out.extend_from_slice(&last.to_le_bytes());
        }
        for &(account, meter, total) in &self.counters {
            out.extend_from_slice(&account.0.to_le_bytes());
            out.extend_from_slice(&meter.0.to_le_bytes());
            out.extend_from_slice(&total.to_le_bytes());
        }
    }

    /// Reads a summary; nothing when its counts do not fit its length.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let counts: &[u8; 8] = body.first_chunk()?;
        let (floors, counters) = (u32_at(counts, 0) as usize, u32_at(counts, 4) as usize);
        let items = body[8..].chunks_exact(16);
        if !items.remainder().is_empty() || items.len() != floors.checked_add(counters)? {
            return None;
        }
        let mut summary = Self::default();
        for (number, item) in items.enumerate() {
            let (first, second, value) = (u32_at(item, 0), u32_at(item, 4), u64_at(item, 8));
            if number < floors {
                summary.floors.push((StreamId(first), AccountId(second), value));
            } else {
                summary.counters.push((AccountId(first), Meter(second), value));
            }
        }
        Some(summary)
    }
}
