//! What a broker is told once, when it starts.

use std::sync::Arc;
use std::time::Duration;

use crate::transport::{Tls, WebSocketSettings};

/// The level of nats-server whose client protocol this node speaks. Clients
/// read it from INFO to decide which features they may use.
pub const PROTOCOL_VERSION: &str = "2.12.0";

/// Settings of one broker. [`BrokerSettings::new`] has the stock defaults.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// Name of the server in INFO.
    pub server_name: String,
    /// Public server key (`N...`) in INFO.
    pub server_id: String,
    /// Version of this program, in INFO as `tollway_version`.
    pub software_version: String,
    /// Host and port that INFO names; clients use them only for messages.
    pub host: String,
    /// See [`BrokerSettings::host`].
    pub port: u16,
    /// Largest message (headers and payload) of any account, bytes.
    pub max_payload: usize,
    /// Connections of all accounts together, unauthenticated ones included.
    pub max_connections: usize,
    /// Time for a client to present valid credentials.
    pub auth_timeout: Duration,
    /// How long a silent client is left alone before it is pinged.
    pub ping_interval: Duration,
    /// Pings that a client may leave unanswered.
    pub pings_unanswered_max: u32,
    /// Bytes of the arguments of an operation, at most [`CONTROL_LINE_CEILING`](super::bounds::CONTROL_LINE_CEILING).
    pub max_control_line: usize,
    /// Bytes that may wait for one receiver before it is closed as slow.
    pub max_pending: usize,
    /// Bytes that the clients of one account may make the node hold.
    pub account_memory_max: usize,
    /// Bytes that all clients together may make the node hold.
    pub node_memory_max: usize,
    /// Tokens that a client may subscribe with in one filter.
    pub max_subscription_tokens: usize,
    /// How long a receiver's socket may refuse every byte.
    pub write_deadline: Duration,
    /// Connections that ended and are remembered.
    pub closed_connections_max: usize,
    /// Connections in a handshake of TLS or of a websocket at the same time.
    pub handshakes_max: usize,
    /// TLS of the listener for clients.
    pub tls: Option<Arc<Tls>>,
    /// The listener for websockets.
    pub websocket: Option<WebSocketSettings>,
}

/// How a broker leaves that others are to take over from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// How long clients are left alone after they were told.
    pub grace: Duration,
    /// How long it takes from the beginning until the last client is closed.
    pub duration: Duration,
}

impl BrokerSettings {
    /// Settings with the stock server's defaults for everything but the names.
    pub fn new(server_name: impl Into<String>, server_id: impl Into<String>) -> Self {
        Self {
            server_name: server_name.into(),
            server_id: server_id.into(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            host: "0.0.0.0".to_owned(),
            port: 4222,
            max_payload: 1024 * 1024,
            max_connections: 65_536,
            auth_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(120),
            pings_unanswered_max: super::bounds::PINGS_UNANSWERED_MAX,
            max_control_line: super::bounds::CONTROL_LINE_MAX,
            max_pending: super::bounds::PENDING_BYTES_MAX,
            account_memory_max: super::bounds::ACCOUNT_BYTES_MAX,
            node_memory_max: machine_memory() / super::bounds::NODE_MEMORY_PART,
            max_subscription_tokens: super::bounds::SUBSCRIPTION_TOKENS_MAX,
            write_deadline: super::bounds::WRITE_DEADLINE,
            closed_connections_max: super::bounds::CLOSED_CONNECTIONS,
            handshakes_max: crate::transport::bounds::HANDSHAKES_MAX,
            tls: None,
            websocket: None,
        }
    }
}

/// Bytes that this process may use: the machine's, or less when its control group has a limit.
fn machine_memory() -> usize {
    let system = rustix::system::sysinfo();
    let machine = (system.totalram as usize).saturating_mul(system.mem_unit as usize);
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|max| max.trim().parse().ok());
    group.map_or(machine, |group: usize| group.min(machine))
}
