//! Users of accounts.

use sqlx::postgres::PgRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use tollway_model::{AccountId, Name, OrganizationId, Page, PageRequest, Permissions, Quota, User, UserId};

use crate::TenantTx;
use crate::error::{DatastoreError, failed_to};
use crate::quota::{QuotaExceeded, QuotaReserveError};
use crate::row::Reader;

/// A user to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// The account it connects to.
    pub account_id: AccountId,
    /// Its name, unique in the account.
    pub name: Name,
    /// What it may do.
    pub permissions: Permissions,
    /// Now.
    pub created_at: OffsetDateTime,
}

/// Why a user was not created.
#[derive(Debug, thiserror::Error)]
pub enum UserInsertError {
    /// Another user of the account has the name.
    #[error("the name {name} is taken by another user of the account")]
    NameTaken {
        /// The name.
        name: Name,
    },
    /// The account is not there, or was deleted.
    #[error("there is no such account")]
    AccountNotFound,
    /// The organization has as many users as it may have.
    #[error(transparent)]
    QuotaExceeded(QuotaExceeded),
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

impl From<QuotaReserveError> for UserInsertError {
    fn from(error: QuotaReserveError) -> Self {
        match error {
            QuotaReserveError::Exceeded(exceeded) => Self::QuotaExceeded(exceeded),
            QuotaReserveError::OrganizationGone => Self::AccountNotFound,
            QuotaReserveError::Datastore(error) => Self::Datastore(error),
        }
    }
}

fn user_from_row(row: &PgRow) -> Result<User, DatastoreError> {
    let row = Reader::new(row, "account_user", "id");
    let Json(permissions) = row.get::<Json<Permissions>>("permissions")?;
    Ok(User {
        id: UserId::from_uuid(row.get("id")?),
        organization_id: OrganizationId::from_uuid(row.get("organization_id")?),
        account_id: AccountId::from_uuid(row.get("account_id")?),
        name: row.parse("name")?,
        permissions,
        created_at: row.get("created_at")?,
    })
}

impl TenantTx {
    /// Creates a user, and keeps its account from being deleted meanwhile.
    pub async fn user_insert(&mut self, new: &NewUser) -> Result<User, UserInsertError> {
        self.quota_reserve(Quota::Users).await?;
        if !self.account_hold(new.account_id).await? {
            return Err(UserInsertError::AccountNotFound);
        }
        let organization = self.organization().uuid();
        let row = sqlx::query(
            "INSERT INTO account_user (id, organization_id, account_id, name, permissions, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (account_id, name) WHERE deleted_at IS NULL DO NOTHING
             RETURNING id, organization_id, account_id, name, permissions, created_at",
        )
        .bind(new.id.uuid())
        .bind(organization)
        .bind(new.account_id.uuid())
        .bind(new.name.as_str())
        .bind(Json(&new.permissions))
        .bind(new.created_at)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("insert the user"))?;
        match row {
            Some(row) => Ok(user_from_row(&row)?),
            None => Err(UserInsertError::NameTaken {
                name: new.name.clone(),
            }),
        }
    }

    /// A user of an account; `None` when it is not there or was deleted.
    pub async fn user_get(
        &mut self,
        account: AccountId,
        user: UserId,
    ) -> Result<Option<User>, DatastoreError> {
        let organization = self.organization().uuid();
        sqlx::query(
            "SELECT id, organization_id, account_id, name, permissions, created_at
             FROM account_user
             WHERE organization_id = $1
               AND account_id = $2
               AND id = $3
               AND deleted_at IS NULL",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the user"))?
        .map(|row| user_from_row(&row))
        .transpose()
    }

    /// Users of an account, in the order of their creation.
    pub async fn user_list(
        &mut self,
        account: AccountId,
        page: &PageRequest<UserId>,
    ) -> Result<Page<User, UserId>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT id, organization_id, account_id, name, permissions, created_at
             FROM account_user
             WHERE organization_id = $1
               AND account_id = $2
               AND deleted_at IS NULL
               AND ($3::uuid IS NULL OR id > $3)
             ORDER BY id
             LIMIT $4",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(page.after().map(UserId::uuid))
        .bind(i64::from(page.limit()) + 1)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list users"))?;
        let users = rows.iter().map(user_from_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_rows(users, page, |user| user.id))
    }

    /// Deletes a user; `false` when it is not there. Nothing can be issued for it any more: revoke what
    /// was, with [`Self::issuance_revoke_all`], and publish the account's next document.
    pub async fn user_delete(
        &mut self,
        account: AccountId,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<bool, DatastoreError> {
        let organization = self.organization().uuid();
        // The lock waits for issuances that are being made: those hold the row.
        let found = sqlx::query(
            "SELECT id
             FROM account_user
             WHERE organization_id = $1
               AND account_id = $2
               AND id = $3
               AND deleted_at IS NULL
             FOR UPDATE",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("lock the user"))?;
        if found.is_none() {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE account_user
             SET deleted_at = $4
             WHERE organization_id = $1
               AND account_id = $2
               AND id = $3",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("delete the user"))?;
        Ok(true)
    }

    /// Keeps a user from being deleted until this transaction ends. `false` when it is not there.
    pub(crate) async fn user_hold(
        &mut self,
        account: AccountId,
        user: UserId,
    ) -> Result<bool, DatastoreError> {
        let organization = self.organization().uuid();
        let held = sqlx::query(
            "SELECT id
             FROM account_user
             WHERE organization_id = $1
               AND account_id = $2
               AND id = $3
               AND deleted_at IS NULL
             FOR KEY SHARE",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(user.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("hold the user"))?;
        Ok(held.is_some())
    }
}
