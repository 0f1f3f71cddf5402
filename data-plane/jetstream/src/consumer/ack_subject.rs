//! Where a delivered message is acknowledged.

use std::fmt;

/// The reply subject of a delivered message: clients read from it what they tell about the message.
///
/// Written in the form of old servers, `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer
/// sequence>.<time>.<pending>`, which every client knows; read also in the form that has the domain and the
/// account before the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckSubject<'a> {
    /// The name of the stream.
    pub stream: &'a str,
    /// The name of the consumer.
    pub consumer: &'a str,
    /// How often the message was delivered, with this time.
    pub deliveries: u64,
    /// The sequence of the message in the stream.
    pub stream_seq: u64,
    /// The sequence of this delivery among all of the consumer.
    pub consumer_seq: u64,
    /// When the message was stored, in nanoseconds since 1970.
    pub time: i64,
    /// How many messages are left for the consumer.
    pub pending: u64,
}

const PREFIX: &str = "$JS.ACK.";
/// Tokens after the prefix: two names and five numbers.
const TOKENS: usize = 7;
/// The newer form has two tokens more in front, and may have more behind.
const TOKENS_WITH_ACCOUNT: usize = 9;

impl<'a> AckSubject<'a> {
    /// Reads a subject. None for one that no message was delivered with.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = str::from_utf8(subject).ok()?.strip_prefix(PREFIX)?;
        let skipped = match rest.split('.').count() {
            TOKENS => 0,
            TOKENS_WITH_ACCOUNT.. => TOKENS_WITH_ACCOUNT - TOKENS,
            _ => return None,
        };
        let mut tokens = rest.split('.').skip(skipped);
        let read = Self {
            stream: name(tokens.next()?)?,
            consumer: name(tokens.next()?)?,
            deliveries: number(tokens.next()?)?,
            stream_seq: number(tokens.next()?)?,
            consumer_seq: number(tokens.next()?)?,
            time: i64::try_from(number(tokens.next()?)?).ok()?,
            pending: number(tokens.next()?)?,
        };
        (read.stream_seq > 0).then_some(read)
    }
}

fn name(token: &str) -> Option<&str> {
    (!token.is_empty()).then_some(token)
}

/// Digits alone: what reads `+5` would take other subjects than were given out.
fn number(token: &str) -> Option<u64> {
    let all_digits = token.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| token.parse().ok())?
}

impl fmt::Display for AckSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}{}.{}.{}.{}.{}.{}.{}",
            self.stream,
            self.consumer,
            self.deliveries,
            self.stream_seq,
            self.consumer_seq,
            self.time,
            self.pending
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_subject_of_the_real_server_is_read_and_written() {
        let subject = "$JS.ACK.S.C1.1.3.6.1795206863251042829.2";
        let read = AckSubject::parse(subject.as_bytes()).expect("it is one");
        assert_eq!((read.deliveries, read.stream_seq, read.consumer_seq), (1, 3, 6));
        assert_eq!((read.stream, read.consumer, read.pending), ("S", "C1", 2));
        assert_eq!(read.to_string(), subject);
    }

    #[test]
    fn the_newer_form_is_read_too() {
        for subject in [
            "$JS.ACK._.aBcD.S.C1.1.3.6.1795206863251042829.2",
            "$JS.ACK.hub.aBcD.S.C1.1.3.6.1795206863251042829.2.future",
        ] {
            let read = AckSubject::parse(subject.as_bytes()).expect("it is one");
            assert_eq!((read.stream, read.consumer, read.stream_seq), ("S", "C1", 3));
        }
    }

    #[test]
    fn what_was_never_given_out_is_not_read() {
        for subject in [
            "$JS.ACK.S.C.1.2.3.4",
            "$JS.ACK.S.C.1.2.3.4.5.6",
            "$JS.ACK.S..1.2.3.4.5",
            "$JS.ACK.S.C.1.0.3.4.5",
            "$JS.ACK.S.C.1.+2.3.4.5",
            "$JS.ACK.S.C.1.2.3.4.x",
            "$JS.ACK.S.C.1.2.3.4.18446744073709551616",
            "$JS.FC.S.C.1.2.3.4.5",
        ] {
            assert_eq!(AckSubject::parse(subject.as_bytes()), None, "{subject}");
        }
    }

    proptest! {
        #[test]
        fn a_subject_is_read_as_it_was_written(
            stream in "[A-Za-z0-9_-]{1,10}",
            consumer in "[A-Za-z0-9_-]{1,10}",
            deliveries: u64,
            stream_seq in 1_u64..,
            consumer_seq: u64,
            time in 0_i64..,
            pending: u64,
        ) {
            let subject = AckSubject {
                stream: &stream, consumer: &consumer, deliveries, stream_seq, consumer_seq, time, pending,
            };
            let text = subject.to_string();
            prop_assert_eq!(AckSubject::parse(text.as_bytes()), Some(subject));
        }

        #[test]
        fn any_subject_is_read_or_not(subject: Vec<u8>) {
            let _ = AckSubject::parse(&subject);
        }
    }
}
