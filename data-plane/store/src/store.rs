//! The handle that many threads use: it appends and answers what the store knows.
//!
//! Appending puts a record into its account's queue and returns a ticket. It is on the disk, and
//! to be read, when the [`crate::Writer`] says that the ticket is done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bounds::{ACCOUNT_NAME_MAX, ACCOUNTS_MAX};
use crate::damage::Damage;
use crate::disk::Disk;
use crate::error::AppendError;
use crate::ids::{AccountId, Durability, Meter, StreamId};
use crate::index::Stream;
use crate::intake::{Given, Ticket};
use crate::record::{FLAG_GROUP, HEADER_BYTES, Header, Kind, body_crc, padded};
use crate::shared::Shared;

/// A message that is to be stored. The caller decides the sequence; it must be new to the stream.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// The stream.
    pub stream: StreamId,
    /// Greater than every sequence that the stream gave before.
    pub sequence: u64,
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Its subject.
    pub subject: &'a [u8],
    /// Its header block, or nothing.
    pub headers: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
}

/// A store. Clones are the same store.
pub struct Store<D: Disk> {
    pub(crate) shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for Store<D> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The account it belongs to; nothing when the record that said so is unreadable.
    pub account: Option<AccountId>,
    /// What its acknowledgements promise.
    pub durability: Durability,
    /// The last sequence that it has given and that is committed.
    pub last: u64,
    /// Messages that can be read.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
}

impl<'a> NewMessage<'a> {
    fn parts(&self) -> [&'a [u8]; 3] {
        [self.subject, self.headers, self.payload]
    }

    fn record_len(&self) -> usize {
        HEADER_BYTES + padded(self.subject.len() + self.headers.len() + self.payload.len())
    }

    /// The record's header, with the checksum of the body: made before any lock is taken.
    fn header(&self, seed: u32, flags: u8) -> Header {
        let parts = self.parts();
        Header {
            flags,
            subject_len: self.subject.len() as u16,
            headers_len: self.headers.len() as u32,
            body_len: parts.iter().map(|part| part.len()).sum::<usize>() as u32,
            body_crc: body_crc(seed, &parts),
            ..Header::plain(Kind::Message, self.stream.0, self.sequence, self.time)
        }
    }

    fn write(&self, header: &[u8; HEADER_BYTES], out: &mut Vec<u8>) {
        let end = out.len() + self.record_len();
        out.reserve(end - out.len());
        out.extend_from_slice(header);
        self.parts().iter().for_each(|part| out.extend_from_slice(part));
        out.resize(end, 0);
    }
}

impl<D: Disk> Store<D> {
    /// The number of the account of this name, made when there is none.
    pub fn account(&self, name: &[u8]) -> Result<AccountId, AppendError> {
        let mut intake = self.shared.intake.lock();
        if let Some(account) = intake.account_named(name) {
            return Ok(account);
        }
        if name.len() > ACCOUNT_NAME_MAX || intake.next_account() >= ACCOUNTS_MAX {
            return Err(AppendError::NotPossible(
                "the account's name is too long, or there are too many",
            ));
        }
        intake.add_account(name)
    }

    /// Makes a stream. Write its configuration with [`Self::put_state`] right behind: both come
    /// into the same order, and who holds the second ticket holds the first.
    pub fn create_stream(
        &self,
        account: AccountId,
        durability: Durability,
    ) -> Result<(StreamId, Ticket), AppendError> {
        let mut intake = self.shared.intake.lock();
        if account.0 >= intake.next_account() {
            return Err(AppendError::UnknownAccount);
        }
        intake.may_store(account, HEADER_BYTES)?;
        let stream = intake.add_stream(account, durability);
        if durability == Durability::Memory {
            drop(intake);
            self.shared
                .index
                .write()
                .streams
                .insert(stream.0, Stream::in_memory(account));
            return Ok((stream, self.memory_ticket(account)));
        }
        let header = Header::plain(Kind::Stream, stream.0, 0, 0);
        let body = [&account.0.to_le_bytes()[..], &[durability as u8]];
        Ok((stream, intake.push(account, durability, header, &body)))
    }

    /// Removes a stream with all it has.
    pub fn remove_stream(&self, stream: StreamId) -> Result<Ticket, AppendError> {
        let ticket = self.push(stream, Kind::StreamGone, 0, 0, &[])?;
        if ticket.durability == Durability::Memory {
            self.shared.index.write().streams.remove(&stream.0);
        }
        Ok(ticket)
    }

