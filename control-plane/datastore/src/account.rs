//! Accounts.

use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tollway_model::{
    Account, AccountCell, AccountId, AccountKey, AccountLimits, AccountLive, AccountRef, AccountStage,
    CellId, Name, OrganizationId, Page, PageRequest, Quota, SuspendedBy, UserKey,
};
use uuid::Uuid;

use crate::error::{DatastoreError, failed_to};
use crate::quota::{QuotaExceeded, QuotaReserveError};
use crate::row::Reader;
use crate::{SystemTx, TenantTx};

/// An account to be. It serves nobody before its first document was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its id.
    pub id: AccountId,
    /// Its name, unique in the organization.
    pub name: Name,
    /// The cell that will serve it.
    pub cell_id: CellId,
    /// Its NATS account key.
    pub public_key: AccountKey,
    /// The key that signs its users.
    pub signing_public_key: AccountKey,
    /// The seeds of both keys.
    pub seeds: AccountSeeds,
    /// What it may have open.
    pub limits: AccountLimits,
    /// What the platform granted; no limit is beyond it.
    pub limits_granted: AccountLimits,
    /// Now.
    pub created_at: OffsetDateTime,
}

/// The system account to be; there is one, in the platform's organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSystemAccount {
    /// Its id.
    pub id: AccountId,
    /// The platform's organization.
    pub organization_id: OrganizationId,
    /// Its name.
    pub name: Name,
    /// Its NATS account key.
    pub public_key: AccountKey,
    /// The key that signs its users.
    pub signing_public_key: AccountKey,
    /// The seeds of both keys.
    pub seeds: AccountSeeds,
    /// Now.
    pub created_at: OffsetDateTime,
}

/// An account's seeds, sealed under its organization's data key.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountSeeds {
    /// Seed of the account's identity.
    pub identity: Vec<u8>,
    /// Seed of the key that signs its users.
    pub signing: Vec<u8>,
}

impl std::fmt::Debug for AccountSeeds {
    /// Sealed or not, seeds have no place in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountSeeds")
    }
}

/// Why an account was not created.
#[derive(Debug, thiserror::Error)]
pub enum AccountInsertError {
    /// Another account of the organization has the name.
    #[error("the name {name} is taken by another account of the organization")]
    NameTaken {
        /// The name.
        name: Name,
    },
    /// The organization was deleted.
    #[error("the organization was deleted")]
    OrganizationGone,
    /// The organization has as many accounts as it may have.
    #[error(transparent)]
    QuotaExceeded(QuotaExceeded),
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

impl From<QuotaReserveError> for AccountInsertError {
    fn from(error: QuotaReserveError) -> Self {
        match error {
            QuotaReserveError::Exceeded(exceeded) => Self::QuotaExceeded(exceeded),
            QuotaReserveError::OrganizationGone => Self::OrganizationGone,
            QuotaReserveError::Datastore(error) => Self::Datastore(error),
        }
    }
}

/// Where an account is, for callers that may enter every organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLocation {
    /// The account.
    pub account_id: AccountId,
    /// The organization that owns it.
    pub organization_id: OrganizationId,
}

fn stage_from_row(row: &Reader<'_>) -> Result<AccountStage, DatastoreError> {
    let (deleted_at, suspended_at) = (row.get("deleted_at")?, row.get("suspended_at")?);
    Ok(match (deleted_at, suspended_at) {
        (Some(since), _) => AccountStage::Deleted { since },
        (None, Some(since)) => AccountStage::Suspended {
            since,
            reason: row.parse("suspended_reason")?,
            by: row.parse::<SuspendedBy>("suspended_by")?,
        },
        (None, None) => AccountStage::Serving,
    })
}

