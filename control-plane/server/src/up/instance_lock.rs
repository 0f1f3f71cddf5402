//! One `tollway up` per data folder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
};

use super::{UpError, folder::UpFolder, own_program::down_line};

/// Held until it is dropped. The kernel lets go of it when the process ends, however it ends, so a lock
/// that is held names a process that runs.
#[derive(Debug)]
pub(super) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes it and writes our process id into it.
    pub(super) fn take(folder: &UpFolder) -> Result<Self, UpError> {
        let path = folder.lock();
        let mut file = open(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(UpError::RunsAlready {
                    folder: folder.path().to_owned(),
                    process: read(&mut file).unwrap_or_else(|| "unknown".to_owned()),
                    stop: down_line(folder.path()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(UpError::file("lock", path)(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(UpError::file("write", path))?;
        Ok(Self { _file: file })
    }

    /// The process id of whoever holds it; `None` when nobody does.
    pub(super) fn holder(folder: &UpFolder) -> Result<Option<u32>, UpError> {
        if !folder.lock().exists() {
            return Ok(None);
        }
        let mut file = open(folder)?;
        match file.try_lock() {
            // Ours for a moment; dropping the file lets go of it.
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(read(&mut file).and_then(|text| text.parse().ok())),
            Err(TryLockError::Error(source)) => Err(UpError::file("lock", folder.lock())(source)),
        }
    }
}

fn open(folder: &UpFolder) -> Result<File, UpError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.lock())
        .map_err(UpError::file("open", folder.lock()))
}

fn read(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_one_is_refused_with_the_process_of_the_first() {
        let outer = tempfile::tempdir().unwrap();
        let folder = UpFolder::open(&outer.path().join("data")).unwrap();
        assert_eq!(InstanceLock::holder(&folder).unwrap(), None);
        let lock = InstanceLock::take(&folder).unwrap();
        assert_eq!(InstanceLock::holder(&folder).unwrap(), Some(std::process::id()));
        let told = InstanceLock::take(&folder).unwrap_err().to_string();
        assert!(told.contains(&std::process::id().to_string()), "{told}");
        assert!(told.contains(" down --data-dir "), "{told}");
        drop(lock);
        assert_eq!(InstanceLock::holder(&folder).unwrap(), None);
        InstanceLock::take(&folder).unwrap();
    }
}
