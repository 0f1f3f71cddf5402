//! What a cell should hold, read for its node; and what the node says it holds.
//!
//! Read the parts of one batch in one [`crate::Datastore::begin_system_snapshot`]: the cursor, then
//! documents until a part is shorter than was asked for. Because a cell's row is locked while a
//! document is published, everything up to the cursor is there.
//!
//! An acknowledgement counts when it says the mark of its revision: otherwise it is about a history that
//! was lost with the database it was in.

use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tollway_model::{AccountKey, CellDocument, CellId, Cursor, Mark, Refusal};

use crate::SystemTx;
use crate::bounds::{CODE_LENGTH_MAX, TEXT_LENGTH_MAX};
use crate::cell::cursor_from_columns;
use crate::error::{DatastoreError, failed_to};
use crate::row::{Reader, bounded_text, to_bigint};

/// What a node acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Everything up to here is applied and synced, but for `refused`.
    pub cursor: Cursor,
    /// The mark that came with the cursor.
    pub mark: Mark,
    /// Documents that the node would not take.
    pub refused: Vec<Refusal>,
    /// Whether it answers a snapshot: then `refused` names everything that the node does not hold.
    pub snapshot: bool,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is the newest we know.
    Noted,
    /// A later one came first; it changed nothing.
    Outdated,
    /// It is about another epoch, or about a revision that was never given out; it changed nothing.
    Foreign,
}

fn document_from_row(row: &PgRow) -> Result<CellDocument, DatastoreError> {
    let row = Reader::new(row, "cell_document", "account_key");
    Ok(CellDocument {
        account: row.parse("account_key")?,
        revision: row.count("revision")?,
        removed: row.get("removed")?,
        account_jwt: row.get("account_jwt")?,
        statement_jwt: row.get("statement_jwt")?,
        request_id: row.get("request_id")?,
    })
}

/// A document that the cell serves, and what the row of its account says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The account.
    pub account: AccountKey,
    /// The statement of the document.
    pub statement_jwt: String,
    /// The version of the document that was published last, as the account knows it.
    pub version: u64,
    /// Whether the account is suspended.
    pub suspended: bool,
}

