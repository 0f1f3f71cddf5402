//! An append-only file of records with checksums: how the node remembers.
//!
//! ```text
//! file:   "tollway\x01" kind(8)  record record record ...
//! record: "\xF7rec" length(4) crc32c(4) body          numbers are little-endian; the checksum
//!                                                     covers the kind, the length and the body
//! ```
//!
//! What a crash or a bad disk leaves behind is told apart when the file is read:
//!
//! - Bytes at the end that make no whole record are a torn tail. They are cut:
//!   what they would have said was never acknowledged.
//! - Bytes that make no record with whole records behind them are damage. They
//!   are skipped and counted, and the file is otherwise believed. Never is
//!   something unreadable taken for something absent: whoever reads a log with
//!   damage has to ask again for what may have been there.
//!
//! A record is believed by its checksum alone, so the search for the next one
//! behind damage may begin at any byte, and a damaged file header costs nothing.
//! A log with damage is kept beside itself as `*.damaged`, for whoever looks into it.
//!
//! Reading asks for nothing but reading: on a full disk, or one that the kernel made read-only, a log
//! opens with everything it holds and counts as broken until it could be written anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::data_folder::sync_folder_of;

const FILE_MAGIC: [u8; 8] = *b"tollway\x01";
const RECORD_MAGIC: [u8; 4] = *b"\xF7rec";
const FILE_HEADER: usize = 16;
const RECORD_HEADER: usize = 12;

/// Largest body. Two tokens of one account, each of the largest size, fit.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A log that is open for appending.
///
/// After an error of a write or a sync nothing is known of the file's end any
/// more (a failed sync may have dropped pages for good), so [`Self::append`]
/// then refuses until [`Self::rewrite`] has made a new file.
#[derive(Debug)]
pub struct RecordLog {
    path: PathBuf,
    kind: [u8; 8],
    /// `None` when it could not be opened for writing; the log is broken then.
    file: Option<File>,
    length: u64,
    broken: bool,
}

/// What was found when a log was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The bodies of all whole records, oldest first.
    pub records: Vec<Vec<u8>>,
    /// Bytes that were cut at the end.
    pub torn_bytes: u64,
    /// Places in the middle that could not be read.
    pub damaged: Vec<Damage>,
}

/// A place in a log that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins, bytes from the beginning of the file.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordLogError {
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
    /// The file is something else, or of a newer program.
    #[error("{} was not written by this version of Tollway: move it away to start without it", .0.display())]
    Foreign(PathBuf),
    /// An earlier write failed; the log has to be written anew.
    #[error("an earlier write to {} failed", .0.display())]
    Broken(PathBuf),
}

impl RecordLog {
    /// Opens a log, or makes an empty one. A torn tail is cut.
    ///
    /// What cannot be written now leaves the log broken, and is no error: whoever restarts on a full
    /// disk must be able to read.
    ///
    /// # Errors
    /// [`RecordLogError::Foreign`] when the file is something else.
    pub fn open(path: &Path, kind: [u8; 8]) -> Result<(Self, Recovered), RecordLogError> {
        let mut log = Self {
            path: path.to_owned(),
            kind,
            file: None,
            length: FILE_HEADER as u64,
            broken: false,
        };
        let mut content = Vec::new();
        if let Some(mut file) = log.open_file()? {
            file.read_to_end(&mut content)
                .map_err(|source| log.failed("read", source))?;
        }
        let header = file_header(kind);
        if content.len() < FILE_HEADER && header.starts_with(&content) {
            // New, or torn before anything was said.
            log.attempt("begin", |file, path| {
                file.set_len(0)?;
                file.write_all(&header)?;
                file.sync_all()?;
                sync_folder_of(path)
            });
            return Ok((log, Recovered::default()));
        }
        let (recovered, end) = recover(&content, kind);
        if !content.starts_with(&header) && recovered.records.is_empty() {
            return Err(RecordLogError::Foreign(path.to_owned()));
        }
        if !recovered.damaged.is_empty() {
            log.attempt("keep a copy of the damaged", |_, path| {
                fs::write(path.with_extension("damaged"), &content)
            });
        }
        if end < content.len() {
            log.attempt("cut the torn end of", |file, _| {
                file.set_len(end as u64)?;
                file.sync_all()
            });
        }
        log.length = end as u64;
        Ok((log, recovered))
    }

