//! One record of the log: a header of 40 bytes, a body, and zeroes up to a multiple of eight.
//!
//! ```text
//!  0  header checksum  u32   CRC32C of bytes 4..40, begun with the store's seed
//!  4  body checksum    u32   CRC32C of the body with its padding, begun with the seed
//!  8  body length      u32   without padding
//! 12  kind             u8
//! 13  flags            u8    1: the next record belongs to the same group
//! 14  subject length   u16   messages only
//! 16  stream           u32   or the account, in a record about an account
//! 20  headers length   u32   messages only
//! 24  sequence         u64   of a message; first of a purge; revision of a state
//! 32  time             u64   of a message, in nanoseconds; last of a purge; key of a state
//! 40  body                   subject, headers, payload
//! ```
//!
//! Header and body have checksums apart. A broken body leaves length, stream and sequence known; a
//! broken header is skipped by looking for the next valid header at multiples of eight. The
//! seed is secret and belongs to one store, so that no payload can pretend to be a record.
//! All numbers are little-endian.

use crate::bounds::ALIGN;

/// Bytes of a record before its body.
pub(crate) const HEADER_BYTES: usize = 40;

/// The next record belongs to the same group: a batch holds all of a group or nothing of it.
pub(crate) const FLAG_GROUP: u8 = 1;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A message of a stream.
    Message = 1,
    /// Messages of a stream are gone; the body lists their sequences, eight bytes each.
    Delete = 2,
    /// All messages of a stream from `sequence` to `time` are gone.
    Purge = 3,
    /// A stream exists; the body is its account (u32) and its durability (u8).
    Stream = 4,
    /// A stream is gone, with all it had.
    StreamGone = 5,
    /// The whole value of a state (a stream's configuration, a consumer); older ones do not count.
    State = 6,
    /// An addition to the state's value; the additions are read in the order of their revisions.
    StateMore = 7,
    /// A state is gone.
    StateGone = 8,
    /// An account exists; the body is its name.
    Account = 9,
    /// The stream has given all sequences up to `sequence`.
    Floor = 10,
    /// The end of a batch: the floors of its streams and the counters of its accounts.
    Summary = 11,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Message,
            2 => Self::Delete,
            3 => Self::Purge,
            4 => Self::Stream,
            5 => Self::StreamGone,
            6 => Self::State,
            7 => Self::StateMore,
            8 => Self::StateGone,
            9 => Self::Account,
            10 => Self::Floor,
            11 => Self::Summary,
            _ => return None,
        })
    }
}

/// The header of a record, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the record says.
    pub kind: Kind,
    /// [`FLAG_GROUP`] or nothing.
    pub flags: u8,
    /// Length of the subject at the beginning of the body.
    pub subject_len: u16,
    /// Length of the headers behind it.
    pub headers_len: u32,
    /// Length of the body without its padding.
    pub body_len: u32,
    /// The stream, or the account.
    pub stream: u32,
    /// Sequence, first sequence or revision.
    pub sequence: u64,
    /// Time, last sequence or key.
    pub time: u64,
    /// The checksum that the body must have.
    pub body_crc: u32,
}

/// A body of this length with its padding.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// What a body of several parts and its padding sum up to.
pub(crate) fn body_crc(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut crc = seed;
    let mut len = 0;
    for part in parts {
        crc = crc32c::crc32c_append(crc, part);
        len += part.len();
    }
    crc32c::crc32c_append(crc, &[0; ALIGN][..padded(len) - len])
}

impl Header {
    /// A header without lengths: those of a record that is about a stream's or an account's state.
    pub(crate) fn plain(kind: Kind, stream: u32, sequence: u64, time: u64) -> Self {
        Self {
            kind,
            flags: 0,
            subject_len: 0,
            headers_len: 0,
            body_len: 0,
            stream,
            sequence,
            time,
            body_crc: 0,
        }
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> usize {
        HEADER_BYTES + padded(self.body_len as usize)
    }

    /// The header's bytes, with its checksum.
    pub(crate) fn encode(&self, seed: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[12] = self.kind as u8;
        bytes[13] = self.flags;
        bytes[14..16].copy_from_slice(&self.subject_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.stream.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.headers_len.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.time.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the beginning of `bytes`; nothing when its checksum or its lengths are wrong.
    pub(crate) fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        if u32_at(header, 0) != crc32c::crc32c_append(seed, &header[4..]) {
            return None;
        }
        Self::decode_trusted(header)
    }

    /// Reads a header whose checksum is known to be right, because this process made it.
    pub(crate) fn decode_trusted(header: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = header.first_chunk()?;
        let decoded = Self {
            kind: Kind::from_number(header[12])?,
            flags: header[13],
            subject_len: u16::from_le_bytes([header[14], header[15]]),
            headers_len: u32_at(header, 20),
            body_len: u32_at(header, 8),
            stream: u32_at(header, 16),
            sequence: u64_at(header, 24),
            time: u64_at(header, 32),
            body_crc: u32_at(header, 4),
        };
        let parts = u64::from(decoded.subject_len) + u64::from(decoded.headers_len);
        (parts <= u64::from(decoded.body_len)).then_some(decoded)
    }

    /// Whether `record`, which begins with this header, has the body that was written.
    pub(crate) fn body_is_right(&self, record: &[u8], seed: u32) -> bool {
        record
            .get(HEADER_BYTES..self.record_len())
            .is_some_and(|body| crc32c::crc32c_append(seed, body) == self.body_crc)
    }
}

/// Four bytes of a slice that has them.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Eight bytes of a slice that has them.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// A message that was read: its parts lie in the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When it was stored, in nanoseconds since 1970.
    pub time: u64,
    /// Its subject.
    pub subject: &'a [u8],
    /// Its header block, or nothing.
    pub headers: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The parts of the message in `record`, which begins with `header` and was checked.
    pub(crate) fn of(header: &Header, record: &'a [u8]) -> Self {
        let body = &record[HEADER_BYTES..HEADER_BYTES + header.body_len as usize];
        let (subject, rest) = body.split_at(usize::from(header.subject_len));
        let (headers, payload) = rest.split_at(header.headers_len as usize);
        Self {
            sequence: header.sequence,
            time: header.time,
            subject,
            headers,
            payload,
        }
    }
}

/// Appends a record whose body is `parts`.
pub(crate) fn push_record(out: &mut Vec<u8>, mut header: Header, parts: &[&[u8]], seed: u32) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    header.body_len = u32::try_from(len).expect("bodies were bounded by a segment's length before");
    header.body_crc = body_crc(seed, parts);
    out.extend_from_slice(&header.encode(seed));
    for part in parts {
        out.extend_from_slice(part);
    }
    out.resize(out.len() + padded(len) - len, 0);
}
