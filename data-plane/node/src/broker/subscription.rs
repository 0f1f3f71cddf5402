//! One subscription of one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tollway_subject::FilterBuf;

use super::bounds::SUBSCRIPTION_BYTES;
use super::client::Client;

/// What a message is delivered to.
///
/// `over` is set exactly once, by who removes it from the account's interest.
pub(crate) struct Subscription {
    pub(crate) filter: FilterBuf,
    pub(crate) sid: Box<[u8]>,
    pub(crate) queue: Option<Box<[u8]>>,
    pub(crate) client: Arc<Client>,
    /// Where it is among those of its filter; the account's, and only read and written under its lock.
    pub(crate) key: AtomicU64,
    /// Some of what it matches is denied to the user, so each message has to be asked about.
    filtered: AtomicBool,
    delivered: AtomicU64,
    /// Deliveries after which it ends; 0 for never.
    max: AtomicU64,
    over: AtomicBool,
}

/// How many of some messages may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) count: usize,
    /// Remove the subscription afterwards.
    pub(crate) is_last: bool,
}

impl Subscription {
    pub(crate) fn new(
        filter: FilterBuf,
        sid: Box<[u8]>,
        queue: Option<Box<[u8]>>,
        client: Arc<Client>,
        filtered: bool,
    ) -> Self {
        Self {
            filter,
            sid,
            queue,
            client,
            key: AtomicU64::new(0),
            filtered: AtomicBool::new(filtered),
            delivered: AtomicU64::new(0),
            max: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// How many bytes it takes, beside its place among the account's subscriptions.
    pub(crate) fn bytes(&self) -> usize {
        let queue = self.queue.as_ref().map_or(0, |queue| queue.len());
        // The owner's table has a copy of the id.
        size_of::<Self>() + SUBSCRIPTION_BYTES + self.filter.as_bytes().len() + 2 * self.sid.len() + queue
    }

    /// Whether a message to this subject may be given to the client.
    pub(crate) fn may_deliver(&self, subject: &[u8]) -> bool {
        let asks = self.filtered.load(Ordering::Relaxed) || self.client.unchecked().is_some();
        !asks || self.client.may_deliver(subject, self.queue.as_deref())
    }

    pub(crate) fn set_filtered(&self, filtered: bool) {
        self.filtered.store(filtered, Ordering::Relaxed);
    }

    /// Counts deliveries: as many of these messages as it may still have.
    pub(crate) fn take_deliveries(&self, count: usize) -> Allowance {
        let all = Allowance {
            count,
            is_last: false,
        };
        if self.is_over() {
            return Allowance { count: 0, ..all };
        }
        // Either we see the maximum that `end_after` stores, or it sees these
        // deliveries: both are sequentially consistent.
        let before = self.delivered.fetch_add(count as u64, Ordering::SeqCst);
        let max = self.max.load(Ordering::SeqCst);
        if max == 0 || before + (count as u64) < max {
            return all;
        }
        let left = usize::try_from(max.saturating_sub(before)).unwrap_or(usize::MAX);
        Allowance {
            count: left.min(count),
            is_last: left > 0,
        }
    }

    /// Sets the number of deliveries, counted from its start, after which it
    /// ends. True when they have happened already.
    pub(crate) fn end_after(&self, max: u64) -> bool {
        self.max.store(max, Ordering::SeqCst);
        self.delivered.load(Ordering::SeqCst) >= max
    }

    /// Messages delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// True for the one caller who may remove it.
    pub(crate) fn end(&self) -> bool {
        !self.over.swap(true, Ordering::AcqRel)
    }
}
