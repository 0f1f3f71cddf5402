//! The unix socket in the data folder: for commands of whoever owns the folder, and for nobody else.
//!
//! A port of the machine would not do. When the control plane has gone, any user may listen there, and would be
//! told what is meant for us.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
};

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

const NAME: &str = "control.sock";
/// The path of a unix socket has 107 bytes at most on Linux, 103 on macOS.
const PATH_BYTES_MAX: usize = 103;

/// Opens the socket in the folder, whose lock the caller holds: a socket that is there is left from a process
/// that was killed.
pub(crate) fn bind(folder: &Path) -> io::Result<UnixListener> {
    remove(folder)?;
    let listener = at(folder, |path| UnixListener::bind(path))?;
    // The folder is closed to others already; this is the second lock on the same door.
    fs::set_permissions(folder.join(NAME), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes the socket away, before the lock of the folder is given back.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Connects to the process that serves the folder.
pub(crate) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let stream = at(folder, |path| std::os::unix::net::UnixStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: UnixListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    // It ends when the listener fails for good, and then only the command has to say so.
    if let Err(error) = served.await {
        tracing::error!(%error, "the socket in the data folder is not served any more");
    }
}

/// Calls `open` with a path of the socket that is short enough: through the folder's descriptor when the
/// folder's own is too long.
fn at<T>(folder: &Path, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(NAME);
    if path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
        return open(&path);
    }
    let folder = File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    open(&short.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn socket_is_for_its_owner_and_works_in_folders_of_any_length_after_a_kill() {
        let outer = tempfile::tempdir().unwrap();
        for name in ["short".to_owned(), "long".repeat(40)] {
            let folder = outer.path().join(name);
            fs::create_dir(&folder).unwrap();
            assert!(connect(&folder).await.is_err());
            let killed = bind(&folder).unwrap();
            drop(killed);
            assert!(connect(&folder).await.is_err());
            let _listener = bind(&folder).unwrap();
            connect(&folder).await.unwrap();
            let mode = fs::metadata(folder.join(NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
