//! What a client can make the layers below the protocol hold, and for how long.

use std::time::Duration;

/// How long a TLS handshake may take, when nobody says otherwise. The stock server's default.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the request of a websocket may take, for the same reason.
pub const WEBSOCKET_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a listener that takes both waits for a client to begin TLS before it sends INFO.
pub const HANDSHAKE_FIRST_WAIT: Duration = Duration::from_millis(50);

/// Connections in a handshake at the same time, each of which holds some KiB. A restart brings all
/// clients back at once, and they wait here for their turn; who is slow gives place, see `crowd`.
pub const HANDSHAKES_MAX: usize = 4096;

/// Handshakes of which a step is being computed, or waits behind other work for the next one to
/// begin. A signature can take a millisecond: a storm of them must not stand in the queue before
/// the turns of clients that are in.
pub const HANDSHAKE_STEPS_AT_ONCE: usize = 2;

/// Bytes of a TLS handshake that a client may send. A hello has 2 KiB with keys that resist quantum
/// computers and a ticket; certificates of clients come in chains of a few KiB.
pub const HANDSHAKE_BYTES_MAX: usize = 8 * 1024;
/// See [`HANDSHAKE_BYTES_MAX`].
pub const HANDSHAKE_WITH_CERTIFICATE_BYTES_MAX: usize = 24 * 1024;

/// What one read takes from the socket before the client has authenticated, and afterwards.
pub const STRANGER_READ_BYTES: usize = 4 * 1024;
/// See [`STRANGER_READ_BYTES`].
pub const READ_BYTES: usize = 32 * 1024;

/// What a compressed message of a client that has not authenticated may become: a CONNECT with a
/// long JWT, and some operations behind it.
pub const STRANGER_INFLATED_BYTES_MAX: usize = 16 * 1024;

/// What a compressed message may become afterwards: so many times the largest payload, and not more than this.
pub const INFLATED_PAYLOADS_MAX: usize = 8;
/// See [`INFLATED_PAYLOADS_MAX`].
pub const INFLATED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that are packed before the socket is asked to take them: one record of TLS. What a slow
/// client does not take of it is held beside the messages themselves.
pub const PACKED_BYTES: usize = 16 * 1024;

/// Files of certificates and keys.
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 1024 * 1024;

const _: () = assert!(STRANGER_READ_BYTES <= READ_BYTES);
const _: () = assert!(HANDSHAKE_BYTES_MAX <= HANDSHAKE_WITH_CERTIFICATE_BYTES_MAX);
const _: () = assert!(STRANGER_INFLATED_BYTES_MAX <= crate::broker::bounds::READ_CHUNK_SHARED);
