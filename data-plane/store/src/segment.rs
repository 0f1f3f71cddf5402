//! A segment: one file of the log, written from its beginning, reserved and zeroed beforehand.
//!
//! The file's name (`segment-0000002a`) is its own for ever; which part of the log it holds stands
//! in its header, because files are used again when nothing in them counts any more.
//!
//! ```text
//!  0  "TOLLWSEG"
//!  8  nonce       u64   the store's
//! 16  version     u32   1
//! 20  number      u32   place in the log; 0: the file is free
//! 24  epoch       u32
//! 28  before      u32   how much of the segment before was used, all of it on the disk
//! 32  length      u32   of the file
//! 36  zeroes
//! 60  checksum    u32   CRC32C of bytes 0..60
//! 64  batches
//! ```

use crate::record::{u32_at, u64_at};

/// Bytes of a segment before its first batch.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;

/// The version of the format that this program writes, and the only one it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"TOLLWSEG";

/// The header of a segment, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the table above says it
pub(crate) struct SegmentHeader {
    pub nonce: u64,
    pub number: u32,
    pub epoch: u32,
    pub before: u32,
    pub len: u32,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentHeaderError {
    /// Checksum or first bytes are wrong.
    Damaged,
    /// A later program wrote it.
    Version(u32),
}

impl SegmentHeader {
    /// The header's bytes.
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[16..20].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.before.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.len.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SegmentHeaderError> {
        let header: &[u8; SEGMENT_HEADER_BYTES] = bytes.first_chunk().ok_or(SegmentHeaderError::Damaged)?;
        if &header[..8] != MAGIC || u32_at(header, 60) != crc32c::crc32c(&header[..60]) {
            return Err(SegmentHeaderError::Damaged);
        }
        let version = u32_at(header, 16);
        if version != FORMAT_VERSION {
            return Err(SegmentHeaderError::Version(version));
        }
        Ok(Self {
            nonce: u64_at(header, 8),
            number: u32_at(header, 20),
            epoch: u32_at(header, 24),
            before: u32_at(header, 28),
            len: u32_at(header, 32),
        })
    }
}

/// The name of the file in this slot.
pub(crate) fn file_name(slot: u32) -> String {
    format!("segment-{slot:08x}")
}

/// The slot of a file with this name.
pub(crate) fn slot_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("segment-")?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok())?
}
