//! A reader that drives the decoder as a connection does, over bytes that arrive in pieces.

use tollway_wire::{DecodeError, Decoder, DecoderSettings, Op};

/// What came out: the operations as text, the error that ended it, and the bytes that were left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ops: Vec<String>,
    pub(crate) error: Option<DecodeError>,
    pub(crate) left: usize,
}

/// Decodes what arrives piece by piece, keeping only the bytes of the unfinished frame.
pub(crate) fn decode_in_pieces<'p>(
    settings: DecoderSettings,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Outcome {
    let mut decoder = Decoder::new(settings);
    let mut outcome = Outcome {
        ops: Vec::new(),
        error: None,
        left: 0,
    };
    let mut carry: Vec<u8> = Vec::new();
    for piece in pieces {
        carry.extend_from_slice(piece);
        if outcome.error.is_some() {
            continue;
        }
        let mut start = 0;
        loop {
            match decoder.decode(&carry[start..]) {
                Ok(Some((op, consumed))) => {
                    assert!(consumed > 0, "an operation takes bytes");
                    assert!(decoder.frame_len().is_none());
                    outcome.ops.push(describe(&op));
                    start += consumed;
                }
                Ok(None) => {
                    if let Some(frame_len) = decoder.frame_len() {
                        assert!(
                            frame_len > carry.len() - start,
                            "a frame that has arrived is given"
                        );
                    }
                    break;
                }
                Err(error) => {
                    // Asking again changes nothing.
                    assert_eq!(decoder.decode(&carry[start..]), Err(error));
                    outcome.error = Some(error);
                    break;
                }
            }
        }
        carry.drain(..start);
    }
    outcome.left = carry.len();
    outcome
}

/// One line per operation, as it could stand in a log.
pub(crate) fn describe(op: &Op<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let optional = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), text);
    match op {
        Op::Connect(json) => format!("connect {}", text(json)),
        Op::Ping => "ping".to_owned(),
        Op::Pong => "pong".to_owned(),
        Op::Publish(message) => format!(
            "publish {} reply {} headers {} payload {}",
            text(message.subject),
            optional(message.reply),
            optional(message.headers()),
            text(message.payload())
        ),
        Op::Subscribe { filter, queue, sid } => {
            format!(
                "subscribe {} queue {} sid {}",
                text(filter),
                optional(*queue),
                text(sid)
            )
        }
        Op::Unsubscribe { sid, max: None } => format!("unsubscribe {} now", text(sid)),
        Op::Unsubscribe { sid, max: Some(max) } => format!("unsubscribe {} after {max}", text(sid)),
        Op::Ignored => "ignored".to_owned(),
    }
}
