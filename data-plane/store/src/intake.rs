//! Where records wait for their batch, and where the sequences that a stream has given are known
//! before they are on the disk.

use std::collections::VecDeque;

use crate::error::AppendError;
use crate::ids::{AccountId, Durability, Meter, StreamId};
use crate::index::{Index, Map};
use crate::lane::Lane;
use crate::options::Options;
use crate::record::{Header, Kind, push_record};

/// Says when a record is committed: when its lane has committed as many as `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The account.
    pub account: AccountId,
    /// The level of durability; each has its own order.
    pub durability: Durability,
    /// Counts the account's records of this level.
    pub number: u64,
}

/// What a stream has given, with what waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) account: AccountId,
    pub(crate) durability: Durability,
    pub(crate) last: u64,
}

/// Why nothing, or no message, is taken.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    pub(crate) poisoned: Option<String>,
    pub(crate) no_space: bool,
}

/// The queues of all accounts.
#[derive(Debug)]
pub(crate) struct Intake {
    options: Options,
    seed: u32,
    /// Per account, by durability `Disk` and `Os`.
    lanes: Vec<[Lane; 2]>,
    /// Accounts whose lane holds something, in the order of their turns.
    turns: [VecDeque<u32>; 2],
    streams: Map<u32, Given>,
    accounts: Map<Vec<u8>, AccountId>,
    waiting: usize,
    pub(crate) next_stream: u32,
    pub(crate) next_revision: u64,
    counts: Map<(AccountId, Meter), u64>,
    pub(crate) refusals: Refusals,
}

/// What a batch was made of.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Where the records of durability `Os` end and those of `Disk` begin.
    pub(crate) os_end: usize,
    /// Tickets that are done when the batch is: lane and number.
    pub(crate) os: Vec<Ticket>,
    pub(crate) disk: Vec<Ticket>,
}

impl Intake {
    pub(crate) fn new(
        options: Options,
        seed: u32,
        index: &Index,
        next_stream: u32,
        next_revision: u64,
    ) -> Self {
        let accounts = index.accounts.iter();
        let accounts: Map<_, _> = accounts
            .map(|(id, account)| (account.name.clone(), AccountId(*id)))
            .collect();
        let mut intake = Self {
            options,
            seed,
            lanes: Vec::new(),
            turns: Default::default(),
            streams: Map::default(),
            accounts,
            waiting: 0,
            next_stream,
            next_revision,
            counts: Map::default(),
            refusals: Refusals::default(),
        };
        let known = index
            .accounts
            .keys()
            .copied()
            .max()
            .map_or(0, |last| last as usize + 1);
        intake.lanes.resize_with(known, Default::default);
        for (&id, stream) in &index.streams {
            // An orphan is readable; nothing is added to it, because nobody would be charged.
            if let Some(account) = stream.account {
                let given = Given {
                    account,
                    durability: stream.durability,
                    last: stream.last,
                };
                intake
                    .lanes
                    .resize_with(intake.lanes.len().max(account.0 as usize + 1), Default::default);
                intake.streams.insert(id, given);
            }
        }
        intake
    }

    pub(crate) fn next_account(&self) -> u32 {
        self.lanes.len() as u32
    }

    /// Keeps numbers that were given from being given again when their records were lost.
    pub(crate) fn skip_accounts_to(&mut self, next: u32) {
        self.lanes
            .resize_with(self.lanes.len().max(next as usize), Default::default);
    }

    pub(crate) fn account_named(&self, name: &[u8]) -> Option<AccountId> {
        self.accounts.get(name).copied()
    }

    pub(crate) fn add_account(&mut self, name: &[u8]) -> Result<AccountId, AppendError> {
        let account = AccountId(self.next_account());
        self.may_write(account, 0)?;
        self.accounts.insert(name.to_vec(), account);
        self.lanes.push(Default::default());
        // Twice: a name that is lost would part an account from all its streams.
        let header = Header::plain(Kind::Account, account.0, 0, 0);
        self.push(account, Durability::Disk, header, &[name]);
        self.push(account, Durability::Disk, header, &[name]);
        Ok(account)
    }

    pub(crate) fn stream(&self, stream: StreamId) -> Result<Given, AppendError> {
        self.streams
            .get(&stream.0)
            .copied()
            .ok_or(AppendError::UnknownStream(stream))
    }

    pub(crate) fn add_stream(&mut self, account: AccountId, durability: Durability) -> StreamId {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        self.streams.insert(
            stream.0,
            Given {
                account,
                durability,
                last: 0,
            },
        );
        stream
    }

    pub(crate) fn remove_stream(&mut self, stream: StreamId) {
        self.streams.remove(&stream.0);
    }

