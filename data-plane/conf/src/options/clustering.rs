//! `cluster`, `gateway` and `mqtt`: what a node is not.

use crate::field::Field;
use crate::report::Report;

const CLUSTER_KEYS: [&str; 21] = [
    "accounts",
    "advertise",
    "authorization",
    "cluster_advertise",
    "compression",
    "connect_backoff",
    "connect_retries",
    "host",
    "listen",
    "name",
    "net",
    "no_advertise",
    "permissions",
    "ping_interval",
    "ping_max",
    "pool_size",
    "port",
    "routes",
    "tls",
    "write_deadline",
    "write_timeout",
];

const GATEWAY_KEYS: [&str; 15] = [
    "advertise",
    "authorization",
    "connect_backoff",
    "connect_retries",
    "gateways",
    "host",
    "listen",
    "name",
    "net",
    "port",
    "reject_unknown",
    "reject_unknown_cluster",
    "tls",
    "write_deadline",
    "write_timeout",
];

/// A cluster of one is what a node is anyway: the block is passed over with a notice.
pub(crate) fn cluster(report: &mut Report, block: &Field<'_>) {
    known(report, block, "cluster", &CLUSTER_KEYS);
    report.not_offered(
        block,
        "cluster",
        "a node serves alone; an account that outgrows it moves to a cell of stock servers",
    );
}

/// The same for clusters of clusters.
pub(crate) fn gateway(report: &mut Report, block: &Field<'_>) {
    known(report, block, "gateway", &GATEWAY_KEYS);
    report.not_offered(
        block,
        "gateway",
        "a node serves alone; leaf nodes join what lies apart",
    );
}

/// Clients would knock at a port that nobody opens: the block is refused.
pub(crate) fn mqtt(report: &mut Report, block: &Field<'_>) {
    report.refuse(block, "mqtt", "clients speak NATS here, also over websockets");
}

fn known(report: &mut Report, block: &Field<'_>, name: &'static str, keys: &[&str]) {
    for field in report.fields(block) {
        if !keys.contains(&field.key.as_str()) {
            report.unknown(&field, name);
        }
    }
}
