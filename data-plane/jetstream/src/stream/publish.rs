//! Whether a message may be stored.

use crate::bounds::HEADER_BYTES_MAX;
use crate::config::StreamConfig;
use crate::error::{ApiError, ErrorKind};
use crate::stream::publish_headers::{PublishHeaders, Rollup, Ttl};

/// What there is in a stream, the messages that are on their way to disk included: an expectation that they
/// do not meet is refused at once.
pub trait StreamView {
    /// How the stream is configured, in normal form.
    fn config(&self) -> &StreamConfig;
    /// The sequence of the last message.
    fn last_seq(&self) -> u64;
    /// The sequence of the last message whose subject matches the filter; zero when there is none.
    fn last_seq_of(&self, filter: &[u8]) -> u64;
    /// The id of the last message; empty when it had none.
    fn last_msg_id(&self) -> &[u8];
    /// The message that had this id, as long as it is remembered.
    fn duplicate_of(&self, msg_id: &[u8]) -> Option<u64>;
}

/// What becomes of a message that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored, if there is room.
    Store {
        /// How long it is kept; none for as long as the stream keeps messages.
        ttl: Option<Ttl>,
        /// Which messages it replaces.
        rollup: Option<Rollup>,
    },
    /// It was stored before, as this.
    Duplicate {
        /// Its sequence.
        seq: u64,
    },
}

impl PublishHeaders<'_> {
    /// Decides about a message of no batch. `subject` is the one it is stored under, `header_bytes` and
    /// `bytes` its headers and all of it.
    ///
    /// The order of the checks is that of the real server, observed for every two of them.
    pub fn decide(
        &self,
        stream: &impl StreamView,
        subject: &[u8],
        header_bytes: usize,
        bytes: usize,
    ) -> Result<Verdict, ApiError> {
        let config = stream.config();
        if config.sealed {
            return Err(ErrorKind::StreamSealed.into());
        }
        let limit = usize::try_from(config.max_msg_size).unwrap_or(usize::MAX);
        if bytes > limit {
            return Err(ErrorKind::StreamMessageExceedsMaximum.into());
        }
        if header_bytes > HEADER_BYTES_MAX {
            return Err(ErrorKind::StreamHeaderExceedsMaximum.into());
        }
        if self.batch_id.is_some() && !config.allow_atomic {
            return Err(ErrorKind::AtomicPublishDisabled.into());
        }
        if self.increment.is_some() && !config.allow_msg_counter {
            return Err(ErrorKind::MessageIncrDisabled.into());
        }
        let is_other = |expected: &[u8]| expected != config.name.as_bytes();
        if self.expected_stream.is_some_and(is_other) {
            return Err(ErrorKind::StreamNotMatch.into());
        }
        let ttl = self.ttl.map(Ttl::parse);
        if matches!(ttl, Some(Some(_))) && !config.allow_msg_ttl {
            return Err(ErrorKind::MessageTTLDisabled.into());
        }
        self.check_sequences(stream, subject)?;
        if self.schedule.is_some() && !config.allow_msg_schedules {
            return Err(ErrorKind::MessageSchedulesDisabled.into());
        }
        if self.stream_source.is_some() {
            return Err(ErrorKind::MessageSourceHdrNotAllowed.into());
        }
        if let Some(seq) = self.msg_id.and_then(|id| stream.duplicate_of(id)) {
            return Ok(Verdict::Duplicate { seq });
        }
        let last = stream.last_msg_id();
        if self.expected_last_msg_id.is_some_and(|expected| expected != last) {
            return Err(ErrorKind::StreamWrongLastMsgID.with("id", String::from_utf8_lossy(last)));
        }
        let rollup = self.rollup.map(|value| rollup_of(value, config)).transpose()?;
        let ttl = match ttl {
            Some(None) => return Err(ErrorKind::MessageTTLInvalid.into()),
            Some(ttl) => ttl,
            None => None,
        };
        Ok(Verdict::Store { ttl, rollup })
    }

    fn check_sequences(&self, stream: &impl StreamView, subject: &[u8]) -> Result<(), ApiError> {
        match (self.expected_last_subject_seq, self.expected_last_subject) {
            (Some(expected), other) => {
                expect_seq(expected, stream.last_seq_of(other.unwrap_or(subject)))?;
            }
            (None, Some(_)) => return Err(ErrorKind::StreamExpectedLastSeqPerSubjectInvalid.into()),
            (None, None) => {}
        }
        match self.expected_last_seq {
            Some(expected) => expect_seq(expected, stream.last_seq()),
            None => Ok(()),
        }
    }
}

/// What is no number is the number of no message.
fn expect_seq(expected: &[u8], last: u64) -> Result<(), ApiError> {
    let is_number = expected.iter().all(u8::is_ascii_digit);
    let expected: Option<u64> = str::from_utf8(expected).ok().and_then(|text| text.parse().ok());
    if is_number && expected == Some(last) {
        return Ok(());
    }
    Err(ErrorKind::StreamWrongLastSequence.with("seq", last))
}

