//! Bytes from a client become operations.

use std::num::NonZeroU32;

use memchr::memchr;
use serde::de::IgnoredAny;

use crate::bounds::{CONTROL_LINE_BYTES_DEFAULT, NUMBER_DIGITS_MAX, PAYLOAD_BYTES_DEFAULT, SID_BYTES_MAX};
use crate::error_text::ProtocolError;
use crate::message::Message;
use crate::op::Op;
use crate::verb::Verb;

/// What a decoder accepts. All of it may change between operations; a frame whose control line was
/// read already keeps the limits it was accepted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderSettings {
    /// The most bytes of a control line after its verb and blank.
    pub max_control_line: u32,
    /// The most bytes of headers and payload together.
    pub max_payload: u32,
    /// Whether the client said that it understands headers; without that, `HPUB` ends the connection.
    pub headers: bool,
    /// Whether the next operation must be `CONNECT`. The decoder resets it when it has read one.
    pub connect_first: bool,
}

impl Default for DecoderSettings {
    /// What holds for a client before its `CONNECT`.
    fn default() -> Self {
        Self {
            max_control_line: CONTROL_LINE_BYTES_DEFAULT,
            max_payload: PAYLOAD_BYTES_DEFAULT,
            headers: false,
            connect_first: true,
        }
    }
}

/// Reads operations from the start of a buffer that its owner fills and drains.
///
/// The decoder keeps no bytes, only how far it got with the frame at the start of the buffer. So:
/// - [`decode`](Self::decode) wants a buffer that starts with the first byte not yet consumed.
/// - When it gave an operation, go on behind the consumed bytes.
/// - When it gave none, call it again with *the same bytes and more behind them* (they may have
///   moved to another place). Nothing is searched or parsed twice, however often it is called.
/// - After an error the connection is over.
///
/// A frame of `max_control_line + 16 + max_payload` bytes always yields an operation or an error,
/// so a buffer of that size is enough.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    settings: DecoderSettings,
    /// So many bytes of the buffer contain no line end.
    searched: usize,
    /// A `PUB` or `HPUB` whose control line was read and whose body has not arrived yet.
    waiting: Option<Frame>,
}

