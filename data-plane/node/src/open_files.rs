//! How many sockets and files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::broker::bounds::REFUSED_MAX;
use crate::monitor::VISITORS_MAX;

/// Kept for everything that is no client: logs and their successors while they
/// are written anew, the stream to the control plane, visitors of the metrics
/// port, and clients that are told that there is no room.
const RESERVED: u64 = 64 + (VISITORS_MAX + REFUSED_MAX) as u64;

/// Takes as many as the operating system lets us have. Systems start programs
/// with about a thousand, out of regard for programs that use `select`; a
/// broker has a socket for each client.
pub fn raise() {
    let granted = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: granted.maximum,
        ..granted
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, ?granted, "cannot raise the limit of open files");
    }
}

/// How many clients there can be, at most `wanted`, so that descriptors are
/// left for the rest: a node that cannot write its logs any more because of its
/// clients would forget what it is told.
pub fn connections_max(wanted: usize) -> usize {
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return wanted;
    };
    let room = usize::try_from(files.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            connections = room,
            files,
            "the limit of open files (ulimit -n) leaves room for fewer clients"
        );
    }
    wanted.min(room.max(1))
}
