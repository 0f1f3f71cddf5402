//! The first word of what a client sends.

use std::fmt;

use crate::decoder::DecodeError;

/// The operations that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `PUB subject [reply] size`
    Pub,
    /// `HPUB subject [reply] header-size size`
    Hpub,
    /// `SUB filter [queue] sid`
    Sub,
    /// `UNSUB sid [max]`
    Unsub,
    /// `CONNECT {json}`
    Connect,
    /// `PING`
    Ping,
    /// `PONG`
    Pong,
    /// `+OK`
    Ok,
    /// `-ERR text`
    Err,
    /// `INFO {json}`
    Info,
}

/// The most frequent ones first: the look-up goes through them in this order.
const ALL: [Verb; 10] = [
    Verb::Pub,
    Verb::Hpub,
    Verb::Sub,
    Verb::Unsub,
    Verb::Ping,
    Verb::Pong,
    Verb::Connect,
    Verb::Ok,
    Verb::Err,
    Verb::Info,
];

impl Verb {
    /// The verb as it is documented; clients may write it in any case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pub => "PUB",
            Self::Hpub => "HPUB",
            Self::Sub => "SUB",
            Self::Unsub => "UNSUB",
            Self::Connect => "CONNECT",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Ok => "+OK",
            Self::Err => "-ERR",
            Self::Info => "INFO",
        }
    }

    /// Whether a blank has to follow. The others are lenient in stock servers: `CONNECT{}` is
    /// accepted, and so is anything behind `PING`.
    fn wants_blank(self) -> bool {
        matches!(self, Self::Pub | Self::Hpub | Self::Sub | Self::Unsub | Self::Err)
    }

    /// The verb at the start of `buf` and its length, or none while it could still become one.
    ///
    /// What cannot become a verb is refused as early as possible, without waiting for the line end:
    /// something that speaks another protocol may never send one.
    pub(crate) fn at_start_of(buf: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        for verb in ALL {
            let name = verb.name().as_bytes();
            let arrived = buf.len().min(name.len());
            if !buf[..arrived].eq_ignore_ascii_case(&name[..arrived]) {
                continue;
            }
            return match buf.get(name.len()) {
                _ if arrived < name.len() => Ok(None),
                _ if !verb.wants_blank() => Ok(Some((verb, arrived))),
                None => Ok(None),
                Some(b' ' | b'\t') => Ok(Some((verb, arrived))),
                Some(_) => Err(DecodeError::UnknownOperation),
            };
        }
        Err(DecodeError::UnknownOperation)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
