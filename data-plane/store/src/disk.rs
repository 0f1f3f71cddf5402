//! What the engine needs of a disk: a flat folder of files.
//!
//! The engine is written for the weakest disk that is honest about synchronising: until
//! [`DiskFile::sync`] returned, any part of what was written may be lost, in any order, and until
//! [`Disk::sync_names`] returned, so may be files that were created, renamed or removed.

use std::io;

/// A folder that belongs to one store.
pub trait Disk: Send + Sync + 'static {
    /// An open file of it.
    type File: DiskFile;

    /// Names of all files in the folder, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file of this length that reads as zeroes and whose space is reserved.
    ///
    /// [`io::ErrorKind::StorageFull`] when there is no room. A file of that name is replaced.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;

    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file out of the folder.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when everything that was created, renamed or removed stays so.
    fn sync_names(&self) -> io::Result<()>;

    /// Bytes that could still be reserved.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// A file, usable by several threads at once: reads and writes say where.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads until the buffer is full or the file ends, and says how much it read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of it.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when everything that was written to this file is on the disk (fdatasync).
    fn sync(&self) -> io::Result<()>;

    /// How long the file is.
    fn len(&self) -> io::Result<u64>;

    /// Whether nothing is in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
