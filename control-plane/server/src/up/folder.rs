//! The data folder of `tollway up`.
//!
//! ```text
//!   up.lock          held while it runs; the process id
//!   up.json          where everything is, while it runs
//!   control-plane/   as of `tollway serve`: key-encryption key, admin token
//!   cell-a/ cell-b/  as of `tollway-node`
//!   postgres/        the private cluster; belongs to the user Postgres runs as
//!   postgres-socket/ the way into it, of the same user
//!   postgres-access/ who may come in
//!   demo/            credentials and programs to try it with
//!   logs/            one file per process and its predecessor's
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use super::{Facts, UpError};
use crate::{data_folder, private_folder};

/// Held while it runs; it also says that the folder is one of ours.
const LOCK: &str = "up.lock";

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct UpFolder {
    path: PathBuf,
}

impl UpFolder {
    /// Opens the folder, and makes it and its parts when they are not there.
    pub(super) fn open(path: &Path) -> Result<Self, UpError> {
        let folder = Self::existing(path)?;
        let make = |path: &Path| {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(UpError::file("make the folder", path))
        };
        // The user that Postgres runs as for root must get through to its own folder; it can list nothing.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        private_folder::claim(&folder.path, LOCK, mode)
            .map_err(UpError::file("use the data folder", &folder.path))?;
        make(&folder.demo())?;
        make(&folder.logs())?;
        Ok(folder)
    }

    /// A folder that somebody else opened.
    pub(super) fn existing(path: &Path) -> Result<Self, UpError> {
        // Children run elsewhere, and printed lines are pasted anywhere.
        let path = std::path::absolute(path).map_err(UpError::file("use the data folder", path))?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    pub(super) fn facts(&self) -> PathBuf {
        self.path.join("up.json")
    }

    pub(super) fn control_plane(&self) -> PathBuf {
        self.path.join("control-plane")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.path.join("postgres")
    }

    pub(super) fn node(&self, cell: &str) -> PathBuf {
        self.path.join(cell)
    }

    pub(super) fn demo(&self) -> PathBuf {
        self.path.join("demo")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(super) fn log_path(&self, of: &str) -> PathBuf {
        self.logs().join(format!("{of}.log"))
    }

    /// A fresh log file; the one of the last run is kept beside it.
    pub(super) fn log(&self, of: &str) -> Result<File, UpError> {
        fresh_log(&self.log_path(of))
    }

    /// Tells the outside where everything is.
    pub(super) fn write_facts(&self, facts: &Facts) -> Result<(), UpError> {
        let text = serde_json::to_vec_pretty(facts).expect("facts are JSON");
        self.write(&self.facts(), &text)
    }

    /// At the end nothing is there any more.
    pub(super) fn remove_facts(&self) -> Result<(), UpError> {
        match fs::remove_file(self.facts()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(UpError::file("remove", self.facts())(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a file for the owner alone; it appears whole.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), UpError> {
        data_folder::replace_file(path, bytes).map_err(UpError::file("write", path))
    }
}

/// Keeps one log of before: enough to look at after a restart, and never more than two.
pub(super) fn fresh_log(path: &Path) -> Result<File, UpError> {
    match fs::rename(path, path.with_extension("log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(UpError::file("move away", path)(error));
        }
        _ => {}
    }
    append_log(path)
}

/// The log of a process that is started again in the same run.
pub(super) fn append_log(path: &Path) -> Result<File, UpError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(UpError::file("open the log", path))
}
