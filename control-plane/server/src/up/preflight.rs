//! What can be known to fail before anything is started.

use rustix::fs::statvfs;

use super::{UpError, UpSettings, folder::UpFolder};
use crate::listen;

/// A fresh Postgres cluster takes 40 MiB and its log grows beside it; below this, the first day ends badly.
const FREE_MIB_MIN: u64 = 256;

/// There is place for what will be written.
pub(super) fn disk_space(folder: &UpFolder) -> Result<(), UpError> {
    let Ok(space) = statvfs(folder.path()) else {
        // A file system that does not say how full it is; writing will tell.
        return Ok(());
    };
    let free_mib = space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024);
    if free_mib < FREE_MIB_MIN {
        return Err(UpError::DiskFull {
            folder: folder.path().to_owned(),
            free_mib,
            needed_mib: FREE_MIB_MIN,
        });
    }
    Ok(())
}

/// Nobody has our ports. All are held at once, so that the same number given twice is found too.
pub(super) fn ports(settings: &UpSettings) -> Result<(), UpError> {
    let [first, second] = settings.nats_ports;
    let wanted = [
        (settings.api_port, "the API and the console", "--api-port"),
        (settings.fleet_port, "nodes", "--fleet-port"),
        (settings.metrics_port, "metrics", "--metrics-port"),
        (first, "NATS clients of the first cell", "--nats-ports"),
        (second, "NATS clients of the second cell", "--nats-ports"),
    ];
    let mut held = Vec::with_capacity(wanted.len());
    for (port, purpose, flag) in wanted {
        held.push(listen::bind(settings.address(port), purpose, flag)?);
    }
    Ok(())
}
