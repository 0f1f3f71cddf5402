//! A disk in memory that fails on command: for tests, of this crate and of what is built on it.
//!
//! Every write and every change of names is pending until it is synchronised. A crash keeps what was
//! synchronised, and of what is pending any part: sectors of 512 bytes in any order, one of them
//! torn in the middle; names up to any point of their history. A seed decides which.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

const SECTOR: usize = 512;

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// A file of it.
#[derive(Clone, Debug)]
pub struct SimFile {
    disk: SimDisk,
    id: u64,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<u64, Content>,
    /// Names as the process sees them, and as they are on the disk.
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    /// Names after each change since they were synchronised.
    history: Vec<BTreeMap<String, u64>>,
    next_id: u64,
    operations: u64,
    crash_at: Option<u64>,
    fail_at: Option<u64>,
    capacity: Option<u64>,
    ignore_syncs: bool,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    synced: Vec<u8>,
    now: Vec<u8>,
    /// Parts that were written since: offset and length.
    pending: Vec<(usize, usize)>,
}

/// A small generator of numbers that look random (splitmix64): the same seed gives the same disk.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl State {
    /// Counts an operation that changes the disk; the one at which the machine stops is not done.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.crash_at.is_some_and(|at| self.operations >= at) {
            return Err(io::Error::other("the machine has stopped"));
        }
        if self.fail_at == Some(self.operations) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|id| self.files.get(id))
            .map(|file| file.now.len() as u64)
            .sum()
    }

    fn named(&mut self) {
        self.history.push(self.names.clone());
    }

    fn id(&self, name: &str) -> io::Result<u64> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes, synchronisations and changes of names so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// How often something was synchronised.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// The machine stops at this operation: it and everything after it fails.
    pub fn crash_at(&self, operation: u64) {
        self.state.lock().crash_at = Some(operation);
    }

    /// This one operation fails with EIO. If it synchronises, what was pending is lost in part.
    pub fn fail_at(&self, operation: u64) {
        self.state.lock().fail_at = Some(operation);
    }

    /// Whether the machine has stopped, or an operation failed or is going to.
    pub fn has_trouble(&self) -> bool {
        let state = self.state.lock();
        state.crash_at.is_some() || state.fail_at.is_some()
    }

    /// All files together may have so many bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = Some(bytes);
    }

    /// Synchronising returns at once and does nothing: a disk that lies.
    pub fn ignore_syncs(&self) {
        self.state.lock().ignore_syncs = true;
    }

    /// The disk as it is after a crash now; this one is left as it is.
    pub fn after_crash(&self, seed: u64) -> Self {
        let mut seed = seed;
        let state = self.state.lock();
        let mut after = State {
            next_id: state.next_id,
            capacity: state.capacity,
            ..State::default()
        };
        let kept = next(&mut seed) as usize % (state.history.len() + 1);
        after.names = match kept {
            0 => state.synced_names.clone(),
            kept => state.history[kept - 1].clone(),
        };
        after.synced_names = after.names.clone();
        for id in after.names.values() {
            let content = state.files[id].after_crash(&mut seed);
            after.files.insert(
                *id,
                Content {
                    synced: content.clone(),
                    now: content,
                    pending: Vec::new(),
                },
            );
        }
        Self {
            state: Arc::new(Mutex::new(after)),
        }
    }

    /// The disk as another process finds it when this one was killed: nothing is lost.
    pub fn after_kill(&self) -> Self {
        let state = self.state.lock();
        let mut after = state.clone();
        after.crash_at = None;
        after.fail_at = None;
        Self {
            state: Arc::new(Mutex::new(after)),
        }
    }

    /// Changes a file behind the back of whoever uses it.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let id = state.names[name];
        let content = state.files.get_mut(&id).expect("a name stands for a file");
        change(&mut content.now);
        content.synced = content.now.clone();
    }

    /// All files with their content.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.lock();
        state
            .names
            .iter()
            .map(|(name, id)| (name.clone(), state.files[id].now.clone()))
            .collect()
    }

    /// A disk with these files.
    pub fn with_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut state = State::default();
        for (name, bytes) in files {
            let content = Content {
                synced: bytes.clone(),
                now: bytes,
                pending: Vec::new(),
            };
            state.files.insert(state.next_id, content);
            state.names.insert(name, state.next_id);
            state.next_id += 1;
        }
        state.synced_names = state.names.clone();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl Content {
    fn after_crash(&self, seed: &mut u64) -> Vec<u8> {
        let mut after = self.synced.clone();
        // Each write reached the disk whole, in parts, or not at all; a disk has moods.
        let mood = next(seed) % 4;
        for &(offset, len) in &self.pending {
            let mut at = offset;
            while at < offset + len {
                let end = ((at / SECTOR + 1) * SECTOR).min(offset + len);
                let kept = match (mood, next(seed) % 8) {
                    (0, _) | (1, 0..=5) | (2, 0..=1) => at..at,
                    (_, 7) => at..at + next(seed) as usize % (end - at + 1),
                    _ => at..end,
                };
                if after.len() < kept.end {
                    after.resize(kept.end, 0);
                }
                // What was written later to the same place may be what reached the disk.
                let kept = kept.start..kept.end.min(self.now.len());
                after[kept.clone()].copy_from_slice(&self.now[kept]);
                at = end;
            }
        }
        after
    }
}

