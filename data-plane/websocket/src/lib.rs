//! The server's side of WebSocket as values: handshake, frames and bounded compression without IO.
//!
//! A browser cannot open a plain socket, so NATS travels in the messages of a websocket. This crate
//! knows nothing of NATS: it takes the bytes of the client apart and packs those for the client.
//!
//! ```text
//!   bytes of the client ──▶ handshake::read_request ──▶ Upgrade ──▶ its response
//!                       ──▶ Receiver::receive ──▶ the bytes inside, and events (ping, close)
//!   frames for the client ◀── Sender::message ◀── any bytes, cut where it suits
//! ```
//!
//! What a client can make the caller hold is in [`bounds`] and in [`ReceiverLimits`]: the request has
//! a longest length, messages pass through as they arrive, and only compressed ones that are not
//! finished keep something. They are kept as they are while they are short; longer ones take an
//! inflater, which a client gets after it said who it is. What a message may become is bounded
//! while it is inflated, so a bomb is noticed at the first byte above the bound.
//!
//! Both directions compress each message on its own. That costs some compression, and it is why a
//! connection at rest holds no window: inflaters and the compressor belong to the thread.
//!
//! ```
//! use tollway_websocket::{
//!     Deflater, Inflaters, Receiver, ReceiverLimits, Sender, UpgradeSettings, read_request,
//! };
//!
//! let settings = UpgradeSettings::default();
//! let request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
//! let upgrade = read_request(request, &settings, false).unwrap().expect("it is all there");
//! assert!(upgrade.response(&settings).starts_with(b"HTTP/1.1 101 "));
//!
//! let limits = ReceiverLimits { inflated_bytes_max: 16 * 1024, long_messages: false };
//! let mut receiver = Receiver::new(upgrade.compression, limits);
//! // "PING\r\n" under a mask of zeros.
//! let frame = b"\x82\x86\0\0\0\0PING\r\n";
//! let mut plain = [0; 64];
//! let received = receiver.receive(frame, &mut plain, &mut Inflaters::default()).unwrap();
//! assert_eq!(&plain[..received.written], b"PING\r\n");
//!
//! let mut out = Vec::new();
//! let sender = Sender::new(upgrade.compression, upgrade.browser);
//! assert_eq!(sender.message(b"PONG\r\n", &mut Deflater::default(), &mut out), 6);
//! assert_eq!(out, b"\x82\x06PONG\r\n");
//! ```

pub mod bounds;
mod close;
mod deflate;
mod frame;
mod handshake;
mod inflate;
mod mask;
mod origin;
mod receiver;
mod sender;

pub use close::CloseCode;
pub use deflate::Deflater;
pub use handshake::{CookieNames, Cookies, Upgrade, UpgradeError, UpgradeSettings, read_request};
pub use inflate::Inflaters;
pub use origin::{Origin, OriginRules};
pub use receiver::{Event, ReceiveError, Received, Receiver, ReceiverLimits};
pub use sender::{Sender, close, pong};
