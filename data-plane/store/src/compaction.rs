//! Giving segments back: what still counts of a segment is written to the end of the log again.
//!
//! Copies stand at the beginning of a batch, before everything else in it, and only if they count at
//! that moment. So a record that deletes something always stands behind the last copy of it.
//!
//! Only segments before the older of the two checkpoints are taken: whichever checkpoint is read,
//! the log behind it is whole. A segment with something unreadable that counts is kept as it is.

use crate::bounds::STEP_BYTES;
use crate::damage::Damage;
use crate::disk::{Disk, DiskFile};
use crate::error::CommitError;
use crate::ids::{AccountId, Place, StreamId};
use crate::index::Map;
use crate::intake::Ticket;
use crate::log::SegmentFile;
use crate::record::{Header, Kind, push_record};
use crate::segment::SEGMENT_HEADER_BYTES;
use crate::walk::{Found, Walk};
use crate::writer::Writer;

/// A segment that is being given back.
#[derive(Debug)]
pub(crate) struct Compaction<F> {
    pub(crate) segment: u32,
    file: SegmentFile<F>,
    at: u32,
    /// Records to be copied with the next batch: header, old place, bytes in `records`.
    copies: Vec<(Header, Place, usize)>,
    records: Vec<u8>,
    /// Streams that have a record in the segment, and whose floor may be said nowhere else.
    streams: Map<u32, ()>,
    floors_written: bool,
    damaged: bool,
}

/// What a purge of an account can be held against: see [`Writer::erase_account`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseReceipt {
    /// The account.
    pub account: AccountId,
    /// Segments up to this number held what was there when it was asked for.
    pub up_to_segment: u32,
}

impl<D: Disk> Writer<D> {
    /// Begins to take the bytes of an account off the disk: remove its streams first. All segments
    /// that are there now are rewritten without what does not count, and their files removed.
    pub fn erase_account(&mut self, account: AccountId) -> Result<EraseReceipt, CommitError> {
        let up_to_segment = self.log.end.segment;
        // Free files may hold old records, and the next segment must not begin in one.
        self.log.forget_free()?;
        self.log.turn()?;
        let (segment, file) = (self.log.end.segment, self.log.active.clone());
        self.shared.files.write().insert(segment, file);
        self.erase_to = self.erase_to.max(up_to_segment);
        self.shared.intake.lock().refusals.no_space = self.log.no_space;
        self.want_checkpoint();
        Ok(EraseReceipt {
            account,
            up_to_segment,
        })
    }

    /// Whether no file holds anything that was there when the receipt was made.
    ///
    /// A segment with damage that counts is kept, and the answer stays no: look at the damages.
    pub fn is_erased(&self, receipt: &EraseReceipt) -> bool {
        self.shared
            .files
            .read()
            .keys()
            .all(|segment| *segment > receipt.up_to_segment)
    }

    /// Reads a piece of a segment that is given back, and commits what counts of it.
    pub(crate) fn compact_step(&mut self, done: &mut dyn FnMut(&[Ticket])) -> Result<bool, CommitError> {
        if self.compaction.is_none() {
            self.compaction = self.choose();
        }
        let Some(mut compaction) = self.compaction.take() else {
            return Ok(self.checkpoint_for_space());
        };
        if compaction.at < compaction.file.len {
            self.read_piece(&mut compaction)?;
        } else if !compaction.floors_written {
            compaction.floors_written = true;
            self.write_floors(&mut compaction);
        } else {
            return self.give_back(compaction).map(|()| true);
        }
        self.compaction = Some(compaction);
        while self
            .compaction
            .as_ref()
            .is_some_and(|compaction| !compaction.copies.is_empty())
        {
            self.commit_batch(done)?;
        }
        Ok(true)
    }

    /// Puts copies at the beginning of the batch, and says how many. One that is long stands alone.
    pub(crate) fn take_copies(&mut self) -> u32 {
        let Some(compaction) = &mut self.compaction else {
            return 0;
        };
        let index = self.shared.index.read();
        let begin = self.batch.len();
        let mut copied = 0;
        while let Some((header, place, at)) = compaction.copies.pop() {
            // Floors are made here and have no place yet; their stream may be gone since.
            let counts = match place.len {
                0 => index.floor_missing(header.stream).is_some(),
                _ => index.is_live(&header, place),
            };
            if !counts {
                continue;
            }
            let record = &compaction.records[at..at + header.record_len()];
            if copied > 0 && self.batch.len() - begin + record.len() > self.shared.options.group_max() {
                compaction.copies.push((header, place, at));
                break;
            }
            self.batch.extend_from_slice(record);
            copied += 1;
        }
        copied
    }

