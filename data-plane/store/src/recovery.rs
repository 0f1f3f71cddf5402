//! Reads the log again: the newest checkpoint that can be read, and what follows it.

use std::collections::BTreeMap;
use std::io;

use crate::batch::{BATCH_HEADER_BYTES, BatchHeader, Summary};
use crate::bounds::SEGMENT_BYTES_MAX;
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::compaction::damage_of;
use crate::damage::{Damage, DamageLog};
use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;
use crate::floors::Floors;
use crate::ids::{Place, Position, StreamId};
use crate::index::{Index, Map};
use crate::log::SegmentFile;
use crate::record::{HEADER_BYTES, Header, Kind};
use crate::scan::{Chain, Part, Scan, is_whole, scan};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::walk::{Found, Walk};

/// What was found when the store was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// What was broken. The store keeps these and adds what it finds later.
    pub damages: Vec<Damage>,
    /// Where the log was torn, when a batch that nobody was told about was not whole.
    pub torn: Option<Position>,
    /// Bytes of the log that were read.
    pub scanned_bytes: u64,
    /// Whether a checkpoint was used.
    pub checkpoint: Option<u32>,
    /// What the caller had saved with the checkpoint, per stream.
    pub notes: Vec<(StreamId, Vec<u8>)>,
    /// What was deleted of each stream since then: ranges of sequences, ends included. A stream
    /// that is in neither list lost nothing since its notes were made.
    pub removed: Vec<(StreamId, Vec<(u64, u64)>)>,
}

/// The log as it was read.
pub(crate) struct Replay {
    pub(crate) index: Index,
    pub(crate) nonce: u64,
    pub(crate) epoch: u32,
    pub(crate) batch: u64,
    pub(crate) next_stream: u32,
    pub(crate) next_account: u32,
    pub(crate) next_revision: u64,
    /// Where the log ends.
    pub(crate) end: Position,
    pub(crate) since: u64,
    pub(crate) damages: DamageLog,
    pub(crate) recovered: Recovered,
    floors: Floors,
    /// Where reading began.
    begin: Position,
}

/// A segment's file and header; how much of the one before was used is not known when it is damaged.
#[derive(Debug)]
pub(crate) struct Known<F> {
    pub(crate) file: SegmentFile<F>,
    pub(crate) before: Option<u32>,
}

fn step(step: String) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Disk { step, source }
}

/// Reads all of a file from `from` on.
pub(crate) fn read_all<F: DiskFile>(file: &F, from: u64, name: &str) -> Result<Vec<u8>, OpenError> {
    let len = file.len().map_err(step(format!("look at {name}")))?;
    let mut bytes = vec![0; len.saturating_sub(from) as usize];
    let read = file
        .read_at(&mut bytes, from)
        .map_err(step(format!("read {name}")))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A checkpoint, and the numbers and positions of all that there are.
type Checkpoints = (Option<Checkpoint>, Vec<(u32, Position)>);

/// The newest checkpoint that can be read, and numbers and positions of all that can.
pub(crate) fn newest_checkpoint<D: Disk>(
    disk: &D,
    names: &[String],
    damages: &mut DamageLog,
) -> Result<Checkpoints, OpenError> {
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| checkpoint::number_of(name))
        .collect();
    numbers.sort_unstable();
    let mut kept = Vec::new();
    let mut newest = None;
    for number in numbers.into_iter().rev() {
        let name = checkpoint::file_name(number);
        let file = disk.open(&name).map_err(step(format!("open {name}")))?;
        let bytes = read_all(&file, 0, &name)?;
        match checkpoint::decode(&bytes) {
            Ok(read) => {
                kept.insert(0, (number, read.header.position));
                newest.get_or_insert(read);
            }
            Err(CheckpointError::Version(version)) => return Err(OpenError::Version { file: name, version }),
            Err(CheckpointError::Damaged) => damages.add(Damage::Checkpoint { file: name }),
        }
    }
    Ok((newest, kept))
}

impl Replay {
    pub(crate) fn new(nonce: u64, checkpoint: Option<Checkpoint>, first: u32, damages: DamageLog) -> Self {
        let mut replay = Self {
            index: Index::default(),
            nonce,
            epoch: 0,
            batch: 0,
            next_stream: 0,
            next_account: 0,
            next_revision: 1,
            end: Position {
                segment: first,
                offset: SEGMENT_HEADER_BYTES as u32,
            },
            since: 0,
            damages,
            recovered: Recovered::default(),
            floors: Floors::default(),
            begin: Position {
                segment: first,
                offset: SEGMENT_HEADER_BYTES as u32,
            },
        };
        if let Some(Checkpoint { header, index, notes }) = checkpoint {
            replay.index = index;
            replay.epoch = header.epoch;
            replay.batch = header.batch;
            replay.next_stream = header.next_stream;
            replay.next_account = header.next_account;
            replay.next_revision = header.next_revision;
            replay.end = header.position;
            replay.begin = header.position;
            replay.recovered.checkpoint = Some(header.number);
            replay.recovered.notes = notes
                .into_iter()
                .map(|(id, notes)| (StreamId(id), notes))
                .collect();
        }
        replay.index.removed = Some(Map::default());
        replay
    }

