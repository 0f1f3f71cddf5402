//! Reading: the index says where a message is, the file what it is, the checksum whether that is true.
//!
//! A segment may be given back between the two; then the record that is found there is another one,
//! and the index is asked again.

use std::sync::Arc;

use crate::bounds::READ_HOLE_MAX;
use crate::damage::Damage;
use crate::disk::{Disk, DiskFile};
use crate::error::ReadError;
use crate::ids::{AccountId, Durability, Meter, Place, StreamId};
use crate::record::{HEADER_BYTES, Header, Kind, Message};
use crate::store::{Store, StreamSummary};

/// A buffer that reading uses again and again.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    places: Vec<(u64, Place)>,
}

/// A state's value: the last whole one, and what was added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateValue {
    /// The whole value, if one was ever written and can be read.
    pub whole: Option<Vec<u8>>,
    /// Additions behind it, in their order.
    pub more: Vec<Vec<u8>>,
    /// Whether a part of it could not be read.
    pub damaged: bool,
}

/// Gets one message after the other, or the sequence of one that cannot be read, and says whether to go on.
pub type Each<'e> = dyn FnMut(Result<Message<'_>, (u64, ReadError)>) -> bool + 'e;

/// How often the index is asked again when a segment was given back meanwhile.
const TRIES: usize = 8;