    /// Stores a message.
    pub fn append(&self, message: &NewMessage<'_>) -> Result<Ticket, AppendError> {
        let len = self.check(message)?;
        // The checksums take most of the time, so they are made before the lock.
        let header = message.header(self.shared.seed, 0).encode(self.shared.seed);
        let mut intake = self.shared.intake.lock();
        let given = intake.stream(message.stream)?;
        if given.durability == Durability::Memory {
            intake.give(message.stream, message.sequence)?;
            drop(intake);
            return Ok(self.append_to_memory(message, &header, given));
        }
        intake.may_store(given.account, len)?;
        intake.give(message.stream, message.sequence)?;
        Ok(intake.push_with(given.account, given.durability, 1, |out| {
            message.write(&header, out)
        }))
    }

    /// Stores messages of one account and one level of durability: all of them or, after a crash,
    /// none. They become readable together.
    pub fn append_group(&self, messages: &[NewMessage<'_>]) -> Result<Ticket, AppendError> {
        let (Some(first), Some(last)) = (messages.first(), messages.len().checked_sub(1)) else {
            return Err(AppendError::NotPossible("a group of no messages"));
        };
        let mut len = 0;
        for message in messages {
            len += self.check(message)?;
        }
        let max = self.shared.options.group_max();
        if messages.len() > 1 && len > max {
            return Err(AppendError::TooLong { max });
        }
        let seed = self.shared.seed;
        let flags = |at: usize| if at < last { FLAG_GROUP } else { 0 };
        let headers: Vec<_> = messages
            .iter()
            .enumerate()
            .map(|(at, message)| message.header(seed, flags(at)).encode(seed))
            .collect();
        let mut intake = self.shared.intake.lock();
        let given = intake.stream(first.stream)?;
        intake.may_store(given.account, len)?;
        let mut before: Vec<(StreamId, u64)> = Vec::new();
        for message in messages {
            let stream = intake.stream(message.stream)?;
            if (stream.account, stream.durability) != (given.account, given.durability) {
                return Err(AppendError::NotPossible(
                    "a group belongs to one account and one durability",
                ));
            }
            let last = before.iter().rev().find(|(stream, _)| *stream == message.stream);
            let last = last.map_or(stream.last, |(_, last)| *last);
            if message.sequence <= last {
                return Err(AppendError::SequenceNotNew { last });
            }
            before.push((message.stream, message.sequence));
        }
        for message in messages {
            intake.give(message.stream, message.sequence)?;
        }
        if given.durability == Durability::Memory {
            drop(intake);
            for (message, header) in messages.iter().zip(&headers) {
                self.append_to_memory(message, header, given);
            }
            return Ok(self.memory_ticket(given.account));
        }
        Ok(
            intake.push_with(given.account, given.durability, messages.len() as u64, |out| {
                messages
                    .iter()
                    .zip(&headers)
                    .for_each(|(message, header)| message.write(header, out));
            }),
        )
    }

    /// Deletes messages.
    pub fn delete(&self, stream: StreamId, sequences: &[u64]) -> Result<Ticket, AppendError> {
        let body: Vec<u8> = sequences
            .iter()
            .flat_map(|sequence| sequence.to_le_bytes())
            .collect();
        let first = sequences.first().copied().unwrap_or(0);
        let ticket = self.push(stream, Kind::Delete, first, 0, &[&body])?;
        if ticket.durability == Durability::Memory {
            sequences
                .iter()
                .for_each(|sequence| self.remove_from_memory(stream, *sequence, *sequence));
        }
        Ok(ticket)
    }

    /// Deletes all messages from `first` to `last`.
    pub fn purge(&self, stream: StreamId, first: u64, last: u64) -> Result<Ticket, AppendError> {
        let ticket = self.push(stream, Kind::Purge, first, last, &[])?;
        if ticket.durability == Durability::Memory {
            self.remove_from_memory(stream, first, last);
        }
        Ok(ticket)
    }

    /// Lets the stream have given all sequences up to `last` (a first sequence of its own, a mirror's gap).
    pub fn raise_floor(&self, stream: StreamId, last: u64) -> Result<Ticket, AppendError> {
        let mut intake = self.shared.intake.lock();
        let given = intake.stream(stream)?;
        intake.may_write(given.account, HEADER_BYTES)?;
        intake.give(stream, last)?;
        if given.durability == Durability::Memory {
            drop(intake);
            if let Some(stream) = self.shared.index.write().streams.get_mut(&stream.0) {
                stream.last = last;
            }
            return Ok(self.memory_ticket(given.account));
        }
        let header = Header::plain(Kind::Floor, stream.0, last, 0);
        Ok(intake.push(given.account, given.durability, header, &[]))
    }

    /// Writes the whole value of a state; what was written for this key before does not count any more.
    pub fn put_state(&self, stream: StreamId, key: u64, value: &[u8]) -> Result<Ticket, AppendError> {
        self.push(stream, Kind::State, 0, key, &[value])
    }

    /// Adds to the value of a state. Write the whole value again now and then: each addition is
    /// remembered and read by itself.
    pub fn add_state(&self, stream: StreamId, key: u64, more: &[u8]) -> Result<Ticket, AppendError> {
        self.push(stream, Kind::StateMore, 0, key, &[more])
    }

    /// Removes a state.
    pub fn remove_state(&self, stream: StreamId, key: u64) -> Result<Ticket, AppendError> {
        self.push(stream, Kind::StateGone, 0, key, &[])
    }

    /// Counts for an account; written with the next batch, as a total.
    pub fn count(&self, account: AccountId, meter: Meter, more: u64) -> Result<(), AppendError> {
        let mut intake = self.shared.intake.lock();
        if account.0 >= intake.next_account() {
            return Err(AppendError::UnknownAccount);
        }
        if meter.0 < Meter::FIRST_OF_CALLER {
            return Err(AppendError::NotPossible("the store counts this meter itself"));
        }
        intake.count(account, meter, more);
        Ok(())
    }

    /// Whether what the ticket stands for is committed.
    pub fn is_done(&self, ticket: Ticket) -> bool {
        self.shared.intake.lock().is_done(ticket)
    }

    /// Whether nothing waits for a commit.
    pub fn is_idle(&self) -> bool {
        self.shared.intake.lock().is_empty()
    }

    /// Bytes of records that wait for a commit.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.intake.lock().waiting()
    }

