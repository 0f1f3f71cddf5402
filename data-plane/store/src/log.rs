//! The end of the log: the segment that is written, and the files that wait to be the next.
//!
//! There is always a free file behind the one that is written. When it can no longer be made,
//! messages are refused, and the segment that is being written is the reserve for deleting.

use std::io;
use std::sync::Arc;

use crate::batch::{BATCH_HEADER_BYTES, BatchHeader};
use crate::bounds::STEP_BYTES;
use crate::disk::{Disk, DiskFile};
use crate::error::CommitError;
use crate::ids::Position;
use crate::options::Options;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, file_name};

/// A file that holds a part of the log.
#[derive(Debug)]
pub(crate) struct SegmentFile<F> {
    pub(crate) file: Arc<F>,
    pub(crate) slot: u32,
    pub(crate) len: u32,
}

impl<F> Clone for SegmentFile<F> {
    fn clone(&self) -> Self {
        Self {
            file: self.file.clone(),
            slot: self.slot,
            len: self.len,
        }
    }
}

/// A file that holds nothing that counts.
#[derive(Debug)]
pub(crate) struct FreeFile<F> {
    pub(crate) segment: SegmentFile<F>,
    /// Up to where zeroes or old records were written: the rest is reserved only.
    pub(crate) filled: u64,
}

/// What the next batch's header says beside its own lengths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Next {
    pub(crate) stream: u32,
    pub(crate) revision: u64,
    pub(crate) account: u32,
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Log<D: Disk> {
    pub(crate) disk: Arc<D>,
    pub(crate) options: Options,
    pub(crate) nonce: u64,
    pub(crate) epoch: u32,
    pub(crate) active: SegmentFile<D::File>,
    pub(crate) end: Position,
    pub(crate) synced: u32,
    pub(crate) free: Vec<FreeFile<D::File>>,
    pub(crate) next_slot: u32,
    pub(crate) batch: u64,
    pub(crate) no_space: bool,
}

fn disk_error(step: &'static str) -> impl FnOnce(io::Error) -> CommitError {
    move |source| CommitError::Disk { step, source }
}

impl<D: Disk> Log<D> {
    /// Writes a batch that begins with room for its header, and returns where its records begin.
    ///
    /// `turned` gets the segment that is written from now on, when it is another one.
    pub(crate) fn write(
        &mut self,
        batch: &mut [u8],
        records: u32,
        next: Next,
        turned: &mut dyn FnMut(u32, SegmentFile<D::File>),
    ) -> Result<Position, CommitError> {
        if self.end.offset as usize + batch.len() > self.active.len as usize {
            self.turn()?;
            turned(self.end.segment, self.active.clone());
        }
        let header = BatchHeader {
            number: self.batch + 1,
            segment: self.end.segment,
            epoch: self.epoch,
            len: (batch.len() - BATCH_HEADER_BYTES) as u32,
            records,
            synced: self.synced,
            next_stream: next.stream,
            next_revision: next.revision,
            next_account: next.account,
        };
        batch[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode(self.nonce));
        let at = self.end;
        self.active
            .file
            .write_at(batch, u64::from(at.offset))
            .map_err(disk_error("write a batch"))?;
        self.batch += 1;
        self.end.offset += batch.len() as u32;
        Ok(Position {
            offset: at.offset + BATCH_HEADER_BYTES as u32,
            ..at
        })
    }

