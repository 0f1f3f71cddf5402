//! No bytes can stop a node, and it makes no difference in which pieces they arrive.

#[path = "support/every_way.rs"]
mod every_way;
mod support;

use every_way::{fuzz, settings};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{decode_in_pieces, describe};
use tollway_wire::{Message, Op, encoder};

/// What a client might send, in bits that fit together more or less.
const VOCABULARY: &[&[u8]] = &[
    b"PUB",
    b"HPUB",
    b"SUB",
    b"UNSUB",
    b"CONNECT",
    b"PING",
    b"PONG",
    b"+OK",
    b"-ERR",
    b"INFO",
    b"pub",
    b" ",
    b" ",
    b" ",
    b"\t",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"a",
    b"a.b",
    b"*",
    b">",
    b"_INBOX.x",
    b"0",
    b"1",
    b"2",
    b"5",
    b"12",
    b"99",
    b"100",
    b"101",
    b"999999999",
    b"9999999999",
    b"-1",
    b"{}",
    b"{\"verbose\":false}",
    b"hello",
    b"NATS/1.0\r\n\r\n",
    b"NATS/1.0 503\r\nA: b\r\n\r\n",
    b"PUB a 5\r\nhello\r\n",
    b"HPUB a 12 17\r\nNATS/1.0\r\n\r\nhello\r\n",
    b"SUB a.* 1\r\n",
    b"PING\r\n",
    b"\0",
    b"\xff\xfe",
];

/// A generator of our own, so that a seed is all that is needed to repeat a failure.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        // The step and the mixing of splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = vec![self.below(256) as u8];
        for _ in 0..self.below(30) {
            bytes.extend_from_slice(VOCABULARY[self.below(VOCABULARY.len())]);
        }
        // Now and then a byte is damaged.
        if self.below(4) == 0 {
            let place = self.below(bytes.len());
            bytes[place] = self.below(256) as u8;
        }
        bytes
    }
}

#[test]
fn twenty_thousand_seeds_find_nothing() {
    for seed in 0..20_000 {
        let bytes = Seeded(seed).bytes();
        let outcome = std::panic::catch_unwind(|| fuzz(&bytes));
        assert!(outcome.is_ok(), "seed {seed}: {}", bytes.escape_ascii());
    }
}

/// A word of a control line: no blanks, no line ends.
fn word() -> impl Strategy<Value = Vec<u8>> {
    vec(
        any::<u8>().prop_filter("no blank", |byte| !b" \t\r\n".contains(byte)),
        1..12,
    )
}

#[derive(Debug, Clone)]
enum Sent {
    Ping,
    Publish {
        subject: Vec<u8>,
        reply: Option<Vec<u8>>,
        headers: Vec<u8>,
        payload: Vec<u8>,
    },
    Subscribe {
        filter: Vec<u8>,
        queue: Option<Vec<u8>>,
        sid: Vec<u8>,
    },
    Unsubscribe {
        sid: Vec<u8>,
        max: Option<std::num::NonZeroU32>,
    },
}

fn sent() -> impl Strategy<Value = Sent> {
    let reply = || proptest::option::of(word());
    let bytes = || vec(any::<u8>(), 0..40);
    prop_oneof![
        Just(Sent::Ping),
        (word(), reply(), bytes(), bytes()).prop_map(|(subject, reply, headers, payload)| Sent::Publish {
            subject,
            reply,
            headers,
            payload
        }),
        (word(), reply(), word()).prop_map(|(filter, queue, sid)| Sent::Subscribe { filter, queue, sid }),
        (
            word(),
            proptest::option::of((1..999_999_999_u32).prop_map(|max| max.try_into().expect("not zero")))
        )
            .prop_map(|(sid, max)| Sent::Unsubscribe { sid, max }),
    ]
}

impl Sent {
    /// As a client writes it.
    fn write(&self, out: &mut Vec<u8>) {
        let mut line: Vec<Vec<u8>> = Vec::new();
        let mut body = Vec::new();
        match self.clone() {
            Self::Ping => line.push(b"PING".to_vec()),
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => {
                let verb = if headers.is_empty() { "PUB" } else { "HPUB" };
                line.extend([verb.into(), subject]);
                line.extend(reply);
                if !headers.is_empty() {
                    line.push(headers.len().to_string().into());
                }
                line.push((headers.len() + payload.len()).to_string().into());
                body = [b"\r\n", &headers[..], &payload[..]].concat();
            }
            Self::Subscribe { filter, queue, sid } => {
                line.extend([b"SUB".to_vec(), filter]);
                line.extend(queue);
                line.push(sid);
            }
            Self::Unsubscribe { sid, max } => {
                line.extend([b"UNSUB".to_vec(), sid]);
                line.extend(max.map(|max| max.to_string().into()));
            }
        }
        out.extend(line.join(&b' '));
        out.extend(body);
        out.extend(b"\r\n");
    }

    fn expected(&self) -> String {
        match self {
            Self::Ping => describe(&Op::Ping),
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => {
                let body = [&headers[..], &payload[..]].concat();
                let message = Message::with_headers(subject, reply.as_deref(), &body, headers.len());
                describe(&Op::Publish(message.expect("headers are part of the body")))
            }
            Self::Subscribe { filter, queue, sid } => describe(&Op::Subscribe {
                filter,
                queue: queue.as_deref(),
                sid,
            }),
            Self::Unsubscribe { sid, max } => describe(&Op::Unsubscribe { sid, max: *max }),
        }
    }
}

proptest! {
    #[test]
    fn what_is_sent_arrives_however_it_is_cut(sent in vec(sent(), 0..12), pieces in vec(1..60_usize, 0..40)) {
        let mut bytes = Vec::new();
        sent.iter().for_each(|sent| sent.write(&mut bytes));
        let expected: Vec<String> = sent.iter().map(Sent::expected).collect();

        let mut rest = &bytes[..];
        let mut cut = Vec::new();
        for size in pieces {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            cut.push(piece);
            rest = after;
        }
        cut.push(rest);
        for outcome in [decode_in_pieces(settings(), [&bytes[..]]), decode_in_pieces(settings(), cut)] {
            prop_assert_eq!(&outcome.ops, &expected);
            prop_assert_eq!((outcome.error, outcome.left), (None, 0));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    /// A delivery, read back as the publication it came from: sid and verb are all that differs.
    #[test]
    fn deliveries_carry_the_message(
        subject in word(),
        reply in proptest::option::of(word()),
        body in vec(any::<u8>(), 0..80),
        header_len in 0..80_usize,
        understands_headers in any::<bool>(),
    ) {
        let header_len = header_len.min(body.len());
        let message = Message::with_headers(&subject, reply.as_deref(), &body, header_len).unwrap();
        let mut out = Vec::new();
        encoder::message(&mut out, &message, b"7", understands_headers);

        let line_end = out.iter().position(|&byte| byte == b'\n').unwrap();
        let line = out[..line_end].trim_ascii_end().to_vec();
        let mut words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        prop_assert_eq!(words.remove(2), b"7");
        words[0] = if words[0] == b"HMSG" { b"HPUB" } else { b"PUB" };
        let mut published = words.join(&b' ');
        published.extend_from_slice(b"\r\n");
        published.extend_from_slice(&out[line_end + 1..]);

        let outcome = decode_in_pieces(settings(), [&published[..]]);
        let expected = describe(&Op::Publish(message.for_receiver(understands_headers)));
        prop_assert_eq!(outcome.ops, [expected]);
    }
}
