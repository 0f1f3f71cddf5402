//! Totals of the whole node, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Totals of a node since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Client connections open now, unauthenticated ones included.
    pub connections: u64,
    /// Client connections accepted since the start.
    pub connections_total: u64,
    /// Subscriptions open now.
    pub subscriptions: u64,
    /// Accounts with a document now.
    pub accounts: u64,
    /// Messages accepted from clients, and their bytes (subject, reply, headers and payload).
    pub messages_in: u64,
    /// See `messages_in`.
    pub bytes_in: u64,
    /// Messages handed to clients, and their bytes (subject, reply, headers and payload).
    pub messages_out: u64,
    /// See `messages_out`.
    pub bytes_out: u64,
    /// Connections closed because they read too slowly.
    pub slow_consumers: u64,
    /// Connections closed because they did not answer PINGs.
    pub stale_connections: u64,
    /// Connections closed because what they sent was not the protocol.
    pub protocol_errors: u64,
    /// Connections that ended in a handshake of TLS or of a websocket.
    pub handshakes_failed: u64,
    /// Refused CONNECTs by deciding rule (a stable word, such as `revoked`).
    pub auth_failures: BTreeMap<&'static str, u64>,
}

/// The node-wide counters that do not belong to an account. They move when
/// connections come and go, never per message.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_total: AtomicU64,
    pub(crate) slow_consumers: AtomicU64,
    pub(crate) stale_connections: AtomicU64,
    pub(crate) protocol_errors: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    auth_failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn auth_failure(&self, rule: &'static str) {
        *self.auth_failures.lock().entry(rule).or_default() += 1;
    }

    /// What these counters say; the rest is filled in from the accounts.
    pub(crate) fn read(&self) -> NodeStats {
        NodeStats {
            connections: self.connections.load(Relaxed),
            connections_total: self.connections_total.load(Relaxed),
            slow_consumers: self.slow_consumers.load(Relaxed),
            stale_connections: self.stale_connections.load(Relaxed),
            protocol_errors: self.protocol_errors.load(Relaxed),
            handshakes_failed: self.handshakes_failed.load(Relaxed),
            auth_failures: self.auth_failures.lock().clone(),
            ..NodeStats::default()
        }
    }
}
