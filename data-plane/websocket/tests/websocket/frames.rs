//! Frames as the standard prints them, what is refused, and what the server sends.

use proptest::collection::vec;
use proptest::prelude::*;
use tollway_websocket::bounds::{FRAME_BYTES_BROWSER_MAX, FRAME_BYTES_MAX};
use tollway_websocket::{CloseCode, Deflater, Event, Sender, close, pong};

use crate::client::{LIMITS, Outcome, compressed, frame, inflated, noise, read_server, receive};

fn plain(bytes: &[u8]) -> Outcome {
    receive(false, LIMITS, 64, [bytes])
}

#[test]
fn the_examples_of_the_standard_are_read() {
    // RFC 6455, 5.7: a masked text message, "Hello".
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(frame(0x81, b"Hello"), masked);
    assert_eq!(plain(&masked).plain, b"Hello");
    // RFC 7692, 7.2.3: the same, compressed in one block of fixed codes, in two frames, in a stored
    // block, in a block that is the last, and in two blocks.
    for payload in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
    ] {
        let outcome = receive(true, LIMITS, 64, [&frame(0xc1, payload)[..]]);
        assert_eq!(
            (&outcome.plain[..], outcome.error),
            (&b"Hello"[..], None),
            "{payload:x?}"
        );
    }
    let parts = [
        frame(0x41, &[0xf2, 0x48, 0xcd]),
        frame(0x80, &[0xc9, 0xc9, 0x07, 0x00]),
    ]
    .concat();
    assert_eq!(receive(true, LIMITS, 64, [&parts[..]]).plain, b"Hello");
}

#[test]
fn control_frames_stand_between_the_parts_of_a_message() {
    let bytes = [
        frame(0x02, b"PI"),
        frame(0x89, b"hi"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"NG\r\n"),
        frame(0x88, &[3, 232, b'o', b'k']),
        frame(0x82, b"too late"),
    ]
    .concat();
    let outcome = plain(&bytes);
    assert_eq!(outcome.plain, b"PING\r\n");
    let events = [
        Event::Ping(b"hi".into()),
        Event::Pong,
        Event::Close(Some(CloseCode::NORMAL)),
    ];
    assert_eq!(outcome.events, events);
    assert_eq!(outcome.error, None);
}

#[test]
fn what_clients_may_not_send_is_refused_with_the_code_of_the_standard() {
    let deflated = compressed(b"hello hello hello");
    let cases: [(&str, bool, Vec<u8>, CloseCode); 17] = [
        (
            "unmasked",
            false,
            b"\x82\x05hello".into(),
            CloseCode::PROTOCOL_ERROR,
        ),
        ("reserved bit", false, frame(0x92, b""), CloseCode::PROTOCOL_ERROR),
        ("opcode 3", false, frame(0x83, b""), CloseCode::PROTOCOL_ERROR),
        ("opcode 11", false, frame(0x8b, b""), CloseCode::PROTOCOL_ERROR),
        (
            "compression not agreed on",
            false,
            frame(0xc2, b""),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "ping in parts",
            false,
            frame(0x09, b""),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "compressed ping",
            true,
            frame(0xc9, b""),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "long ping",
            false,
            frame(0x89, &[0; 126]),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "continuation of nothing",
            false,
            frame(0x80, b""),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "message in a message",
            false,
            [frame(0x02, b"a"), frame(0x82, b"b")].concat(),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "compressed continuation",
            true,
            [frame(0x42, &deflated[..3]), frame(0xc0, &deflated[3..])].concat(),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "close with one byte",
            false,
            frame(0x88, b"x"),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "close with 1005",
            false,
            frame(0x88, &[3, 237]),
            CloseCode::PROTOCOL_ERROR,
        ),
        (
            "close with a damaged text",
            false,
            frame(0x88, &[3, 232, 0xff]),
            CloseCode::INVALID_DATA,
        ),
        (
            "not compressed",
            true,
            frame(0xc2, &[0xff; 8]),
            CloseCode::INVALID_DATA,
        ),
        (
            "cut off",
            true,
            frame(0xc2, &deflated[..deflated.len() - 2]),
            CloseCode::INVALID_DATA,
        ),
        (
            "nothing, compressed",
            true,
            frame(0xc2, b""),
            CloseCode::INVALID_DATA,
        ),
    ];
    for (name, compression, bytes, code) in cases {
        let outcome = receive(compression, LIMITS, 64, [&bytes[..]]);
        assert_eq!(outcome.error.map(|error| error.code), Some(code), "{name}");
    }
}

#[test]
fn what_the_server_sends_is_this() {
    let mut out = Vec::new();
    let sender = Sender::new(false, false);
    assert_eq!(sender.message(b"+OK\r\n", &mut Deflater::default(), &mut out), 5);
    pong(b"hi", &mut out);
    close(Some(CloseCode::POLICY), "no", &mut out);
    close(None, "", &mut out);
    assert_eq!(out, b"\x82\x05+OK\r\n\x8a\x02hi\x88\x04\x03\xf0no\x88\x00");
}

#[test]
fn frames_for_browsers_are_short_and_those_for_others_long() {
    let bytes = vec![b'x'; 100_000];
    for (browser, wanted) in [(true, FRAME_BYTES_BROWSER_MAX), (false, FRAME_BYTES_MAX)] {
        let mut out = Vec::new();
        let sender = Sender::new(false, browser);
        assert_eq!(sender.message(&bytes, &mut Deflater::default(), &mut out), wanted);
        assert_eq!(read_server(&out), [(0x82, bytes[..wanted].to_vec())]);
    }
}

