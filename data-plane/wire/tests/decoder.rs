//! Golden bytes: what each line of a client means, and how each mistake ends.

mod support;

use support::{Outcome, decode_in_pieces};
use tollway_wire::{DecodeError, Decoder, DecoderSettings, ProtocolError, Verb, bounds};

/// After a `CONNECT` that negotiated headers.
fn connected() -> DecoderSettings {
    DecoderSettings {
        headers: true,
        connect_first: false,
        ..DecoderSettings::default()
    }
}

/// Decodes the bytes whole and cut at every place: all must agree.
fn decode(settings: DecoderSettings, bytes: &[u8]) -> Outcome {
    let whole = decode_in_pieces(settings, [bytes]);
    for cut in 0..=bytes.len() {
        let (before, after) = bytes.split_at(cut);
        let pieces = decode_in_pieces(settings, [before, after]);
        assert_eq!(pieces, whole, "cut at {cut} of {}", bytes.escape_ascii());
    }
    assert_eq!(decode_in_pieces(settings, bytes.chunks(1)), whole, "byte by byte");
    whole
}

#[test]
fn every_operation_is_understood() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        ("PING\r\n", &["ping"]),
        ("ping\r\nPoNg\n", &["ping", "pong"]),
        ("PING and more\r\n", &["ping"]),
        ("CONNECT {\"a\": 1}\r\n", &["connect {\\\"a\\\": 1}"]),
        ("connect\t \t{}\n", &["connect {}"]),
        ("CONNECT{}\r\n", &["connect {}"]),
        (
            "+OK\r\nINFO {}\r\nINFO {\"a\":[1]} \r\n",
            &["ignored", "ignored", "ignored"],
        ),
        ("PUB a 2\r\nhi\r\n", &["publish a reply - headers - payload hi"]),
        (
            "PUB a.b _INBOX.1 2\r\nhi\r\n",
            &["publish a.b reply _INBOX.1 headers - payload hi"],
        ),
        (
            "pub\ta\t\t r \t0 \r\n\r\n",
            &["publish a reply r headers - payload "],
        ),
        ("PUB a 2\nhi\r\n", &["publish a reply - headers - payload hi"]),
        // A payload is any bytes, also what looks like the protocol.
        (
            "PUB a 8\r\nPING\r\n\r\n\r\n",
            &["publish a reply - headers - payload PING\\r\\n\\r\\n"],
        ),
        // A subject is not checked here.
        ("PUB a..* 0\r\n\r\n", &["publish a..* reply - headers - payload "]),
        (
            "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
            &["publish a reply - headers NATS/1.0\\r\\n\\r\\n payload hi"],
        ),
        (
            "hpub a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
            &["publish a reply r headers NATS/1.0\\r\\n\\r\\n payload "],
        ),
        (
            "HPUB a 0 2\r\nhi\r\n",
            &["publish a reply - headers - payload hi"],
        ),
        ("SUB a.* 1\r\n", &["subscribe a.* queue - sid 1"]),
        ("sub a.> workers s-1\n", &["subscribe a.> queue workers sid s-1"]),
        ("UNSUB 1\r\n", &["unsubscribe 1 now"]),
        ("unsub 1 5\r\n", &["unsubscribe 1 after 5"]),
        (
            "UNSUB 1 0\r\nUNSUB 1 x\r\nUNSUB 1 1234567890\r\n",
            &["unsubscribe 1 now"; 3],
        ),
        // Unfinished, and no mistake yet.
        ("PING\r\nPI", &["ping"]),
        ("PUB a 2", &[]),
        ("PUB a 2\r\nhi", &[]),
        ("PUB a 2\r\nhi\r", &[]),
        ("SUB a 1\r", &[]),
    ];
    for (bytes, ops) in table {
        let outcome = decode(connected(), bytes.as_bytes());
        assert_eq!(
            (&outcome.ops[..], outcome.error),
            (&ops.map_to_strings()[..], None),
            "{bytes:?}"
        );
    }
}

trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for &[&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|text| text.to_string()).collect()
    }
}

