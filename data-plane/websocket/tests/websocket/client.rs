//! The client's side: frames under a mask, and a slow reader of what the server sends.

use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush};
use tollway_websocket::{Event, Inflaters, ReceiveError, Receiver, ReceiverLimits};

pub(crate) const LIMITS: ReceiverLimits = ReceiverLimits {
    inflated_bytes_max: 1024 * 1024,
    long_messages: true,
};

/// A frame with these first eight bits, masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

/// A compressed message without its end, as it is sent.
pub(crate) fn compressed(message: &[u8]) -> Vec<u8> {
    let mut state = Box::<CompressorOxide>::default();
    state.set_format_and_level(DataFormat::Raw, 6);
    let mut out = vec![0; message.len() * 2 + 64];
    let step = deflate(&mut state, message, &mut out, MZFlush::Sync);
    assert_eq!(step.bytes_consumed, message.len());
    out.truncate(step.bytes_written);
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(step.bytes_written - 4);
    out
}

/// What became of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) plain: Vec<u8>,
    pub(crate) events: Vec<Event>,
    pub(crate) error: Option<ReceiveError>,
    /// The most that was held between two calls.
    pub(crate) held_max: usize,
}

/// Gives the pieces to a receiver as a server does: with an output of so many bytes, and the rest
/// of a piece again.
pub(crate) fn receive<'a>(
    compression: bool,
    limits: ReceiverLimits,
    room: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut receiver = Receiver::new(compression, limits);
    let mut inflaters = Inflaters::default();
    let mut output = vec![0xee; room];
    let mut outcome = Outcome::default();
    for piece in pieces {
        let mut rest = piece;
        loop {
            let received = match receiver.receive(rest, &mut output, &mut inflaters) {
                Ok(received) => received,
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            };
            assert!(received.taken <= rest.len() && received.written <= room);
            rest = &rest[received.taken..];
            outcome.plain.extend_from_slice(&output[..received.written]);
            let event = received.event.is_some();
            outcome.events.extend(received.event);
            if rest.is_empty() && !event && !receiver.has_more() {
                break;
            }
            assert!(
                event || received.written > 0 || received.taken > 0,
                "it goes on as long as there is something to do"
            );
        }
        outcome.held_max = outcome.held_max.max(receiver.held_bytes());
    }
    outcome
}

/// The messages and close codes in what a server sent; every frame is a whole message.
pub(crate) fn read_server(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (length, head) = match bytes[1] {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => {
                let length = bytes[2..10]
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, 10)
            }
            short => (usize::from(short), 2),
        };
        frames.push((bytes[0], bytes[head..head + length].to_vec()));
        bytes = &bytes[head + length..];
    }
    frames
}

/// A compressed message of the server, by the library's own one-call reader.
pub(crate) fn inflated(message: &[u8]) -> Vec<u8> {
    let whole = [message, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    miniz_oxide::inflate::decompress_to_vec(&whole).expect("the server compressed it")
}

/// Bytes that cannot be compressed.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}
