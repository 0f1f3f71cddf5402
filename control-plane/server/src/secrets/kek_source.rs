//! Where the key-encryption key of a process comes from.

use std::path::PathBuf;

use super::{KekError, KeyEncryptionKey};

/// Where it comes from. A file is looked at when it is known whether it may be made.
#[derive(Debug)]
pub enum KekSource {
    /// It was given in the environment.
    Given(KeyEncryptionKey),
    /// A file.
    File(PathBuf),
}

impl KekSource {
    /// The key; or the name of the file that is not there.
    pub fn load(self) -> Result<Result<KeyEncryptionKey, PathBuf>, KekError> {
        match self {
            Self::Given(kek) => Ok(Ok(kek)),
            Self::File(path) => Ok(KeyEncryptionKey::load(&path)?.ok_or(path)),
        }
    }

    /// The key, made now when its file is not there: at the first start of an installation, and never later.
    pub fn load_or_create(self) -> Result<KeyEncryptionKey, KekError> {
        match self {
            Self::Given(kek) => Ok(kek),
            Self::File(path) => KeyEncryptionKey::load_or_create(&path),
        }
    }
}