    /// Returns when everything that was written is on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), CommitError> {
        if self.synced < self.end.offset {
            self.active
                .file
                .sync()
                .map_err(disk_error("synchronise the log"))?;
            self.synced = self.end.offset;
        }
        Ok(())
    }

    /// Ends the segment and begins the next one, in a free file.
    pub(crate) fn turn(&mut self) -> Result<(), CommitError> {
        let Some(next) = self.free.pop() else {
            return Err(CommitError::NoSpace);
        };
        self.sync()?;
        let header = SegmentHeader {
            nonce: self.nonce,
            number: self.end.segment + 1,
            epoch: self.epoch,
            before: self.end.offset,
            len: next.segment.len,
        };
        let file = &next.segment.file;
        file.write_at(&header.encode(), 0)
            .map_err(disk_error("begin a segment"))?;
        file.sync().map_err(disk_error("begin a segment"))?;
        self.active = next.segment;
        self.end = Position {
            segment: header.number,
            offset: SEGMENT_HEADER_BYTES as u32,
        };
        self.synced = self.end.offset;
        self.keep_one_free()
    }

    /// Makes a free file when there is none. A full disk is no error: it is noted.
    pub(crate) fn keep_one_free(&mut self) -> Result<(), CommitError> {
        if self.free.is_empty() {
            match self.add_free() {
                Ok(free) => self.free.push(free),
                Err(error) if is_full(&error) => {}
                Err(source) => {
                    return Err(CommitError::Disk {
                        step: "make a segment",
                        source,
                    });
                }
            }
        }
        self.no_space = self.free.is_empty();
        Ok(())
    }

    fn add_free(&mut self) -> io::Result<FreeFile<D::File>> {
        let len = self.options.segment_bytes;
        if self.disk.free_bytes()? < self.options.keep_free_bytes + u64::from(len) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let slot = self.next_slot;
        let file = self.disk.create(&file_name(slot), u64::from(len))?;
        self.next_slot += 1;
        file.write_at(&free_header(self.nonce, len, 0), 0)?;
        file.sync()?;
        self.disk.sync_names()?;
        let segment = SegmentFile {
            file: Arc::new(file),
            slot,
            len,
        };
        Ok(FreeFile {
            segment,
            filled: SEGMENT_HEADER_BYTES as u64,
        })
    }

    /// Keeps a file whose records no longer count, or gives its space back when one is free already.
    pub(crate) fn release(&mut self, segment: SegmentFile<D::File>, erase: bool) -> Result<(), CommitError> {
        if erase || !self.free.is_empty() || segment.len != self.options.segment_bytes {
            self.disk
                .remove(&file_name(segment.slot))
                .map_err(disk_error("remove a segment"))?;
            self.disk.sync_names().map_err(disk_error("remove a segment"))?;
            return self.keep_one_free();
        }
        // Not synchronised: should the old header come back, nothing refers to what it heads.
        let header = free_header(self.nonce, segment.len, segment.len);
        segment
            .file
            .write_at(&header, 0)
            .map_err(disk_error("release a segment"))?;
        let filled = u64::from(segment.len);
        self.free.push(FreeFile { segment, filled });
        self.no_space = false;
        Ok(())
    }

    /// Removes free files, which may hold old records, and makes a new one.
    pub(crate) fn forget_free(&mut self) -> Result<(), CommitError> {
        for free in std::mem::take(&mut self.free) {
            self.disk
                .remove(&file_name(free.segment.slot))
                .map_err(disk_error("remove a segment"))?;
        }
        self.disk.sync_names().map_err(disk_error("remove a segment"))?;
        self.keep_one_free()
    }

    /// Writes zeroes into a part of a free file, so that synchronising it later moves no metadata.
    pub(crate) fn fill_step(&mut self) -> Result<bool, CommitError> {
        let Some(free) = self
            .free
            .iter_mut()
            .find(|free| free.filled < u64::from(free.segment.len))
        else {
            return Ok(false);
        };
        let left = u64::from(free.segment.len) - free.filled;
        let zeroes = vec![0; STEP_BYTES.min(left as usize)];
        let file = &free.segment.file;
        file.write_at(&zeroes, free.filled)
            .map_err(disk_error("fill a segment"))?;
        file.sync().map_err(disk_error("fill a segment"))?;
        free.filled += zeroes.len() as u64;
        if free.filled == u64::from(free.segment.len) {
            let header = free_header(self.nonce, free.segment.len, free.segment.len);
            file.write_at(&header, 0).map_err(disk_error("fill a segment"))?;
        }
        Ok(true)
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The header of a file that holds nothing that counts, and how much of it was written before.
pub(crate) fn free_header(nonce: u64, len: u32, filled: u32) -> [u8; SEGMENT_HEADER_BYTES] {
    SegmentHeader {
        nonce,
        number: 0,
        epoch: 0,
        before: filled,
        len,
    }
    .encode()
}