impl SystemTx {
    /// What the cell serves beside what the rows of the accounts say, in the order of account keys, after
    /// `after`; at most `limit`. The two are written together, so that they differ only when somebody else
    /// wrote one of them.
    pub async fn cell_publications(
        &mut self,
        cell: CellId,
        after: Option<&AccountKey>,
        limit: u32,
    ) -> Result<Vec<Publication>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT
                 account_key, statement_jwt, account.version,
                 account.suspended_at IS NOT NULL AS suspended
             FROM cell_document
             JOIN account ON account.id = cell_document.account_id
             WHERE cell_document.cell_id = $1
               AND NOT removed
               AND ($2::text IS NULL OR account_key > $2)
             ORDER BY account_key
             LIMIT $3",
        )
        .bind(cell.uuid())
        .bind(after.map(AccountKey::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("compare what the cell serves with its accounts"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "cell_document", "account_key");
                Ok(Publication {
                    account: row.parse("account_key")?,
                    statement_jwt: row.get("statement_jwt")?,
                    version: row.count("version")?,
                    suspended: row.get("suspended")?,
                })
            })
            .collect()
    }

    /// What the cell should hold; `None` when there is no such cell.
    pub async fn cell_cursor(&mut self, cell: CellId) -> Result<Option<Cursor>, DatastoreError> {
        sqlx::query("SELECT id, epoch, revision FROM cell WHERE id = $1 AND deleted_at IS NULL")
            .bind(cell.uuid())
            .fetch_optional(self.connection())
            .await
            .map_err(failed_to("read the cell's cursor"))?
            .map(|row| cursor_from_columns(&Reader::new(&row, "cell", "id"), "epoch", "revision"))
            .transpose()
    }

    /// What changed after a revision, removals included, in the order of revisions; at most `limit`.
    pub async fn cell_delta(
        &mut self,
        cell: CellId,
        after_revision: u64,
        limit: u32,
    ) -> Result<Vec<CellDocument>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT account_key, revision, removed, account_jwt, statement_jwt, request_id
             FROM cell_document
             WHERE cell_id = $1
               AND revision > $2
             ORDER BY revision
             LIMIT $3",
        )
        .bind(cell.uuid())
        .bind(to_bigint(after_revision))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("read what changed for the cell"))?;
        rows.iter().map(document_from_row).collect()
    }

    /// Everything that the cell serves, in the order of account keys, after `after`; at most `limit`.
    pub async fn cell_snapshot(
        &mut self,
        cell: CellId,
        after: Option<&AccountKey>,
        limit: u32,
    ) -> Result<Vec<CellDocument>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT account_key, revision, removed, account_jwt, statement_jwt, request_id
             FROM cell_document
             WHERE cell_id = $1
               AND NOT removed
               AND ($2::text IS NULL OR account_key > $2)
             ORDER BY account_key
             LIMIT $3",
        )
        .bind(cell.uuid())
        .bind(after.map(AccountKey::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("read what the cell serves"))?;
        rows.iter().map(document_from_row).collect()
    }

    /// Notes what a cell's node acknowledged. Within an epoch the noted revision only grows.
    ///
    /// A refusal stays until a newer document of its account was applied, or a snapshot without it.
    pub async fn cell_acknowledge(
        &mut self,
        cell: CellId,
        acknowledgement: &Acknowledgement,
        now: OffsetDateTime,
    ) -> Result<Acknowledged, DatastoreError> {
        let Acknowledgement {
            cursor,
            mark,
            refused,
            snapshot,
        } = acknowledgement;
        let row = sqlx::query(
            "SELECT id, epoch, revision, applied_epoch, applied_revision
             FROM cell
             WHERE id = $1
             FOR UPDATE",
        )
        .bind(cell.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("lock the cell"))?;
        let Some(row) = row else {
            return Ok(Acknowledged::Foreign);
        };
        let row = Reader::new(&row, "cell", "id");
        let held = cursor_from_columns(&row, "epoch", "revision")?;
        let applied = cursor_from_columns(&row, "applied_epoch", "applied_revision")?;
        if !held.covers(cursor) || self.cell_mark(cell, cursor.revision).await? != Some(*mark) {
            return Ok(Acknowledged::Foreign);
        }
        if applied.covers(cursor) && applied != *cursor {
            return Ok(Acknowledged::Outdated);
        }

        sqlx::query(
            "UPDATE cell
             SET applied_epoch = $2,
                 applied_revision = $3,
                 applied_at = $4
             WHERE id = $1",
        )
        .bind(cell.uuid())
        .bind(to_bigint(cursor.epoch))
        .bind(to_bigint(cursor.revision))
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("note what the cell acknowledged"))?;
        self.refusals_clear(cell, cursor.revision, refused, *snapshot)
            .await?;
        self.refusals_note(cell, cursor.revision, refused, now).await?;
        sqlx::query("DELETE FROM cell_update_refusal WHERE cell_id = $1")
            .bind(cell.uuid())
            .execute(self.connection())
            .await
            .map_err(failed_to("clear the update that the cell refused before"))?;
        Ok(Acknowledged::Noted)
    }

    /// Notes that a cell's node refused an update as a whole. It stays until the node acknowledges one.
    pub async fn cell_update_refuse(
        &mut self,
        cell: CellId,
        code: &str,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO cell_update_refusal (cell_id, code, reason, refused_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (cell_id) DO UPDATE
             SET code = excluded.code,
                 reason = excluded.reason,
                 refused_at = excluded.refused_at",
        )
        .bind(cell.uuid())
        .bind(bounded_text(code, CODE_LENGTH_MAX))
        .bind(bounded_text(reason, TEXT_LENGTH_MAX))
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("note the update that the cell refused"))?;
        Ok(())
    }

    /// Forgets refusals that the acknowledgement is over: of accounts that it does not name and that
    /// have a newer document up to its revision, or any document at all after a snapshot.
    async fn refusals_clear(
        &mut self,
        cell: CellId,
        revision: u64,
        refused: &[Refusal],
        snapshot: bool,
    ) -> Result<(), DatastoreError> {
        let keys: Vec<&str> = refused.iter().map(|refusal| refusal.account.as_str()).collect();
        sqlx::query(
            "DELETE FROM cell_refusal AS refusal
             USING cell_document AS document
             WHERE refusal.cell_id = $1
               AND document.cell_id = refusal.cell_id
               AND document.account_key = refusal.account_key
               AND refusal.account_key <> ALL ($2)
               AND document.revision <= $3
               AND ($4 OR document.revision > refusal.revision)",
        )
        .bind(cell.uuid())
        .bind(keys)
        .bind(to_bigint(revision))
        .bind(snapshot)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear what the cell refused before"))?;
        Ok(())
    }

    /// Stores refusals of accounts that the cell was ever given; others are a node's invention.
    async fn refusals_note(
        &mut self,
        cell: CellId,
        revision: u64,
        refused: &[Refusal],
        now: OffsetDateTime,
    ) -> Result<(), DatastoreError> {
        if refused.is_empty() {
            return Ok(());
        }
        let keys: Vec<&str> = refused.iter().map(|refusal| refusal.account.as_str()).collect();
        let codes: Vec<String> = refused
            .iter()
            .map(|refusal| bounded_text(&refusal.code, CODE_LENGTH_MAX))
            .collect();
        let reasons: Vec<String> = refused
            .iter()
            .map(|refusal| bounded_text(&refusal.reason, TEXT_LENGTH_MAX))
            .collect();
        sqlx::query(
            "INSERT INTO cell_refusal (
                 cell_id, account_key, organization_id, revision, code, reason, refused_at)
             SELECT DISTINCT ON (document.account_key)
                 document.cell_id, document.account_key, document.organization_id,
                 least(document.revision, $2), reported.code, reported.reason, $6
             FROM UNNEST($3::text[], $4::text[], $5::text[]) AS reported (account_key, code, reason)
             JOIN cell_document AS document
               ON document.cell_id = $1
              AND document.account_key = reported.account_key
             ORDER BY document.account_key
             ON CONFLICT (cell_id, account_key) DO UPDATE
             SET revision = excluded.revision,
                 code = excluded.code,
                 reason = excluded.reason,
                 refused_at = excluded.refused_at",
        )
        .bind(cell.uuid())
        .bind(to_bigint(revision))
        .bind(keys)
        .bind(codes)
        .bind(reasons)
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("note what the cell refused"))?;
        Ok(())
    }
}
