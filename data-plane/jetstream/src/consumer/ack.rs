//! What is answered to a delivered message.

use crate::json::{At, JsonError, Node, Object, read_leniently};
use crate::nanos::Nanos;

/// An acknowledgement, read from its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack<'a> {
    /// The message is dealt with.
    Done,
    /// It is dealt with, and more are wanted: the body of a pull request follows.
    DoneAndNext(&'a [u8]),
    /// It could not be dealt with and is to be delivered again, after a pause if one is named.
    Again(Option<Nanos>),
    /// It is still being dealt with.
    InProgress,
    /// It can never be dealt with, for this reason.
    Never(&'a [u8]),
}

impl<'a> Ack<'a> {
    /// Reads the body of an acknowledgement, without headers. None for words that are none: they do nothing.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        match body {
            b"" | b"+ACK" | b"+OK" => return Some(Self::Done),
            b"+WPI" => return Some(Self::InProgress),
            _ => {}
        }
        if let Some(request) = body.strip_prefix(b"+NXT") {
            return Some(Self::DoneAndNext(request));
        }
        if let Some(pause) = body.strip_prefix(b"-NAK") {
            return Some(Self::Again(pause_of(pause.trim_ascii())));
        }
        let reason = body.strip_prefix(b"+TERM")?;
        Some(Self::Never(reason.trim_ascii()))
    }
}

/// `{"delay": nanoseconds}` or `1.5s`. What is neither is no pause: the message comes again at once.
fn pause_of(text: &[u8]) -> Option<Nanos> {
    if text.first() == Some(&b'{') {
        let pause: Pause = read_leniently(text).ok()?;
        return Some(pause.delay);
    }
    Nanos::parse(str::from_utf8(text).ok()?)
}

#[derive(Default)]
struct Pause {
    delay: Nanos,
}

impl Object for Pause {
    const SERVER_TYPE: &'static str = "server.ConsumerNakOptions";

    fn field(&mut self, name: &str, value: &Node<'_>, at: &At<'_>) -> Result<bool, JsonError> {
        match name {
            "delay" => at.duration(&mut self.delay, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_acknowledgement_is_read() {
        let second = Nanos::from_secs(1);
        for (body, ack) in [
            ("", Some(Ack::Done)),
            ("+ACK", Some(Ack::Done)),
            ("+OK", Some(Ack::Done)),
            ("+WPI", Some(Ack::InProgress)),
            ("+NXT", Some(Ack::DoneAndNext(b""))),
            ("+NXT 5", Some(Ack::DoneAndNext(b" 5"))),
            ("-NAK", Some(Ack::Again(None))),
            ("-NAK 1s", Some(Ack::Again(Some(second)))),
            (
                r#"-NAK {"delay":1000000000,"x":1}"#,
                Some(Ack::Again(Some(second))),
            ),
            (r#"-NAK {"delay":"x"}"#, Some(Ack::Again(None))),
            ("-NAK soon", Some(Ack::Again(None))),
            ("+TERM", Some(Ack::Never(b""))),
            ("+TERM bad data ", Some(Ack::Never(b"bad data"))),
            ("+ACK ", None),
            ("+WPI x", None),
            ("ack", None),
        ] {
            assert_eq!(Ack::parse(body.as_bytes()), ack, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_an_acknowledgement_or_not(body: Vec<u8>) {
            let _ = Ack::parse(&body);
            let _ = Ack::parse(&[b"-NAK ".as_slice(), &body].concat());
        }
    }
}
