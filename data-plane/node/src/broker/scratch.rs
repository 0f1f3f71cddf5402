//! What a thread needs for a turn: one read buffer and one staging area for
//! all its connections, so that an idle connection has neither.

use std::cell::RefCell;

use super::bounds::{CARRY_COPY_MAX, READ_CHUNK_ALONE};
use super::staging::Staging;

pub(crate) struct Scratch {
    /// Reads go behind the first [`CARRY_COPY_MAX`] bytes: the unfinished frame
    /// of the read before is copied in front of them.
    pub(crate) read: Box<[u8]>,
    pub(crate) staging: Staging,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        read: vec![0; CARRY_COPY_MAX + READ_CHUNK_ALONE].into_boxed_slice(),
        staging: Staging::default(),
    });
}

/// Runs one turn with this thread's scratch. Turns neither wait nor nest.
pub(crate) fn with<R>(turn: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        // A turn that panicked may have left something that nobody must get now.
        scratch.staging.reset();
        turn(scratch)
    })
}