    /// Reads the segments from the end of the checkpoint to the end of the log.
    pub(crate) fn run<F: DiskFile>(&mut self, segments: &BTreeMap<u32, Known<F>>) -> Result<(), OpenError> {
        let begin = self.end;
        let number = self.recovered.checkpoint.map(|_| self.batch);
        let mut chain = Chain {
            number,
            epoch: self.epoch,
        };
        let mut expected = begin.segment;
        for (&segment, known) in segments.range(begin.segment..) {
            for missing in expected..segment {
                self.damages.add(Damage::SegmentMissing { segment: missing });
                self.floors.unknown(u64::from(known.file.len));
                chain.number = None;
            }
            expected = segment.saturating_add(1);
            let bytes = read_all(&*known.file.file, 0, "a segment")?;
            let from = if segment == begin.segment {
                begin.offset as usize
            } else {
                SEGMENT_HEADER_BYTES
            };
            let from = from.min(bytes.len());
            let is_last = segments.range(expected..).next().is_none();
            let used = segments.get(&expected).and_then(|next| next.before);
            let found = scan(&bytes, from, segment, used, self.nonce, &mut chain);
            self.recovered.scanned_bytes += found.end.saturating_sub(from) as u64;
            self.since += found.end.saturating_sub(from) as u64;
            self.take(&bytes, segment, &found, is_last);
        }
        if self.recovered.checkpoint.is_some() && expected == begin.segment {
            // Neither the segment in which the checkpoint was begun is there, nor any behind it.
            self.damages.add(Damage::SegmentMissing {
                segment: begin.segment,
            });
            self.floors.unknown(u64::from(SEGMENT_BYTES_MAX));
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], segment: u32, found: &Scan, is_last: bool) {
        self.epoch = self.epoch.max(found.epoch);
        self.end = Position {
            segment,
            offset: found.end as u32,
        };
        for part in &found.parts {
            match part {
                Part::Gap(range) => self.take_gap(bytes, segment, range.start, range.end, None),
                Part::Batch {
                    offset,
                    header,
                    certain,
                } => {
                    let records = offset + BATCH_HEADER_BYTES;
                    let end = records + header.len as usize;
                    let whole = is_whole(&bytes[records..end], header.records, self.nonce);
                    if !whole && !certain && is_last {
                        self.end.offset = *offset as u32;
                        self.recovered.torn = Some(self.end);
                        return;
                    }
                    self.batch = header.number;
                    self.next_stream = self.next_stream.max(header.next_stream);
                    self.next_account = self.next_account.max(header.next_account);
                    self.next_revision = self.next_revision.max(header.next_revision);
                    if whole {
                        self.take_records(bytes, segment, records, end);
                    } else {
                        self.take_gap(bytes, segment, records, end, Some(header));
                    }
                }
            }
        }
    }

