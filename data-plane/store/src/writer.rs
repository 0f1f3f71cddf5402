//! The one who writes: it takes what waits, writes it as a batch, synchronises it, makes it visible
//! and says which tickets are done.
//!
//! ```text
//! take a fair share of each account ─► write ─► os tickets done ─► sync ─► disk tickets done
//!   (lock of the intake)              (no lock)                  (no lock)  (lock of the index)
//! ```
//!
//! While the disk synchronises, the next batch gathers in the intake: the slower the disk, the
//! larger the batches. There is no timer.
//!
//! After an error of the disk nothing is acknowledged any more. The kernel may have dropped what it
//! could not write and may say "done" the next time; only reading the log again tells what is there.

use std::collections::HashSet;
use std::sync::Arc;

use crate::batch::BATCH_HEADER_BYTES;
use crate::checkpointing::Checkpointing;
use crate::compaction::Compaction;
use crate::disk::Disk;
use crate::error::CommitError;
use crate::ids::{Place, Position, StreamId};
use crate::intake::{Taken, Ticket};
use crate::log::{Log, Next};
use crate::record::{Header, Kind, push_record};
use crate::shared::Shared;
use crate::store::Store;
use crate::tally::Tally;

/// Writes the store. There is one, on one thread.
pub struct Writer<D: Disk> {
    pub(crate) shared: Arc<Shared<D>>,
    pub(crate) log: Log<D>,
    pub(crate) tally: Tally,
    pub(crate) batch: Vec<u8>,
    pub(crate) taken: Taken,
    pub(crate) checkpointing: Checkpointing<D::File>,
    pub(crate) compaction: Option<Compaction<D::File>>,
    /// Segments that hold something unreadable that counts: they are kept as they are.
    pub(crate) kept_damaged: HashSet<u32>,
    /// Segments up to this one are rewritten and removed, however much of them counts.
    pub(crate) erase_to: u32,
    /// Whether a batch says already that everything is on the disk.
    pub(crate) marked: bool,
}

/// What a caller wants saved with the streams in checkpoints, so that it need not read them again.
pub trait Notes {
    /// Appends what is to be given back when the store is opened. It may only say what was committed.
    fn of_stream(&mut self, stream: StreamId, out: &mut Vec<u8>);
}

/// Nothing to save.
impl Notes for () {
    fn of_stream(&mut self, _: StreamId, _: &mut Vec<u8>) {}
}

impl<D: Disk> Writer<D> {
    /// A handle of the store.
    pub fn store(&self) -> Store<D> {
        Store {
            shared: self.shared.clone(),
        }
    }

