//! A checkpoint: the index at a point of the log, so that only what follows has to be read.
//!
//! ```text
//! checkpoint-0000002a   header (64 bytes), then sections; written as checkpoint.new, synchronised, renamed
//!
//!  0  "TOLLWCKP"              section:  length u32, checksum u32, kind u8, fields
//!  8  nonce         u64       kinds:    1 stream, 2 account, 3 counters, 4 the end with the count of sections
//! 16  version       u32
//! 20  number        u32
//! 24  segment       u32       the log is read again from here
//! 28  offset        u32
//! 32  batch         u64       number of the last batch before
//! 40  next stream   u32
//! 44  next account  u32
//! 48  next revision u64
//! 56  epoch         u32
//! 60  checksum      u32
//! ```
//!
//! It is written stream by stream while batches are committed, so a stream may stand in it as it
//! was a little later than that point. Reading the log again from there leads to the same: every
//! record says what is, none says what changes.
//!
//! A section that is damaged makes the whole checkpoint unusable, and the one before is taken. That
//! is why no segment is given away that the one before would need.

use crate::bounds::BLOCK_SEQUENCES;
use crate::fields::{Fields, PutFields};
use crate::ids::{AccountId, Durability, Meter, Place, Position, StreamId};
use crate::index::{Account, Index, Map, State, Stream};
use crate::record::{u32_at, u64_at};
use crate::segment::FORMAT_VERSION;

pub(crate) const CHECKPOINT_HEADER_BYTES: usize = 64;
/// The name of a checkpoint that is being written.
pub(crate) const UNFINISHED: &str = "checkpoint.new";

const MAGIC: &[u8; 8] = b"TOLLWCKP";

/// The header of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckpointHeader {
    pub(crate) nonce: u64,
    pub(crate) number: u32,
    pub(crate) position: Position,
    pub(crate) batch: u64,
    pub(crate) next_stream: u32,
    pub(crate) next_account: u32,
    pub(crate) next_revision: u64,
    pub(crate) epoch: u32,
}

/// Why a checkpoint is not used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CheckpointError {
    Damaged,
    Version(u32),
}

/// The name of the file of a checkpoint.
pub(crate) fn file_name(number: u32) -> String {
    format!("checkpoint-{number:08x}")
}

/// The number of the checkpoint in a file of this name.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("checkpoint-")?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok())?
}

impl CheckpointHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.put_u64(self.nonce);
        bytes.put_u32(FORMAT_VERSION);
        bytes.put_u32(self.number);
        bytes.put_u32(self.position.segment);
        bytes.put_u32(self.position.offset);
        bytes.put_u64(self.batch);
        bytes.put_u32(self.next_stream);
        bytes.put_u32(self.next_account);
        bytes.put_u64(self.next_revision);
        bytes.put_u32(self.epoch);
        let crc = crc32c::crc32c(&bytes);
        bytes.put_u32(crc);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let header: &[u8; CHECKPOINT_HEADER_BYTES] = bytes.first_chunk().ok_or(CheckpointError::Damaged)?;
        if &header[..8] != MAGIC || u32_at(header, 60) != crc32c::crc32c(&header[..60]) {
            return Err(CheckpointError::Damaged);
        }
        let version = u32_at(header, 16);
        if version != FORMAT_VERSION {
            return Err(CheckpointError::Version(version));
        }
        Ok(Self {
            nonce: u64_at(header, 8),
            number: u32_at(header, 20),
            position: Position {
                segment: u32_at(header, 24),
                offset: u32_at(header, 28),
            },
            batch: u64_at(header, 32),
            next_stream: u32_at(header, 40),
            next_account: u32_at(header, 44),
            next_revision: u64_at(header, 48),
            epoch: u32_at(header, 56),
        })
    }
}

/// Appends a section.
fn section(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[0; 8]);
    out.push(kind);
    write(out);
    let len = (out.len() - begin - 8) as u32;
    out[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
    // The length is summed up too, so that a damaged one cannot lead anywhere.
    let crc = crc32c::crc32c_append(crc32c::crc32c(&len.to_le_bytes()), &out[begin + 8..]);
    out[begin + 4..begin + 8].copy_from_slice(&crc.to_le_bytes());
}

pub(crate) fn put_stream(out: &mut Vec<u8>, id: u32, stream: &Stream, notes: &[u8]) {
    section(out, 1, |out| {
        out.put_u32(id);
        out.put_option(stream.account, |out, account| out.put_u32(account.0));
        out.push(stream.durability as u8);
        out.put_option(stream.place, |out, place| out.put_place(place));
        out.put_u64(stream.last);
        out.put_option(stream.floor, |out, (last, place)| {
            out.put_u64(last);
            out.put_place(place);
        });
        out.put_u32(stream.states.len() as u32);
        for (key, state) in &stream.states {
            out.put_u64(*key);
            out.put_option(state.whole, put_revision);
            out.put_u32(state.more.len() as u32);
            state.more.iter().for_each(|more| put_revision(out, *more));
        }
        out.put_bytes(notes);
        // Runs of sequences in one segment: eight bytes for each message.
        out.put_u64(stream.messages.messages());
        let mut messages = stream.messages.iter_from(0).peekable();
        let mut run: Vec<u8> = Vec::new();
        while let Some((first, place)) = messages.next() {
            run.clear();
            let (segment, mut next) = (place.segment, first + 1);
            run.put_u32(place.offset);
            run.put_u32(place.len);
            while next - first < BLOCK_SEQUENCES
                && let Some((_, place)) =
                    messages.next_if(|(sequence, place)| *sequence == next && place.segment == segment)
            {
                run.put_u32(place.offset);
                run.put_u32(place.len);
                next += 1;
            }
            out.put_u64(first);
            out.put_u32(segment);
            out.put_bytes(&run);
        }
    });
}

