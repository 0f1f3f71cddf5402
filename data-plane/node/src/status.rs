//! How the node is, for whoever watches it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::fleet::Cursor;

/// What `/readyz` and `/metrics` tell beside the broker's own numbers.
#[derive(Debug, Default)]
pub struct NodeStatus {
    listening: AtomicBool,
    connected: AtomicBool,
    cursor: Mutex<Option<Cursor>>,
    refusals: Mutex<BTreeMap<String, u64>>,
}

/// Codes of refusals that are counted apart. They come from this program's own
/// table, so this is a net, not a limit that is met.
const REFUSAL_CODES_MAX: usize = 64;

impl NodeStatus {
    /// Clients can connect, or cannot any more.
    pub fn listening_set(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// Whether clients can connect.
    pub fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// The stream to the control plane is open, or is not.
    pub fn connected_set(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// Whether the stream to the control plane is open.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Where the kept configuration stands.
    pub fn cursor_set(&self, cursor: Option<Cursor>) {
        *self.cursor.lock() = cursor;
    }

    /// Where the kept configuration stands; `None` when there never was one.
    pub fn cursor(&self) -> Option<Cursor> {
        *self.cursor.lock()
    }

    /// Counts a refused document or update.
    pub fn refused(&self, code: &str) {
        let mut refusals = self.refusals.lock();
        if let Some(count) = refusals.get_mut(code) {
            *count += 1;
        } else if refusals.len() < REFUSAL_CODES_MAX {
            refusals.insert(code.to_owned(), 1);
        }
    }

    /// Refused documents and updates since the start, by code.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().clone()
    }

    /// Why the node cannot serve clients; `None` when it can.
    pub fn not_ready(&self) -> Option<&'static str> {
        if !self.is_listening() {
            Some("clients cannot connect")
        } else if self.cursor().is_none() {
            Some("no configuration has been received yet")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_is_ready_when_it_listens_and_holds_a_configuration() {
        let status = NodeStatus::default();
        assert!(status.not_ready().is_some());
        status.listening_set(true);
        assert!(status.not_ready().unwrap().contains("configuration"));
        status.cursor_set(Some(Cursor {
            epoch: 1,
            revision: 0,
            mark: 0,
        }));
        // The control plane may be away.
        assert!(!status.is_connected());
        assert_eq!(status.not_ready(), None);
    }
}
