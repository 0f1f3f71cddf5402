//! How many sockets this process, and the servers that it starts, may have open.

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the scenario with the most connections needs, with some room.
const NEEDED: u64 = 12_000;

/// Takes as many as the system lets us have, and fails when they are too few.
pub(crate) fn raise() -> anyhow::Result<()> {
    let granted = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: granted.maximum,
        ..granted
    };
    setrlimit(Resource::Nofile, all)?;
    ensure!(
        all.current.is_none_or(|files| files >= NEEDED),
        "at most {} files can be open (ulimit -Hn), {NEEDED} are needed",
        all.current.unwrap_or_default()
    );
    Ok(())
}