    /// Opens the file for reading, and for writing if possible. `None` when there is none and none can be made.
    fn open_file(&mut self) -> Result<Option<File>, RecordLogError> {
        let written = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .and_then(|file| Ok((file.try_clone()?, file)));
        let refused = match written {
            Ok((for_reading, file)) => {
                self.file = Some(file);
                return Ok(Some(for_reading));
            }
            Err(source) => source,
        };
        match File::open(&self.path) {
            Ok(file) => {
                self.warn("open for writing", refused);
                Ok(Some(file))
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound && self.has_folder() => {
                self.warn("make", refused);
                Ok(None)
            }
            Err(source) => Err(self.failed("open", source)),
        }
    }

    fn has_folder(&self) -> bool {
        self.path.parent().is_some_and(Path::is_dir)
    }

    /// Does what only a disk that takes writes lets us do; when that fails the log is broken.
    fn attempt(&mut self, step: &'static str, write: impl FnOnce(&mut File, &Path) -> io::Result<()>) {
        let Some(file) = &mut self.file else {
            return;
        };
        if let Err(source) = write(file, &self.path) {
            self.warn(step, source);
        }
    }

    fn warn(&mut self, step: &'static str, source: io::Error) {
        self.broken = true;
        let error = crate::error_text::chain(&self.failed(step, source));
        tracing::warn!(
            error,
            "going on with what can be read; nothing is kept until the disk takes writes"
        );
    }

    /// Appends records in one write. A crash of this process loses none of
    /// them; to survive a loss of power, [`Self::sync`] as well.
    pub fn append<B: AsRef<[u8]>>(
        &mut self,
        bodies: impl IntoIterator<Item = B>,
    ) -> Result<(), RecordLogError> {
        if self.broken {
            return Err(RecordLogError::Broken(self.path.clone()));
        }
        let mut bytes = Vec::new();
        for body in bodies {
            frame(self.kind, body.as_ref(), &mut bytes);
        }
        self.broken = true;
        let mut file = self.writable()?;
        file.write_all(&bytes)
            .map_err(|source| self.failed("append to", source))?;
        self.broken = false;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes everything that was appended survive a loss of power.
    pub fn sync(&mut self) -> Result<(), RecordLogError> {
        if self.broken {
            return Err(RecordLogError::Broken(self.path.clone()));
        }
        self.broken = true;
        self.writable()?
            .sync_data()
            .map_err(|source| self.failed("sync", source))?;
        self.broken = false;
        Ok(())
    }

    /// Another handle to the file, to sync it from a thread that may wait.
    /// Whoever uses it tells [`Self::set_broken`] when that failed.
    pub fn handle(&self) -> Result<File, RecordLogError> {
        self.writable()?
            .try_clone()
            .map_err(|source| self.failed("duplicate the handle of", source))
    }

    /// A sync elsewhere failed: nothing is known of the file's end any more.
    pub fn set_broken(&mut self) {
        self.broken = true;
    }

    /// Whether only [`Self::rewrite`] makes the log usable again.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Replaces the whole content, durably: after a crash there is the old log or the new one.
    pub fn rewrite<B: AsRef<[u8]>>(
        &mut self,
        bodies: impl IntoIterator<Item = B>,
    ) -> Result<(), RecordLogError> {
        let mut bytes = file_header(self.kind).to_vec();
        for body in bodies {
            frame(self.kind, body.as_ref(), &mut bytes);
        }
        let temporary = self.path.with_extension("new");
        let replace = || {
            let options = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .clone();
            let mut file = options.open(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            // Opened again to append, under its old name: an error from here on must not leave
            // a log that appends to a file which no longer has a name.
            let file = OpenOptions::new().append(true).open(&temporary)?;
            fs::rename(&temporary, &self.path)?;
            Ok(file)
        };
        let file = replace().map_err(|source| self.failed("rewrite", source))?;
        self.file = Some(file);
        self.length = bytes.len() as u64;
        self.broken = true;
        sync_folder_of(&self.path).map_err(|source| self.failed("sync the folder of", source))?;
        self.broken = false;
        Ok(())
    }

    /// Length of the file, bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn writable(&self) -> Result<&File, RecordLogError> {
        self.file
            .as_ref()
            .ok_or_else(|| RecordLogError::Broken(self.path.clone()))
    }

    fn failed(&self, step: &'static str, source: io::Error) -> RecordLogError {
        RecordLogError::Io {
            step,
            path: self.path.clone(),
            source,
        }
    }
}

fn file_header(kind: [u8; 8]) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(&FILE_MAGIC);
    header[8..].copy_from_slice(&kind);
    header
}

fn frame(kind: [u8; 8], body: &[u8], bytes: &mut Vec<u8>) {
    assert!(
        body.len() <= RECORD_BYTES_MAX,
        "records are made of parts with bounds"
    );
    let length = u32::try_from(body.len()).expect("the bound fits").to_le_bytes();
    bytes.extend_from_slice(&RECORD_MAGIC);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(kind, length, body).to_le_bytes());
    bytes.extend_from_slice(body);
}

