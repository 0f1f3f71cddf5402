//! A folder of a real file system, locked for this process; files are for their owner alone.

use std::fs::{DirBuilder, ReadDir};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FallocateFlags, FlockOperation, Mode, OFlags};

use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;

/// The name of the file that is locked while a process has the folder open.
pub(crate) const LOCK: &str = "lock";

const OWNER_ONLY: Mode = Mode::RUSR.union(Mode::WUSR);

/// A folder. Dropping it gives the lock back.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    folder: OwnedFd,
    _lock: OwnedFd,
}

/// A file in it.
#[derive(Debug)]
pub struct RealFile(OwnedFd);

impl RealDisk {
    /// Opens the folder, making it when it does not exist.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |step: &str| {
            let step = format!("{step} {}", path.display());
            move |source| OpenError::Disk { step, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make the folder"))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|error| failed("open the folder")(error.into()))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&folder, LOCK, flags, OWNER_ONLY)
            .map_err(|error| failed("open the lock of")(error.into()))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::Locked),
            Err(error) => return Err(failed("lock")(error.into())),
        }
        Ok(Self {
            path: path.to_owned(),
            folder,
            _lock: lock,
        })
    }

    fn open_with(&self, name: &str, flags: OFlags) -> io::Result<RealFile> {
        let flags = flags | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(RealFile(rustix::fs::openat(
            &self.folder,
            name,
            flags,
            OWNER_ONLY,
        )?))
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let entries: ReadDir = std::fs::read_dir(&self.path)?;
        let mut names = Vec::new();
        for entry in entries {
            // Files with other names than ours are none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<RealFile> {
        let file = self.open_with(name, OFlags::CREATE | OFlags::TRUNC)?;
        if bytes > 0
            && let Err(error) = rustix::fs::fallocate(&file.0, FallocateFlags::empty(), 0, bytes)
        {
            // Half a segment would be taken for one after a restart.
            rustix::fs::unlinkat(&self.folder, name, rustix::fs::AtFlags::empty())?;
            return Err(error.into());
        }
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        self.open_with(name, OFlags::empty())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.folder, from, &self.folder, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.folder,
            name,
            rustix::fs::AtFlags::empty(),
        )?)
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.folder)?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let status = rustix::fs::fstatvfs(&self.folder)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match rustix::io::pread(&self.0, &mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::pwrite(&self.0, &bytes[written..], offset + written as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.0)?)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(rustix::fs::fstat(&self.0)?.st_size).unwrap_or(0))
    }
}
