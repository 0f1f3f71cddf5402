//! Adds up what a batch holds: the floors of its streams, and what the store itself counts.

use crate::batch::Summary;
use crate::ids::{AccountId, Meter, StreamId};
use crate::index::Map;
use crate::record::{HEADER_BYTES, Header, Kind, u32_at};

/// Totals of all counters, and the summary that is being made.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    totals: Map<(AccountId, Meter), u64>,
    floors: Map<u32, (AccountId, u64)>,
    moved: Map<(AccountId, Meter), u64>,
    /// Streams that are made in this very batch.
    made: Map<u32, AccountId>,
    pub(crate) summary: Summary,
    pub(crate) records: u32,
}

impl Tally {
    pub(crate) fn new(totals: Map<(AccountId, Meter), u64>) -> Self {
        Self {
            totals,
            ..Self::default()
        }
    }

    /// Adds to a counter.
    pub(crate) fn count(&mut self, account: AccountId, meter: Meter, more: u64) {
        *self.moved.entry((account, meter)).or_default() += more;
    }

    /// Adds up records that this process made. Messages of one stream mostly stand together, so
    /// the tables are asked once for each run of them.
    pub(crate) fn add(&mut self, records: &[u8], account_of: &mut dyn FnMut(StreamId) -> Option<AccountId>) {
        let mut at = 0;
        let mut run: Option<(u32, u64, u64, u64)> = None;
        while let Some(header) = records.get(at..).and_then(Header::decode_trusted) {
            self.records += 1;
            if header.kind == Kind::Stream {
                let account = AccountId(u32_at(records, at + HEADER_BYTES));
                self.made.insert(header.stream, account);
            }
            at += header.record_len();
            if !matches!(header.kind, Kind::Message | Kind::Floor) {
                continue;
            }
            let message = u64::from(header.kind == Kind::Message);
            let bytes = u64::from(header.body_len) * message;
            match &mut run {
                Some((stream, last, messages, total)) if *stream == header.stream => {
                    *last = header.sequence.max(*last);
                    *messages += message;
                    *total += bytes;
                }
                other => {
                    let ended = other.replace((header.stream, header.sequence, message, bytes));
                    self.end_run(ended, account_of);
                }
            }
        }
        self.end_run(run, account_of);
        debug_assert_eq!(at, records.len(), "a batch holds whole records");
    }

    fn end_run(
        &mut self,
        run: Option<(u32, u64, u64, u64)>,
        account_of: &mut dyn FnMut(StreamId) -> Option<AccountId>,
    ) {
        let Some((stream, last, messages, bytes)) = run else {
            return;
        };
        let Some(account) = account_of(StreamId(stream)).or_else(|| self.made.get(&stream).copied()) else {
            return;
        };
        let floor = self.floors.entry(stream).or_insert((account, last));
        floor.1 = floor.1.max(last);
        if messages > 0 {
            self.count(account, Meter::STORED_MESSAGES, messages);
            self.count(account, Meter::STORED_BYTES, bytes);
        }
    }

    /// Makes the summary of what was added, and begins anew.
    pub(crate) fn finish(&mut self) {
        self.made.clear();
        self.summary.floors.clear();
        self.summary.counters.clear();
        let floors = self.floors.drain();
        self.summary
            .floors
            .extend(floors.map(|(stream, (account, last))| (StreamId(stream), account, last)));
        for ((account, meter), more) in self.moved.drain() {
            let total = self.totals.entry((account, meter)).or_default();
            *total += more;
            self.summary.counters.push((account, meter, *total));
        }
        // The order of a hash table is no order: the same steps must write the same bytes.
        self.summary.floors.sort_unstable_by_key(|(stream, ..)| *stream);
        self.summary
            .counters
            .sort_unstable_by_key(|(account, meter, _)| (*account, *meter));
    }
}