fn checksum(kind: [u8; 8], length: [u8; 4], body: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(&kind), &length);
    crc32c::crc32c_append(head, body)
}

/// The body of the record that begins here, if a whole one does.
fn record_at(bytes: &[u8], kind: [u8; 8]) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER>()?;
    let (magic, header) = header.split_first_chunk::<4>()?;
    let (length, crc) = header.split_first_chunk::<4>()?;
    let crc = crc.first_chunk::<4>()?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let whole = *magic == RECORD_MAGIC
        && body.len() <= RECORD_BYTES_MAX
        && checksum(kind, *length, body).to_le_bytes() == *crc;
    whole.then_some(body)
}

/// All whole records of a file's content, and where the last one ends.
fn recover(content: &[u8], kind: [u8; 8]) -> (Recovered, usize) {
    let mut recovered = Recovered::default();
    let mut end = if content.starts_with(&file_header(kind)) {
        FILE_HEADER
    } else {
        0
    };
    let mut at = end;
    while at < content.len() {
        let Some(body) = record_at(&content[at..], kind) else {
            // Only where the marker stands is a checksum worth its time.
            at = content[at + 1..]
                .windows(RECORD_MAGIC.len())
                .position(|window| window == RECORD_MAGIC)
                .map_or(content.len(), |next| at + 1 + next);
            continue;
        };
        if at > end {
            recovered.damaged.push(Damage {
                offset: end as u64,
                bytes: (at - end) as u64,
            });
        }
        recovered.records.push(body.to_vec());
        at += RECORD_HEADER + body.len();
        end = at;
    }
    recovered.torn_bytes = (content.len() - end) as u64;
    (recovered, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: [u8; 8] = *b"testing\0";

    fn written(bodies: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(recovered, Recovered::default());
        log.append(bodies).unwrap();
        log.sync().unwrap();
        assert_eq!(log.length(), fs::metadata(&path).unwrap().len());
        (folder, path)
    }

    fn bodies(recovered: &Recovered) -> Vec<&[u8]> {
        recovered.records.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn tail_torn_at_any_byte_is_cut_and_the_records_before_it_stay() {
        let (_folder, path) = written(&[b"one", b"", b"three"]);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut log, recovered) = RecordLog::open(&path, KIND).unwrap();
            // 16 bytes of file header, then 12 of header each.
            let expected: &[&[u8]] = match cut {
                ..31 => &[],
                31..43 => &[b"one"],
                _ => &[b"one", b""],
            };
            assert_eq!(bodies(&recovered), expected, "cut at {cut}");
            assert!(recovered.damaged.is_empty(), "cut at {cut}");
            // The log goes on as if the torn record had never been begun.
            log.append([b"four"]).unwrap();
            let (_, again) = RecordLog::open(&path, KIND).unwrap();
            assert_eq!(again.records.last().unwrap(), b"four");
            assert_eq!(again.records.len(), expected.len() + 1);
            assert_eq!(again.torn_bytes, 0);
        }
    }

    #[test]
    fn any_changed_byte_in_the_middle_costs_that_record_alone_and_is_reported() {
        let (_folder, path) = written(&[b"one", b"two", b"three"]);
        let whole = fs::read(&path).unwrap();
        for place in 31..46 {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x40;
            fs::write(&path, &damaged).unwrap();
            let (_, recovered) = RecordLog::open(&path, KIND).unwrap();
            assert_eq!(bodies(&recovered), [&b"one"[..], b"three"], "byte {place}");
            assert_eq!(
                recovered.damaged,
                [Damage {
                    offset: 31,
                    bytes: 15
                }],
                "byte {place}"
            );
            assert_eq!(recovered.torn_bytes, 0);
        }
    }

    #[test]
    fn body_that_looks_like_a_record_is_read_as_a_body() {
        let mut inner = Vec::new();
        frame(KIND, b"inner", &mut inner);
        let (_folder, path) = written(&[b"one", &inner, b"three"]);
        let (_, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(bodies(&recovered), [&b"one"[..], &inner, b"three"]);
    }

    #[test]
    fn damaged_file_header_costs_no_record_and_leaves_a_copy() {
        let (_folder, path) = written(&[b"one"]);
        let mut damaged = fs::read(&path).unwrap();
        damaged[3] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let (_, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(bodies(&recovered), [b"one"]);
        assert_eq!(recovered.damaged, [Damage { offset: 0, bytes: 16 }]);
        assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), damaged);
    }

    #[test]
    fn rewrite_replaces_everything_and_appending_goes_on_in_the_new_file() {
        let (_folder, path) = written(&[b"one", b"two"]);
        let (mut log, _) = RecordLog::open(&path, KIND).unwrap();
        log.rewrite([b"all"]).unwrap();
        log.append([b"more"]).unwrap();
        let (_, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(bodies(&recovered), [&b"all"[..], b"more"]);
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn broken_log_takes_nothing_until_it_is_rewritten() {
        let (_folder, path) = written(&[b"one"]);
        let (mut log, _) = RecordLog::open(&path, KIND).unwrap();
        log.set_broken();
        assert!(matches!(log.append([b"two"]), Err(RecordLogError::Broken(_))));
        assert!(matches!(log.sync(), Err(RecordLogError::Broken(_))));
        log.rewrite([b"two"]).unwrap();
        log.append([b"three"]).unwrap();
        let (_, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(bodies(&recovered), [&b"two"[..], b"three"]);
    }

    #[test]
    fn log_that_cannot_be_made_now_takes_everything_when_it_is_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // No file can be made where this leads, whoever asks.
        std::os::unix::fs::symlink("/proc/self/nothing", &path).unwrap();
        let (mut log, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(recovered, Recovered::default());
        assert!(matches!(log.append([b"one"]), Err(RecordLogError::Broken(_))));
        assert!(log.handle().is_err());
        log.rewrite([b"one"]).unwrap();
        log.append([b"two"]).unwrap();
        let (_, recovered) = RecordLog::open(&path, KIND).unwrap();
        assert_eq!(bodies(&recovered), [b"one", b"two"]);
    }

    #[test]
    fn log_in_a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RecordLog::open(&folder.path().join("missing/log"), KIND).is_err());
    }

    #[test]
    fn log_of_another_kind_is_left_alone() {
        let (_folder, path) = written(&[b"one"]);
        let content = fs::read(&path).unwrap();
        assert!(matches!(
            RecordLog::open(&path, *b"another\0"),
            Err(RecordLogError::Foreign(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), content);
    }

    #[test]
    fn file_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for content in [&b"something else entirely"[..], b"tollway\x02testing\0"] {
            fs::write(&path, content).unwrap();
            let refused = RecordLog::open(&path, KIND).unwrap_err();
            assert!(matches!(refused, RecordLogError::Foreign(_)));
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }
}