fn account_from_row(row: &PgRow) -> Result<Account, DatastoreError> {
    let row = Reader::new(row, "account", "id");
    let cell = match row.get::<Option<Uuid>>("cell_id")? {
        Some(id) => Some(AccountCell {
            id: CellId::from_uuid(id),
            name: row.parse("cell_name")?,
        }),
        None => None,
    };
    let limits = |connections: &str, subscriptions: &str, payload_bytes: &str| {
        AccountLimits::new(
            row.get(connections)?,
            row.get(subscriptions)?,
            row.get(payload_bytes)?,
        )
        .map_err(|error| row.inconsistent(error))
    };
    Ok(Account {
        id: AccountId::from_uuid(row.get("id")?),
        organization_id: OrganizationId::from_uuid(row.get("organization_id")?),
        cell,
        name: row.parse("name")?,
        public_key: row.parse("public_key")?,
        signing_public_key: row.parse("signing_public_key")?,
        limits: limits("connections_max", "subscriptions_max", "payload_bytes_max")?,
        limits_granted: limits(
            "connections_granted",
            "subscriptions_granted",
            "payload_bytes_granted",
        )?,
        stage: stage_from_row(&row)?,
        version: row.count("version")?,
        created_at: row.get("created_at")?,
        live: AccountLive {
            connections: row.small_count("live_connections")?,
            subscriptions: row.small_count("live_subscriptions")?,
            reported_at: row.get("live_reported_at")?,
        },
    })
}

fn id_and_key(account: &AccountRef) -> (Option<Uuid>, Option<&str>) {
    match account {
        AccountRef::Id(id) => (Some(id.uuid()), None),
        AccountRef::Key(key) => (None, Some(key.as_str())),
    }
}

impl TenantTx {
    /// Creates an account, and keeps the organization from being deleted meanwhile.
    pub async fn account_insert(&mut self, new: &NewAccount) -> Result<Account, AccountInsertError> {
        self.quota_reserve(Quota::Accounts).await?;
        let organization = self.organization().uuid();
        let inserted = sqlx::query(
            "INSERT INTO account (
                 id, organization_id, cell_id, name, public_key, identity_seed, signing_public_key, signing_seed,
                 connections_max, subscriptions_max, payload_bytes_max,
                 connections_granted, subscriptions_granted, payload_bytes_granted, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (organization_id, name) WHERE deleted_at IS NULL DO NOTHING",
        )
        .bind(new.id.uuid())
        .bind(organization)
        .bind(new.cell_id.uuid())
        .bind(new.name.as_str())
        .bind(new.public_key.as_str())
        .bind(&new.seeds.identity)
        .bind(new.signing_public_key.as_str())
        .bind(&new.seeds.signing)
        .bind(new.limits.connections.raw())
        .bind(new.limits.subscriptions.raw())
        .bind(new.limits.payload_bytes.raw())
        .bind(new.limits_granted.connections.raw())
        .bind(new.limits_granted.subscriptions.raw())
        .bind(new.limits_granted.payload_bytes.raw())
        .bind(new.created_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the account"))?;
        if inserted.rows_affected() == 0 {
            return Err(AccountInsertError::NameTaken {
                name: new.name.clone(),
            });
        }
        let account = self.account_get(&new.id.into()).await?;
        Ok(account
            .ok_or_else(|| DatastoreError::inconsistent("account", new.id, "is gone after its insert"))?)
    }

    /// An account by id or key; `None` when it is not there, is another organization's, or was deleted.
    pub async fn account_get(&mut self, account: &AccountRef) -> Result<Option<Account>, DatastoreError> {
        let (organization, (id, key)) = (self.organization().uuid(), id_and_key(account));
        sqlx::query(
            "SELECT
                 account.id, account.organization_id, account.cell_id, cell.name AS cell_name, account.name,
                 account.public_key, account.signing_public_key,
                 account.connections_max, account.subscriptions_max, account.payload_bytes_max,
                 account.connections_granted, account.subscriptions_granted, account.payload_bytes_granted,
                 account.suspended_at, account.suspended_reason, account.suspended_by, account.deleted_at,
                 account.version, account.created_at,
                 coalesce(live.connections, 0) AS live_connections,
                 coalesce(live.subscriptions, 0) AS live_subscriptions,
                 live.reported_at AS live_reported_at
             FROM account
             LEFT JOIN cell ON cell.id = account.cell_id
             LEFT JOIN account_live AS live ON live.account_id = account.id
             WHERE account.organization_id = $1
               AND (account.id = $2 OR account.public_key = $3)
               AND account.deleted_at IS NULL",
        )
        .bind(organization)
        .bind(id)
        .bind(key)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the account"))?
        .map(|row| account_from_row(&row))
        .transpose()
    }

    /// The id of an account that is or was the organization's: what it used stays in the ledger when it is
    /// deleted.
    pub async fn account_id_in_ledger(
        &mut self,
        account: &AccountRef,
    ) -> Result<Option<AccountId>, DatastoreError> {
        let (organization, (id, key)) = (self.organization().uuid(), id_and_key(account));
        let found: Option<Uuid> = sqlx::query_scalar(
            "SELECT id
             FROM account
             WHERE organization_id = $1
               AND (id = $2 OR public_key = $3)
               AND NOT is_system",
        )
        .bind(organization)
        .bind(id)
        .bind(key)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("look the account up in the ledger"))?;
        Ok(found.map(AccountId::from_uuid))
    }

