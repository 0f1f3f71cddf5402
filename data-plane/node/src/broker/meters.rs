//! The counters of one account.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tollway_accounts::{Amount, MeterTotals};

use super::denials::Denied;

/// Counts what an account's clients send and get. Publishers add to it once per
/// chunk, not once per message.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
    connections_opened: AtomicU64,
    /// Clients that were closed because they read too slowly.
    slow_consumers: AtomicU64,
    /// How long connections read nothing because of a rate, all of them together.
    throttled_nanos: AtomicU64,
    /// By kind.
    refusals: [AtomicU64; Denied::ALL.len()],
}

/// Messages and their bytes (subject, reply, headers and payload), not yet in the meters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    pub(crate) fn at_most(self, other: Self) -> Self {
        Self {
            messages: self.messages.min(other.messages),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

impl From<Tally> for Amount {
    fn from(tally: Tally) -> Self {
        Self {
            messages: tally.messages,
            bytes: tally.bytes,
        }
    }
}

impl Meters {
    pub(crate) fn add_in(&self, tally: Tally) {
        if tally.messages > 0 {
            self.messages_in.fetch_add(tally.messages, Relaxed);
            self.bytes_in.fetch_add(tally.bytes, Relaxed);
        }
    }

    pub(crate) fn add_out(&self, tally: Tally) {
        if tally.messages > 0 {
            self.messages_out.fetch_add(tally.messages, Relaxed);
            self.bytes_out.fetch_add(tally.bytes, Relaxed);
        }
    }

    pub(crate) fn add_connection(&self) {
        self.connections_opened.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_slow_consumer(&self) {
        self.slow_consumers.fetch_add(1, Relaxed);
    }

    pub(crate) fn slow_consumers(&self) -> u64 {
        self.slow_consumers.load(Relaxed)
    }

    pub(crate) fn add_throttled(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.throttled_nanos.fetch_add(nanos, Relaxed);
    }

    pub(crate) fn throttled(&self) -> Duration {
        Duration::from_nanos(self.throttled_nanos.load(Relaxed))
    }

    pub(crate) fn add_refusals(&self, kind: Denied, count: u64) {
        self.refusals[kind as usize].fetch_add(count, Relaxed);
    }

    /// How often something was refused, by the kinds that happened.
    pub(crate) fn refusals(&self) -> BTreeMap<&'static str, u64> {
        let counts = Denied::ALL.iter().zip(&self.refusals);
        counts
            .map(|(kind, count)| (kind.word(), count.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    pub(crate) fn totals(&self) -> MeterTotals {
        MeterTotals {
            messages_in: self.messages_in.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            messages_out: self.messages_out.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            connections_opened: self.connections_opened.load(Relaxed),
        }
    }
}
