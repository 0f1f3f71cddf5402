//! What a publisher asks for in the headers of a message.

use tollway_wire::headers::HeaderBlock;

use crate::nanos::Nanos;

/// The headers that a stream looks at, as they were written. Names count letter by letter, the first of
/// several is meant, and an empty value is none: all as in stock servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublishHeaders<'a> {
    /// By which a message that comes twice is known.
    pub msg_id: Option<&'a [u8]>,
    /// The stream that must store it.
    pub expected_stream: Option<&'a [u8]>,
    /// The sequence that the last message must have.
    pub expected_last_seq: Option<&'a [u8]>,
    /// The sequence that the last message of the subject must have; zero for none.
    pub expected_last_subject_seq: Option<&'a [u8]>,
    /// Another subject than that of the message, for the check before. May have wildcards.
    pub expected_last_subject: Option<&'a [u8]>,
    /// The id that the last message must have.
    pub expected_last_msg_id: Option<&'a [u8]>,
    /// Which messages it replaces.
    pub rollup: Option<&'a [u8]>,
    /// How long it is kept.
    pub ttl: Option<&'a [u8]>,
    /// The batch it is part of.
    pub batch_id: Option<&'a [u8]>,
    /// By how much it counts up.
    pub increment: Option<&'a [u8]>,
    /// When it is to be published.
    pub schedule: Option<&'a [u8]>,
    /// Where it was sourced from, which only servers say.
    pub stream_source: Option<&'a [u8]>,
}

impl<'a> PublishHeaders<'a> {
    /// Reads a block in one pass.
    pub fn read(block: HeaderBlock<'a>) -> Self {
        let mut read = Self::default();
        for (name, value) in block.iter() {
            let field = match name {
                b"Nats-Msg-Id" => &mut read.msg_id,
                b"Nats-Expected-Stream" => &mut read.expected_stream,
                b"Nats-Expected-Last-Sequence" => &mut read.expected_last_seq,
                b"Nats-Expected-Last-Subject-Sequence" => &mut read.expected_last_subject_seq,
                b"Nats-Expected-Last-Subject-Sequence-Subject" => &mut read.expected_last_subject,
                b"Nats-Expected-Last-Msg-Id" => &mut read.expected_last_msg_id,
                b"Nats-Rollup" => &mut read.rollup,
                b"Nats-TTL" => &mut read.ttl,
                b"Nats-Batch-Id" => &mut read.batch_id,
                b"Nats-Incr" => &mut read.increment,
                b"Nats-Schedule" => &mut read.schedule,
                b"Nats-Stream-Source" => &mut read.stream_source,
                _ => continue,
            };
            if field.is_none() && !value.is_empty() {
                *field = Some(value);
            }
        }
        read
    }
}

/// How long a message is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// For so long.
    For(Nanos),
    /// For ever, even where the stream has a limit of age.
    Never,
}

impl Ttl {
    /// Reads whole seconds, a length of time, or `never`. None for what is neither, or below a second.
    pub fn parse(value: &[u8]) -> Option<Self> {
        const SECOND: i64 = 1_000_000_000;
        if value.eq_ignore_ascii_case(b"never") {
            return Some(Self::Never);
        }
        let text = str::from_utf8(value).ok()?;
        let nanos = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Centuries are as good as what does not fit.
            text.parse::<i64>().ok()?.saturating_mul(SECOND)
        } else {
            Nanos::parse(text)?.0
        };
        (nanos >= SECOND).then_some(Self::For(Nanos(nanos)))
    }
}

/// Which messages a new one replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollup {
    /// Those of its subject.
    Subject,
    /// All of the stream.
    All,
}

impl Rollup {
    /// Reads `sub` or `all`, in any case.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.eq_ignore_ascii_case(b"sub") {
            Some(Self::Subject)
        } else if value.eq_ignore_ascii_case(b"all") {
            Some(Self::All)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_read_as_in_the_real_server() {
        let of = |millis| Some(Ttl::For(Nanos::from_millis(millis)));
        for (value, ttl) in [
            ("1", of(1000)),
            ("1s", of(1000)),
            ("1.5s", of(1500)),
            ("1500ms", of(1500)),
            ("1h", of(3_600_000)),
            ("never", Some(Ttl::Never)),
            ("Never", Some(Ttl::Never)),
            ("9223372036854775807", Some(Ttl::For(Nanos(i64::MAX)))),
            ("0", None),
            ("-1", None),
            ("+5", None),
            ("0.5", None),
            ("0s", None),
            ("-1s", None),
            ("999ms", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(Ttl::parse(value.as_bytes()), ttl, "{value}");
        }
    }

    #[test]
    fn names_count_letter_by_letter_and_the_first_is_meant() {
        let block =
            b"NATS/1.0\r\nnats-msg-id: a\r\nNats-Msg-Id:\r\nNats-Msg-Id:  b \r\nNats-Msg-Id: c\r\n\r\n";
        let block = HeaderBlock::new(block).expect("it is a block");
        assert_eq!(PublishHeaders::read(block).msg_id, Some(b"b".as_slice()));
    }
}