/// A message's control line, as places in the buffer that starts with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    subject: Span,
    reply: Option<Span>,
    header_len: usize,
    body: Span,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn of(self, buf: &[u8]) -> &[u8] {
        &buf[self.start..self.end]
    }
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            settings,
            searched: 0,
            waiting: None,
        }
    }

    /// What is accepted.
    pub fn settings(&self) -> &DecoderSettings {
        &self.settings
    }

    /// To change what is accepted, after `CONNECT` or when the account's limits change.
    pub fn settings_mut(&mut self) -> &mut DecoderSettings {
        &mut self.settings
    }

    /// How long the frame at the start of the buffer is in all, once its control line was read but
    /// its body is not complete. The owner of the buffer can make room for it at once.
    pub fn frame_len(&self) -> Option<usize> {
        self.waiting.map(|frame| frame.body.end + LINE_END.len())
    }

    /// The operation at the start of `buf` and how many bytes it takes, or none if it is not
    /// complete yet. See the type for how to go on.
    pub fn decode<'a>(&mut self, buf: &'a [u8]) -> Result<Option<(Op<'a>, usize)>, DecodeError> {
        let frame = match self.waiting.or_else(|| self.usual_publish(buf)) {
            Some(frame) => frame,
            None => match self.control_line(buf)? {
                None => return Ok(None),
                Some(Line::Complete(op, consumed)) => return Ok(Some((op, consumed))),
                Some(Line::BodyFollows(frame)) => frame,
            },
        };
        let Some(op) = finish(frame, buf)? else {
            self.waiting = Some(frame);
            return Ok(None);
        };
        self.waiting = None;
        Ok(Some((op, frame.body.end + LINE_END.len())))
    }

    /// The control line of a `PUB` as client libraries write it, in one pass. None when it is anything
    /// else, incomplete or wrong: [`Self::control_line`] decides about that, and gives the same frame.
    ///
    /// This is what a small message costs most on its way in.
    #[inline]
    fn usual_publish(&self, buf: &[u8]) -> Option<Frame> {
        const SUBJECT_AT: usize = b"PUB ".len();
        // A line that was looked at before and not complete is not looked at again and again.
        if !buf.starts_with(b"PUB ") || self.settings.connect_first || self.searched > 0 {
            return None;
        }
        // The blank behind the verb counts as well, so this is never more than what is allowed.
        let line = &buf[..buf.len().min(self.settings.max_control_line as usize)];
        let word = |start: usize| {
            let end = end_of_word(line, start)?;
            (end > start).then_some(Span { start, end })
        };
        let subject = word(SUBJECT_AT)?;
        if line[subject.end] != b' ' {
            return None;
        }
        let next = word(subject.end + 1)?;
        let (reply, size) = match line[next.end] {
            b' ' => (Some(next), word(next.end + 1)?),
            _ => (None, next),
        };
        let body_start = size.end + LINE_END.len();
        if line.get(size.end..body_start)? != LINE_END {
            return None;
        }
        let bytes = number(size.of(line)).filter(|&bytes| bytes <= self.settings.max_payload)?;
        Some(Frame {
            subject,
            reply,
            header_len: 0,
            body: Span {
                start: body_start,
                end: body_start + bytes as usize,
            },
        })
    }

    fn control_line<'a>(&mut self, buf: &'a [u8]) -> Result<Option<Line<'a>>, DecodeError> {
        let Some(&first) = buf.first() else {
            return Ok(None);
        };
        if self.settings.connect_first && !first.eq_ignore_ascii_case(&b'C') {
            return Err(DecodeError::ConnectExpected);
        }
        let Some((verb, verb_len)) = Verb::at_start_of(buf)? else {
            return Ok(None);
        };

        // The line has to end within a blank, the longest argument part and CRLF. What lies behind
        // must not matter, or the outcome would depend on how the bytes were cut.
        let limit = self.settings.max_control_line as usize;
        let window_end = limit.saturating_add(verb_len + 1 + LINE_END.len());
        let window = &buf[..buf.len().min(window_end)];
        let from = self.searched.min(window.len()).max(verb_len);
        let Some(found) = memchr(b'\n', &window[from..]) else {
            if window.len() == window_end {
                return Err(DecodeError::ControlLineExceeded { limit });
            }
            self.searched = window.len();
            return Ok(None);
        };
        let line_end = from + found;
        self.searched = 0;

        let args = Span {
            start: verb_len,
            end: line_end,
        };
        if args.end - args.start > limit && trimmed(args.of(buf)).len() > limit {
            return Err(DecodeError::ControlLineExceeded { limit });
        }
        self.parse(verb, buf, args).map(Some)
    }

    fn parse<'a>(&mut self, verb: Verb, buf: &'a [u8], args: Span) -> Result<Line<'a>, DecodeError> {
        let wrong = || DecodeError::Arguments { verb };
        let op = match verb {
            Verb::Pub | Verb::Hpub => return self.parse_publish(verb, buf, args).map(Line::BodyFollows),
            Verb::Sub => match *split(buf, args).as_slice() {
                [filter, sid] => subscribe(filter.of(buf), None, sid.of(buf)).ok_or_else(wrong)?,
                [filter, queue, sid] => {
                    subscribe(filter.of(buf), Some(queue.of(buf)), sid.of(buf)).ok_or_else(wrong)?
                }
                _ => return Err(wrong()),
            },
            Verb::Unsub => match *split(buf, args).as_slice() {
                [sid] => Op::Unsubscribe {
                    sid: sid.of(buf),
                    max: None,
                },
                [sid, max] => Op::Unsubscribe {
                    sid: sid.of(buf),
                    max: number(max.of(buf)).and_then(NonZeroU32::new),
                },
                _ => return Err(wrong()),
            },
            Verb::Connect => {
                self.settings.connect_first = false;
                Op::Connect(trimmed(args.of(buf)))
            }
            Verb::Ping => Op::Ping,
            Verb::Pong => Op::Pong,
            Verb::Ok => Op::Ignored,
            Verb::Err => return Err(DecodeError::GivenUp),
            Verb::Info => match is_json_object(trimmed(args.of(buf))) {
                true => Op::Ignored,
                false => return Err(wrong()),
            },
        };
        Ok(Line::Complete(op, args.end + 1))
    }

    fn parse_publish(&self, verb: Verb, buf: &[u8], args: Span) -> Result<Frame, DecodeError> {
        let wrong = || DecodeError::Arguments { verb };
        let has_headers = matches!(verb, Verb::Hpub);
        if has_headers && !self.settings.headers {
            return Err(DecodeError::HeadersNotNegotiated);
        }
        let split = split(buf, args);
        let (&size, words) = split.as_slice().split_last().ok_or_else(wrong)?;
        let (header_len, words) = match (has_headers, words) {
            (true, [words @ .., header_len]) => (number(header_len.of(buf)).ok_or_else(wrong)?, words),
            (true, []) => return Err(wrong()),
            (false, words) => (0, words),
        };
        let (subject, reply) = match *words {
            [subject] => (subject, None),
            [subject, reply] => (subject, Some(reply)),
            _ => return Err(wrong()),
        };
        let size = number(size.of(buf)).ok_or_else(wrong)?;
        if header_len > size {
            return Err(wrong());
        }
        // Told before the payload is read: a client that sends too much hears why at once.
        if size > self.settings.max_payload {
            return Err(DecodeError::PayloadExceeded {
                size,
                limit: self.settings.max_payload,
            });
        }
        let body_start = args.end + 1;
        let body = Span {
            start: body_start,
            end: body_start + size as usize,
        };
        Ok(Frame {
            subject,
            reply,
            header_len: header_len as usize,
            body,
        })
    }
}