impl super::Disk for SimDisk {
    type File = SimFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<SimFile> {
        let mut state = self.state.lock();
        state.operate()?;
        if state
            .capacity
            .is_some_and(|capacity| state.used() + bytes > capacity)
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = state.next_id;
        state.next_id += 1;
        let zeroes = vec![0; bytes as usize];
        state.files.insert(
            id,
            Content {
                synced: zeroes.clone(),
                now: zeroes,
                pending: Vec::new(),
            },
        );
        state.names.insert(name.to_owned(), id);
        state.named();
        Ok(SimFile {
            disk: self.clone(),
            id,
        })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let id = self.state.lock().id(name)?;
        Ok(SimFile {
            disk: self.clone(),
            id,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate()?;
        let id = state.id(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), id);
        state.named();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate()?;
        state.id(name)?;
        state.names.remove(name);
        state.named();
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate()?;
        if !state.ignore_syncs {
            state.synced_names = state.names.clone();
            state.history.clear();
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state.lock();
        Ok(state
            .capacity
            .map_or(u64::MAX / 2, |capacity| capacity.saturating_sub(state.used())))
    }
}

impl super::DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state.lock();
        let content = &state.files[&self.id].now;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let len = buffer.len().min(content.len() - from);
        buffer[..len].copy_from_slice(&content[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let stopped = state.operate();
        let content = state.files.get_mut(&self.id).expect("an open file stays");
        let at = offset as usize;
        if content.now.len() < at + bytes.len() {
            content.now.resize(at + bytes.len(), 0);
        }
        // Also the write at which the machine stops may have reached the disk in part.
        content.now[at..at + bytes.len()].copy_from_slice(bytes);
        content.pending.push((at, bytes.len()));
        stopped
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let failed = state.operate();
        let ignored = state.ignore_syncs;
        state.syncs += 1;
        let crashed = state.crash_at.is_some();
        let seed = state.operations;
        let content = state.files.get_mut(&self.id).expect("an open file stays");
        match failed {
            Ok(()) if ignored => {}
            Ok(()) => {
                content.synced = content.now.clone();
                content.pending.clear();
            }
            // The kernel forgets what it could not write, and will not try again.
            Err(_) if !crashed => {
                content.synced = content.after_crash(&mut seed.clone());
                content.pending.clear();
            }
            Err(_) => {}
        }
        failed
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().files[&self.id].now.len() as u64)
    }
}
