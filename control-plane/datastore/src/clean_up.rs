//! Rows that nobody can need any more.
//!
//! Tombstones of deleted accounts go in two steps, and the order matters: a node that lacks a removal must
//! be sent a snapshot, not a delta that no longer names it. So the marks of revisions that the cell's node
//! has left behind go first, and a tombstone only when no mark before it is left: whoever attaches with
//! an older revision then says a mark that is not known, and gets everything in a new epoch.

use time::OffsetDateTime;

use crate::SystemTx;
use crate::bounds::{CLEAN_UP_ROWS_MAX, REVISION_MARK_KEEP};
use crate::error::{DatastoreError, failed_to};

/// How many rows went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanedUp {
    /// Marks of revisions that nodes acknowledged long ago.
    pub revision_marks: u64,
    /// Tombstones of deleted accounts.
    pub tombstones: u64,
    /// Enrolment tokens that ended.
    pub enrolment_tokens: u64,
    /// Console sessions that ended.
    pub sessions: u64,
    /// Sign-in links that ended.
    pub sign_in_links: u64,
}

impl CleanedUp {
    /// Whether there was nothing to do.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl SystemTx {
    /// Clears away what is over at `now`, a bounded number of rows of each kind. `None` when another
    /// control plane is at it.
    pub async fn clean_up(&mut self, now: OffsetDateTime) -> Result<Option<CleanedUp>, DatastoreError> {
        // "cleanup" in ASCII: a number that nobody else takes by accident.
        let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(x'636c65616e7570'::bigint)")
            .fetch_one(self.connection())
            .await
            .map_err(failed_to("see whether another clean-up runs"))?;
        if !ours {
            return Ok(None);
        }
        Ok(Some(CleanedUp {
            revision_marks: self.revision_marks_clean_up(now).await?,
            tombstones: self.tombstones_clean_up().await?,
            enrolment_tokens: self.enrolment_tokens_clean_up(now).await?,
            sessions: self.sessions_clean_up(now).await?,
            sign_in_links: self.sign_in_links_clean_up(now).await?,
        }))
    }

    async fn revision_marks_clean_up(&mut self, now: OffsetDateTime) -> Result<u64, DatastoreError> {
        let gone = sqlx::query(
            "DELETE FROM cell_revision
             WHERE (cell_id, revision) IN (
                 SELECT old.cell_id, old.revision
                 FROM cell_revision AS old
                 JOIN cell ON cell.id = old.cell_id
                 WHERE cell.applied_epoch = cell.epoch
                   AND old.revision < cell.applied_revision
                   AND old.made_at < $1
                 ORDER BY old.cell_id, old.revision
                 LIMIT $2
             )",
        )
        .bind(now - REVISION_MARK_KEEP)
        .bind(CLEAN_UP_ROWS_MAX)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear marks of old revisions away"))?;
        Ok(gone.rows_affected())
    }

    async fn tombstones_clean_up(&mut self) -> Result<u64, DatastoreError> {
        let gone = sqlx::query(
            "DELETE FROM cell_document
             WHERE (cell_id, account_key) IN (
                 SELECT old.cell_id, old.account_key
                 FROM cell_document AS old
                 WHERE old.removed
                   AND old.revision <= (
                       SELECT min(cell_revision.revision)
                       FROM cell_revision
                       WHERE cell_revision.cell_id = old.cell_id
                   )
                 ORDER BY old.cell_id, old.revision
                 LIMIT $1
             )",
        )
        .bind(CLEAN_UP_ROWS_MAX)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear deleted accounts away from cells"))?;
        Ok(gone.rows_affected())
    }

    async fn enrolment_tokens_clean_up(&mut self, now: OffsetDateTime) -> Result<u64, DatastoreError> {
        let gone = sqlx::query(
            "DELETE FROM enrolment_token
             WHERE secret_hash IN (
                 SELECT secret_hash
                 FROM enrolment_token
                 WHERE expires_at <= $1
                 ORDER BY expires_at
                 LIMIT $2
             )",
        )
        .bind(now)
        .bind(CLEAN_UP_ROWS_MAX)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear old enrolment tokens away"))?;
        Ok(gone.rows_affected())
    }

    async fn sessions_clean_up(&mut self, now: OffsetDateTime) -> Result<u64, DatastoreError> {
        let gone = sqlx::query(
            "DELETE FROM session
             WHERE secret_hash IN (
                 SELECT secret_hash
                 FROM session
                 WHERE expires_at <= $1
                 ORDER BY expires_at
                 LIMIT $2
             )",
        )
        .bind(now)
        .bind(CLEAN_UP_ROWS_MAX)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear old sessions away"))?;
        Ok(gone.rows_affected())
    }

    async fn sign_in_links_clean_up(&mut self, now: OffsetDateTime) -> Result<u64, DatastoreError> {
        let gone = sqlx::query(
            "DELETE FROM sign_in_link
             WHERE secret_hash IN (
                 SELECT secret_hash
                 FROM sign_in_link
                 WHERE expires_at <= $1
                 ORDER BY expires_at
                 LIMIT $2
             )",
        )
        .bind(now)
        .bind(CLEAN_UP_ROWS_MAX)
        .execute(self.connection())
        .await
        .map_err(failed_to("clear old sign-in links away"))?;
        Ok(gone.rows_affected())
    }
}