/// Why a connection has to end. Nothing of the kind leaves it usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes start with no verb of the protocol, or no line end follows a payload.
    #[error("unknown operation, or a payload that is longer than announced")]
    UnknownOperation,
    /// Something else came before `CONNECT`.
    #[error("the first operation of a connection must be CONNECT")]
    ConnectExpected,
    /// A control line is longer than allowed.
    #[error("a control line has more than {limit} bytes of arguments")]
    ControlLineExceeded {
        /// The most bytes allowed.
        limit: usize,
    },
    /// A message is larger than allowed; its payload was not read.
    #[error("a message of {size} bytes exceeds the limit of {limit} bytes")]
    PayloadExceeded {
        /// What the client announced: headers and payload, in bytes.
        size: u32,
        /// The most bytes allowed.
        limit: u32,
    },
    /// Too few or too many arguments, or a size that is none.
    #[error("the arguments of {verb} are malformed")]
    Arguments {
        /// The operation.
        verb: Verb,
    },
    /// `HPUB` from a client that did not set `headers` in `CONNECT`.
    #[error("message with headers, but the client did not say in CONNECT that it understands headers")]
    HeadersNotNegotiated,
    /// The client sent `-ERR`: for it the conversation is over.
    #[error("the client reported an error")]
    GivenUp,
}

impl DecodeError {
    /// What the client is told before its connection is closed; nothing if it is just closed.
    pub fn told(&self) -> Option<ProtocolError> {
        match self {
            Self::UnknownOperation => Some(ProtocolError::UnknownProtocolOperation),
            Self::ConnectExpected => Some(ProtocolError::AuthorizationViolation),
            Self::ControlLineExceeded { .. } => Some(ProtocolError::MaximumControlLineExceeded),
            Self::PayloadExceeded { .. } => Some(ProtocolError::MaximumPayloadViolation),
            Self::Arguments { .. } | Self::HeadersNotNegotiated | Self::GivenUp => None,
        }
    }
}

const LINE_END: &[u8] = b"\r\n";

enum Line<'a> {
    /// The operation and the bytes it takes.
    Complete(Op<'a>, usize),
    BodyFollows(Frame),
}

/// The operation of a frame whose body has arrived.
fn finish<'a>(frame: Frame, buf: &'a [u8]) -> Result<Option<Op<'a>>, DecodeError> {
    // Only what has arrived of the line end can be checked, and it is checked at once: a client
    // that announced too little must not keep the connection waiting.
    match buf.get(frame.body.end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(None),
        _ => return Err(DecodeError::UnknownOperation),
    }
    let reply = frame.reply.map(|span| span.of(buf));
    let message = Message::with_headers(frame.subject.of(buf), reply, frame.body.of(buf), frame.header_len)
        .expect("the control line was refused if headers were longer than the body");
    Ok(Some(Op::Publish(message)))
}

