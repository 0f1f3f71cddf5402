//! `leafnodes`: read so that a file that has it is accepted. Only where it would listen is kept.

use super::listen::Listen;
use crate::field::Field;
use crate::position::Position;
use crate::report::Report;

/// The block `leafnodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leafnodes {
    /// Where it listens.
    pub listen: Listen,
    /// Where the block stands.
    pub at: Position,
}

/// Reads the block.
pub(crate) fn read(report: &mut Report, block: &Field<'_>) -> Option<Leafnodes> {
    report.map_of(block)?;
    let mut leafnodes = Leafnodes {
        listen: Listen::default(),
        at: block.at.clone(),
    };
    for field in report.fields(block) {
        match field.key.as_str() {
            "listen" => leafnodes.listen.set(report, &field),
            "port" => leafnodes.listen.set_port(report, &field),
            "host" | "net" => leafnodes.listen.set_host(report, &field),
            "remotes" => report.not_offered(&field, "remotes", "a node does not dial other servers yet"),
            "advertise"
            | "leafnode_advertise"
            | "authorization"
            | "compression"
            | "isolate"
            | "isolate_leafnode_interest"
            | "min_version"
            | "minimum_version"
            | "no_advertise"
            | "reconnect"
            | "reconnect_delay"
            | "reconnect_interval"
            | "tls"
            | "write_deadline"
            | "write_timeout" => {}
            _ => report.unknown(&field, "leafnodes"),
        }
    }
    report.not_offered(block, "leafnodes", "no leaf node is let in yet");
    Some(leafnodes)
}