    /// Writes and synchronises one batch; false when nothing waited.
    ///
    /// `done` gets the tickets that are done with it: all that the ticket's account has of that
    /// durability up to its number. It is called with what is visible already.
    pub fn commit(&mut self, done: &mut dyn FnMut(&[Ticket])) -> Result<bool, CommitError> {
        if let Some(reason) = &self.shared.intake.lock().refusals.poisoned {
            return Err(CommitError::Poisoned(reason.clone()));
        }
        let result = self.commit_batch(done);
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    pub(crate) fn commit_batch(&mut self, done: &mut dyn FnMut(&[Ticket])) -> Result<bool, CommitError> {
        self.batch.clear();
        self.batch.resize(BATCH_HEADER_BYTES, 0);
        self.tally.records = self.take_copies();
        let copies_end = self.batch.len();
        let next = self.take_records(copies_end);
        let os_end = self.taken.os_end.max(copies_end);
        self.tally.finish();
        let summary = &self.tally.summary;
        let nothing = self.tally.records == 0 && summary.counters.is_empty();
        if nothing {
            return Ok(false);
        }
        let records_end = self.batch.len();
        let mut body = Vec::with_capacity(summary.encoded_len());
        summary.encode(&mut body);
        push_record(
            &mut self.batch,
            Header::plain(Kind::Summary, 0, 0, 0),
            &[&body],
            self.shared.seed,
        );

        let shared = self.shared.clone();
        let before = self.log.end.segment;
        let at = self.log.write(
            &mut self.batch,
            self.tally.records + 1,
            next,
            &mut |segment, file| {
                shared.files.write().insert(segment, file);
            },
        )?;
        self.marked = false;
        self.checkpointing.written(self.batch.len());
        if self.log.end.segment != before {
            self.shared.intake.lock().refusals.no_space = self.log.no_space;
        }

        // Copies come first, as in the log. What they copy is on the disk already, and the segment
        // it was copied from stays until they are, too.
        self.apply(at, BATCH_HEADER_BYTES, copies_end);
        if os_end > copies_end {
            self.apply(at, copies_end, os_end);
            self.shared.intake.lock().done(&self.taken.os);
            done(&self.taken.os);
        }
        let must_sync = copies_end > BATCH_HEADER_BYTES
            || records_end > os_end
            || (os_end == copies_end && !self.tally.summary.counters.is_empty());
        if must_sync {
            self.log.sync()?;
        }
        self.apply(at, os_end, records_end);
        self.shared.index.write().apply_summary(&self.tally.summary);
        if !self.taken.disk.is_empty() {
            self.shared.intake.lock().done(&self.taken.disk);
            done(&self.taken.disk);
        }
        Ok(true)
    }

    /// Takes what waits, and adds it up.
    fn take_records(&mut self, begin: usize) -> Next {
        let mut intake = self.shared.intake.lock();
        intake.take(&mut self.batch, &mut self.taken);
        let tally = &mut self.tally;
        intake.take_counts(&mut |account, meter, more| tally.count(account, meter, more));
        let next = Next {
            stream: intake.next_stream,
            revision: intake.next_revision,
            account: intake.next_account(),
        };
        drop(intake);
        // A stream that is removed meanwhile is still in the index: its account is charged.
        let index = self.shared.index.read();
        self.tally.add(&self.batch[begin..], &mut |stream| {
            index.streams.get(&stream.0).and_then(|stream| stream.account)
        });
        next
    }

    /// Makes the records of the batch from `from` to `to` visible; the first of all is at `at`.
    fn apply(&mut self, at: Position, from: usize, to: usize) {
        if from == to {
            return;
        }
        let mut index = self.shared.index.write();
        let mut from = from;
        while from < to {
            let record = &self.batch[from..];
            let header = Header::decode_trusted(record).expect("the batch holds what was made here");
            let len = header.record_len();
            let place = Place {
                segment: at.segment,
                offset: at.offset + (from - BATCH_HEADER_BYTES) as u32,
                len: len as u32,
            };
            index.apply(&header, &record[..len], place);
            from += len;
        }
    }

    /// Returns when everything that was written is on the disk, streams of durability `os` included.
    pub fn sync(&mut self) -> Result<(), CommitError> {
        let result = self.log.sync();
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    /// Says in the log that everything in it is on the disk. Call it when there is nothing to do:
    /// then damage to the last batch is not taken for a batch that was torn.
    pub fn mark(&mut self) -> Result<(), CommitError> {
        if self.marked {
            return Ok(());
        }
        let result = self.write_mark();
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    pub(crate) fn write_mark(&mut self) -> Result<(), CommitError> {
        self.log.sync()?;
        let shared = self.shared.clone();
        let next = {
            let intake = self.shared.intake.lock();
            Next {
                stream: intake.next_stream,
                revision: intake.next_revision,
                account: intake.next_account(),
            }
        };
        let mut mark = [0; BATCH_HEADER_BYTES];
        self.log.write(&mut mark, 0, next, &mut |segment, file| {
            shared.files.write().insert(segment, file);
        })?;
        self.shared.intake.lock().refusals.no_space = self.log.no_space;
        self.marked = true;
        Ok(())
    }

    /// One step of the work that can wait: filling the next segment with zeroes, a piece of a
    /// checkpoint, a piece of compaction. Returns whether there is more to do now.
    ///
    /// Tickets may be done with it, as with [`Self::commit`].
    pub fn housekeep(
        &mut self,
        notes: &mut dyn Notes,
        done: &mut dyn FnMut(&[Ticket]),
    ) -> Result<bool, CommitError> {
        if let Some(reason) = &self.shared.intake.lock().refusals.poisoned {
            return Err(CommitError::Poisoned(reason.clone()));
        }
        let result = self.housekeep_step(notes, done);
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    fn housekeep_step(
        &mut self,
        notes: &mut dyn Notes,
        done: &mut dyn FnMut(&[Ticket]),
    ) -> Result<bool, CommitError> {
        if self.log.free.is_empty() {
            self.log.keep_one_free()?;
            self.shared.intake.lock().refusals.no_space = self.log.no_space;
        }
        if self.log.fill_step()? {
            return Ok(true);
        }
        if self.checkpoint_step(notes)? {
            return Ok(true);
        }
        self.compact_step(done)
    }

    /// Commits what waits, writes a checkpoint and ends the log cleanly.
    pub fn close(
        mut self,
        notes: &mut dyn Notes,
        done: &mut dyn FnMut(&[Ticket]),
    ) -> Result<(), CommitError> {
        while self.commit(done)? {}
        self.want_checkpoint();
        while self.checkpoint_step(notes)? {}
        self.mark()?;
        self.sync()
    }

    /// Nothing is acknowledged from here on.
    fn poison(&mut self, error: &CommitError) {
        let reason = match error {
            CommitError::Disk { step, source } => format!("failed to {step}: {source}"),
            other => other.to_string(),
        };
        self.shared.intake.lock().refusals.poisoned.get_or_insert(reason);
    }
}