fn put_revision(out: &mut Vec<u8>, (revision, place): (u64, Place)) {
    out.put_u64(revision);
    out.put_place(place);
}

pub(crate) fn put_account(out: &mut Vec<u8>, id: u32, account: &Account) {
    section(out, 2, |out| {
        out.put_u32(id);
        out.put_place(account.place);
        out.put_bytes(&account.name);
    });
}

pub(crate) fn put_counters(out: &mut Vec<u8>, counters: &Map<(AccountId, Meter), u64>) {
    section(out, 3, |out| {
        let mut sorted: Vec<_> = counters.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| **key);
        out.put_u32(sorted.len() as u32);
        for ((account, meter), total) in sorted {
            out.put_u32(account.0);
            out.put_u32(meter.0);
            out.put_u64(*total);
        }
    });
}

pub(crate) fn put_end(out: &mut Vec<u8>, sections: u32) {
    section(out, 4, |out| out.put_u32(sections));
}

/// What a checkpoint holds.
pub(crate) struct Checkpoint {
    pub(crate) header: CheckpointHeader,
    pub(crate) index: Index,
    pub(crate) notes: Map<u32, Vec<u8>>,
}

/// Reads a checkpoint; `bytes` may be anything.
pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let header = CheckpointHeader::decode(bytes)?;
    let mut checkpoint = Checkpoint {
        header,
        index: Index::default(),
        notes: Map::default(),
    };
    let mut fields = Fields(&bytes[CHECKPOINT_HEADER_BYTES..]);
    let mut sections = 0;
    loop {
        let ended = take_section(&mut fields, &mut checkpoint, sections).ok_or(CheckpointError::Damaged)?;
        if ended {
            return Ok(checkpoint);
        }
        sections += 1;
    }
}

/// Takes one section; `Some(true)` when it was the end.
fn take_section(fields: &mut Fields<'_>, checkpoint: &mut Checkpoint, sections: u32) -> Option<bool> {
    let (len, crc) = (fields.u32()?, fields.u32()?);
    let body = fields.take(len as usize)?;
    if crc32c::crc32c_append(crc32c::crc32c(&len.to_le_bytes()), body) != crc {
        return None;
    }
    let mut body = Fields(body);
    let index = &mut checkpoint.index;
    match body.u8()? {
        1 => {
            let (id, stream, notes) = take_stream(&mut body)?;
            if !notes.is_empty() {
                checkpoint.notes.insert(id.0, notes);
            }
            index.streams.insert(id.0, stream);
        }
        2 => {
            let (id, place) = (body.u32()?, body.place()?);
            let account = Account {
                name: body.bytes()?.to_vec(),
                place,
            };
            index.accounts.insert(id, account);
        }
        3 => {
            for _ in 0..body.u32()? {
                let key = (AccountId(body.u32()?), Meter(body.u32()?));
                index.counters.insert(key, body.u64()?);
            }
        }
        4 => return (body.u32()? == sections).then_some(true),
        _ => return None,
    }
    Some(false)
}

fn take_stream(body: &mut Fields<'_>) -> Option<(StreamId, Stream, Vec<u8>)> {
    let id = StreamId(body.u32()?);
    let account = body.option(|body| Some(AccountId(body.u32()?)))?;
    let durability = Durability::from_number(body.u8()?)?;
    let place = body.option(Fields::place)?;
    let mut stream = Stream {
        account,
        durability,
        place,
        ..Stream::orphan()
    };
    stream.last = body.u64()?;
    stream.floor = body.option(|body| Some((body.u64()?, body.place()?)))?;
    for _ in 0..body.u32()? {
        let key = body.u64()?;
        let mut state = State {
            whole: body.option(take_revision)?,
            more: Vec::new(),
        };
        for _ in 0..body.u32()? {
            state.more.push(take_revision(body)?);
        }
        stream.states.push((key, state));
    }
    let notes = body.bytes()?.to_vec();
    let messages = body.u64()?;
    while stream.messages.messages() < messages {
        let (mut sequence, segment) = (body.u64()?, body.u32()?);
        let mut run = Fields(body.bytes()?);
        while !run.0.is_empty() {
            let place = Place {
                segment,
                offset: run.u32()?,
                len: run.u32()?,
            };
            stream.messages.set(sequence, place);
            sequence = sequence.checked_add(1)?;
        }
    }
    Some((id, stream, notes))
}

fn take_revision(body: &mut Fields<'_>) -> Option<(u64, Place)> {
    Some((body.u64()?, body.place()?))
}