impl<D: Disk> Store<D> {
    /// Reads the message of this sequence.
    pub fn read<'b>(
        &self,
        stream: StreamId,
        sequence: u64,
        buffer: &'b mut ReadBuffer,
    ) -> Result<Message<'b>, ReadError> {
        let bytes = &mut buffer.bytes;
        for _ in 0..TRIES {
            let place = {
                let index = self.shared.index.read();
                let found = index.streams.get(&stream.0).ok_or(ReadError::NotFound)?;
                if let Some(memory) = &found.memory {
                    let record = memory.get(sequence).ok_or(ReadError::NotFound)?;
                    bytes.clear();
                    bytes.extend_from_slice(record);
                    None
                } else {
                    Some(found.messages.get(sequence).ok_or(ReadError::NotFound)?)
                }
            };
            let header = match place {
                None => Header::decode_trusted(bytes),
                Some(place) => self.read_record(place, bytes)?,
            };
            match header {
                Some(header) if is_message(&header, stream, sequence) => {
                    return Ok(Message::of(&header, &buffer.bytes));
                }
                _ if self.moved(stream, sequence, place) => {}
                _ => {
                    if let Some(place) = place {
                        self.shared.damages.lock().add(Damage::Message {
                            stream,
                            sequence,
                            place,
                        });
                    }
                    return Err(ReadError::Damaged);
                }
            }
        }
        Err(ReadError::Damaged)
    }

    /// Reads messages from sequence `from` on, ascending, until `each` returns false or there are no more;
    /// at most `messages`. Messages that stand close together are read with one call.
    ///
    /// `each` gets an error for a message that cannot be read; the ones behind it follow. Returns
    /// the sequence to go on with.
    pub fn read_from(
        &self,
        stream: StreamId,
        from: u64,
        messages: usize,
        buffer: &mut ReadBuffer,
        each: &mut Each<'_>,
    ) -> u64 {
        let mut places = std::mem::take(&mut buffer.places);
        places.clear();
        let in_memory = {
            let index = self.shared.index.read();
            let found = index.streams.get(&stream.0);
            if let Some(found) = found {
                places.extend(found.messages.iter_from(from).take(messages));
            }
            found.is_some_and(|found| found.memory.is_some())
        };
        let next = if in_memory {
            self.each_in_memory(stream, from, messages, buffer, each)
        } else {
            self.each_on_disk(stream, from, &places, buffer, each)
        };
        buffer.places = places;
        next
    }

    fn each_in_memory(
        &self,
        stream: StreamId,
        from: u64,
        messages: usize,
        buffer: &mut ReadBuffer,
        each: &mut Each<'_>,
    ) -> u64 {
        let mut next = from;
        for _ in 0..messages {
            let Some((sequence, _)) = self.next_message(stream, next) else {
                return next;
            };
            next = sequence.saturating_add(1);
            match self.read(stream, sequence, buffer) {
                Err(ReadError::NotFound) => {}
                read => {
                    if !each(read.map_err(|error| (sequence, error))) {
                        return next;
                    }
                }
            }
        }
        next
    }

    fn each_on_disk(
        &self,
        stream: StreamId,
        from: u64,
        places: &[(u64, Place)],
        buffer: &mut ReadBuffer,
        each: &mut Each<'_>,
    ) -> u64 {
        let mut rest = places;
        let mut next = from;
        while let [(_, first), ..] = rest {
            let run = run_of(rest);
            let (here, behind) = rest.split_at(run);
            rest = behind;
            let end = here[run - 1].1;
            let span = Place {
                len: end.offset + end.len - first.offset,
                ..*first
            };
            let read = self.read_span(span, &mut buffer.bytes);
            for (sequence, place) in here {
                next = sequence.saturating_add(1);
                let at = (place.offset - first.offset) as usize;
                let record = buffer.bytes.get(at..at + place.len as usize).filter(|_| read);
                let message = record.and_then(|record| {
                    let header = Header::decode(record, self.shared.seed)?;
                    let right = is_message(&header, stream, *sequence)
                        && header.record_len() == record.len()
                        && header.body_is_right(record, self.shared.seed);
                    right.then(|| Message::of(&header, record))
                });
                let go_on = match message {
                    Some(message) => each(Ok(message)),
                    // It may have moved; by itself it is read with all care.
                    None => match self.read(stream, *sequence, &mut ReadBuffer::default()) {
                        Err(ReadError::NotFound) => true,
                        read => each(read.map_err(|error| (*sequence, error))),
                    },
                };
                if !go_on {
                    return next;
                }
            }
        }
        next
    }

    /// The first message at or behind `from`, and the length of its record.
    pub fn next_message(&self, stream: StreamId, from: u64) -> Option<(u64, u32)> {
        let index = self.shared.index.read();
        let stream = index.streams.get(&stream.0)?;
        match &stream.memory {
            Some(memory) => memory
                .next(from)
                .map(|(sequence, record)| (sequence, record.len() as u32)),
            None => stream
                .messages
                .next(from)
                .map(|(sequence, place)| (sequence, place.len)),
        }
    }

    /// Reads a state; nothing when there is none.
    pub fn read_state(&self, stream: StreamId, key: u64) -> Result<Option<StateValue>, ReadError> {
        'again: for _ in 0..TRIES {
            let Some(state) = self
                .shared
                .index
                .read()
                .streams
                .get(&stream.0)
                .and_then(|stream| stream.state(key).cloned())
            else {
                return Ok(None);
            };
            let mut value = StateValue::default();
            for (is_whole, (revision, place)) in state
                .whole
                .iter()
                .map(|at| (true, *at))
                .chain(state.more.iter().map(|at| (false, *at)))
            {
                let mut bytes = Vec::new();
                let header = self.read_record(place, &mut bytes)?.filter(|header| {
                    (header.stream, header.time, header.sequence) == (stream.0, key, revision)
                });
                let Some(header) = header else {
                    let now = self
                        .shared
                        .index
                        .read()
                        .streams
                        .get(&stream.0)
                        .and_then(|s| s.state(key).cloned());
                    if now.as_ref() != Some(&state) {
                        continue 'again;
                    }
                    let kind = if is_whole { Kind::State } else { Kind::StateMore } as u8;
                    self.shared.damages.lock().add(Damage::Record {
                        stream: stream.0,
                        kind,
                        place,
                    });
                    value.damaged = true;
                    continue;
                };
                let body = bytes[HEADER_BYTES..HEADER_BYTES + header.body_len as usize].to_vec();
                if is_whole {
                    value.whole = Some(body);
                } else {
                    value.more.push(body);
                }
            }
            return Ok(Some(value));
        }
        Err(ReadError::Damaged)
    }

    /// The keys of all states of a stream.
    pub fn state_keys(&self, stream: StreamId) -> Vec<u64> {
        let index = self.shared.index.read();
        index.streams.get(&stream.0).map_or(Vec::new(), |stream| {
            stream.states.iter().map(|(key, _)| *key).collect()
        })
    }

    /// What a stream holds.
    pub fn stream(&self, stream: StreamId) -> Option<StreamSummary> {
        let index = self.shared.index.read();
        let stream = index.streams.get(&stream.0)?;
        let (messages, bytes) = match &stream.memory {
            Some(memory) => (memory.messages(), memory.bytes() as u64),
            None => (stream.messages.messages(), stream.messages.bytes()),
        };
        let (account, durability, last) = (stream.account, stream.durability, stream.last);
        Some(StreamSummary {
            account,
            durability,
            last,
            messages,
            bytes,
        })
    }

    /// All streams, ascending.
    pub fn streams(&self) -> Vec<StreamId> {
        let mut streams: Vec<_> = self
            .shared
            .index
            .read()
            .streams
            .keys()
            .map(|id| StreamId(*id))
            .collect();
        streams.sort_unstable();
        streams
    }

    /// All accounts whose names are known, ascending.
    pub fn accounts(&self) -> Vec<(AccountId, Vec<u8>)> {
        let index = self.shared.index.read();
        let accounts = index.accounts.iter();
        let mut accounts: Vec<_> = accounts
            .map(|(id, account)| (AccountId(*id), account.name.clone()))
            .collect();
        accounts.sort_unstable();
        accounts
    }

    /// The committed total of a counter.
    pub fn counter(&self, account: AccountId, meter: Meter) -> u64 {
        self.shared
            .index
            .read()
            .counters
            .get(&(account, meter))
            .copied()
            .unwrap_or(0)
    }

    /// Bytes of memory of the index, and of messages that are kept in memory.
    pub fn memory(&self) -> usize {
        self.shared.index.read().memory()
    }

    /// Segments that hold a part of the log, and bytes in them that count.
    pub fn usage(&self) -> (usize, u64) {
        let index = self.shared.index.read();
        (self.shared.files.read().len(), index.live.values().sum())
    }

    /// Whether the index says something else now than when it was asked.
    fn moved(&self, stream: StreamId, sequence: u64, place: Option<Place>) -> bool {
        let index = self.shared.index.read();
        index
            .streams
            .get(&stream.0)
            .and_then(|stream| stream.messages.get(sequence))
            != place
    }

    /// Reads a record; nothing when it is not right.
    fn read_record(&self, place: Place, bytes: &mut Vec<u8>) -> Result<Option<Header>, ReadError> {
        let Some(file) = self.file(place.segment) else {
            return Ok(None);
        };
        bytes.resize(place.len as usize, 0);
        let read = file
            .read_at(bytes, u64::from(place.offset))
            .map_err(ReadError::Disk)?;
        let right = Header::decode(&bytes[..read], self.shared.seed).filter(|header| {
            header.record_len() == read && header.body_is_right(&bytes[..read], self.shared.seed)
        });
        Ok(right)
    }

    fn read_span(&self, span: Place, bytes: &mut Vec<u8>) -> bool {
        let Some(file) = self.file(span.segment) else {
            return false;
        };
        bytes.resize(span.len as usize, 0);
        file.read_at(bytes, u64::from(span.offset))
            .is_ok_and(|read| read == bytes.len())
    }

    fn file(&self, segment: u32) -> Option<Arc<D::File>> {
        self.shared
            .files
            .read()
            .get(&segment)
            .map(|segment| segment.file.clone())
    }

    /// Whether the stream's acknowledgements promise that it is on the disk.
    pub fn durability(&self, stream: StreamId) -> Option<Durability> {
        self.stream(stream).map(|stream| stream.durability)
    }
}

fn is_message(header: &Header, stream: StreamId, sequence: u64) -> bool {
    (header.kind, header.stream, header.sequence) == (Kind::Message, stream.0, sequence)
}

/// How many of the first places one read should cover: neighbours, at most a mebibyte.
fn run_of(places: &[(u64, Place)]) -> usize {
    let first = places[0].1;
    let mut end = first.offset + first.len;
    let mut count = 1;
    for (_, place) in &places[1..] {
        let near = place.segment == first.segment
            && place.offset >= end
            && place.offset - end <= READ_HOLE_MAX
            && place.offset + place.len - first.offset <= crate::bounds::STEP_BYTES as u32;
        if !near {
            break;
        }
        end = place.offset + place.len;
        count += 1;
    }
    count
}
