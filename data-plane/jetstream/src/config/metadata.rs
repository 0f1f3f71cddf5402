//! Metadata, and what the server itself notes there.
//!
//! A server writes into the metadata of everything it keeps which level of the API it takes to serve it, and
//! into answers what it is itself. What a client writes under these keys does not count.

use std::collections::BTreeMap;

use crate::config::consumer::ConsumerConfig;
use crate::config::policies::{AckPolicy, PersistMode, PriorityPolicy};
use crate::config::stream::StreamConfig;
use crate::nanos::Nanos;

/// The level of the API that this crate speaks.
pub const API_LEVEL: u8 = 5;

const REQUIRED_LEVEL: &str = "_nats.req.level";
const LEVEL: &str = "_nats.level";
const VERSION: &str = "_nats.ver";

/// Bytes of all keys and values.
pub(crate) fn bytes(metadata: &BTreeMap<String, String>) -> usize {
    metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn set_required_level(metadata: &mut BTreeMap<String, String>, level: u8) {
    metadata.remove(LEVEL);
    metadata.remove(VERSION);
    metadata.insert(REQUIRED_LEVEL.to_owned(), level.to_string());
}

fn add_answer_keys(metadata: &mut BTreeMap<String, String>, version: &str) {
    metadata.insert(LEVEL.to_owned(), API_LEVEL.to_string());
    metadata.insert(VERSION.to_owned(), version.to_owned());
}

impl StreamConfig {
    pub(crate) fn set_required_level(&mut self) {
        let level = if self.allow_batched {
            4
        } else if self.allow_msg_counter
            || self.allow_atomic
            || self.allow_msg_schedules
            || self.persist_mode == PersistMode::Async
        {
            2
        } else {
            u8::from(self.allow_msg_ttl || self.subject_delete_marker_ttl > Nanos::ZERO)
        };
        set_required_level(&mut self.metadata, level);
    }

    /// The configuration as an answer shows it, by a server that says it has this version.
    #[must_use]
    pub fn for_answer(&self, version: &str) -> Self {
        let mut shown = self.clone();
        add_answer_keys(&mut shown.metadata, version);
        shown
    }
}

impl ConsumerConfig {
    pub(crate) fn set_required_level(&mut self) {
        let paused = self.pause_until.is_some_and(|until| !until.is_never());
        let level = if self.ack_policy == AckPolicy::FlowControl {
            4
        } else {
            let prefers = self.priority_policy != PriorityPolicy::None
                || self.priority_timeout != Nanos::ZERO
                || !self.priority_groups.is_empty();
            u8::from(paused || prefers)
        };
        set_required_level(&mut self.metadata, level);
    }

    /// The configuration as an answer shows it, by a server that says it has this version.
    #[must_use]
    pub fn for_answer(&self, version: &str) -> Self {
        let mut shown = self.clone();
        add_answer_keys(&mut shown.metadata, version);
        shown
    }
}
