//! How much memory the clients of an account hold, and how much all of them together may.
//!
//! Counted is what a client can make grow: bytes that wait for receivers, unfinished messages,
//! filters with their places, and leave to answer. Buffers of a thread and what a connection takes
//! at rest are bounded elsewhere. The count of an account is its own; that of the node is the one
//! number that accounts share, and it moves only when something has to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::bounds::NODE_FULL_ACCOUNT_MIN;

/// Bytes that are held.
#[derive(Debug, Default)]
struct Held {
    all: AtomicUsize,
    /// The part of them that stays until the client gives it back: subscriptions.
    kept: AtomicUsize,
}

/// What all accounts hold together.
#[derive(Debug)]
pub(crate) struct NodeMemory {
    held: Held,
    max: usize,
    /// Held by who makes room: one at a time is enough.
    pub(crate) making_room: Mutex<()>,
}

impl NodeMemory {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            held: Held::default(),
            max,
            making_room: Mutex::new(()),
        }
    }

    /// Bytes to free so that there is room again for a while, if it is full.
    pub(crate) fn excess(&self) -> usize {
        excess(self.held.all.load(Relaxed), self.max)
    }
}

/// What one account holds.
#[derive(Debug)]
pub(crate) struct Memory {
    held: Held,
    max: usize,
    node: Arc<NodeMemory>,
}

impl Memory {
    pub(crate) fn new(max: usize, node: Arc<NodeMemory>) -> Self {
        let held = Held::default();
        Self { held, max, node }
    }

    /// What waits in one place had `before` bytes and has `now`.
    pub(crate) fn wait(&self, before: usize, now: usize) {
        self.held.all.change(before, now);
        self.node.held.all.change(before, now);
    }

    /// What is kept for good had `before` bytes and has `now`.
    pub(crate) fn keep(&self, before: usize, now: usize) {
        self.wait(before, now);
        self.held.kept.change(before, now);
        self.node.held.kept.change(before, now);
    }

    /// How much waits, for a while.
    pub(crate) fn waiting(&self) -> usize {
        let kept = self.held.kept.load(Relaxed);
        self.held.all.load(Relaxed).saturating_sub(kept)
    }

    /// Whether receivers have to be closed until there is room.
    pub(crate) fn is_over(&self) -> bool {
        self.held.all.load(Relaxed) > self.max || self.node.held.all.load(Relaxed) > self.node.max
    }

    /// Bytes that this account has to free, if it holds more than it may.
    pub(crate) fn excess(&self) -> usize {
        excess(self.held.all.load(Relaxed), self.max)
    }

    /// Whether it may keep more. A quarter is left for what waits, of the account and of the node;
    /// when the node keeps too much, only accounts that hold next to nothing may have more.
    pub(crate) fn has_room_to_keep(&self) -> bool {
        let held = self.held.all.load(Relaxed);
        let node_kept = self.node.held.kept.load(Relaxed);
        held < self.max / 4 * 3 && (node_kept < self.node.max / 4 * 3 || held < NODE_FULL_ACCOUNT_MIN)
    }
}

trait Change {
    fn change(&self, before: usize, now: usize);
}

impl Change for AtomicUsize {
    fn change(&self, before: usize, now: usize) {
        if now > before {
            self.fetch_add(now - before, Relaxed);
        } else if now < before {
            self.fetch_sub(before - now, Relaxed);
        }
    }
}

/// More than what is over: making room looks at all connections, which must not happen for each message.
fn excess(used: usize, max: usize) -> usize {
    if used <= max { 0 } else { used - max / 8 * 7 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn what_an_account_holds_is_bounded_and_a_quarter_is_left_for_what_waits() {
        let node = Arc::new(NodeMemory::new(100 * MIB));
        let account = Memory::new(4 * MIB, node.clone());
        account.keep(0, 3 * MIB - 1);
        assert!(account.has_room_to_keep());
        account.keep(0, 1);
        assert!(!account.has_room_to_keep() && !account.is_over());
        account.wait(0, MIB);
        assert!(!account.is_over());
        account.wait(MIB, MIB + 1);
        assert!(account.is_over());
        assert_eq!(account.excess(), MIB / 2 + 1, "and room for a while");
        assert_eq!(account.waiting(), MIB + 1);
        account.wait(MIB + 1, 0);
        account.keep(3 * MIB, 0);
        assert_eq!((account.waiting(), account.excess(), node.excess()), (0, 0, 0));
    }

    #[test]
    fn a_node_that_is_full_lets_accounts_keep_that_hold_next_to_nothing() {
        let node = Arc::new(NodeMemory::new(8 * MIB));
        let (one, other) = (
            Memory::new(100 * MIB, node.clone()),
            Memory::new(100 * MIB, node.clone()),
        );
        one.keep(0, 6 * MIB);
        assert!(!one.has_room_to_keep() && other.has_room_to_keep());
        other.wait(0, 3 * MIB);
        assert!(other.is_over() && one.is_over(), "the node is full");
        assert_eq!((one.excess(), other.excess(), node.excess()), (0, 0, 2 * MIB));
        assert!(!other.has_room_to_keep());
    }
}