fn rollup_of(value: &[u8], config: &StreamConfig) -> Result<Rollup, ApiError> {
    if !config.allow_rollup_hdrs || config.deny_purge {
        return Err(ErrorKind::StreamRollupFailed.because("rollup not permitted"));
    }
    Rollup::parse(value).ok_or_else(|| {
        let value = crate::json::quoted(&String::from_utf8_lossy(value));
        ErrorKind::StreamRollupFailed.because(format_args!("rollup value invalid: {value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nanos::Nanos;

    /// A stream with one message, which had the id `m1`.
    struct OneMessage(StreamConfig);

    impl StreamView for OneMessage {
        fn config(&self) -> &StreamConfig {
            &self.0
        }
        fn last_seq(&self) -> u64 {
            1
        }
        fn last_seq_of(&self, filter: &[u8]) -> u64 {
            u64::from([b"t.z".as_slice(), b"t.*"].contains(&filter))
        }
        fn last_msg_id(&self) -> &[u8] {
            b"m1"
        }
        fn duplicate_of(&self, msg_id: &[u8]) -> Option<u64> {
            (msg_id == b"m1").then_some(1)
        }
    }

    fn stream() -> OneMessage {
        OneMessage(StreamConfig {
            name: "T".into(),
            max_msg_size: 150,
            ..StreamConfig::default()
        })
    }

    fn decide(stream: &OneMessage, headers: PublishHeaders<'_>, bytes: usize) -> Result<Verdict, u16> {
        let verdict = headers.decide(stream, b"t.z", 0, bytes);
        verdict.map_err(|error| error.err_code())
    }

    type Mistake = (fn(&mut PublishHeaders<'static>, &mut usize), Result<Verdict, u16>);

    /// In the order in which the real server finds them.
    const MISTAKES: &[Mistake] = &[
        (|_, bytes| *bytes = 200, Err(10054)),
        (|headers, _| headers.batch_id = Some(b"x"), Err(10174)),
        (|headers, _| headers.increment = Some(b"1"), Err(10168)),
        (|headers, _| headers.expected_stream = Some(b"X"), Err(10060)),
        (|headers, _| headers.ttl = Some(b"5s"), Err(10166)),
        (
            |headers, _| headers.expected_last_subject = Some(b"t.a"),
            Err(10193),
        ),
        (|headers, _| headers.expected_last_seq = Some(b"0"), Err(10071)),
        (|headers, _| headers.schedule = Some(b"@at x"), Err(10188)),
        (|headers, _| headers.stream_source = Some(b"x"), Err(10227)),
        (
            |headers, _| headers.msg_id = Some(b"m1"),
            Ok(Verdict::Duplicate { seq: 1 }),
        ),
        (|headers, _| headers.expected_last_msg_id = Some(b"q"), Err(10070)),
        (|headers, _| headers.rollup = Some(b"sub"), Err(10111)),
        (|headers, _| headers.ttl = Some(b"x"), Err(10165)),
    ];

    #[test]
    fn of_two_mistakes_the_one_is_told_that_the_real_server_tells() {
        for (at, (first, found)) in MISTAKES.iter().enumerate() {
            for (second, _) in &MISTAKES[at..] {
                let (mut headers, mut bytes) = (PublishHeaders::default(), 1);
                second(&mut headers, &mut bytes);
                first(&mut headers, &mut bytes);
                assert_eq!(decide(&stream(), headers, bytes), *found, "{headers:?}");
            }
        }
    }

    #[test]
    fn a_sealed_stream_takes_nothing() {
        let mut stream = stream();
        stream.0.sealed = true;
        for (mistake, _) in MISTAKES {
            let (mut headers, mut bytes) = (PublishHeaders::default(), 1);
            mistake(&mut headers, &mut bytes);
            assert_eq!(decide(&stream, headers, bytes), Err(10109));
        }
    }

    #[test]
    fn expectations_that_are_met_are_no_mistakes() {
        let mut stream = stream();
        stream.0.allow_msg_ttl = true;
        stream.0.allow_rollup_hdrs = true;
        let headers = PublishHeaders {
            msg_id: Some(b"m2"),
            expected_stream: Some(b"T"),
            expected_last_seq: Some(b"1"),
            expected_last_subject_seq: Some(b"1"),
            expected_last_subject: Some(b"t.*"),
            expected_last_msg_id: Some(b"m1"),
            rollup: Some(b"ALL"),
            ttl: Some(b"2"),
            ..PublishHeaders::default()
        };
        let stored = Verdict::Store {
            ttl: Some(Ttl::For(Nanos::from_secs(2))),
            rollup: Some(Rollup::All),
        };
        assert_eq!(decide(&stream, headers, 150), Ok(stored));
        // A subject without messages is expected to have none.
        let headers = PublishHeaders {
            expected_last_subject_seq: Some(b"0"),
            expected_last_subject: Some(b"t.."),
            ..PublishHeaders::default()
        };
        assert!(decide(&stream, headers, 1).is_ok());
    }

    #[test]
    fn what_is_no_sequence_is_expected_in_vain() {
        for expected in ["x", "-1", "+1", "99999999999999999999"] {
            let headers = PublishHeaders {
                expected_last_seq: Some(expected.as_bytes()),
                ..PublishHeaders::default()
            };
            let error = headers.decide(&stream(), b"t.z", 0, 1).expect_err("it is none");
            assert_eq!(error.to_string(), "wrong last sequence: 1", "{expected}");
        }
    }
}