    /// As [`Self::account_get`], and nobody else changes the account until this transaction ends: what a
    /// document is compiled from must be what it is published for. Locked before anything of it changes.
    pub async fn account_lock(&mut self, account: &AccountRef) -> Result<Option<Account>, DatastoreError> {
        let (organization, (id, key)) = (self.organization().uuid(), id_and_key(account));
        let locked = sqlx::query(
            "SELECT id
             FROM account
             WHERE organization_id = $1
               AND (id = $2 OR public_key = $3)
               AND deleted_at IS NULL
             FOR UPDATE",
        )
        .bind(organization)
        .bind(id)
        .bind(key)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("lock the account"))?;
        if locked.is_none() {
            return Ok(None);
        }
        self.account_get(account).await
    }

    /// Keeps an account from being deleted until this transaction ends. `false` when it is not there.
    pub(crate) async fn account_hold(&mut self, account: AccountId) -> Result<bool, DatastoreError> {
        let organization = self.organization().uuid();
        let held = sqlx::query(
            "SELECT id
             FROM account
             WHERE organization_id = $1
               AND id = $2
               AND deleted_at IS NULL
             FOR KEY SHARE",
        )
        .bind(organization)
        .bind(account.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("hold the account"))?;
        Ok(held.is_some())
    }

    /// Accounts in the order of their creation.
    pub async fn account_list(
        &mut self,
        page: &PageRequest<AccountId>,
    ) -> Result<Page<Account, AccountId>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT
                 account.id, account.organization_id, account.cell_id, cell.name AS cell_name, account.name,
                 account.public_key, account.signing_public_key,
                 account.connections_max, account.subscriptions_max, account.payload_bytes_max,
                 account.connections_granted, account.subscriptions_granted, account.payload_bytes_granted,
                 account.suspended_at, account.suspended_reason, account.suspended_by, account.deleted_at,
                 account.version, account.created_at,
                 coalesce(live.connections, 0) AS live_connections,
                 coalesce(live.subscriptions, 0) AS live_subscriptions,
                 live.reported_at AS live_reported_at
             FROM account
             LEFT JOIN cell ON cell.id = account.cell_id
             LEFT JOIN account_live AS live ON live.account_id = account.id
             WHERE account.organization_id = $1
               AND account.deleted_at IS NULL
               AND ($2::uuid IS NULL OR account.id > $2)
             ORDER BY account.id
             LIMIT $3",
        )
        .bind(organization)
        .bind(page.after().map(AccountId::uuid))
        .bind(i64::from(page.limit()) + 1)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list accounts"))?;
        let accounts = rows.iter().map(account_from_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_rows(accounts, page, |account| account.id))
    }

    /// Gives an account other limits, of which none may be beyond what is granted; publish its next document in the same transaction.
    pub async fn account_limits_set(
        &mut self,
        account: AccountId,
        limits: &AccountLimits,
        granted: &AccountLimits,
    ) -> Result<(), DatastoreError> {
        let organization = self.organization().uuid();
        sqlx::query(
            "UPDATE account
             SET connections_max = $3,
                 subscriptions_max = $4,
                 payload_bytes_max = $5,
                 connections_granted = $6,
                 subscriptions_granted = $7,
                 payload_bytes_granted = $8
             WHERE organization_id = $1
               AND id = $2
               AND deleted_at IS NULL",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(limits.connections.raw())
        .bind(limits.subscriptions.raw())
        .bind(limits.payload_bytes.raw())
        .bind(granted.connections.raw())
        .bind(granted.subscriptions.raw())
        .bind(granted.payload_bytes.raw())
        .execute(self.connection())
        .await
        .map_err(failed_to("change the account's limits"))?;
        Ok(())
    }

    /// Stores the stage that a step of [`AccountStage`] gave; publish the account's next document in the
    /// same transaction (as removed, when it was deleted).
    pub async fn account_stage_set(
        &mut self,
        account: AccountId,
        stage: &AccountStage,
    ) -> Result<(), DatastoreError> {
        let organization = self.organization().uuid();
        let (suspended_at, reason, by, deleted_at) = match stage {
            AccountStage::Serving => (None, "", None, None),
            AccountStage::Suspended { since, reason, by } => {
                (Some(*since), reason.as_str(), Some(by.as_str()), None)
            }
            AccountStage::Deleted { since } => (None, "", None, Some(*since)),
        };
        sqlx::query(
            "UPDATE account
             SET suspended_at = $3,
                 suspended_reason = $4,
                 suspended_by = $5,
                 deleted_at = $6
             WHERE organization_id = $1
               AND id = $2
               AND deleted_at IS NULL",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(suspended_at)
        .bind(reason)
        .bind(by)
        .bind(deleted_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("change the account's stage"))?;
        Ok(())
    }

    /// An account's sealed seeds; `None` when it is not there or was deleted.
    pub async fn account_seeds_get(
        &mut self,
        account: AccountId,
    ) -> Result<Option<AccountSeeds>, DatastoreError> {
        let organization = self.organization().uuid();
        let row = sqlx::query(
            "SELECT id, identity_seed, signing_seed
             FROM account
             WHERE organization_id = $1
               AND id = $2
               AND deleted_at IS NULL",
        )
        .bind(organization)
        .bind(account.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the account's seeds"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "account", "id");
        Ok(Some(AccountSeeds {
            identity: row.get("identity_seed")?,
            signing: row.get("signing_seed")?,
        }))
    }

    /// User keys that the account's document must refuse, with the time of their revocation, in the order
    /// of the keys. Credentials that have ended by themselves at `now` need no mention any more.
    pub async fn account_revocations(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<Vec<(UserKey, OffsetDateTime)>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT public_key, revoked_at
             FROM issuance
             WHERE organization_id = $1
               AND account_id = $2
               AND revoked_at IS NOT NULL
               AND (expires_at IS NULL OR expires_at > $3)
             ORDER BY public_key",
        )
        .bind(organization)
        .bind(account.uuid())
        .bind(now)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list the account's revocations"))?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "issuance", "public_key");
                Ok((row.parse("public_key")?, row.get("revoked_at")?))
            })
            .collect()
    }
}