    /// Notes that the stream gave `sequence`, which must be new.
    pub(crate) fn give(&mut self, stream: StreamId, sequence: u64) -> Result<(), AppendError> {
        let given = self
            .streams
            .get_mut(&stream.0)
            .ok_or(AppendError::UnknownStream(stream))?;
        if sequence <= given.last {
            return Err(AppendError::SequenceNotNew { last: given.last });
        }
        given.last = sequence;
        Ok(())
    }

    /// Whether a record of this length that frees space or describes something is taken.
    pub(crate) fn may_write(&self, account: AccountId, len: usize) -> Result<(), AppendError> {
        if let Some(reason) = &self.refusals.poisoned {
            return Err(AppendError::Poisoned(reason.clone()));
        }
        let waits = self
            .lanes
            .get(account.0 as usize)
            .map_or(0, |[disk, os]| disk.waiting() + os.waiting());
        if self.waiting + len > self.options.waiting_bytes || waits + len > self.options.account_waiting_bytes
        {
            return Err(AppendError::Busy);
        }
        Ok(())
    }

    /// Whether messages of this length are taken.
    pub(crate) fn may_store(&self, account: AccountId, len: usize) -> Result<(), AppendError> {
        self.may_write(account, len)?;
        if self.refusals.no_space {
            Err(AppendError::NoSpace)
        } else {
            Ok(())
        }
    }

    /// Makes a record and puts it into the account's lane.
    pub(crate) fn push(
        &mut self,
        account: AccountId,
        durability: Durability,
        header: Header,
        parts: &[&[u8]],
    ) -> Ticket {
        let seed = self.seed;
        self.push_with(account, durability, 1, |out| {
            push_record(out, header, parts, seed)
        })
    }

    /// Lets `write` put `records` records into the account's lane.
    pub(crate) fn push_with(
        &mut self,
        account: AccountId,
        durability: Durability,
        records: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Ticket {
        let class = durability as usize;
        let lane = &mut self.lanes[account.0 as usize][class];
        let before = lane.waiting();
        if before == 0 {
            self.turns[class].push_back(account.0);
        }
        write(lane.tail());
        lane.appended += records;
        self.waiting += lane.waiting() - before;
        Ticket {
            account,
            durability,
            number: lane.appended,
        }
    }

    pub(crate) fn count(&mut self, account: AccountId, meter: Meter, more: u64) {
        *self.counts.entry((account, meter)).or_default() += more;
    }

    /// Whether a batch would hold anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0 && self.counts.is_empty()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_done(&self, ticket: Ticket) -> bool {
        match ticket.durability {
            Durability::Memory => true,
            class => self
                .lanes
                .get(ticket.account.0 as usize)
                .is_some_and(|lanes| lanes[class as usize].committed >= ticket.number),
        }
    }

    /// Moves what a batch may hold to the end of `out`: a fair share of each account.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>, taken: &mut Taken) {
        taken.os.clear();
        taken.disk.clear();
        let all = self.options.batch_bytes;
        let (disk, os) = (Durability::Disk as usize, Durability::Os as usize);
        let begin = out.len();
        let for_os = if self.turns[disk].is_empty() { all } else { all / 2 };
        self.take_class(os, for_os, out, &mut taken.os);
        taken.os_end = out.len();
        let left = all.saturating_sub(out.len() - begin);
        self.take_class(disk, left, out, &mut taken.disk);
    }

    /// Deficit round robin: each account in turn gets a credit, and what it could not use of it
    /// because its next record is longer stays for its next turn.
    fn take_class(&mut self, class: usize, room: usize, out: &mut Vec<u8>, tickets: &mut Vec<Ticket>) {
        let begin = out.len();
        let durability = if class == 0 {
            Durability::Disk
        } else {
            Durability::Os
        };
        while let Some(account) = self.turns[class].pop_front() {
            let used = out.len() - begin;
            let lane = &mut self.lanes[account as usize][class];
            let (waited, taken) = (lane.waiting(), lane.taken);
            lane.credit += self.options.turn_bytes;
            let full = lane.take(out, room.saturating_sub(used), used == 0);
            self.waiting -= waited - lane.waiting();
            if lane.taken > taken {
                let account = AccountId(account);
                tickets.push(Ticket {
                    account,
                    durability,
                    number: lane.taken,
                });
            }
            if full {
                self.turns[class].push_front(account);
                return;
            }
            if lane.waiting() > 0 {
                self.turns[class].push_back(account);
            }
        }
    }

    pub(crate) fn take_counts(&mut self, add: &mut dyn FnMut(AccountId, Meter, u64)) {
        let mut left = self.options.counters_max();
        self.counts.retain(|(account, meter), more| {
            let keep = left == 0;
            if !keep {
                left -= 1;
                add(*account, *meter, *more);
            }
            keep
        });
    }

    pub(crate) fn done(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            let lane = &mut self.lanes[ticket.account.0 as usize][ticket.durability as usize];
            lane.committed = lane.committed.max(ticket.number);
        }
    }
}
