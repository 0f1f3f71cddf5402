//! Usage on disk: what was counted before the last checkpoint survives a crash.

use std::fs::File;
use std::path::Path;

use prost::Message as _;
use tollway_accounts::{MeterTotals, UsageRow};
use tollway_claims::{KeyKind, PublicKey};
use uuid::Uuid;

use super::CHECKPOINT_ROWS_MAX;
use crate::record_log::{RecordLog, RecordLogError};

const KIND: [u8; 8] = *b"usage\0\0\x01";

/// Rows of checkpoints, appended as they change. Reading it back, the greatest
/// value of each (boot, account, hour) is the last one.
#[derive(Debug)]
pub struct Journal {
    log: RecordLog,
    boot: Uuid,
}

/// A row that an earlier boot of this node left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRow {
    /// Which boot.
    pub boot: Uuid,
    /// What it counted.
    pub row: UsageRow,
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the usage journal failed")]
pub struct JournalError(#[from] RecordLogError);

impl Journal {
    /// Opens the journal for the boot `boot`; also gives what earlier boots left.
    /// Torn and damaged places are reported in the log.
    pub fn open(path: &Path, boot: Uuid) -> Result<(Self, Vec<PastRow>), JournalError> {
        let (log, recovered) = RecordLog::open(path, KIND)?;
        let mut past = Vec::new();
        let mut unreadable = 0_usize;
        for record in &recovered.records {
            match Checkpoint::decode(record.as_slice())
                .ok()
                .and_then(|checkpoint| checkpoint.rows())
            {
                Some(rows) => past.extend(rows),
                None => unreadable += 1,
            }
        }
        if recovered.torn_bytes > 0 {
            tracing::info!(
                bytes = recovered.torn_bytes,
                "cut the torn end of the usage journal"
            );
        }
        let mut journal = Self { log, boot };
        if !recovered.damaged.is_empty() || unreadable > 0 {
            tracing::error!(
                damaged = ?recovered.damaged,
                unreadable,
                "the usage journal is damaged: usage of earlier boots may be short by these checkpoints"
            );
            // Reported once; the copy beside the journal stays. A full disk must not keep the node from serving.
            if !journal.is_broken()
                && let Err(error) = journal.rewrite(past.iter().copied())
            {
                journal.set_broken();
                let error = crate::error_text::chain(&error);
                tracing::warn!(error, "the damaged journal is left as it is");
            }
        }
        Ok((journal, past))
    }

    /// Appends what changed since the last checkpoint. Survives the end of this
    /// process, however it ends; to survive a loss of power it has to be synced.
    pub fn append(&mut self, rows: &[UsageRow]) -> Result<(), JournalError> {
        let boot = self.boot;
        let records = rows
            .chunks(CHECKPOINT_ROWS_MAX)
            .map(|rows| Checkpoint::of(boot, rows.iter().copied()).encode_to_vec());
        Ok(self.log.append(records)?)
    }

    /// Replaces everything with `rows`, durably.
    pub fn rewrite(&mut self, rows: impl IntoIterator<Item = PastRow>) -> Result<(), JournalError> {
        let mut records = Vec::new();
        let mut open: Option<(Uuid, Vec<UsageRow>)> = None;
        let close = |open: Option<(Uuid, Vec<UsageRow>)>, records: &mut Vec<Vec<u8>>| {
            if let Some((boot, rows)) = open {
                records.push(Checkpoint::of(boot, rows).encode_to_vec());
            }
        };
        for PastRow { boot, row } in rows {
            match &mut open {
                Some((same, rows)) if *same == boot && rows.len() < CHECKPOINT_ROWS_MAX => rows.push(row),
                _ => close(open.replace((boot, vec![row])), &mut records),
            }
        }
        close(open, &mut records);
        Ok(self.log.rewrite(records)?)
    }

    /// Makes everything that was appended survive a loss of power.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        Ok(self.log.sync()?)
    }

    /// A handle for a thread that syncs; see [`RecordLog::handle`].
    pub fn handle(&self) -> Result<File, JournalError> {
        Ok(self.log.handle()?)
    }

    /// A sync elsewhere failed: only [`Self::rewrite`] helps.
    pub fn set_broken(&mut self) {
        self.log.set_broken();
    }

    /// Whether only [`Self::rewrite`] helps.
    pub fn is_broken(&self) -> bool {
        self.log.is_broken()
    }

    /// Length of the file, bytes.
    pub fn length(&self) -> u64 {
        self.log.length()
    }
}

/// A record: rows of one boot.
#[derive(Clone, PartialEq, prost::Message)]
struct Checkpoint {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    boot: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Row {
    /// The 32 bytes of the account's key: text would be most of the file.
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    #[prost(int64, tag = "2")]
    hour: i64,
    #[prost(uint64, tag = "3")]
    messages_in: u64,
    #[prost(uint64, tag = "4")]
    bytes_in: u64,
    #[prost(uint64, tag = "5")]
    messages_out: u64,
    #[prost(uint64, tag = "6")]
    bytes_out: u64,
    #[prost(uint64, tag = "7")]
    connections_opened: u64,
}

impl Checkpoint {
    fn of(boot: Uuid, rows: impl IntoIterator<Item = UsageRow>) -> Self {
        Self {
            boot: boot.as_bytes().to_vec(),
            rows: rows.into_iter().map(Row::from).collect(),
        }
    }

