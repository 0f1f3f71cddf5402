//! What a client can make a server hold or do.

use tollway_websocket::bounds::{HELD_BYTES_MAX, INFLATER_BYTES, REQUEST_BYTES_MAX};
use tollway_websocket::{CloseCode, ReceiverLimits, UpgradeSettings, read_request};

use crate::client::{LIMITS, compressed, frame, noise, receive};

/// Of a client that has not said who it is.
const STRANGER: ReceiverLimits = ReceiverLimits {
    inflated_bytes_max: 16 * 1024,
    long_messages: false,
};

#[test]
fn a_bomb_is_noticed_at_the_first_byte_above_the_bound() {
    for limits in [STRANGER, LIMITS] {
        let exact = frame(0xc2, &compressed(&vec![0; limits.inflated_bytes_max]));
        let above = frame(0xc2, &compressed(&vec![0; limits.inflated_bytes_max + 1]));
        for room in [1000, 4096, 1 << 20] {
            let fits = receive(true, limits, room, [&exact[..]]);
            assert_eq!((fits.error, fits.plain.len()), (None, limits.inflated_bytes_max));
            let refused = receive(true, limits, room, [&above[..]]);
            assert_eq!(refused.error.map(|error| error.code), Some(CloseCode::TOO_BIG));
            assert!(refused.plain.len() <= limits.inflated_bytes_max);
        }
    }
}

#[test]
fn an_unfinished_message_of_a_stranger_holds_little() {
    let noise = noise(200_000);
    // In one frame and in many: the frames declare more than ever arrives.
    let one = frame(0xc2, &compressed(&noise));
    let many: Vec<u8> = compressed(&noise)
        .chunks(100)
        .enumerate()
        .flat_map(|(at, part)| frame(if at == 0 { 0x42 } else { 0 }, part))
        .collect();
    for bytes in [one, many] {
        for size in [1, 100, 4000] {
            let outcome = receive(true, STRANGER, 16 * 1024, bytes.chunks(size));
            assert_eq!(outcome.error.map(|error| error.code), Some(CloseCode::TOO_BIG));
            assert_eq!(outcome.plain, b"");
            assert!(outcome.held_max <= HELD_BYTES_MAX + 125, "{}", outcome.held_max);
        }
        let known = receive(true, LIMITS, 16 * 1024, bytes.chunks(100));
        assert!(
            known.held_max <= HELD_BYTES_MAX + INFLATER_BYTES + 125,
            "{}",
            known.held_max
        );
    }
}

#[test]
fn a_message_without_compression_may_have_any_length_and_holds_nothing() {
    let mut bytes = vec![0x82, 0x80 | 127];
    bytes.extend(i64::MAX.to_be_bytes());
    bytes.extend([0; 4]);
    let held = bytes.len();
    bytes.extend(vec![b'x'; 100_000]);
    let outcome = receive(false, STRANGER, 1000, bytes.chunks(777));
    assert_eq!(
        (outcome.error, outcome.plain.len(), outcome.held_max),
        (None, bytes.len() - held, 0)
    );
}

#[test]
fn a_request_that_does_not_end_is_refused_at_its_bound() {
    let settings = UpgradeSettings::default();
    let mut request = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: ".to_vec();
    request.resize(REQUEST_BYTES_MAX - 1, b'a');
    assert_eq!(read_request(&request, &settings, false), Ok(None));
    request.push(b'a');
    assert_eq!(
        read_request(&request, &settings, false)
            .expect_err("too long")
            .status,
        431
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
    assert_eq!(
        read_request(many.as_bytes(), &settings, false)
            .expect_err("too many")
            .status,
        431
    );
}
