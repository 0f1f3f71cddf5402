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

/// The documents and the cursor, in memory and on disk.
///
/// After an error in [`Self::commit`] memory has the documents and the old
/// cursor; the next commit writes the whole file anew.
#[derive(Debug)]
pub struct LastKnownGood {
    log: RecordLog,
    documents: HashMap<PublicKey, StoredDocument>,
    cursor: Option<Cursor>,
    complete: bool,
    /// What `documents` would take in a new file, about.
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
            cursor: None,
            complete: true,
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
        Ok(held)
    }

    /// What is held, by account.
    pub fn documents(&self) -> &HashMap<PublicKey, StoredDocument> {
        &self.documents
    }

    /// Where the last batch led to.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// Whether everything up to the cursor is held, but for what was refused.
    /// When not, the control plane has to send a snapshot.
    pub fn is_complete(&self) -> bool {
        self.complete && self.cursor.is_some()
    }

    /// Something that is held turned out to be of no use.
    pub fn set_incomplete(&mut self) {
        self.complete = false;
    }

    /// Takes a batch; when this returns it survives a loss of power. A
    /// snapshot makes what is held complete.
    pub fn commit(
        &mut self,
        put: Vec<(PublicKey, StoredDocument)>,
        removed: &[PublicKey],
        cursor: Cursor,
        snapshot: bool,
    ) -> Result<(), LastKnownGoodError> {
        let complete = self.complete || snapshot;
        let changed = !put.is_empty() || !removed.is_empty();
        let last = cursor_record(cursor, complete);
        let mut records = Vec::with_capacity(put.len() + removed.len() + 1);
        for account in removed {
            self.remove(account);
            records.push(record(Change::Removed(account.to_string())));
        }
        for (account, document) in put {
            records.push(document_record(&account, &document));
            self.insert(account, document);
        }
        records.push(last);
        if self.log.is_broken() || self.log.length() > LOG_GARBAGE_MAX + 2 * self.live_bytes {
            let (before, was_complete) = (self.cursor.replace(cursor), self.complete);
            self.complete = complete;
            if let Err(error) = self.rewrite() {
                (self.cursor, self.complete) = (before, was_complete);
                // Its end may be that of the new file or of the old one.
                self.log.set_broken();
                return Err(error);
            }
            return Ok(());
        }
        if changed || self.cursor != Some(cursor) || self.complete != complete {
            let written = self.log.append(&records).and_then(|()| self.log.sync());
            if let Err(error) = written {
                self.log.set_broken();
                return Err(error.into());
            }
        }
        (self.cursor, self.complete) = (Some(cursor), complete);
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), LastKnownGoodError> {
        let documents = self
            .documents
            .iter()
            .map(|(account, document)| document_record(account, document));
        let cursor = self.cursor.map(|cursor| cursor_record(cursor, self.complete));
        // Without a cursor there is nothing to be incomplete about.
        Ok(self.log.rewrite(documents.chain(cursor))?)
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
            Change::Removed(account) => self.remove(&account.parse().ok()?),
            Change::Reached(reached) => {
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
        self.live_bytes += record_bytes(&document);
        if let Some(before) = self.documents.insert(account, document) {
            self.live_bytes -= record_bytes(&before);
        }
    }

    fn remove(&mut self, account: &PublicKey) {
        if let Some(before) = self.documents.remove(account) {
            self.live_bytes -= record_bytes(&before);
        }
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
    /// An account's key.
    #[prost(string, tag = "2")]
    Removed(String),
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
