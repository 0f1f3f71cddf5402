//! Which messages acknowledge stored ones. Those count against no rate: an account that owes must
//! be able to say what it is done with, or it would be sent all of it again.

use tollway_wire::Message;

use crate::broker::bounds::ACKNOWLEDGEMENT_BYTES_MAX;

const PREFIX: &[u8] = b"$JS.ACK.";

/// What an acknowledgement says, beside nothing at all. Some go on after the word.
const WORDS: [&[u8]; 6] = [b"+ACK", b"+OK", b"-NAK", b"+WPI", b"+NXT", b"+TERM"];

/// Whether this is the answer to a stored message, by the whole form of its subject and by what it
/// says. The prefix alone would let anything through, past every rate.
pub(super) fn is_acknowledgement(message: &Message<'_>, bytes: usize) -> bool {
    let payload = message.payload();
    let says_so = payload.is_empty() || WORDS.iter().any(|word| payload.starts_with(word));
    bytes <= ACKNOWLEDGEMENT_BYTES_MAX && says_so && names_a_delivery(message.subject)
}

/// `$JS.ACK.<stream>.<consumer>.<delivered>.<of stream>.<of consumer>.<time>.<pending>`, or with domain
/// and account before the stream, and perhaps one token at the end that makes it unique.
fn names_a_delivery(subject: &[u8]) -> bool {
    const NUMBERS: usize = 5;
    let Some(rest) = subject.strip_prefix(PREFIX) else {
        return false;
    };
    let numbers_at = match rest.split(|&byte| byte == b'.').count() {
        7 => 2,
        9 | 10 => 4,
        _ => return false,
    };
    let mut tokens = rest.split(|&byte| byte == b'.');
    let named = tokens.by_ref().take(numbers_at).all(|token| !token.is_empty());
    let is_number = |token: &[u8]| !token.is_empty() && token.iter().all(u8::is_ascii_digit);
    named && tokens.by_ref().take(NUMBERS).all(is_number) && tokens.all(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(subject: &str, payload: &str) -> bool {
        let message = Message::new(subject.as_bytes(), None, payload.as_bytes());
        is_acknowledgement(&message, subject.len() + payload.len())
    }

    #[test]
    fn what_clients_send_to_acknowledge_is_one() {
        for subject in [
            "$JS.ACK.orders.worker.1.22.3.1795206863251042829.4",
            "$JS.ACK._.hash.orders.worker.1.22.3.1795206863251042829.4",
            "$JS.ACK.hub.hash.orders.worker.1.22.3.1795206863251042829.4.aB3",
        ] {
            for payload in [
                "",
                "+ACK",
                "+OK",
                "-NAK",
                "-NAK {\"delay\":1000}",
                "+WPI",
                "+NXT 5",
                "+TERM no",
            ] {
                assert!(is_one(subject, payload), "{subject} {payload}");
            }
        }
    }

    #[test]
    fn what_only_begins_like_one_is_none() {
        for subject in [
            "$JS.ACK",
            "$JS.ACK.",
            "$JS.ACK.x",
            "$JS.ACK.s.c.1.2.3.4",
            "$JS.ACK.s.c.1.2.3.4.",
            "$JS.ACK.s.c.1.2.3.4.x",
            "$JS.ACK.s..1.2.3.4.5",
            "$JS.ACK.s.c.1.2.3.4.5.6",
            "$JS.ACK.d.h.s.c.1.2.3.4.x",
            "$JS.ACK.d.h.s.c.1.2.3.4.5.",
            "$JS.ACK.d.h.s.c.1.2.3.4.5.x.y",
            "x.$JS.ACK.s.c.1.2.3.4.5",
        ] {
            assert!(!is_one(subject, "+ACK"), "{subject}");
        }
        let subject = "$JS.ACK.s.c.1.2.3.4.5";
        assert!(!is_one(subject, "a message") && !is_one(subject, "+"));
        assert!(!is_one(
            subject,
            &format!("+TERM {}", "x".repeat(ACKNOWLEDGEMENT_BYTES_MAX))
        ));
    }
}
