//! Any bytes as what a client sends. The seeded loop of the tests calls this, and so does the fuzzer
//! (`data-plane/fuzz`).

use tollway_wire::headers::HeaderBlock;
use tollway_wire::{ConnectOptions, DecoderSettings};

use crate::support::decode_in_pieces;

/// Small limits, so that they are met often.
pub(crate) fn settings() -> DecoderSettings {
    DecoderSettings {
        max_control_line: 64,
        max_payload: 100,
        headers: true,
        connect_first: false,
    }
}

/// Reads the bytes in every way there is. Nothing may panic, and cutting may not change anything.
///
/// The first byte chooses the size of the pieces and whether `CONNECT` must come first.
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let settings = DecoderSettings {
        connect_first: choice & 0x80 != 0,
        headers: choice & 0x40 == 0,
        ..settings()
    };
    let whole = decode_in_pieces(settings, [bytes]);
    let piece = usize::from(choice & 0x3f) + 1;
    assert_eq!(
        decode_in_pieces(settings, bytes.chunks(piece)),
        whole,
        "pieces of {piece}"
    );
    let (before, after) = bytes.split_at(piece.min(bytes.len()));
    assert_eq!(
        decode_in_pieces(settings, [before, after]),
        whole,
        "cut at {piece}"
    );

    if let Ok(options) = ConnectOptions::parse(bytes) {
        let _ = options.check();
    }
    if let Ok(block) = HeaderBlock::at_start_of(bytes) {
        let _ = (block.status(), block.get("Nats-Subject"), block.iter().count());
    }
}
