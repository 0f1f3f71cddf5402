//! Counting what an organization has against what it may have.

use sqlx::Row;
use tollway_model::{OrganizationQuotas, Quota};

use crate::TenantTx;
use crate::error::{DatastoreError, failed_to};
use crate::organization::quotas_from_row;
use crate::row::Reader;

/// The organization has as much as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the organization has {used} of {limit} {quota}")]
pub struct QuotaExceeded {
    /// Of what.
    pub quota: Quota,
    /// How much it has.
    pub used: u64,
    /// How much it may have.
    pub limit: u32,
}

/// Why nothing was reserved.
#[derive(Debug)]
pub(crate) enum QuotaReserveError {
    Exceeded(QuotaExceeded),
    OrganizationGone,
    Datastore(DatastoreError),
}

impl TenantTx {
    /// Makes sure of room for one more, until this transaction ends: others of the organization that ask for
    /// room wait for it. Keeps the organization from being deleted meanwhile, too.
    pub(crate) async fn quota_reserve(&mut self, quota: Quota) -> Result<(), QuotaReserveError> {
        let organization = self.organization().uuid();
        let row = sqlx::query(
            "SELECT id, accounts_quota, users_quota, api_tokens_quota
             FROM organization
             WHERE id = $1
               AND deleted_at IS NULL
               AND NOT is_platform
             FOR NO KEY UPDATE",
        )
        .bind(organization)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("hold the organization's quotas"))?;
        let Some(row) = row else {
            return Err(QuotaReserveError::OrganizationGone);
        };
        let quotas: OrganizationQuotas = quotas_from_row(&Reader::new(&row, "organization", "id"))?;
        // Another statement than the one that waited for the lock: it sees what was committed meanwhile.
        let (statement, limit) = match quota {
            Quota::Accounts => (
                "SELECT count(*) AS used
                 FROM account
                 WHERE organization_id = $1
                   AND deleted_at IS NULL",
                quotas.accounts,
            ),
            Quota::Users => (
                "SELECT count(*) AS used
                 FROM account_user
                 JOIN account ON account.id = account_user.account_id
                 WHERE account_user.organization_id = $1
                   AND account_user.deleted_at IS NULL
                   AND account.deleted_at IS NULL",
                quotas.users,
            ),
            Quota::ApiTokens => (
                "SELECT count(*) AS used
                 FROM api_token
                 WHERE organization_id = $1",
                quotas.api_tokens,
            ),
        };
        let used: i64 = sqlx::query(statement)
            .bind(organization)
            .fetch_one(self.connection())
            .await
            .and_then(|row| row.try_get("used"))
            .map_err(failed_to("count what the organization has"))?;
        let used = used.unsigned_abs();
        if used >= u64::from(limit) {
            return Err(QuotaReserveError::Exceeded(QuotaExceeded { quota, used, limit }));
        }
        Ok(())
    }
}

impl From<DatastoreError> for QuotaReserveError {
    fn from(error: DatastoreError) -> Self {
        Self::Datastore(error)
    }
}
