//! The bounds of what a peer may send, and their defaults. Limits of tenants are not here: they come
//! with the account and are settings of the decoder.

/// The default bound of a control line's argument part, in bytes. Stock servers have the same, and
/// client libraries are written against it.
pub const CONTROL_LINE_BYTES_DEFAULT: u32 = 4096;

/// The default bound of headers and payload of one message together, in bytes.
pub const PAYLOAD_BYTES_DEFAULT: u32 = 1024 * 1024;

/// The longest subscription id. Clients use small numbers; the server repeats the id in each
/// delivery, so a long one would make a client's own deliveries dear for everybody.
pub const SID_BYTES_MAX: usize = 64;

/// The most digits of a size or count. Stock servers stop here as well; it also means that sums of
/// two sizes fit into 32 bits.
pub const NUMBER_DIGITS_MAX: usize = 9;

const _: () = assert!(10_u64.pow(NUMBER_DIGITS_MAX as u32) * 2 < u32::MAX as u64);
const _: () = assert!(SID_BYTES_MAX < CONTROL_LINE_BYTES_DEFAULT as usize);
