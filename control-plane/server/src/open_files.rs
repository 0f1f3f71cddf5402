//! How many sockets and files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes as many as the operating system lets us have. Systems start programs
/// with about a thousand, out of regard for programs that use `select`; the
/// places of the public port alone are more.
pub(crate) fn raise() {
    let granted = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: granted.maximum,
        ..granted
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, ?granted, "cannot raise the limit of open files");
    }
}
