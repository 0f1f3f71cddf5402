//! Pages about other servers. A node is a server alone: there are none, and tools that ask are told so.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::written::time;
use crate::broker::Broker;

/// Nothing is ever in a list of these.
#[derive(Debug, Serialize)]
enum Never {}

/// `/routez`
#[derive(Debug, Serialize)]
pub(super) struct Routez {
    server_id: String,
    server_name: String,
    now: String,
    num_routes: usize,
    routes: [Never; 0],
}

impl Routez {
    pub(super) fn now(broker: &Broker) -> Self {
        let settings = broker.settings();
        Self {
            server_id: settings.server_id.clone(),
            server_name: settings.server_name.clone(),
            now: time(SystemTime::now()),
            num_routes: 0,
            routes: [],
        }
    }
}

/// `/leafz`
#[derive(Debug, Serialize)]
pub(super) struct Leafz {
    server_id: String,
    now: String,
    leafnodes: usize,
    leafs: [Never; 0],
}

impl Leafz {
    pub(super) fn now(broker: &Broker) -> Self {
        Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            leafnodes: 0,
            leafs: [],
        }
    }
}

/// `/gatewayz`
#[derive(Debug, Serialize)]
pub(super) struct Gatewayz {
    server_id: String,
    now: String,
    outbound_gateways: BTreeMap<String, Never>,
    inbound_gateways: BTreeMap<String, Never>,
}

impl Gatewayz {
    pub(super) fn now(broker: &Broker) -> Self {
        Self {
            server_id: broker.settings().server_id.clone(),
            now: time(SystemTime::now()),
            outbound_gateways: BTreeMap::new(),
            inbound_gateways: BTreeMap::new(),
        }
    }
}
