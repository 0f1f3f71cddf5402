//! What the server sends, appended to the receiver's buffer.
//!
//! Deliveries are the hot path, so nothing here goes through the formatting machinery and nothing
//! allocates but the buffer itself, once per call.

use crate::error_text::ProtocolError;
use crate::info::Info;
use crate::message::Message;

/// Appends a delivery: `MSG`, or `HMSG` if there are headers and the receiver understands them.
pub fn message(out: &mut Vec<u8>, message: &Message<'_>, sid: &[u8], understands_headers: bool) {
    let body = message_head(out, message, sid, understands_headers);
    out.reserve(body.len() + LINE_END.len());
    out.extend_from_slice(body);
    out.extend_from_slice(LINE_END);
}

/// Appends only the control line of a delivery, and gives the bytes that must follow it. For a large
/// body, which is better written from where it is; `\r\n` has to follow the body.
pub fn message_head<'m>(
    out: &mut Vec<u8>,
    message: &Message<'m>,
    sid: &[u8],
    understands_headers: bool,
) -> &'m [u8] {
    let message = message.for_receiver(understands_headers);
    let reply = message.reply.unwrap_or_default();
    out.reserve(CONTROL_LINE_EXTRA + message.subject.len() + sid.len() + reply.len());
    out.extend_from_slice(if message.header_len() > 0 {
        b"HMSG "
    } else {
        b"MSG "
    });
    out.extend_from_slice(message.subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if message.reply.is_some() {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if message.header_len() > 0 {
        number(out, message.header_len());
        out.push(b' ');
    }
    number(out, message.body().len());
    out.extend_from_slice(LINE_END);
    message.body()
}

/// Appends `PING`.
pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

/// Appends `PONG`.
pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

/// Appends `+OK`, which only verbose clients want.
pub fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// Appends `-ERR` with the text of the protocol.
pub fn error(out: &mut Vec<u8>, error: &ProtocolError) {
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(error.text().as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// Appends `INFO`. The blank before the line end is what stock servers send too.
pub fn info(out: &mut Vec<u8>, info: &Info) {
    // More than it usually takes: it would grow five times otherwise.
    out.reserve(768);
    out.extend_from_slice(b"INFO ");
    serde_json::to_writer(&mut *out, info).expect("numbers, flags and strings always become JSON");
    out.extend_from_slice(b" \r\n");
}

const LINE_END: &[u8] = b"\r\n";

/// The digits of the largest number.
const DIGITS_MAX: usize = 20;

/// What a control line has beside subject, sid and reply: the verb, blanks, numbers and line end.
const CONTROL_LINE_EXTRA: usize = 5 + 4 + 2 * DIGITS_MAX + LINE_END.len();

/// Appends a number in decimal.
fn number(out: &mut Vec<u8>, mut number: usize) {
    let mut digits = [0; DIGITS_MAX];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers;

    fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before|".to_vec();
        encode(&mut out);
        String::from_utf8(out)
            .unwrap()
            .strip_prefix("before|")
            .expect("the buffer is appended to")
            .to_owned()
    }

    #[test]
    fn deliveries_are_spelled_as_on_a_stock_server() {
        let plain = Message::new(b"a.b", None, b"hello");
        let request = Message::new(b"a.b", Some(b"_INBOX.1"), b"");
        let block = b"NATS/1.0\r\nA: b\r\n\r\nhello";
        let with_headers = Message::with_headers(b"a", None, block, 18).unwrap();
        let both = Message::with_headers(b"a", Some(b"r"), block, 18).unwrap();
        for (sent, headers, expected) in [
            (plain, true, "MSG a.b 12 5\r\nhello\r\n"),
            (plain, false, "MSG a.b 12 5\r\nhello\r\n"),
            (request, true, "MSG a.b 12 _INBOX.1 0\r\n\r\n"),
            (
                with_headers,
                true,
                "HMSG a 12 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n",
            ),
            (
                both,
                true,
                "HMSG a 12 r 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n",
            ),
            (both, false, "MSG a 12 r 5\r\nhello\r\n"),
        ] {
            assert_eq!(encoded(|out| message(out, &sent, b"12", headers)), expected);
            let head = encoded(|out| {
                assert!(expected.ends_with(&{
                    let body = message_head(out, &sent, b"12", headers);
                    format!("{}\r\n", String::from_utf8_lossy(body))
                }))
            });
            assert!(expected.starts_with(&head));
        }
        assert_eq!(Message::with_headers(b"a", None, b"short", 6), None);
    }

    #[test]
    fn nobody_interested_is_spelled_as_observed() {
        let block = headers::no_responders(b"nope.svc");
        let status = Message::with_headers(b"_INBOX.a", None, &block, block.len()).unwrap();
        assert_eq!(
            encoded(|out| message(out, &status, b"1", true)),
            "HMSG _INBOX.a 1 40 40\r\nNATS/1.0 503\r\nNats-Subject: nope.svc\r\n\r\n\r\n"
        );
    }

    #[test]
    fn short_answers() {
        assert_eq!(encoded(ping), "PING\r\n");
        assert_eq!(encoded(pong), "PONG\r\n");
        assert_eq!(encoded(ok), "+OK\r\n");
        assert_eq!(
            encoded(|out| error(out, &ProtocolError::AuthorizationViolation)),
            "-ERR 'Authorization Violation'\r\n"
        );
    }

    #[test]
    fn numbers_have_all_their_digits_and_no_more() {
        for n in [0, 1, 9, 10, 99, 100, 1_048_576, 999_999_999, usize::MAX] {
            assert_eq!(encoded(|out| number(out, n)), n.to_string());
        }
    }
}
