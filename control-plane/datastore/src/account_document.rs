//! Publishing an account's document, and how far it came.

use sqlx::postgres::PgRow;
use tollway_model::{AccountId, AccountRollout, Cursor, Refusal};

use crate::TenantTx;
use crate::cell::cursor_from_columns;
use crate::error::{DatastoreError, failed_to};
use crate::row::{Reader, to_bigint};

/// A document that was compiled and signed, ready for the account's cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// The version that both JWTs carry: the account's version plus one.
    pub version: u64,
    /// The account JWT.
    pub account_jwt: String,
    /// The statement JWT.
    pub statement_jwt: String,
    /// Whether the cell shall no longer serve the account.
    pub removed: bool,
    /// The request that caused it.
    pub request_id: String,
}

/// Why a document was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The account is not there, lives in no cell, or has another version than the document was compiled
    /// for: lock the account before compiling.
    #[error("the document is not the next one of an account that is there")]
    NotNext,
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

impl TenantTx {
    /// Gives an account its next document and its cell the next revision: the last thing before the
    /// commit, because the cell's row stays locked from here on. Compile and sign before.
    ///
    /// Tell the fleet after the commit: [`crate::Datastore::signal`].
    pub async fn account_document_publish(
        &mut self,
        account: AccountId,
        document: &NewDocument,
    ) -> Result<Cursor, PublishError> {
        let row =
            sqlx::query("SELECT epoch, revision FROM app_account_document_publish($1, $2, $3, $4, $5, $6)")
                .bind(account.uuid())
                .bind(to_bigint(document.version))
                .bind(&document.account_jwt)
                .bind(&document.statement_jwt)
                .bind(document.removed)
                .bind(&document.request_id)
                .fetch_optional(self.connection())
                .await
                .map_err(failed_to("publish the account's document"))?
                .ok_or(PublishError::NotNext)?;
        Ok(cursor_from_columns(
            &Reader::new(&row, "cell", "epoch"),
            "epoch",
            "revision",
        )?)
    }

    /// How far the account's newest document has travelled; `None` when it has none. Deleted accounts
    /// have one: their removal travels too.
    pub async fn account_rollout(
        &mut self,
        account: AccountId,
    ) -> Result<Option<AccountRollout>, DatastoreError> {
        let organization = self.organization().uuid();
        let row = sqlx::query(
            "SELECT
                 cell.name AS cell_name, document.account_key, document.revision,
                 CASE WHEN cell.applied_epoch = cell.epoch THEN cell.applied_revision ELSE 0 END
                     AS applied_revision,
                 refusal.code, refusal.reason
             FROM account
             JOIN cell ON cell.id = account.cell_id
             JOIN cell_document AS document
               ON document.cell_id = account.cell_id
              AND document.account_key = account.public_key
             LEFT JOIN cell_refusal AS refusal
               ON refusal.cell_id = document.cell_id
              AND refusal.account_key = document.account_key
              AND refusal.revision >= document.revision
             WHERE account.organization_id = $1
               AND account.id = $2",
        )
        .bind(organization)
        .bind(account.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read how far the account's document came"))?;
        row.map(|row| rollout_from_row(&row)).transpose()
    }
}

pub(crate) fn rollout_from_row(row: &PgRow) -> Result<AccountRollout, DatastoreError> {
    let row = Reader::new(row, "cell_document", "account_key");
    let refused = match row.get::<Option<String>>("code")? {
        Some(code) => Some(Refusal {
            account: row.parse("account_key")?,
            code,
            reason: row.get("reason")?,
        }),
        None => None,
    };
    Ok(AccountRollout {
        cell: row.parse("cell_name")?,
        revision: row.count("revision")?,
        applied_revision: row.count("applied_revision")?,
        refused,
    })
}