#[test]
fn every_mistake_ends_the_connection_as_in_stock_servers() {
    let args = |verb| DecodeError::Arguments { verb };
    let unknown = DecodeError::UnknownOperation;
    let too_large = |size| DecodeError::PayloadExceeded {
        size,
        limit: bounds::PAYLOAD_BYTES_DEFAULT,
    };
    let table = [
        ("FOO\r\n", unknown),
        ("GET / HTTP/1.1\r\n", unknown),
        ("\r\n", unknown),
        (" PING\r\n", unknown),
        ("PINX", unknown),
        ("MSG a 1 0\r\n\r\n", unknown),
        ("PUBx a 0\r\n\r\n", unknown),
        ("PUB\r\n", unknown),
        ("SUB\n", unknown),
        ("UNSUB\r\n", unknown),
        ("-ERR\r\n", unknown),
        ("\u{16}\u{3}\u{1}", unknown),
        // The payload is longer than announced, or its line end is not CRLF.
        ("PUB a 2\r\nhi!\r\n", unknown),
        ("PUB a 2\r\nhi\n", unknown),
        ("PUB a 2\r\nhi\r!", unknown),
        ("PUB a 0\r\nPING\r\n", unknown),
        ("-ERR 'x y'\r\n", DecodeError::GivenUp),
        ("INFO \r\n", args(Verb::Info)),
        ("INFO [1]\r\n", args(Verb::Info)),
        ("INFO {\r\n", args(Verb::Info)),
        ("PUB \r\n", args(Verb::Pub)),
        ("PUB a\r\n", args(Verb::Pub)),
        ("PUB 5\r\n", args(Verb::Pub)),
        ("PUB a b c 5\r\n", args(Verb::Pub)),
        ("PUB a b c d e f 5\r\n", args(Verb::Pub)),
        ("PUB a -1\r\n", args(Verb::Pub)),
        ("PUB a +1\r\n", args(Verb::Pub)),
        ("PUB a 1x\r\n", args(Verb::Pub)),
        ("PUB a 1234567890\r\n", args(Verb::Pub)),
        ("PUB a 99999999999999999999999\r\n", args(Verb::Pub)),
        ("HPUB a 5\r\n", args(Verb::Hpub)),
        ("HPUB a r q 5 5\r\n", args(Verb::Hpub)),
        ("HPUB a 6 5\r\n", args(Verb::Hpub)),
        ("HPUB a -1 5\r\n", args(Verb::Hpub)),
        ("HPUB 5\r\n", args(Verb::Hpub)),
        ("SUB a\r\n", args(Verb::Sub)),
        ("SUB a q 1 2\r\n", args(Verb::Sub)),
        ("SUB a 1 2 3 4 5 6\r\n", args(Verb::Sub)),
        ("UNSUB \r\n", args(Verb::Unsub)),
        ("UNSUB 1 2 3\r\n", args(Verb::Unsub)),
        ("PUB a 1048577\r\n", too_large(1_048_577)),
        ("PUB a 999999999\r\n", too_large(999_999_999)),
        ("HPUB a 12 1048577\r\n", too_large(1_048_577)),
    ];
    for (bytes, error) in table {
        let outcome = decode(connected(), bytes.as_bytes());
        assert_eq!((outcome.error, outcome.ops.len()), (Some(error), 0), "{bytes:?}");
    }
}

#[test]
fn what_the_client_is_told_depends_on_the_mistake() {
    for (error, told) in [
        (
            DecodeError::UnknownOperation,
            Some(ProtocolError::UnknownProtocolOperation),
        ),
        (
            DecodeError::ConnectExpected,
            Some(ProtocolError::AuthorizationViolation),
        ),
        (
            DecodeError::ControlLineExceeded { limit: 1 },
            Some(ProtocolError::MaximumControlLineExceeded),
        ),
        (
            DecodeError::PayloadExceeded { size: 2, limit: 1 },
            Some(ProtocolError::MaximumPayloadViolation),
        ),
        (DecodeError::Arguments { verb: Verb::Pub }, None),
        (DecodeError::HeadersNotNegotiated, None),
    ] {
        assert_eq!(error.told(), told, "{error}");
        assert!(told.is_none_or(|told| told.closes()), "{error}");
    }
}

#[test]
fn operations_before_a_mistake_are_given() {
    let outcome = decode(connected(), b"PING\r\nPUB a 1\r\nx\r\nNONSENSE\r\nPING\r\n");
    assert_eq!(outcome.ops, ["ping", "publish a reply - headers - payload x"]);
    assert_eq!(outcome.error, Some(DecodeError::UnknownOperation));
    assert_eq!(outcome.left, "NONSENSE\r\nPING\r\n".len());
}

#[test]
fn connect_comes_first() {
    for bytes in ["PING\r\n", "PUB a 1\r\n", "x", "+OK\r\n"] {
        let outcome = decode(DecoderSettings::default(), bytes.as_bytes());
        assert_eq!(outcome.error, Some(DecodeError::ConnectExpected), "{bytes:?}");
    }
    let outcome = decode(
        DecoderSettings::default(),
        b"CONNECT {}\r\nPING\r\nCONNECT {}\r\n",
    );
    assert_eq!(outcome.ops, ["connect {}", "ping", "connect {}"]);
    assert_eq!(outcome.error, None);
    // What starts like CONNECT and is something else is no violation but nonsense.
    let outcome = decode(DecoderSettings::default(), b"CANCEL\r\n");
    assert_eq!(outcome.error, Some(DecodeError::UnknownOperation));
}

