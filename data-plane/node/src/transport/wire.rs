//! What a thread needs to unpack and pack for its connections, so that none of them has buffers of its own.

use std::cell::RefCell;

use tollway_websocket::{Deflater, Inflaters};

use super::bounds::READ_BYTES;

/// Made when the first layered connection of a thread needs it.
pub(super) struct Wire {
    /// Read from the socket.
    pub(super) arrived: Box<[u8]>,
    pub(super) inflaters: Inflaters,
    /// Packed for the socket.
    pub(super) packed: Vec<u8>,
    /// Frames on their way into TLS.
    pub(super) frames: Vec<u8>,
    pub(super) deflater: Option<Box<Deflater>>,
}

/// The compressor, some hundred KiB: made when something is to be compressed.
pub(super) fn deflater(deflater: &mut Option<Box<Deflater>>) -> &mut Deflater {
    deflater.get_or_insert_default()
}

thread_local! {
    static WIRE: RefCell<Option<Box<Wire>>> = const { RefCell::new(None) };
}

/// Runs with this thread's buffers. What runs neither waits nor nests.
pub(super) fn with<R>(run: impl FnOnce(&mut Wire) -> R) -> R {
    WIRE.with_borrow_mut(|wire| {
        run(wire.get_or_insert_with(|| {
            Box::new(Wire {
                arrived: vec![0; READ_BYTES].into_boxed_slice(),
                inflaters: Inflaters::default(),
                packed: Vec::new(),
                frames: Vec::new(),
                deflater: None,
            })
        }))
    })
}
