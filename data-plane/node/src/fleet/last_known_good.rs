//! The documents this node holds, on its own disk.
//!
//! A log of changes ([`crate::record_log`]): the document of an account, the
//! removal of one, the cursor that a batch led to. A batch is one write with
//! its cursor at the end, so a batch that was torn leaves the old cursor, and
//! the control plane sends the rest again. What cannot be read is never taken
//! for a removal: the log then counts as incomplete until a snapshot came.

use std::collections::HashMap;
use std::path::Path;

use prost::Message as _;
use tollway_claims::PublicKey;

use super::Cursor;
use super::bounds::LOG_GARBAGE_MAX;
use crate::record_log::{RecordLog, RecordLogError};

const KIND: [u8; 8] = *b"config\0\x01";

/// One account's document as it came, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// The epoch in which it came: versions compare within one epoch.
    pub epoch: u64,
    /// The document's version.
    pub version: u64,
    /// As the operator signed it.
    pub account_jwt: String,
    /// As the operator signed it.
    pub statement_jwt: String,
}

/// The version that an account had when it was removed. Without it, whoever removes an account could
/// bring it back with any older document of the same epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedAt {
    /// The epoch of the document that was removed.
    pub epoch: u64,
    /// Its version.
    pub version: u64,
}

/// The documents and the cursor, in memory and on disk.
///
/// After an error in [`Self::commit`] memory is ahead of the disk, and
/// [`Self::kept_cursor`] tells how far the disk is; [`Self::keep`] and the next
/// commit write the whole file anew.
#[derive(Debug)]
pub struct LastKnownGood {
    log: RecordLog,
    documents: HashMap<PublicKey, StoredDocument>,
    /// Of the cursor's epoch alone: versions of other epochs do not compare.
    removed: HashMap<PublicKey, RemovedAt>,
    cursor: Option<Cursor>,
    complete: bool,
    /// What the disk has of `cursor` and `complete`.
    kept: (Option<Cursor>, bool),
    /// What all of it would take in a new file, about.
    live_bytes: u64,
}

