//! What the handles and the writer of a store share. No lock is held while a file is read or written.

use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};

use crate::damage::DamageLog;
use crate::disk::Disk;
use crate::index::{Index, Map};
use crate::intake::Intake;
use crate::log::SegmentFile;
use crate::options::Options;

/// Locks are taken one at a time, or in the order of the fields.
pub(crate) struct Shared<D: Disk> {
    pub(crate) options: Options,
    pub(crate) seed: u32,
    pub(crate) index: RwLock<Index>,
    pub(crate) intake: Mutex<Intake>,
    pub(crate) files: RwLock<Map<u32, SegmentFile<D::File>>>,
    pub(crate) damages: Mutex<DamageLog>,
    /// Messages of streams in memory get their tickets here.
    pub(crate) memory_tickets: AtomicU64,
}