    /// The segment of which least counts, when that is little enough.
    fn choose(&self) -> Option<Compaction<D::File>> {
        let options = &self.shared.options;
        let needed_from = self.checkpointing.needs_from();
        let index = self.shared.index.read();
        let files = self.shared.files.read();
        let candidates = files.iter().filter(|(segment, file)| {
            let little = index.live_of(**segment) * 100
                < u64::from(file.len) * u64::from(options.compact_below_percent);
            **segment < needed_from
                && !self.kept_damaged.contains(*segment)
                && (little || **segment <= self.erase_to)
        });
        let (&segment, file) = candidates.min_by_key(|(segment, _)| (index.live_of(**segment), **segment))?;
        Some(Compaction {
            segment,
            file: file.clone(),
            at: SEGMENT_HEADER_BYTES as u32,
            copies: Vec::new(),
            records: Vec::new(),
            streams: Map::default(),
            floors_written: false,
            damaged: false,
        })
    }

    /// While something is to be erased, or the disk is full, checkpoints are made until the
    /// segments that could be given back are no longer needed by an older one.
    fn checkpoint_for_space(&mut self) -> bool {
        let needed = self.checkpointing.needs_from()..self.log.end.segment;
        let percent = u64::from(self.shared.options.compact_below_percent);
        let waits = {
            let index = self.shared.index.read();
            let files = self.shared.files.read();
            files.iter().any(|(segment, file)| {
                let little = index.live_of(*segment) * 100 < u64::from(file.len) * percent;
                needed.contains(segment) && (*segment <= self.erase_to || self.log.no_space && little)
            })
        };
        let possible = waits && self.checkpointing.failed.is_none();
        if possible {
            self.want_checkpoint();
        }
        possible
    }

    fn read_piece(&mut self, compaction: &mut Compaction<D::File>) -> Result<(), CommitError> {
        compaction.records.clear();
        let left = (compaction.file.len - compaction.at) as usize;
        let mut want = STEP_BYTES.min(left);
        let read = |want: usize| -> Result<Vec<u8>, CommitError> {
            let mut bytes = vec![0; want];
            let file = &compaction.file.file;
            file.read_at(&mut bytes, u64::from(compaction.at))
                .map_err(|source| CommitError::Disk {
                    step: "read a segment",
                    source,
                })?;
            Ok(bytes)
        };
        let mut bytes = read(want)?;
        // A record may be longer than a piece.
        if let Some(header) = Header::decode(&bytes, self.shared.seed)
            && header.record_len() > want
            && header.record_len() <= left
        {
            want = header.record_len();
            bytes = read(want)?;
        }
        let index = self.shared.index.read();
        let mut end = bytes.len();
        for (found, at, len) in Walk::new(&bytes, self.log.nonce, compaction.segment) {
            let Found::Record(header, intact) = found else {
                // A record that is cut by the end of the piece looks like a hole, and the next piece
                // begins with it. A real hole is gone through piece by piece.
                let cut = found == Found::Hole && at + len == bytes.len() && at > 0 && want < left;
                if cut {
                    end = at;
                }
                continue;
            };
            let offset = compaction.at + at as u32;
            let place = Place {
                segment: compaction.segment,
                offset,
                len: len as u32,
            };
            if matches!(header.kind, Kind::Message | Kind::Floor) {
                compaction.streams.insert(header.stream, ());
            }
            if !index.is_live(&header, place) {
                continue;
            }
            if !intact {
                compaction.damaged = true;
                self.shared.damages.lock().add(damage_of(&header, place));
                continue;
            }
            compaction.copies.push((header, place, compaction.records.len()));
            compaction.records.extend_from_slice(&bytes[at..at + len]);
        }
        drop(index);
        // Copies are taken from the end, and shall come in the order of the log.
        compaction.copies.reverse();
        compaction.at += end as u32;
        Ok(())
    }

    /// Says what streams have given when the records that said so are given back.
    fn write_floors(&self, compaction: &mut Compaction<D::File>) {
        compaction.records.clear();
        let index = self.shared.index.read();
        let mut streams: Vec<u32> = compaction.streams.keys().copied().collect();
        streams.sort_unstable();
        for stream in streams {
            if let Some(last) = index.floor_missing(stream) {
                let header = Header::plain(Kind::Floor, stream, last, 0);
                let nowhere = Place {
                    segment: 0,
                    offset: 0,
                    len: 0,
                };
                compaction
                    .copies
                    .push((header, nowhere, compaction.records.len()));
                push_record(&mut compaction.records, header, &[], self.shared.seed);
            }
        }
    }

    fn give_back(&mut self, compaction: Compaction<D::File>) -> Result<(), CommitError> {
        let segment = compaction.segment;
        if compaction.damaged || self.shared.index.read().live_of(segment) > 0 {
            // Something that counts was not found: its header is broken. It may still be rescued by hand.
            self.kept_damaged.insert(segment);
            return Ok(());
        }
        self.shared.files.write().remove(&segment);
        self.log.release(compaction.file, segment <= self.erase_to)?;
        self.shared.intake.lock().refusals.no_space = self.log.no_space;
        Ok(())
    }
}

/// The damage that a record with this header means when its body is broken.
pub(crate) fn damage_of(header: &Header, place: Place) -> Damage {
    match header.kind {
        Kind::Message => Damage::Message {
            stream: StreamId(header.stream),
            sequence: header.sequence,
            place,
        },
        kind => Damage::Record {
            stream: header.stream,
            kind: kind as u8,
            place,
        },
    }
}