/// The documents cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the last known good configuration failed")]
pub struct LastKnownGoodError(#[from] RecordLogError);

impl LastKnownGood {
    /// Opens the file, or makes an empty one. Torn and damaged places are reported in the log.
    pub fn open(path: &Path) -> Result<Self, LastKnownGoodError> {
        let (log, recovered) = RecordLog::open(path, KIND)?;
        let mut held = Self {
            log,
            documents: HashMap::new(),
            removed: HashMap::new(),
            cursor: None,
            complete: true,
            kept: (None, true),
            live_bytes: 0,
        };
        let mut unreadable = 0_usize;
        for record in &recovered.records {
            if held.replay(record).is_none() {
                unreadable += 1;
            }
        }
        if recovered.torn_bytes > 0 {
            tracing::info!(
                bytes = recovered.torn_bytes,
                "cut the torn end of the last known good configuration"
            );
        }
        if !recovered.damaged.is_empty() || unreadable > 0 {
            tracing::error!(
                damaged = ?recovered.damaged,
                unreadable,
                accounts = held.documents.len(),
                "the last known good configuration is damaged: serving what can be read, and asking for a snapshot"
            );
            held.complete = false;
            // Reported once; the copy beside the file stays. What is held counts although the disk is full.
            if !held.log.is_broken()
                && let Err(error) = held.rewrite()
            {
                held.log.set_broken();
                let error = crate::error_text::chain(&error);
                tracing::warn!(error, "the damaged file is left as it is");
            }
        }
        held.kept = (held.cursor, held.complete);
        Ok(held)
    }

    /// What is held, by account.
    pub fn documents(&self) -> &HashMap<PublicKey, StoredDocument> {
        &self.documents
    }

    /// Where accounts stood that were removed within the cursor's epoch.
    pub fn removed(&self) -> &HashMap<PublicKey, RemovedAt> {
        &self.removed
    }

    /// Where the last batch led to.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// Where the last batch led to that would survive a loss of power.
    pub fn kept_cursor(&self) -> Option<Cursor> {
        self.kept.0
    }

    /// Whether everything up to the cursor is held, but for what was refused.
    /// When not, the control plane has to send a snapshot.
    pub fn is_complete(&self) -> bool {
        self.complete && self.cursor.is_some()
    }

    /// The same of [`Self::kept_cursor`].
    pub fn is_kept_complete(&self) -> bool {
        self.kept.1 && self.kept.0.is_some()
    }

    /// Something that is held turned out to be of no use.
    pub fn set_incomplete(&mut self) {
        self.complete = false;
        self.kept.1 = false;
    }

    /// Takes a batch; when this returns without an error it survives a loss of
    /// power. A snapshot makes what is held complete.
    pub fn commit(
        &mut self,
        put: Vec<(PublicKey, StoredDocument)>,
        removed: &[PublicKey],
        cursor: Cursor,
        snapshot: bool,
    ) -> Result<(), LastKnownGoodError> {
        let complete = self.complete || snapshot;
        let before = (self.cursor, self.complete);
        if before.0.is_some_and(|before| before.epoch != cursor.epoch) {
            self.forget_removed_except(cursor.epoch);
        }
        let mut records = Vec::with_capacity(put.len() + removed.len() + 1);
        for account in removed {
            if let Some(document) = self.documents.get(account) {
                let at = RemovedAt {
                    epoch: document.epoch,
                    version: document.version,
                };
                records.push(removal_record(account, at));
                self.remove(account, at);
                if at.epoch != cursor.epoch {
                    self.forget_removed_except(cursor.epoch);
                }
            }
        }
        for (account, document) in put {
            records.push(document_record(&account, &document));
            self.insert(account, document);
        }
        (self.cursor, self.complete) = (Some(cursor), complete);
        if self.log.is_broken() || self.log.length() > LOG_GARBAGE_MAX + 2 * self.live_bytes {
            return self.keep();
        }
        if !records.is_empty() || before != (self.cursor, self.complete) {
            records.push(cursor_record(cursor, complete));
            let written = self.log.append(&records).and_then(|()| self.log.sync());
            if let Err(error) = written {
                self.log.set_broken();
                return Err(error.into());
            }
        }
        self.kept = (self.cursor, self.complete);
        Ok(())
    }

    /// Writes everything anew, as after an error in [`Self::commit`].
    pub fn keep(&mut self) -> Result<(), LastKnownGoodError> {
        if let Err(error) = self.rewrite() {
            // Its end may be that of the new file or of the old one.
            self.log.set_broken();
            return Err(error);
        }
        self.kept = (self.cursor, self.complete);
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), LastKnownGoodError> {
        let documents = self
            .documents
            .iter()
            .map(|(account, document)| document_record(account, document));
        let cursor = self.cursor.map(|cursor| cursor_record(cursor, self.complete));
        let removed = self
            .removed
            .iter()
            .map(|(account, at)| removal_record(account, *at));
        // Without a cursor there is nothing to be incomplete about.
        Ok(self.log.rewrite(documents.chain(removed).chain(cursor))?)
    }

    /// `None` when the record is not what this program writes, although its checksum holds.
    fn replay(&mut self, body: &[u8]) -> Option<()> {
        match Record::decode(body).ok()?.change? {
            Change::Document(document) => {
                let account = document.account.parse().ok()?;
                let stored = StoredDocument {
                    epoch: document.epoch,
                    version: document.version,
                    account_jwt: document.account_jwt,
                    statement_jwt: document.statement_jwt,
                };
                self.insert(account, stored);
            }
            Change::Removed(removal) => {
                let at = RemovedAt {
                    epoch: removal.epoch,
                    version: removal.version,
                };
                self.remove(&removal.account.parse().ok()?, at);
            }
            Change::Reached(reached) => {
                self.forget_removed_except(reached.epoch);
                self.cursor = Some(Cursor {
                    epoch: reached.epoch,
                    revision: reached.revision,
                    mark: reached.mark,
                });
                self.complete = reached.complete;
            }
        }
        Some(())
    }

    fn insert(&mut self, account: PublicKey, document: StoredDocument) {
        if self.removed.remove(&account).is_some() {
            self.live_bytes -= REMOVAL_BYTES;
        }
        self.live_bytes += record_bytes(&document);
        if let Some(before) = self.documents.insert(account, document) {
            self.live_bytes -= record_bytes(&before);
        }
    }

    fn remove(&mut self, account: &PublicKey, at: RemovedAt) {
        if let Some(before) = self.documents.remove(account) {
            self.live_bytes -= record_bytes(&before);
        }
        if self.removed.insert(*account, at).is_none() {
            self.live_bytes += REMOVAL_BYTES;
        }
    }

    fn forget_removed_except(&mut self, epoch: u64) {
        let before = self.removed.len();
        self.removed.retain(|_, at| at.epoch == epoch);
        self.live_bytes -= REMOVAL_BYTES * (before - self.removed.len()) as u64;
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(oneof = "Change", tags = "1, 2, 3")]
    change: Option<Change>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Change {
    #[prost(message, tag = "1")]
    Document(DocumentRecord),
    #[prost(message, tag = "2")]
    Removed(Removal),
    #[prost(message, tag = "3")]
    Reached(Reached),
}

#[derive(Clone, PartialEq, prost::Message)]
struct DocumentRecord {
    #[prost(string, tag = "1")]
    account: String,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    version: u64,
    #[prost(string, tag = "4")]
    account_jwt: String,
    #[prost(string, tag = "5")]
    statement_jwt: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Removal {
    #[prost(string, tag = "1")]
    account: String,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    version: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reached {
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(bool, tag = "3")]
    complete: bool,
    #[prost(fixed64, tag = "4")]
    mark: u64,
}

/// What a removal takes in the file, about: a key, two numbers and what is around them.
const REMOVAL_BYTES: u64 = 100;

/// What a document takes in the file, about: its tokens, and 100 bytes around them.
fn record_bytes(document: &StoredDocument) -> u64 {
    (document.account_jwt.len() + document.statement_jwt.len() + 100) as u64
}

fn record(change: Change) -> Vec<u8> {
    Record { change: Some(change) }.encode_to_vec()
}

fn document_record(account: &PublicKey, document: &StoredDocument) -> Vec<u8> {
    record(Change::Document(DocumentRecord {
        account: account.to_string(),
        epoch: document.epoch,
        version: document.version,
        account_jwt: document.account_jwt.clone(),
        statement_jwt: document.statement_jwt.clone(),
    }))
}

fn removal_record(account: &PublicKey, at: RemovedAt) -> Vec<u8> {
    record(Change::Removed(Removal {
        account: account.to_string(),
        epoch: at.epoch,
        version: at.version,
    }))
}

fn cursor_record(cursor: Cursor, complete: bool) -> Vec<u8> {
    record(Change::Reached(Reached {
        epoch: cursor.epoch,
        revision: cursor.revision,
        complete,
        mark: cursor.mark,
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tollway_claims::KeyKind;

    use super::*;

    fn account(number: u8) -> PublicKey {
        PublicKey::from_bytes(KeyKind::Account, [number; 32])
    }

    fn document(version: u64) -> StoredDocument {
        let account_jwt = format!("account jwt {version}");
        StoredDocument {
            epoch: 1,
            version,
            account_jwt,
            statement_jwt: "statement".into(),
        }
    }

    fn at(revision: u64) -> Cursor {
        Cursor {
            epoch: 1,
            revision,
            mark: u64::MAX - revision,
        }
    }

    fn versions(held: &LastKnownGood) -> Vec<(PublicKey, u64)> {
        let mut versions: Vec<_> = held
            .documents()
            .iter()
            .map(|(key, held)| (*key, held.version))
            .collect();
        versions.sort();
        versions
    }

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        assert!(!held.is_complete(), "nothing is not everything");
        held.commit(
            vec![(account(1), document(1)), (account(2), document(1))],
            &[],
            at(1),
            true,
        )
        .unwrap();
        held.commit(vec![(account(1), document(2))], &[account(2)], at(2), false)
            .unwrap();
        drop(held);
        let held = LastKnownGood::open(&path).unwrap();
        assert_eq!(held.documents(), &HashMap::from([(account(1), document(2))]));
        assert_eq!(held.cursor(), Some(at(2)));
        assert!(held.is_complete());
    }

    #[test]
    fn version_of_a_removed_account_is_remembered_until_it_is_back_or_another_epoch_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        let both = vec![(account(1), document(7)), (account(2), document(8))];
        held.commit(both, &[], at(1), true).unwrap();
        held.commit(vec![], &[account(1), account(2)], at(2), false)
            .unwrap();
        held.commit(vec![(account(2), document(9))], &[], at(3), false)
            .unwrap();
        let remembered = HashMap::from([(account(1), RemovedAt { epoch: 1, version: 7 })]);
        assert_eq!(held.removed(), &remembered);
        held.keep().unwrap();
        drop(held);
        let mut held = LastKnownGood::open(&path).unwrap();
        assert_eq!(held.removed(), &remembered);
        let begun = Cursor { epoch: 2, ..at(1) };
        held.commit(vec![], &[account(2)], begun, true).unwrap();
        assert_eq!(held.removed(), &HashMap::new());
        drop(held);
        assert_eq!(LastKnownGood::open(&path).unwrap().removed(), &HashMap::new());
    }

    #[test]
    fn what_could_not_be_kept_is_held_and_kept_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        held.commit(vec![(account(1), document(1))], &[], at(1), true)
            .unwrap();
        // Where the new file would be written is a folder.
        held.log.set_broken();
        let in_the_way = path.with_extension("new");
        fs::create_dir(&in_the_way).unwrap();
        held.commit(vec![(account(1), document(2))], &[], at(2), false)
            .unwrap_err();
        held.keep().unwrap_err();
        assert_eq!(held.cursor(), Some(at(2)));
        assert_eq!(held.kept_cursor(), Some(at(1)));
        assert_eq!(versions(&held), [(account(1), 2)]);
        assert_eq!(versions(&LastKnownGood::open(&path).unwrap()), [(account(1), 1)]);
        fs::remove_dir(&in_the_way).unwrap();
        held.keep().unwrap();
        assert_eq!(held.kept_cursor(), Some(at(2)));
        assert_eq!(versions(&LastKnownGood::open(&path).unwrap()), [(account(1), 2)]);
    }

    #[test]
    fn batch_torn_at_any_byte_leaves_the_cursor_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        held.commit(
            vec![(account(1), document(1)), (account(2), document(1))],
            &[],
            at(1),
            true,
        )
        .unwrap();
        let before = fs::metadata(&path).unwrap().len() as usize;
        held.commit(
            vec![(account(1), document(2)), (account(3), document(1))],
            &[account(2)],
            at(2),
            false,
        )
        .unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in before..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let held = LastKnownGood::open(&path).unwrap();
            assert_eq!(held.cursor(), Some(at(1)), "cut at {cut}");
            assert!(held.is_complete(), "cut at {cut}");
            assert!(held.documents().contains_key(&account(1)), "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_loses_no_other_account_and_asks_for_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        held.commit(vec![(account(1), document(1))], &[], at(1), true)
            .unwrap();
        let place = fs::metadata(&path).unwrap().len() as usize + 14;
        held.commit(vec![(account(2), document(1))], &[], at(2), false)
            .unwrap();
        held.commit(vec![(account(3), document(1))], &[], at(3), false)
            .unwrap();
        let mut content = fs::read(&path).unwrap();
        content[place] ^= 1;
        fs::write(&path, content).unwrap();

        // Twice: what is wrong with the file is not forgotten by reading it.
        for _ in 0..2 {
            let held = LastKnownGood::open(&path).unwrap();
            assert_eq!(versions(&held), [(account(1), 1), (account(3), 1)]);
            assert_eq!(held.cursor(), Some(at(3)));
            assert!(!held.is_complete());
        }
        // A delta does not make it whole, a snapshot does.
        let mut held = LastKnownGood::open(&path).unwrap();
        held.commit(vec![(account(4), document(1))], &[], at(4), false)
            .unwrap();
        assert!(!LastKnownGood::open(&path).unwrap().is_complete());
        held.commit(vec![(account(2), document(1))], &[], at(4), true)
            .unwrap();
        assert!(LastKnownGood::open(&path).unwrap().is_complete());
    }

    #[test]
    fn file_that_is_mostly_out_of_date_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        held.commit(vec![(account(1), document(1))], &[], at(1), true)
            .unwrap();
        let big = StoredDocument {
            account_jwt: "x".repeat(1_000_000),
            ..document(2)
        };
        for revision in 2..20 {
            held.commit(vec![(account(2), big.clone())], &[], at(revision), false)
                .unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < 8_000_000);
        let held = LastKnownGood::open(&path).unwrap();
        assert_eq!(versions(&held), [(account(1), 1), (account(2), 2)]);
        assert_eq!(held.cursor(), Some(at(19)));
    }

    #[test]
    fn after_a_failed_write_the_next_commit_writes_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut held = LastKnownGood::open(&path).unwrap();
        held.commit(vec![(account(1), document(1))], &[], at(1), true)
            .unwrap();
        held.log.set_broken();
        held.commit(vec![(account(2), document(1))], &[], at(2), false)
            .unwrap();
        let held = LastKnownGood::open(&path).unwrap();
        assert_eq!(versions(&held), [(account(1), 1), (account(2), 1)]);
        assert_eq!(held.cursor(), Some(at(2)));
    }
}
