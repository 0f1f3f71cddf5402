//! What a page with many accounts shows, read for all of them at once: a page
//! of a hundred accounts that refreshes itself must not be hundreds of queries.

use time::OffsetDateTime;
use tollway_model::{AccountId, AccountRollout, UsageHour};
use uuid::Uuid;

use crate::TenantTx;
use crate::account_document::rollout_from_row;
use crate::error::{DatastoreError, failed_to};
use crate::row::Reader;
use crate::usage::usage_from_row;

impl TenantTx {
    /// How far the newest documents of these accounts have travelled; accounts without one are missing.
    pub async fn account_rollout_list(
        &mut self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, AccountRollout)>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT
                 account.id AS account_id,
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
               AND account.id = ANY($2)",
        )
        .bind(organization)
        .bind(uuids(accounts))
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("read how far the documents of accounts came"))?;
        rows.iter()
            .map(|row| {
                let account: Uuid = Reader::new(row, "cell_document", "account_key").get("account_id")?;
                Ok((AccountId::from_uuid(account), rollout_from_row(row)?))
            })
            .collect()
    }

    /// What these accounts used, by account and hour: hours that begin at or after `from` and before `to`,
    /// without those in which nothing was counted.
    pub async fn usage_hours_by_account(
        &mut self,
        accounts: &[AccountId],
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Result<Vec<(AccountId, UsageHour)>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT
                 account_id, hour,
                 least(sum(messages_in), 9223372036854775807)::bigint AS messages_in,
                 least(sum(bytes_in), 9223372036854775807)::bigint AS bytes_in,
                 least(sum(messages_out), 9223372036854775807)::bigint AS messages_out,
                 least(sum(bytes_out), 9223372036854775807)::bigint AS bytes_out,
                 least(sum(connections_opened), 9223372036854775807)::bigint AS connections_opened
             FROM usage_hour
             WHERE organization_id = $1
               AND account_id = ANY($2)
               AND hour >= $3
               AND hour < $4
             GROUP BY account_id, hour
             ORDER BY account_id, hour",
        )
        .bind(organization)
        .bind(uuids(accounts))
        .bind(from)
        .bind(to)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("read the usage of accounts by hour"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "usage_hour", "account_id");
                let hour = UsageHour {
                    hour: row.get("hour")?,
                    usage: usage_from_row(&row)?,
                };
                Ok((AccountId::from_uuid(row.get("account_id")?), hour))
            })
            .collect()
    }
}

fn uuids(accounts: &[AccountId]) -> Vec<Uuid> {
    accounts.iter().map(|account| account.uuid()).collect()
}
