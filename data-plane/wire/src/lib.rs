//! The NATS client protocol as values: decoder and encoder without IO.
//!
//! The node reads bytes from a socket and writes bytes to sockets; this crate says what they mean.
//! It does not know what a subscription is, who may publish, or that there are sockets.
//!
//! ```text
//!            read buffer, kept by the caller                    the receiver's buffer
//!  ┌──────────────────────┬──────────────────────┐          ┌────────────────────────────┐
//!  │ consumed │ PUB a 5⏎hello⏎ │ SUB b.* 1⏎ PU…  │          │ … MSG a 7 5⏎hello⏎         │
//!  └──────────┴────────────────┴─────────────────┘          └────────────────────────────┘
//!                   │ Decoder::decode                                  ▲ encoder::message
//!                   ▼ borrows, copies nothing                          │ copies once
//!             Op::Publish(Message)  ──── permissions, routing ─────────┘
//! ```
//!
//! - [`Decoder`] turns the start of a buffer into an [`Op`] that borrows from it. It keeps no bytes;
//!   it only remembers how far it got with an unfinished frame.
//! - [`ConnectOptions`] and [`Info`] are the two JSON texts, [`ProtocolError`] the texts of `-ERR`.
//! - [`encoder`] appends what the server sends to a `Vec<u8>`; [`headers`] knows the little that a
//!   server has to know of header blocks.
//!
//! # Driving it
//!
//! The caller owns the bytes: it decodes until nothing complete is left, keeps the rest (the
//! *carry*), and puts what it reads next behind it. This is all of a tiny echo server's protocol
//! part, from bytes to bytes:
//!
//! ```
//! use tollway_wire::{DecodeError, Decoder, Op, encoder};
//!
//! /// Handles what has arrived in `carry`, leaves the unfinished frame in it.
//! fn handle(decoder: &mut Decoder, carry: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
//!     let mut start = 0;
//!     while let Some((op, consumed)) = decoder.decode(&carry[start..])? {
//!         match op {
//!             Op::Connect(_json) => decoder.settings_mut().headers = true,
//!             Op::Ping => encoder::pong(out),
//!             // Here a broker looks up who is interested; this one sends everything back as "7".
//!             Op::Publish(message) => encoder::message(out, &message, b"7", true),
//!             _ => {}
//!         }
//!         start += consumed;
//!     }
//!     carry.drain(..start);
//!     // A large payload that has just begun: make room once instead of growing step by step.
//!     if let Some(frame_len) = decoder.frame_len() {
//!         carry.reserve(frame_len - carry.len());
//!     }
//!     Ok(())
//! }
//!
//! let mut decoder = Decoder::default();
//! let (mut carry, mut out) = (Vec::new(), Vec::new());
//! for arrived in [&b"CONNECT {}\r\nPING\r\nPUB greet"[..], b"ings 5\r\nhel", b"lo\r\n"] {
//!     carry.extend_from_slice(arrived);
//!     if let Err(error) = handle(&mut decoder, &mut carry, &mut out) {
//!         // Some mistakes are told, others just end the connection; all end it.
//!         if let Some(told) = error.told() {
//!             encoder::error(&mut out, &told);
//!         }
//!     }
//! }
//! assert_eq!(out, b"PONG\r\nMSG greetings 7 5\r\nhello\r\n");
//! assert!(carry.is_empty());
//! ```
//!
//! A node decodes from its thread's read buffer and copies only an unfinished frame into the
//! connection's carry: the decoder does not mind that the bytes moved, as long as they are the same.

pub mod bounds;
mod connect;
mod decoder;
pub mod encoder;
mod error_text;
pub mod headers;
mod info;
mod message;
mod op;
mod verb;

pub use connect::{ConnectOptions, InvalidConnect};
pub use decoder::{DecodeError, Decoder, DecoderSettings};
pub use error_text::ProtocolError;
pub use info::Info;
pub use message::Message;
pub use op::Op;
pub use verb::Verb;
