//! The folder of one node: nobody else reads it, and no second node uses it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Held by the node whose folder it is; it also says that the folder is one of ours.
const LOCK: &str = "lock";

/// Addresses that the node listens on, as it wrote them into its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// NATS clients.
    pub client: SocketAddr,
    /// Health and metrics.
    pub metrics: SocketAddr,
    /// NATS clients in browsers, where they are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<SocketAddr>,
}

/// A folder of mode 0700 that this process holds a lock on until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held, not read: the kernel lets go of the lock when the process ends, however it ends.
    _lock: File,
}

/// Why the folder, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process has the folder.
    #[error(
        "another node runs with the data folder {}: stop it, or give this one another folder with --data-dir",
        .0.display()
    )]
    InUse(PathBuf),
    /// The operating system said no.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DataFolder {
    /// Opens the folder, makes it when it does not exist, and locks it.
    ///
    /// # Errors
    /// [`DataFolderError::InUse`] when another node has it.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make the data folder", path))?;
        take_rights_of_others(path).map_err(failed(
            "take the rights of others away from the data folder",
            path,
        ))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            // A disk that the kernel made read-only still holds all that serving needs.
            .or_else(|refused| File::open(&lock_path).map_err(|_| refused))
            .map_err(failed("open the lock file", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(DataFolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(DataFolderError::Io {
                step: "lock",
                path: lock_path,
                source,
            }),
        }
    }

    /// Where a file of the folder is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The content of a file; `None` when there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataFolderError> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path)(source)),
        }
    }

    /// Replaces a file (mode 0600). After a crash there is the old content or
    /// the new one, whole, and after this returned the new one.
    pub fn replace(&self, name: &str, content: &[u8]) -> Result<(), DataFolderError> {
        let path = self.file(name);
        replace_file(&path, content).map_err(failed("write", &path))
    }

    /// Tells the outside where the node listens.
    pub fn write_ports(&self, ports: &Ports) -> Result<(), DataFolderError> {
        let text = serde_json::to_vec(ports).expect("two addresses are JSON");
        self.replace("ports.json", &text)
    }

    /// At start and at the end of a clean stop: nobody listens there.
    pub fn remove_ports(&self) -> Result<(), DataFolderError> {
        let path = self.file("ports.json");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

/// Makes the folder one that only we can enter. One that others can enter is closed to them only when it is
/// empty or one of ours: somebody who names `/tmp` by mistake must not find the machine's temporary folder closed.
fn take_rights_of_others(folder: &Path) -> io::Result<()> {
    let metadata = fs::metadata(folder)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(
            "it belongs to another user, who could exchange what is in it; choose a folder of your own",
        ));
    }
    if metadata.mode() & 0o7777 == 0o700 {
        return Ok(());
    }
    let is_ours = folder.join(LOCK).exists() || fs::read_dir(folder)?.next().is_none();
    if !is_ours {
        return Err(io::Error::other(
            "others can enter it and it holds other things; choose an empty folder, or run `chmod 700` on it first",
        ));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Writes a file beside `path`, syncs it, puts it in place, and syncs the folder.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder_of(path)
}

/// Makes a rename or a new file in the folder of `path` last.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataFolderError {
    let path = path.to_owned();
    move |source| DataFolderError::Io { step, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_node_in_the_same_folder_is_refused_until_the_first_is_gone() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        let first = DataFolder::open(&path).unwrap();
        let refused = DataFolder::open(&path).unwrap_err();
        assert!(matches!(refused, DataFolderError::InUse(_)));
        assert!(refused.to_string().contains("--data-dir"));
        drop(first);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn folder_that_others_use_keeps_its_mode() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("other"), "").unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let refused = DataFolder::open(outer.path()).unwrap_err();
        let reason = std::error::Error::source(&refused).unwrap().to_string();
        assert!(reason.contains("chmod 700"), "{reason}");
        assert_eq!(fs::metadata(outer.path()).unwrap().mode() & 0o7777, 0o1777);
    }

    #[test]
    fn folder_and_files_are_for_the_owner_alone() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = DataFolder::open(outer.path()).unwrap();
        folder.replace("secret", b"1").unwrap();
        folder.replace("secret", b"2").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(outer.path()), 0o700);
        assert_eq!(mode(&folder.file("secret")), 0o600);
        assert_eq!(folder.read("secret").unwrap().unwrap(), b"2");
        assert_eq!(folder.read("nothing").unwrap(), None);
    }

    #[test]
    fn ports_are_removed_as_often_as_one_likes() {
        let outer = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(outer.path()).unwrap();
        let ports = Ports {
            client: "127.0.0.1:1".parse().unwrap(),
            metrics: "[::1]:2".parse().unwrap(),
            websocket: None,
        };
        folder.write_ports(&ports).unwrap();
        let text = folder.read("ports.json").unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Ports>(&text).unwrap(), ports);
        folder.remove_ports().unwrap();
        folder.remove_ports().unwrap();
        assert_eq!(folder.read("ports.json").unwrap(), None);
    }
}
