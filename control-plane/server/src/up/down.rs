//! `tollway down`.

use std::{path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::{UpError, folder::UpFolder, instance_lock::InstanceLock};

/// Longer than every part may take to stop.
const WAIT: Duration = Duration::from_secs(90);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Why it did not stop. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] UpError),
    /// It belongs to somebody else.
    #[error("may not stop process {process}: run `tollway down` as the user who started it")]
    NotPermitted {
        /// Who runs.
        process: u32,
    },
    /// It hangs.
    #[error(
        "process {process} does not stop; see its logs, or end it with `kill -9 {process}`: no data are lost"
    )]
    TimedOut {
        /// Who runs.
        process: u32,
    },
}

/// Stops what runs with this data folder, and waits until it has. `false` when nothing ran.
///
/// # Errors
/// See [`DownError`].
pub async fn down(data_dir: &Path) -> Result<bool, DownError> {
    let folder = UpFolder::existing(data_dir)?;
    let Some(process) = InstanceLock::holder(&folder)? else {
        return Ok(false);
    };
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && kill_process(pid, Signal::TERM) == Err(rustix::io::Errno::PERM)
    {
        return Err(DownError::NotPermitted { process });
    }
    let began = Instant::now();
    while InstanceLock::holder(&folder)? == Some(process) {
        if began.elapsed() > WAIT {
            return Err(DownError::TimedOut { process });
        }
        sleep(LOOK_INTERVAL).await;
    }
    Ok(true)
}
