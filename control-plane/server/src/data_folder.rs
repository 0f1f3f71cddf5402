//! The folder of one control plane process: its key, the first token, and the ports it got.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::private_folder;

/// Addresses that a process listens on, as it wrote them into its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// REST, gRPC and console.
    pub api: SocketAddr,
    /// Nodes.
    pub fleet: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
}

/// Held by the process whose folder it is; it also says that the folder is one of ours.
const LOCK: &str = "lock";

/// A folder of one process alone, of mode 0700.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held, not read, by the process whose folder it is: the kernel lets go of the lock when that ends,
    /// however it ends.
    _lock: Option<File>,
}

/// Why the folder, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process has the folder.
    #[error(
        "another control plane runs with the data folder {}: stop it, or give this one another folder with --data-dir",
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

impl DataFolderError {
    /// For `map_err`: the socket in the folder cannot be opened.
    pub(crate) fn socket(folder: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = folder.to_owned();
        move |source| Self::Io {
            step: "open the socket in",
            path,
            source,
        }
    }
}

impl DataFolder {
    /// Opens the folder for this process, makes it when it does not exist, and locks it.
    ///
    /// # Errors
    /// [`DataFolderError::InUse`] when another control plane has it.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let mut folder = Self::existing(path);
        private_folder::claim(path, LOCK, 0o700)
            .map_err(|source| folder.failed("use the data folder", path, source))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|source| folder.failed("open the lock file", &lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {
                folder._lock = Some(lock);
                Ok(folder)
            }
            Err(TryLockError::WouldBlock) => Err(DataFolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(folder.failed("lock", &lock_path, source)),
        }
    }

    /// The folder of a process that runs, or ran.
    pub fn existing(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _lock: None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the key-encryption key is, unless told otherwise.
    pub fn kek_file(&self) -> PathBuf {
        self.path.join("kek")
    }

    /// Where the first API token is written, once.
    pub fn admin_token_file(&self) -> PathBuf {
        self.path.join("admin.token")
    }

    fn installation_file(&self) -> PathBuf {
        self.path.join("installation")
    }

    /// Which installation the folder belongs to: the public key of its operator. `None` before its first start.
    pub fn read_installation(&self) -> Result<Option<String>, DataFolderError> {
        let path = self.installation_file();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read", &path, source)),
        }
    }

    /// The folder belongs to this installation from now on.
    pub fn write_installation(&self, operator: &str) -> Result<(), DataFolderError> {
        let text = format!("{operator}\n");
        self.replace(&self.installation_file(), "write", text.as_bytes())
    }

    fn ports_file(&self) -> PathBuf {
        self.path.join("ports.json")
    }

    /// Whether the first API token has been written here.
    pub fn has_admin_token(&self) -> bool {
        self.admin_token_file().exists()
    }

    /// The first API token.
    pub fn read_admin_token(&self) -> Result<Zeroizing<String>, DataFolderError> {
        let path = self.admin_token_file();
        let text =
            fs::read_to_string(&path).map_err(|source| self.failed("read the admin token", &path, source))?;
        let text = Zeroizing::new(text);
        Ok(Zeroizing::new(text.trim().to_owned()))
    }

    /// Writes the first API token, for the owner alone.
    pub fn write_admin_token(&self, token: &str) -> Result<(), DataFolderError> {
        self.replace(
            &self.admin_token_file(),
            "write the admin token",
            format!("{token}\n").as_bytes(),
        )
    }

    /// The addresses that the running process got.
    pub fn read_ports(&self) -> Result<Ports, DataFolderError> {
        let path = self.ports_file();
        fs::read(&path)
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other))
            .map_err(|source| {
                self.failed(
                    "read the ports file (is the control plane running?)",
                    &path,
                    source,
                )
            })
    }

    /// Tells the outside where we listen; the file appears whole.
    pub fn write_ports(&self, ports: &Ports) -> Result<(), DataFolderError> {
        let text = serde_json::to_vec(ports).expect("three addresses are JSON");
        self.replace(&self.ports_file(), "write the ports file", &text)
    }

    /// At start and at the end of a clean stop: nobody listens there.
    pub fn remove_ports(&self) -> Result<(), DataFolderError> {
        let path = self.ports_file();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove the ports file", &path, source))
            }
            _ => Ok(()),
        }
    }

    fn replace(&self, path: &Path, step: &'static str, bytes: &[u8]) -> Result<(), DataFolderError> {
        replace_file(path, bytes).map_err(|source| self.failed(step, path, source))
    }

    fn failed(&self, step: &'static str, path: &Path, source: io::Error) -> DataFolderError {
        DataFolderError::Io {
            step,
            path: path.to_owned(),
            source,
        }
    }
}

/// Writes a file (mode 0600) beside `path`, syncs it, puts it in place, and syncs the folder: after a crash
/// there is the old content or the new one, whole.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn second_control_plane_in_the_same_folder_is_refused_until_the_first_is_gone() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let first = DataFolder::open(outer.path()).unwrap();
        let mode = fs::metadata(outer.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "whoever made the folder");
        let refused = DataFolder::open(outer.path()).unwrap_err();
        assert!(matches!(refused, DataFolderError::InUse(_)));
        assert!(refused.to_string().contains("--data-dir"));
        // Whoever only reads needs no lock.
        assert!(!DataFolder::existing(outer.path()).has_admin_token());
        drop(first);
        DataFolder::open(outer.path()).unwrap();
    }

    #[test]
    fn files_are_for_the_owner_alone_and_read_back() {
        let outer = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&outer.path().join("a/b")).unwrap();
        folder.write_admin_token("tlw_x").unwrap();
        assert_eq!(folder.read_admin_token().unwrap().as_str(), "tlw_x");
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.admin_token_file()), 0o600);
        assert_eq!(mode(outer.path().join("a/b")), 0o700);
        let ports = Ports {
            api: "127.0.0.1:1".parse().unwrap(),
            fleet: "127.0.0.1:2".parse().unwrap(),
            metrics: "[::1]:3".parse().unwrap(),
        };
        folder.write_ports(&ports).unwrap();
        assert_eq!(folder.read_ports().unwrap(), ports);
        folder.remove_ports().unwrap();
        folder.remove_ports().unwrap();
        assert!(folder.read_ports().is_err());
    }
}
