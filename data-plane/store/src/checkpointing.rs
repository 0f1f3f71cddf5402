//! Writing checkpoints, a piece at a time, between the batches.
//!
//! A checkpoint that cannot be written (the disk is full, its file fails) is given up and begun
//! again later: the one before still stands, and only recovery takes longer.

use std::io;

use crate::bounds::{CHECKPOINTS_KEPT, STEP_BYTES};
use crate::checkpoint::{
    CHECKPOINT_HEADER_BYTES, CheckpointHeader, UNFINISHED, file_name, put_account, put_counters, put_end,
    put_stream,
};
use crate::disk::{Disk, DiskFile};
use crate::error::CommitError;
use crate::ids::{Position, StreamId};
use crate::writer::{Notes, Writer};

/// Which checkpoints there are, and the one that is being written.
#[derive(Debug)]
pub(crate) struct Checkpointing<F> {
    /// Numbers and positions of those that are kept, the newest last.
    pub(crate) kept: Vec<(u32, Position)>,
    pub(crate) next_number: u32,
    /// Bytes of the log since the newest began.
    pub(crate) since: u64,
    pub(crate) wanted: bool,
    pub(crate) running: Option<Running<F>>,
    /// Why the last one was given up.
    pub(crate) failed: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Running<F> {
    header: CheckpointHeader,
    file: F,
    written: u64,
    sections: u32,
    /// Streams that are still to be written.
    streams: Vec<u32>,
}

impl<F> Checkpointing<F> {
    pub(crate) fn new(kept: Vec<(u32, Position)>, next_number: u32, since: u64) -> Self {
        Self {
            kept,
            next_number,
            since,
            wanted: false,
            running: None,
            failed: None,
        }
    }

    pub(crate) fn written(&mut self, bytes: usize) {
        self.since += bytes as u64;
    }

    /// Segments before this one are not needed by any checkpoint that is kept, except where it says so.
    pub(crate) fn needs_from(&self) -> u32 {
        match &self.kept[..] {
            kept if kept.len() >= CHECKPOINTS_KEPT as usize => kept[0].1.segment,
            _ => 0,
        }
    }
}

impl<D: Disk> Writer<D> {
    /// Lets the next step of housekeeping begin a checkpoint.
    pub fn want_checkpoint(&mut self) {
        self.checkpointing.wanted = true;
    }

    /// Why the last checkpoint was given up, when it was.
    pub fn checkpoint_failure(&self) -> Option<&str> {
        self.checkpointing.failed.as_deref()
    }

    pub(crate) fn checkpoint_step(&mut self, notes: &mut dyn Notes) -> Result<bool, CommitError> {
        let due =
            self.checkpointing.wanted || self.checkpointing.since >= self.shared.options.checkpoint_bytes;
        if self.checkpointing.running.is_none() && !due {
            return Ok(false);
        }
        // What a checkpoint says must be on the disk before it: an index that names records which
        // were lost would be worse than none.
        self.log.sync()?;
        let result = match self.checkpointing.running.take() {
            None => self.begin_checkpoint(),
            Some(running) => self.continue_checkpoint(running, notes),
        };
        if let Err(error) = result {
            self.checkpointing.failed = Some(error.to_string());
            self.checkpointing.running = None;
            // The next attempt comes when as much was written again.
            self.checkpointing.since = 0;
            self.checkpointing.wanted = false;
            return Ok(false);
        }
        Ok(self.checkpointing.running.is_some())
    }

    fn begin_checkpoint(&mut self) -> io::Result<()> {
        let number = self.checkpointing.next_number;
        let file = self.log.disk.create(UNFINISHED, 0)?;
        let mut streams: Vec<u32> = {
            let index = self.shared.index.read();
            index
                .streams
                .iter()
                .filter(|(_, stream)| stream.memory.is_none())
                .map(|(id, _)| *id)
                .collect()
        };
        streams.sort_unstable();
        let intake = self.shared.intake.lock();
        let header = CheckpointHeader {
            nonce: self.log.nonce,
            number,
            position: self.log.end,
            batch: self.log.batch,
            next_stream: intake.next_stream,
            next_account: intake.next_account(),
            next_revision: intake.next_revision,
            epoch: self.log.epoch,
        };
        drop(intake);
        let written = CHECKPOINT_HEADER_BYTES as u64;
        self.checkpointing.wanted = false;
        self.checkpointing.since = 0;
        self.checkpointing.running = Some(Running {
            header,
            file,
            written,
            sections: 0,
            streams,
        });
        Ok(())
    }

    fn continue_checkpoint(
        &mut self,
        mut running: Running<D::File>,
        notes: &mut dyn Notes,
    ) -> io::Result<()> {
        let mut out = Vec::new();
        let mut note = Vec::new();
        while out.len() < STEP_BYTES {
            let Some(id) = running.streams.pop() else {
                break;
            };
            note.clear();
            notes.of_stream(StreamId(id), &mut note);
            // Streams that went away meanwhile are left out: the log says that they are gone.
            if let Some(stream) = self.shared.index.read().streams.get(&id) {
                put_stream(&mut out, id, stream, &note);
                running.sections += 1;
            }
        }
        if running.streams.is_empty() {
            return self.finish_checkpoint(running, out);
        }
        running.file.write_at(&out, running.written)?;
        running.written += out.len() as u64;
        self.checkpointing.running = Some(running);
        Ok(())
    }

    fn finish_checkpoint(&mut self, mut running: Running<D::File>, mut out: Vec<u8>) -> io::Result<()> {
        {
            let index = self.shared.index.read();
            let mut accounts: Vec<_> = index.accounts.iter().collect();
            accounts.sort_unstable_by_key(|(id, _)| **id);
            for (id, account) in accounts {
                put_account(&mut out, *id, account);
                running.sections += 1;
            }
            put_counters(&mut out, &index.counters);
        }
        put_end(&mut out, running.sections + 1);
        running.file.write_at(&out, running.written)?;
        running.file.write_at(&running.header.encode(), 0)?;
        running.file.sync()?;
        let disk = self.log.disk.clone();
        disk.rename(UNFINISHED, &file_name(running.header.number))?;
        disk.sync_names()?;
        let state = &mut self.checkpointing;
        state.failed = None;
        state.next_number = running.header.number + 1;
        state.kept.push((running.header.number, running.header.position));
        while state.kept.len() > CHECKPOINTS_KEPT as usize {
            let (number, _) = state.kept.remove(0);
            disk.remove(&file_name(number))?;
        }
        Ok(())
    }
}