fn subscribe<'a>(filter: &'a [u8], queue: Option<&'a [u8]>, sid: &'a [u8]) -> Option<Op<'a>> {
    (sid.len() <= SID_BYTES_MAX).then_some(Op::Subscribe { filter, queue, sid })
}

fn is_json_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// More than the most words any operation has, so that too many can be told.
const WORDS_MAX: usize = 5;

/// The words of a control line.
struct Words {
    spans: [Span; WORDS_MAX],
    count: usize,
}

impl Words {
    fn as_slice(&self) -> &[Span] {
        &self.spans[..self.count]
    }
}

/// Splits at blanks. Words beyond [`WORDS_MAX`] are left out: nothing has that many.
fn split(buf: &[u8], args: Span) -> Words {
    let mut words = Words {
        spans: [Span::default(); WORDS_MAX],
        count: 0,
    };
    let line = &buf[..args.end];
    let mut at = args.start;
    // Two plain loops: most of what a small message costs is spent on these bytes.
    loop {
        while at < line.len() && is_blank(line[at]) {
            at += 1;
        }
        if at == line.len() {
            break;
        }
        let start = at;
        while at < line.len() && !is_blank(line[at]) {
            at += 1;
        }
        words.push(Span { start, end: at });
    }
    words
}

impl Words {
    fn push(&mut self, span: Span) {
        if let Some(slot) = self.spans.get_mut(self.count) {
            *slot = span;
            self.count += 1;
        }
    }
}

/// Where a blank, a line end or another control character follows, eight bytes at a time.
fn end_of_word(line: &[u8], start: usize) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let mut at = start;
    while let Some(eight) = line.get(at..).and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        // The highest bit of each byte that is at most a blank; the first of them is always right.
        let ends = eight.wrapping_sub(EACH * 0x21) & !eight & (EACH * 0x80);
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = line.get(at..)?.iter().position(|&byte| byte <= b' ')?;
    Some(at + rest)
}

/// The carriage return is a blank: stock servers take it for one inside a line, and at the end of
/// the line it belongs to the line end.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn trimmed(mut args: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = args
        && is_blank(*first)
    {
        args = rest;
    }
    args.strip_suffix(b"\r").unwrap_or(args)
}

/// A decimal number of at most [`NUMBER_DIGITS_MAX`] digits and nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > NUMBER_DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0, |number: u32, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_publish_is_what_the_long_way_makes_of_it() {
        let settings = DecoderSettings {
            max_control_line: 40,
            max_payload: 2000,
            headers: false,
            connect_first: false,
        };
        let pieces = [
            "PUB", "pub", " ", "  ", "\t", "\r", "\n", "\r\n", "a", "b.c", "12", "3000", "\u{7f}", "é",
        ];
        let near_the_bound = (25..45).map(|length| format!("PUB {} 1\r\n", "x".repeat(length)));
        let composed = (0..pieces.len().pow(5)).map(|mut number| {
            let mut line = "PUB ".to_owned();
            while number > 0 {
                line += pieces[number % pieces.len()];
                number /= pieces.len();
            }
            line
        });
        let mut usual = 0;
        for line in composed.chain(near_the_bound) {
            let buf = line.as_bytes();
            let Some(frame) = Decoder::new(settings).usual_publish(buf) else {
                continue;
            };
            usual += 1;
            match Decoder::new(settings).control_line(buf) {
                Ok(Some(Line::BodyFollows(long))) => assert_eq!(frame, long, "{line:?}"),
                _ => panic!("the long way refuses {line:?}"),
            }
        }
        assert!(usual > 100, "only {usual} lines were as usual");
    }

    #[test]
    fn word_ends_at_the_first_byte_that_is_no_letter_wherever_it_stands() {
        for length in 0..40 {
            for end in 0_u8..=255 {
                let mut line = vec![b'z'; length];
                line.extend([end, 0xff, b' ', 0x80, b'\r', b'!', b'a', b'a', b'a']);
                let wanted = line.iter().position(|&byte| byte <= b' ');
                assert_eq!(end_of_word(&line, 0), wanted, "{line:?}");
            }
        }
        assert_eq!(end_of_word(b"abcdefghijk", 0), None);
        assert_eq!(end_of_word(b"abc", 4), None);
    }
}