    /// Records that were all found to be right.
    fn take_records(&mut self, bytes: &[u8], segment: u32, from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let Some(header) = Header::decode_trusted(&bytes[at..]) else {
                return;
            };
            let len = header.record_len();
            self.apply(&header, &bytes[at..at + len], place(segment, at, len));
            at += len;
        }
    }

    /// What can be found in a part of the log in which something is broken. `batch` is the header of
    /// the batch whose records these are, when that is known.
    fn take_gap(&mut self, bytes: &[u8], segment: u32, from: usize, to: usize, batch: Option<&BatchHeader>) {
        let mut holes = 0;
        let mut hole_at_start = 0;
        let mut hole_at_end = 0;
        let mut records = 0;
        let mut summaries = 0;
        for (found, at, len) in Walk::new(&bytes[from..to], self.nonce, segment) {
            let place = place(segment, from + at, len);
            match found {
                Found::Batch(_) => {}
                Found::Hole => {
                    holes += len;
                    hole_at_start += if at == 0 { len } else { 0 };
                    hole_at_end = if from + at + len == to { len } else { 0 };
                    self.damages.add(Damage::Region { place });
                }
                Found::Record(header, true) => {
                    records += 1;
                    summaries += u32::from(header.kind == Kind::Summary);
                    self.apply(&header, &bytes[from + at..from + at + len], place);
                }
                Found::Record(header, false) => {
                    records += 1;
                    self.damages.add(damage_of(&header, place));
                    self.take_damaged(&header);
                }
            }
        }
        // Whether it is certain which sequences were given in what was not read: a summary says so,
        // and so does it when nothing is missing but a summary or a batch's header.
        let certain = match batch {
            // The last record is the summary: when it alone is missing, all others were read.
            Some(batch) => {
                let all_others = records + 1 == batch.records && holes == hole_at_end;
                summaries == 1 || records == batch.records || all_others
            }
            // A mark is nothing but a header.
            None => {
                let only_header = holes == hole_at_start && holes == BATCH_HEADER_BYTES;
                only_header && (summaries == 1 || to - from == BATCH_HEADER_BYTES)
            }
        };
        if !certain {
            self.floors.unknown(holes as u64);
        }
    }

    /// The body of this record is broken; its header says what it was about.
    fn take_damaged(&mut self, header: &Header) {
        match header.kind {
            Kind::Message | Kind::Floor => {
                let stream = self.index.stream_or_orphan(header.stream);
                stream.last = stream.last.max(header.sequence);
                // An older copy of it, if there was one, is not what counts.
                self.next_stream = self.next_stream.max(header.stream.saturating_add(1));
            }
            // That it exists counts more than what is not known of it.
            Kind::Stream => {
                self.index.stream_or_orphan(header.stream);
                self.next_stream = self.next_stream.max(header.stream.saturating_add(1));
            }
            Kind::Account => self.next_account = self.next_account.max(header.stream.saturating_add(1)),
            Kind::State | Kind::StateMore | Kind::StateGone => {
                self.next_revision = self.next_revision.max(header.sequence.saturating_add(1));
            }
            Kind::Delete | Kind::Purge | Kind::StreamGone | Kind::Summary => {}
        }
    }

    fn apply(&mut self, header: &Header, record: &[u8], place: Place) {
        self.index.apply(header, record, place);
        if self.floors.are_certain() {
            return;
        }
        match header.kind {
            Kind::Message | Kind::Floor => self.floors.mentioned(StreamId(header.stream)),
            Kind::Summary => {
                let body = &record[HEADER_BYTES..HEADER_BYTES + header.body_len as usize];
                let floors = Summary::decode(body).map(|summary| summary.floors);
                floors
                    .into_iter()
                    .flatten()
                    .for_each(|(stream, ..)| self.floors.mentioned(stream));
            }
            _ => {}
        }
    }

    /// Settles what is only known when all was read.
    ///
    /// `headless` are segments whose header was damaged. One that is not read and in which nothing
    /// counts was being given back, or taken again, when the machine stopped: that is no damage.
    pub(crate) fn finish(&mut self, exists: &dyn Fn(u32) -> bool, headless: &[(u32, String)]) {
        for (id, stream) in &mut self.index.streams {
            stream.last = stream.last.saturating_add(self.floors.uncertainty(StreamId(*id)));
            self.next_stream = self.next_stream.max(id.saturating_add(1));
            let account = stream.account.map_or(0, |account| account.0.saturating_add(1));
            self.next_account = self.next_account.max(account);
        }
        let known = self.index.accounts.keys().map(|id| id.saturating_add(1)).max();
        self.next_account = self.next_account.max(known.unwrap_or(0));
        let damages = &mut self.damages;
        self.index.count_live(exists, &mut |stream, sequence, place| {
            damages.add(Damage::Message {
                stream,
                sequence,
                place,
            });
        });
        for (segment, file) in headless {
            if *segment >= self.begin.segment || self.index.live_of(*segment) > 0 {
                self.damages.add(Damage::SegmentHeader { file: file.clone() });
            }
        }
        let removed = self.index.removed.take().unwrap_or_default();
        self.recovered.removed = removed
            .into_iter()
            .map(|(id, ranges)| (StreamId(id), ranges))
            .collect();
        self.recovered.notes.sort_unstable_by_key(|(stream, _)| *stream);
        self.recovered.removed.sort_unstable_by_key(|(stream, _)| *stream);
        self.recovered.damages = self.damages.kept().to_vec();
    }
}

fn place(segment: u32, at: usize, len: usize) -> Place {
    Place {
        segment,
        offset: at as u32,
        len: len as u32,
    }
}

/// The number of a segment whose header is damaged: its first batch says it.
pub(crate) fn number_of_headless(bytes: &[u8], nonce: u64) -> Option<u32> {
    let mut at = SEGMENT_HEADER_BYTES;
    while at + BATCH_HEADER_BYTES <= bytes.len() {
        if let Some(batch) = BatchHeader::decode(&bytes[at..], nonce) {
            return Some(batch.segment);
        }
        at += 8;
    }
    None
}

/// The header at the beginning of a file.
pub(crate) fn segment_header<F: DiskFile>(file: &F, name: &str) -> Result<Option<SegmentHeader>, OpenError> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_at(&mut bytes, 0)
        .map_err(step(format!("read {name}")))?;
    match SegmentHeader::decode(&bytes) {
        Ok(header) => Ok(Some(header)),
        Err(crate::segment::SegmentHeaderError::Damaged) => Ok(None),
        Err(crate::segment::SegmentHeaderError::Version(version)) => Err(OpenError::Version {
            file: name.to_owned(),
            version,
        }),
    }
}