#[test]
fn only_what_becomes_shorter_is_compressed() {
    let mut deflater = Deflater::default();
    let sender = Sender::new(true, false);
    let (mut short, mut long, mut random) = (Vec::new(), Vec::new(), Vec::new());
    sender.message(b"PONG\r\n", &mut deflater, &mut short);
    sender.message(&[b'x'; 10_000], &mut deflater, &mut long);
    let noise = noise(4096);
    sender.message(&noise, &mut deflater, &mut random);
    assert_eq!(short, b"\x82\x06PONG\r\n");
    assert_eq!(read_server(&long)[0].0, 0xc2);
    assert!(long.len() < 100, "{}", long.len());
    assert_eq!(random[0], 0x82, "{} bytes", random.len());
    assert_eq!(read_server(&random), [(0x82, noise)]);
}

/// A message, how it is cut into frames, and whether it is compressed.
#[derive(Debug, Clone)]
struct Sent {
    bytes: Vec<u8>,
    cuts: Vec<usize>,
    compressed: bool,
    text: bool,
    ping: bool,
}

fn sent() -> impl Strategy<Value = Sent> {
    let word = prop_oneof![
        Just(&b"PUB a.b 3\r\nabc\r\n"[..]),
        Just(&b"\0\0\0\0"[..]),
        Just(&b"x"[..])
    ];
    (vec(word, 0..300), vec(0..200_usize, 0..4), any::<[bool; 3]>()).prop_map(
        |(words, cuts, [compressed, text, ping])| Sent {
            bytes: words.concat(),
            cuts,
            compressed,
            text,
            ping,
        },
    )
}

impl Sent {
    fn write(&self, out: &mut Vec<u8>) {
        let payload = if self.compressed {
            compressed(&self.bytes)
        } else {
            self.bytes.clone()
        };
        let first = if self.text { 1 } else { 2 } | u8::from(self.compressed) << 6;
        let mut rest = &payload[..];
        let mut opcode = first;
        for cut in &self.cuts {
            let (part, after) = rest.split_at(rest.len().min(*cut));
            out.extend(frame(opcode, part));
            if self.ping {
                out.extend(frame(0x89, b"?"));
            }
            (rest, opcode) = (after, 0);
        }
        out.extend(frame(opcode | 0x80, rest));
    }
}

proptest! {
    #[test]
    fn what_is_sent_arrives_however_it_is_cut(
        sent in vec(sent(), 0..5),
        pieces in vec(1..300_usize, 0..30),
        room in 1..5000_usize,
    ) {
        let mut bytes = Vec::new();
        sent.iter().for_each(|message| message.write(&mut bytes));
        let wanted: Vec<u8> = sent.iter().flat_map(|message| message.bytes.clone()).collect();
        let mut rest = &bytes[..];
        let mut cut = Vec::new();
        for size in pieces {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            cut.push(piece);
            rest = after;
        }
        cut.push(rest);
        for outcome in [receive(true, LIMITS, room, [&bytes[..]]), receive(true, LIMITS, room, cut)] {
            prop_assert_eq!(outcome.error, None);
            prop_assert_eq!(&outcome.plain, &wanted);
            let pings = sent.iter().map(|message| if message.ping { message.cuts.len() } else { 0 }).sum::<usize>();
            prop_assert_eq!(outcome.events.len(), pings);
        }
    }

    #[test]
    fn what_the_server_sends_can_be_read(
        words in vec(prop_oneof![vec(any::<u8>(), 0..200), Just(b"MSG a 1 3\r\nabc\r\n".repeat(20))], 1..40),
        compress in any::<bool>(),
        browser in any::<bool>(),
    ) {
        let bytes = words.concat();
        let sender = Sender::new(compress, browser);
        let (mut deflater, mut out, mut done) = (Deflater::default(), Vec::new(), 0);
        while done < bytes.len() {
            done += sender.message(&bytes[done..], &mut deflater, &mut out);
        }
        let mut read = Vec::new();
        for (first, payload) in read_server(&out) {
            prop_assert!(!browser || payload.len() <= FRAME_BYTES_BROWSER_MAX);
            match first {
                0x82 => read.extend(payload),
                0xc2 if compress => read.extend(inflated(&payload)),
                _ => prop_assert!(false, "first bits {:x}", first),
            }
        }
        prop_assert_eq!(read, bytes);
    }
}

#[test]
fn what_came_before_a_broken_frame_is_given_first() {
    let good = frame(0x82, b"PING\r\n");
    let packed = frame(0xc2, &compressed(b"PING\r\n"));
    let broken = frame(0x83, b"");
    let damaged = frame(0xc2, &[0xff; 8]);
    for (bytes, given) in [
        ([&good[..], &broken].concat(), &b"PING\r\n"[..]),
        ([&good[..], &frame(0x89, b""), &broken].concat(), b"PING\r\n"),
        ([&good[..], &frame(0x02, b"PI"), &broken].concat(), b"PING\r\nPI"),
        ([&packed[..], &broken].concat(), b"PING\r\n"),
        ([&good[..], &damaged].concat(), b"PING\r\n"),
        ([&packed[..], &packed, &damaged].concat(), b"PING\r\nPING\r\n"),
    ] {
        let outcome = receive(true, LIMITS, 64, [&bytes[..]]);
        assert!(outcome.error.is_some());
        assert_eq!(outcome.plain, given, "{}", bytes.escape_ascii());
    }
}
