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
