//! What a client may ask.

use std::num::NonZeroU32;

use crate::message::Message;

/// One operation of a client, borrowed from the read buffer.
///
/// No slice in it contains a blank or a line end, except the JSON of [`Op::Connect`] and the body of
/// a message. Nothing else is checked: subjects may be invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op<'a> {
    /// `CONNECT`: the JSON, for [`crate::ConnectOptions::parse`].
    Connect(&'a [u8]),
    /// `PING`: to be answered with `PONG`.
    Ping,
    /// `PONG`: the answer to the server's `PING`.
    Pong,
    /// `PUB` or `HPUB`.
    Publish(Message<'a>),
    /// `SUB`.
    Subscribe {
        /// What to subscribe with; not checked.
        filter: &'a [u8],
        /// The queue group to join.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription: usually digits, at most
        /// [`crate::bounds::SID_BYTES_MAX`] bytes.
        sid: &'a [u8],
    },
    /// `UNSUB`.
    Unsubscribe {
        /// The subscription; an unknown one is no error.
        sid: &'a [u8],
        /// Remove it after this many deliveries, counted from its start; at once if absent. A count
        /// of zero and what is no number mean at once too, as in stock servers.
        max: Option<NonZeroU32>,
    },
    /// `+OK` or `INFO`, which mean nothing from a client and are no error either.
    Ignored,
}