impl SystemTx {
    /// Which organization an account belongs to: platform admins name accounts without saying where. The
    /// system account is not there for them: its credentials could not be revoked.
    pub async fn account_locate(
        &mut self,
        account: &AccountRef,
    ) -> Result<Option<AccountLocation>, DatastoreError> {
        self.account_locate_where(account, false).await
    }

    /// As [`Self::account_locate`], for accounts that were deleted too.
    pub async fn account_locate_in_ledger(
        &mut self,
        account: &AccountRef,
    ) -> Result<Option<AccountLocation>, DatastoreError> {
        self.account_locate_where(account, true).await
    }

    async fn account_locate_where(
        &mut self,
        account: &AccountRef,
        deleted_too: bool,
    ) -> Result<Option<AccountLocation>, DatastoreError> {
        let (id, key) = id_and_key(account);
        let row = sqlx::query(
            "SELECT id, organization_id
             FROM account
             WHERE (id = $1 OR public_key = $2)
               AND (deleted_at IS NULL OR $3)
               AND NOT is_system",
        )
        .bind(id)
        .bind(key)
        .bind(deleted_too)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("locate the account"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "account", "id");
        Ok(Some(AccountLocation {
            account_id: AccountId::from_uuid(row.get("id")?),
            organization_id: OrganizationId::from_uuid(row.get("organization_id")?),
        }))
    }

    /// Stores the system account at the first start, under [`Self::bootstrap_lock`]. It has no limits and
    /// lives in no cell, because it is in every one. A second one fails.
    pub async fn system_account_insert(&mut self, new: &NewSystemAccount) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO account (
                 id, organization_id, is_system, name, public_key, identity_seed, signing_public_key, signing_seed,
                 connections_max, subscriptions_max, payload_bytes_max,
                 connections_granted, subscriptions_granted, payload_bytes_granted, created_at)
             VALUES ($1, $2, true, $3, $4, $5, $6, $7, -1, -1, -1, -1, -1, -1, $8)",
        )
        .bind(new.id.uuid())
        .bind(new.organization_id.uuid())
        .bind(new.name.as_str())
        .bind(new.public_key.as_str())
        .bind(&new.seeds.identity)
        .bind(new.signing_public_key.as_str())
        .bind(&new.seeds.signing)
        .bind(new.created_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the system account"))?;
        Ok(())
    }
}