#[test]
fn headers_have_to_be_negotiated() {
    let settings = DecoderSettings {
        headers: false,
        ..connected()
    };
    let outcome = decode(settings, b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    assert_eq!(outcome.error, Some(DecodeError::HeadersNotNegotiated));
}

#[test]
fn the_argument_part_may_be_as_long_as_the_limit_and_no_longer() {
    let settings = DecoderSettings {
        max_control_line: 32,
        ..connected()
    };
    let exceeded = Some(DecodeError::ControlLineExceeded { limit: 32 });
    for (verb, line_end, longest, error) in [
        ("SUB ", "\r\n", 32, None),
        ("SUB ", "\n", 32, None),
        ("SUB\t", "\r\n", 33, exceeded),
        ("SUB ", "\n", 33, exceeded),
        ("SUB ", "\n", 34, exceeded),
        ("SUB ", "", 200, exceeded),
        ("CONNECT ", "\r\n", 32, None),
        ("CONNECT", "\r\n", 32, None),
        ("CONNECT ", "\r\n", 33, exceeded),
        ("PING", "\r\n", 200, exceeded),
        ("PUB ", "\r\n", 33, exceeded),
    ] {
        let args = format!("{} 1", "s".repeat(longest - 2));
        let bytes = format!("{verb}{args}{line_end}");
        assert_eq!(decode(settings, bytes.as_bytes()).error, error, "{bytes:?}");
    }
}

#[test]
fn a_line_that_never_ends_is_refused_as_soon_as_it_is_too_long() {
    let mut decoder = Decoder::new(connected());
    let bytes = [b"SUB ".as_slice(), &[b'x'; 5000]].concat();
    let accepted = (0..bytes.len())
        .take_while(|&arrived| decoder.decode(&bytes[..arrived]).is_ok())
        .count();
    assert_eq!(accepted, "SUB ".len() + 4096 + "\r\n".len());
}

#[test]
fn sids_are_any_bytes_of_bounded_length() {
    let longest = "s".repeat(bounds::SID_BYTES_MAX);
    let outcome = decode(connected(), format!("SUB a {longest}\r\n").as_bytes());
    assert_eq!(outcome.ops, [format!("subscribe a queue - sid {longest}")]);
    for line in [format!("SUB a {longest}s\r\n"), format!("SUB a q {longest}s\r\n")] {
        let outcome = decode(connected(), line.as_bytes());
        assert_eq!(outcome.error, Some(DecodeError::Arguments { verb: Verb::Sub }));
    }
}

#[test]
fn too_large_a_message_is_refused_before_its_payload_arrives() {
    let mut decoder = Decoder::new(DecoderSettings {
        max_payload: 10,
        ..connected()
    });
    assert_eq!(
        decoder.decode(b"PUB a 11\r\n"),
        Err(DecodeError::PayloadExceeded { size: 11, limit: 10 })
    );
    // Headers count as well.
    assert_eq!(
        decoder.decode(b"HPUB a 10 11\r\n"),
        Err(DecodeError::PayloadExceeded { size: 11, limit: 10 })
    );
    assert_eq!(decoder.decode(b"PUB a 10\r\n"), Ok(None));
}

#[test]
fn a_lower_limit_holds_from_the_next_message_on() {
    let mut decoder = Decoder::new(connected());
    assert_eq!(decoder.decode(b"PUB a 5\r\nhe"), Ok(None));
    decoder.settings_mut().max_payload = 4;
    let bytes = b"PUB a 5\r\nhello\r\nPUB a 5\r\nhello\r\n";
    let (_, consumed) = decoder.decode(bytes).unwrap().unwrap();
    assert_eq!(
        decoder.decode(&bytes[consumed..]),
        Err(DecodeError::PayloadExceeded { size: 5, limit: 4 })
    );
}

#[test]
fn the_length_of_a_frame_is_known_once_its_control_line_is() {
    let mut decoder = Decoder::new(connected());
    assert_eq!(decoder.decode(b"PUB a 10"), Ok(None));
    assert_eq!(decoder.frame_len(), None);
    assert_eq!(decoder.decode(b"PUB a 1000\r\nabc"), Ok(None));
    assert_eq!(decoder.frame_len(), Some("PUB a 1000\r\n".len() + 1000 + 2));
}

/// A broken owner of the buffer gets wrong answers, and no panic.
#[test]
fn a_buffer_that_shrinks_is_survived() {
    let mut decoder = Decoder::new(connected());
    assert_eq!(decoder.decode(b"PUB a 5\r\nhe"), Ok(None));
    assert_eq!(decoder.decode(b""), Ok(None));
    let mut decoder = Decoder::new(connected());
    assert_eq!(decoder.decode(b"SUB some.long.filter"), Ok(None));
    assert_eq!(decoder.decode(b"SUB"), Ok(None));
    assert_eq!(decoder.decode(b"PI"), Ok(None));
}