    /// Whether messages are refused because the disk is full.
    pub fn is_full(&self) -> bool {
        self.shared.intake.lock().refusals.no_space
    }

    /// The last sequence that the stream has given, with those that wait for their commit.
    pub fn last_given(&self, stream: StreamId) -> Option<u64> {
        self.shared
            .intake
            .lock()
            .stream(stream)
            .ok()
            .map(|given| given.last)
    }

    /// What was found damaged since the store was opened: those that are kept, and how many there were.
    pub fn damages(&self) -> (Vec<Damage>, u64) {
        let damages = self.shared.damages.lock();
        (damages.kept().to_vec(), damages.count())
    }

    fn check(&self, message: &NewMessage<'_>) -> Result<usize, AppendError> {
        if message.subject.len() > usize::from(u16::MAX) {
            return Err(AppendError::TooLong {
                max: usize::from(u16::MAX),
            });
        }
        self.check_len(message.record_len())
    }

    fn check_len(&self, len: usize) -> Result<usize, AppendError> {
        let max = self.shared.options.record_max();
        if len > max {
            Err(AppendError::TooLong { max })
        } else {
            Ok(len)
        }
    }

    /// Writes a record about a stream that is not a message: these are taken when the disk is full, too.
    fn push(
        &self,
        stream: StreamId,
        kind: Kind,
        sequence: u64,
        time: u64,
        parts: &[&[u8]],
    ) -> Result<Ticket, AppendError> {
        let len = self.check_len(HEADER_BYTES + padded(parts.iter().map(|part| part.len()).sum()))?;
        let mut intake = self.shared.intake.lock();
        let given = intake.stream(stream)?;
        if given.durability != Durability::Memory {
            intake.may_write(given.account, len)?;
        }
        if kind == Kind::StreamGone {
            // Under the same lock: nothing about a stream may come behind the record that it is gone.
            intake.remove_stream(stream);
        }
        if given.durability == Durability::Memory {
            drop(intake);
            return Ok(self.memory_ticket(given.account));
        }
        let mut header = Header::plain(kind, stream.0, sequence, time);
        if matches!(kind, Kind::State | Kind::StateMore | Kind::StateGone) {
            header.sequence = intake.next_revision;
            intake.next_revision += 1;
        }
        Ok(intake.push(given.account, given.durability, header, parts))
    }

    fn append_to_memory(
        &self,
        message: &NewMessage<'_>,
        header: &[u8; HEADER_BYTES],
        given: Given,
    ) -> Ticket {
        let mut record = Vec::with_capacity(message.record_len());
        message.write(header, &mut record);
        let mut index = self.shared.index.write();
        if let Some(stream) = index.streams.get_mut(&message.stream.0)
            && let Some(memory) = &mut stream.memory
        {
            stream.last = stream.last.max(message.sequence);
            memory.insert(message.sequence, record.into_boxed_slice());
        }
        drop(index);
        self.memory_ticket(given.account)
    }

    fn remove_from_memory(&self, stream: StreamId, first: u64, last: u64) {
        let mut index = self.shared.index.write();
        if let Some(stream) = index.streams.get_mut(&stream.0)
            && let Some(memory) = &mut stream.memory
        {
            memory.remove_range(first, last);
        }
    }

    fn memory_ticket(&self, account: AccountId) -> Ticket {
        let number = self.shared.memory_tickets.fetch_add(1, Ordering::Relaxed) + 1;
        Ticket {
            account,
            durability: Durability::Memory,
            number,
        }
    }
}