    /// `None` when it is not what this program writes, although its checksum holds.
    fn rows(&self) -> Option<Vec<PastRow>> {
        let boot = Uuid::from_slice(&self.boot).ok()?;
        self.rows
            .iter()
            .map(|row| {
                Some(PastRow {
                    boot,
                    row: row.read()?,
                })
            })
            .collect()
    }
}

impl Row {
    fn read(&self) -> Option<UsageRow> {
        let key = self.account.as_slice().try_into().ok()?;
        Some(UsageRow {
            account: PublicKey::from_bytes(KeyKind::Account, key),
            hour: self.hour,
            totals: MeterTotals {
                messages_in: self.messages_in,
                bytes_in: self.bytes_in,
                messages_out: self.messages_out,
                bytes_out: self.bytes_out,
                connections_opened: self.connections_opened,
            },
        })
    }
}

impl From<UsageRow> for Row {
    fn from(row: UsageRow) -> Self {
        let totals = row.totals;
        Self {
            account: row.account.as_bytes().to_vec(),
            hour: row.hour,
            messages_in: totals.messages_in,
            bytes_in: totals.bytes_in,
            messages_out: totals.messages_out,
            bytes_out: totals.bytes_out,
            connections_opened: totals.connections_opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn row(account: u8, hour: i64, messages_in: u64) -> UsageRow {
        let account = PublicKey::from_bytes(KeyKind::Account, [account; 32]);
        UsageRow {
            account,
            hour,
            totals: MeterTotals {
                messages_in,
                ..MeterTotals::ZERO
            },
        }
    }

    fn boot(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn rows_come_back_under_the_boot_that_wrote_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.log");
        let (mut first, past) = Journal::open(&path, boot(1)).unwrap();
        assert_eq!(past, []);
        first.append(&[row(1, 3600, 5), row(2, 3600, 1)]).unwrap();
        first.append(&[row(1, 3600, 9)]).unwrap();
        // No sync and no goodbye: what was appended is in the file all the same.
        drop(first);
        let (mut second, past) = Journal::open(&path, boot(2)).unwrap();
        let from_first = |row| PastRow { boot: boot(1), row };
        assert_eq!(
            past,
            [row(1, 3600, 5), row(2, 3600, 1), row(1, 3600, 9)].map(from_first)
        );
        second.append(&[row(1, 7200, 2)]).unwrap();
        drop(second);
        let (_, past) = Journal::open(&path, boot(3)).unwrap();
        assert_eq!(
            past.last(),
            Some(&PastRow {
                boot: boot(2),
                row: row(1, 7200, 2)
            })
        );
        assert_eq!(past.len(), 4);
    }

    #[test]
    fn checkpoint_torn_at_any_byte_costs_that_checkpoint_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.log");
        let (mut journal, _) = Journal::open(&path, boot(1)).unwrap();
        journal.append(&[row(1, 3600, 5)]).unwrap();
        let before = journal.length() as usize;
        journal.append(&[row(1, 3600, 9), row(2, 0, 1)]).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in before..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (_, past) = Journal::open(&path, boot(2)).unwrap();
            assert_eq!(
                past,
                [PastRow {
                    boot: boot(1),
                    row: row(1, 3600, 5)
                }],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn damaged_checkpoint_is_skipped_and_the_journal_is_made_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.log");
        let (mut journal, _) = Journal::open(&path, boot(1)).unwrap();
        journal.append(&[row(1, 3600, 5)]).unwrap();
        let place = journal.length() as usize + 20;
        journal.append(&[row(1, 3600, 9)]).unwrap();
        journal.append(&[row(2, 3600, 3)]).unwrap();
        let mut content = fs::read(&path).unwrap();
        content[place] ^= 1;
        fs::write(&path, content).unwrap();
        let expected = [row(1, 3600, 5), row(2, 3600, 3)].map(|row| PastRow { boot: boot(1), row });
        for _ in 0..2 {
            let (_, past) = Journal::open(&path, boot(2)).unwrap();
            assert_eq!(past, expected);
        }
        assert!(path.with_extension("damaged").exists());
    }

    #[test]
    fn rewriting_keeps_exactly_what_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.log");
        let (mut journal, _) = Journal::open(&path, boot(1)).unwrap();
        journal.append(&[row(1, 3600, 5)]).unwrap();
        let kept = [
            PastRow {
                boot: boot(7),
                row: row(1, 0, 1),
            },
            PastRow {
                boot: boot(7),
                row: row(2, 0, 1),
            },
            PastRow {
                boot: boot(1),
                row: row(1, 3600, 6),
            },
        ];
        journal.rewrite(kept).unwrap();
        journal.append(&[row(1, 3600, 8)]).unwrap();
        let (mut journal, past) = Journal::open(&path, boot(2)).unwrap();
        assert_eq!(past[..3], kept);
        assert_eq!(
            past[3],
            PastRow {
                boot: boot(1),
                row: row(1, 3600, 8)
            }
        );
        journal.rewrite([]).unwrap();
        assert_eq!(Journal::open(&path, boot(3)).unwrap().1, []);
    }
}
