//! What a client can make a server hold or do, before and after it has said who it is.

/// Bytes of the request that opens a websocket. Browsers send up to 4 KiB for one cookie.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Lines of headers in that request.
pub const REQUEST_HEADERS_MAX: usize = 64;

/// Bytes of a control frame, which the standard decides.
pub const CONTROL_BYTES_MAX: usize = 125;

/// Compressed bytes of an unfinished message that are kept as they are. A longer message takes an
/// inflater while it lasts, which only a client that has authenticated may do.
pub const HELD_BYTES_MAX: usize = 4 * 1024;

/// What an inflater takes: the window of 32 KiB and tables.
pub const INFLATER_BYTES: usize = 48 * 1024;

/// Inflaters that a thread keeps for the next messages.
pub const INFLATERS_KEPT_MAX: usize = 4;

/// Bytes of one frame to a client.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one frame to a browser: some give a page a frame only when all of it is there, and are
/// slow with larger ones.
pub const FRAME_BYTES_BROWSER_MAX: usize = 4096;

/// Less than this is not compressed: the answer would be as long.
pub const COMPRESS_BYTES_MIN: usize = 64;

/// Bytes of the reason in a close frame: what a control frame has room for behind the code.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

const _: () = assert!(HELD_BYTES_MAX < INFLATER_BYTES);
const _: () = assert!(COMPRESS_BYTES_MIN < FRAME_BYTES_BROWSER_MAX);
const _: () = assert!(FRAME_BYTES_BROWSER_MAX <= FRAME_BYTES_MAX);
