//! Every bound of the engine, with the reason for its number.

/// Records, batches and their parts begin at multiples of this, so that a lost length can be found again.
pub const ALIGN: usize = 8;

/// A segment is at most this long: a place counts its offset and its length in 26 bits of eight bytes each.
pub const SEGMENT_BYTES_MAX: u32 = 256 << 20;

/// A segment is at least this long, so that a batch of one record and its summary fit (tests use small ones).
pub const SEGMENT_BYTES_MIN: u32 = 8 << 10;

/// Sequences of a stream that share a block of its index.
pub const BLOCK_SEQUENCES: u64 = 512;

/// A block names at most this many segments: twelve bits of an entry tell which one.
pub const BLOCK_SEGMENTS_MAX: usize = 1 << 12;

/// Damages that are kept to be shown; later ones are counted only.
pub const DAMAGES_KEPT: usize = 1000;

/// Bytes of a checkpoint, of zeroes or of a segment that one step of housekeeping handles.
///
/// A step runs on the thread that commits: a mebibyte takes about as long as a commit does.
pub const STEP_BYTES: usize = 1 << 20;

/// The longest name of an account: a public key has 56 bytes, a configured name may be longer.
pub const ACCOUNT_NAME_MAX: usize = 1024;

/// Accounts that one store knows; ids come densely from zero and index tables.
pub const ACCOUNTS_MAX: u32 = 1 << 24;

/// Checkpoints that are kept: one that may turn out unreadable, and the one before.
pub const CHECKPOINTS_KEPT: u32 = 2;

/// Reading ahead passes over at most this many bytes of other streams between two messages.
pub const READ_HOLE_MAX: u32 = 4 << 10;

const _: () = assert!(SEGMENT_BYTES_MAX as u64 <= (ALIGN as u64) << 26);
const _: () = assert!(BLOCK_SEGMENTS_MAX as u64 > BLOCK_SEQUENCES);
