//! The node as every event and every answer names it.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use time::OffsetDateTime;

use super::super::latency::rfc3339;
use super::super::settings::{BrokerSettings, PROTOCOL_VERSION};
use super::System;

/// In the fields of stock servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerView {
    /// The node's name.
    pub name: String,
    /// Where it listens, as it was told.
    pub host: String,
    /// Its public key.
    pub id: String,
    /// The level of the stock server that it conforms to.
    pub ver: &'static str,
    /// Labels from its configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether there is JetStream.
    pub jetstream: bool,
    /// The same and more, as bits.
    pub flags: u64,
    /// Grows with everything that the node says.
    pub seq: u64,
    /// When it says this.
    pub time: String,
}

impl System {
    /// The node, as it says the next thing.
    pub(crate) fn server(&self, settings: &BrokerSettings) -> ServerView {
        ServerView {
            name: settings.server_name.clone(),
            host: settings.host.clone(),
            id: settings.server_id.clone(),
            ver: PROTOCOL_VERSION,
            tags: self.tags(),
            jetstream: false,
            flags: 0,
            seq: self.said.fetch_add(1, Relaxed) + 1,
            time: rfc3339(OffsetDateTime::now_utc()),
        }
    }
}
