//! `/varz`: the server and its totals, in the fields of nats-server.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::about::{About, memory_bytes};
use super::written::{nanoseconds, time, uptime};
use crate::broker::{Broker, PROTOCOL_VERSION};
use crate::transport::{Tls, WebSocketSettings};

/// The page. Fields about what a node has not are left out, but for objects and numbers that tools
/// expect to be there.
#[derive(Debug, Serialize)]
pub(super) struct Varz {
    server_id: String,
    server_name: String,
    version: &'static str,
    /// Our own version; `version` is the level of the stock server that the node conforms to.
    tollway_version: String,
    proto: u8,
    host: String,
    port: u16,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    auth_required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_verify: bool,
    max_connections: usize,
    ping_interval: u64,
    ping_max: u32,
    http_host: String,
    http_port: u16,
    http_base_path: String,
    https_port: u16,
    auth_timeout: f64,
    max_control_line: usize,
    max_payload: usize,
    max_pending: usize,
    cluster: Empty,
    gateway: Empty,
    leaf: Empty,
    mqtt: Empty,
    websocket: Websocket,
    jetstream: Empty,
    tls_timeout: f64,
    write_deadline: u64,
    start: String,
    now: String,
    uptime: String,
    mem: u64,
    cores: usize,
    gomaxprocs: usize,
    cpu: f64,
    connections: u64,
    total_connections: u64,
    routes: u64,
    remotes: u64,
    leafnodes: u64,
    in_msgs: u64,
    in_bytes: u64,
    in_client_msgs: u64,
    in_client_bytes: u64,
    out_msgs: u64,
    out_bytes: u64,
    out_client_msgs: u64,
    out_client_bytes: u64,
    slow_consumers: u64,
    stale_connections: u64,
    subscriptions: u64,
    http_req_stats: BTreeMap<&'static str, u64>,
    config_load_time: String,
    config_digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<String>,
    slow_consumer_stats: ByKind,
    stale_connection_stats: ByKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert_not_after: Option<String>,
}

/// The listener for websockets; empty without one.
#[derive(Debug, Default, Serialize)]
struct Websocket {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert_not_after: Option<String>,
}

impl Websocket {
    fn of(settings: &WebSocketSettings) -> Self {
        Self {
            host: Some(settings.host.clone()),
            port: Some(settings.port),
            tls_cert_not_after: settings.tls.as_deref().and_then(ends),
        }
    }
}

fn ends(tls: &Tls) -> Option<String> {
    tls.certificate_ends().map(time)
}

/// What there is none of here.
#[derive(Debug, Serialize)]
struct Empty {}

/// A number by kind of connection. Clients are the only kind.
#[derive(Debug, Serialize)]
struct ByKind {
    clients: u64,
    routes: u64,
    gateways: u64,
    leafs: u64,
}

impl ByKind {
    const fn of_clients(clients: u64) -> Self {
        Self {
            clients,
            routes: 0,
            gateways: 0,
            leafs: 0,
        }
    }
}

/// Seconds that a handshake may take where nothing is said; told also where there is no TLS.
const TLS_TIMEOUT_USUAL: f64 = 2.0;

impl Varz {
    pub(super) fn now(broker: &Broker, about: &About) -> Self {
        let settings = broker.settings();
        let stats = broker.stats();
        let (auth_required, system_account) = broker.logins();
        let configuration = about.configuration();
        let tls = settings.tls.as_deref();
        let announced = tls.map(Tls::announced);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            server_id: settings.server_id.clone(),
            server_name: settings.server_name.clone(),
            version: PROTOCOL_VERSION,
            tollway_version: settings.software_version.clone(),
            proto: 1,
            host: settings.host.clone(),
            port: settings.port,
            auth_required,
            tls_required: announced.is_some_and(|tls| tls.required),
            tls_verify: announced.is_some_and(|tls| tls.verify),
            max_connections: settings.max_connections,
            ping_interval: nanoseconds(settings.ping_interval),
            ping_max: settings.pings_unanswered_max,
            http_host: about.host.clone(),
            http_port: about.port,
            http_base_path: about.base_path.clone(),
            https_port: 0,
            auth_timeout: settings.auth_timeout.as_secs_f64(),
            max_control_line: settings.max_control_line,
            max_payload: settings.max_payload,
            max_pending: settings.max_pending,
            cluster: Empty {},
            gateway: Empty {},
            leaf: Empty {},
            mqtt: Empty {},
            websocket: settings
                .websocket
                .as_ref()
                .map_or_else(Websocket::default, Websocket::of),
            jetstream: Empty {},
            tls_timeout: tls.map_or(TLS_TIMEOUT_USUAL, |tls| tls.timeout().as_secs_f64()),
            write_deadline: nanoseconds(settings.write_deadline),
            start: time(about.since()),
            now: time(SystemTime::now()),
            uptime: uptime(about.uptime()),
            mem: memory_bytes(),
            cores,
            gomaxprocs: cores,
            cpu: about.processor_percent(),
            connections: stats.connections,
            total_connections: stats.connections_total,
            routes: 0,
            remotes: 0,
            leafnodes: 0,
            in_msgs: stats.messages_in,
            in_bytes: stats.bytes_in,
            in_client_msgs: stats.messages_in,
            in_client_bytes: stats.bytes_in,
            out_msgs: stats.messages_out,
            out_bytes: stats.bytes_out,
            out_client_msgs: stats.messages_out,
            out_client_bytes: stats.bytes_out,
            slow_consumers: stats.slow_consumers,
            stale_connections: stats.stale_connections,
            subscriptions: stats.subscriptions,
            http_req_stats: about.requests(),
            config_load_time: time(configuration.at),
            config_digest: configuration.digest,
            tags: configuration.tags,
            system_account,
            slow_consumer_stats: ByKind::of_clients(stats.slow_consumers),
            stale_connection_stats: ByKind::of_clients(stats.stale_connections),
            tls_cert_not_after: tls.and_then(ends),
        }
    }
}
