//! The key outside the database that everything at rest depends on.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{DataKey, OpenError, random_array, sealed};

/// The environment variable that holds the key in base64, in place of a file.
pub const KEK_VARIABLE: &str = "TOLLWAY_KEK";

/// Wraps the data keys. Wiped from memory when dropped; no formatting shows it.
pub struct KeyEncryptionKey {
    id: String,
    key: Zeroizing<[u8; 32]>,
}

/// There is no usable key-encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The file cannot be read or written.
    #[error("cannot use the key-encryption key file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Others on the machine may read the file.
    #[error("the key-encryption key file {} may be read by others: run `chmod 600` on it", .0.display())]
    Permissions(PathBuf),
    /// The text is not 32 bytes of base64.
    #[error(
        "the key-encryption key in {0} must be 32 bytes in base64 (make one with `head -c 32 /dev/urandom | base64`)"
    )]
    Form(String),
}

impl KeyEncryptionKey {
    /// The key from its base64 text; `place` says where that was found.
    pub fn from_base64(text: &str, place: &str) -> Result<Self, KekError> {
        let form = || KekError::Form(place.to_owned());
        let bytes = Zeroizing::new(BASE64.decode(text.trim().as_bytes()).map_err(|_| form())?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| form())?;
        Ok(Self::from_bytes(Zeroizing::new(key)))
    }

    /// A fresh key, for tests and for the first start.
    pub fn generate() -> Self {
        Self::from_bytes(Zeroizing::new(random_array()))
    }

    fn from_bytes(key: Zeroizing<[u8; 32]>) -> Self {
        let digest = Sha256::new()
            .chain_update(b"tollway kek id 1")
            .chain_update(key.as_slice())
            .finalize();
        Self {
            id: HEXLOWER.encode(&digest[..8]),
            key,
        }
    }

    /// Reads the key from a file, and makes the file (0600) when it does not exist.
    ///
    /// Two processes may start at once: the file appears whole under its name or
    /// not at all, and the one that comes second reads the first one's key.
    pub fn load_or_create(path: &Path) -> Result<Self, KekError> {
        let failed = |source| KekError::File {
            path: path.to_owned(),
            source,
        };
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        let key = Self::generate();
        let temporary = path.with_extension(format!("new-{}", HEXLOWER.encode(&random_array::<8>())));
        let written = key
            .write(&temporary)
            .and_then(|()| match fs::hard_link(&temporary, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            });
        // The name it was linked to stays; a failure to tidy up harms nobody.
        let _ = fs::remove_file(&temporary);
        written.map_err(failed)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
        Self::load(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// Reads the key from a file; `None` when there is none.
    pub fn load(path: &Path) -> Result<Option<Self>, KekError> {
        let failed = |source| KekError::File {
            path: path.to_owned(),
            source,
        };
        let mode = match fs::metadata(path) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if mode & 0o077 != 0 {
            return Err(KekError::Permissions(path.to_owned()));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        Self::from_base64(&text, &path.display().to_string()).map(Some)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let text = Zeroizing::new(BASE64.encode(self.key.as_slice()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        // Losing this file loses every seed, so it must be on the disk before anything is sealed with it.
        file.sync_all()
    }

    /// Which key this is, without giving it away. Stored beside what it wraps.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A key for another purpose, which tells nothing about this one.
    pub(super) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let digest = Sha256::new()
            .chain_update(purpose)
            .chain_update(self.key.as_slice())
            .finalize();
        Zeroizing::new(digest.into())
    }

    /// Encrypts an organization's data key.
    pub fn wrap(&self, organization: Uuid, data_key: &DataKey) -> Vec<u8> {
        sealed::seal(&self.key, &associated(organization), data_key.bytes())
    }

    /// Decrypts what [`Self::wrap`] made for the same organization.
    pub fn unwrap(&self, organization: Uuid, wrapped: &[u8]) -> Result<DataKey, OpenError> {
        let plain = sealed::open(&self.key, &associated(organization), wrapped)?;
        let key: [u8; 32] = plain.as_slice().try_into().map_err(|_| OpenError::Form)?;
        Ok(DataKey::from_bytes(organization, Zeroizing::new(key)))
    }
}

fn associated(organization: Uuid) -> Vec<u8> {
    [b"tollway data key 1".as_slice(), organization.as_bytes()].concat()
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_made_once_for_the_owner_alone_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        let first = KeyEncryptionKey::load_or_create(&path).unwrap();
        let second = KeyEncryptionKey::load_or_create(&path).unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        KeyEncryptionKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            KeyEncryptionKey::load_or_create(&path),
            Err(KekError::Permissions(_))
        ));
    }

    #[test]
    fn many_processes_that_start_at_once_end_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| KeyEncryptionKey::load_or_create(&path).unwrap().id().to_owned()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn texts_that_are_no_key_are_refused_without_being_repeated() {
        for text in [
            "",
            "AAAA",
            "not base64",
            &BASE64.encode(&[7; 31]),
            &BASE64.encode(&[7; 33]),
        ] {
            let error = KeyEncryptionKey::from_base64(text, "TOLLWAY_KEK").unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
    }

    #[test]
    fn a_data_key_unwraps_with_its_own_kek_for_its_own_organization_only() {
        let (organization, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let kek = KeyEncryptionKey::generate();
        let data_key = DataKey::generate(organization);
        let wrapped = kek.wrap(organization, &data_key);
        assert_eq!(
            kek.unwrap(organization, &wrapped).unwrap().bytes(),
            data_key.bytes()
        );
        assert!(kek.unwrap(other, &wrapped).is_err());
        assert!(
            KeyEncryptionKey::generate()
                .unwrap(organization, &wrapped)
                .is_err()
        );
    }
}
