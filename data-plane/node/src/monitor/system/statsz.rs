//! The node's totals, as it tells them from time to time and when it is asked.

use std::time::SystemTime;

use serde::Serialize;

use super::super::about::{About, memory_bytes};
use super::super::written::time;
use crate::broker::{Broker, ServerView};

/// In the fields of stock servers.
#[derive(Debug, Serialize)]
pub(super) struct Statsz {
    server: ServerView,
    statsz: Totals,
}

#[derive(Debug, Serialize)]
struct Totals {
    start: String,
    mem: u64,
    cores: usize,
    cpu: f64,
    connections: u64,
    total_connections: u64,
    active_accounts: u64,
    subscriptions: u64,
    sent: Traffic,
    sent_to_clients: Traffic,
    received: Traffic,
    received_from_clients: Traffic,
    slow_consumers: u64,
    stale_connections: u64,
    /// Itself.
    active_servers: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Traffic {
    msgs: u64,
    bytes: u64,
}

impl Statsz {
    pub(super) fn now(broker: &Broker, about: &About) -> Self {
        let stats = broker.stats();
        let mut active_accounts = 0;
        broker.live_visit(&mut |_, live| active_accounts += u64::from(live.connections > 0));
        let sent = Traffic {
            msgs: stats.messages_out,
            bytes: stats.bytes_out,
        };
        let received = Traffic {
            msgs: stats.messages_in,
            bytes: stats.bytes_in,
        };
        let start: SystemTime = about.since();
        Self {
            server: broker.server_view(),
            statsz: Totals {
                start: time(start),
                mem: memory_bytes(),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                cpu: about.processor_percent(),
                connections: stats.connections,
                total_connections: stats.connections_total,
                active_accounts,
                subscriptions: stats.subscriptions,
                sent,
                sent_to_clients: sent,
                received,
                received_from_clients: received,
                slow_consumers: stats.slow_consumers,
                stale_connections: stats.stale_connections,
                active_servers: 1,
            },
        }
    }
}
