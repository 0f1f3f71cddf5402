//! The folder of one control plane process: its key, the first token, and the ports it got.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// A folder of this process alone, of mode 0700.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
}

/// A file of the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {}", path.display())]
pub struct DataFolderError {
    step: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl DataFolder {
    /// Opens the folder, and makes it when it does not exist.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let folder = Self {
            path: path.to_owned(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| folder.failed("make the data folder", path, source))?;
        Ok(folder)
    }

    /// The folder of a process that runs, or ran.
    pub fn existing(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where the key-encryption key is, unless told otherwise.
    pub fn kek_file(&self) -> PathBuf {
        self.path.join("kek")
    }

    /// Where the first API token is written, once.
    pub fn admin_token_file(&self) -> PathBuf {
        self.path.join("admin.token")
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
        DataFolderError {
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
