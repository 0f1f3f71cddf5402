//! Organizations.

use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tollway_model::{
    DisplayName, Name, Organization, OrganizationId, OrganizationQuotas, OrganizationQuotasChange, Page,
    PageRequest,
};

use crate::bounds::ACCOUNTS_NAMED_MAX;
use crate::error::{DatastoreError, failed_to};
use crate::row::Reader;
use crate::{SystemTx, TenantTx};

/// An organization to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrganization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, unique among organizations that are there.
    pub name: Name,
    /// What people call it.
    pub display_name: DisplayName,
    /// Whether it is the platform's own; there is one.
    pub is_platform: bool,
    /// Now.
    pub created_at: OffsetDateTime,
}

/// Why an organization was not created.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationInsertError {
    /// Another organization has the name.
    #[error("the name {name} is taken by another organization")]
    NameTaken {
        /// The name.
        name: Name,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// Why an organization was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationDeleteError {
    /// There is none with this id, or it is the platform's own.
    #[error("there is no such organization")]
    NotFound,
    /// It still has accounts: delete them first.
    #[error("the organization still has accounts: {}", listed(.names))]
    HasAccounts {
        /// The first of them by name, up to ten.
        names: Vec<Name>,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

fn listed(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn organization_from_row(row: &PgRow) -> Result<Organization, DatastoreError> {
    let row = Reader::new(row, "organization", "id");
    Ok(Organization {
        id: OrganizationId::from_uuid(row.get("id")?),
        name: row.parse("name")?,
        display_name: row.parse("display_name")?,
        is_platform: row.get("is_platform")?,
        quotas: quotas_from_row(&row)?,
        created_at: row.get("created_at")?,
    })
}

pub(crate) fn quotas_from_row(row: &Reader<'_>) -> Result<OrganizationQuotas, DatastoreError> {
    Ok(OrganizationQuotas {
        accounts: row.small_count("accounts_quota")?,
        users: row.small_count("users_quota")?,
        api_tokens: row.small_count("api_tokens_quota")?,
    })
}

impl TenantTx {
    /// The organization that this transaction is in; `None` when it was deleted. The platform's own is no
    /// tenant: what it holds is made at the first start, and nobody works in it.
    pub async fn organization_get(&mut self) -> Result<Option<Organization>, DatastoreError> {
        let organization = self.organization().uuid();
        sqlx::query(
            "SELECT
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota
             FROM organization
             WHERE id = $1
               AND deleted_at IS NULL
               AND NOT is_platform",
        )
        .bind(organization)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the organization"))?
        .map(|row| organization_from_row(&row))
        .transpose()
    }
}

impl SystemTx {
    /// Creates an organization. It cannot hold accounts before it has a data key.
    pub async fn organization_insert(
        &mut self,
        new: &NewOrganization,
    ) -> Result<Organization, OrganizationInsertError> {
        let row = sqlx::query(
            "INSERT INTO organization (id, name, display_name, is_platform, created_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
             RETURNING
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota",
        )
        .bind(new.id.uuid())
        .bind(new.name.as_str())
        .bind(new.display_name.as_str())
        .bind(new.is_platform)
        .bind(new.created_at)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("insert the organization"))?;
        match row {
            Some(row) => Ok(organization_from_row(&row)?),
            None => Err(OrganizationInsertError::NameTaken {
                name: new.name.clone(),
            }),
        }
    }

    /// An organization by its id, the platform's own included.
    pub async fn organization_get(
        &mut self,
        id: OrganizationId,
    ) -> Result<Option<Organization>, DatastoreError> {
        sqlx::query(
            "SELECT
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota
             FROM organization
             WHERE id = $1
               AND deleted_at IS NULL",
        )
        .bind(id.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the organization"))?
        .map(|row| organization_from_row(&row))
        .transpose()
    }

    /// An organization by its name, the platform's own included.
    pub async fn organization_get_by_name(
        &mut self,
        name: &Name,
    ) -> Result<Option<Organization>, DatastoreError> {
        sqlx::query(
            "SELECT
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota
             FROM organization
             WHERE name = $1
               AND deleted_at IS NULL",
        )
        .bind(name.as_str())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the organization"))?
        .map(|row| organization_from_row(&row))
        .transpose()
    }

    /// The platform's own organization; `None` before the first start.
    pub async fn organization_platform_get(&mut self) -> Result<Option<Organization>, DatastoreError> {
        sqlx::query(
            "SELECT
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota
             FROM organization
             WHERE is_platform",
        )
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the platform's organization"))?
        .map(|row| organization_from_row(&row))
        .transpose()
    }

    /// Tenants, without the platform's own organization.
    pub async fn organization_list(
        &mut self,
        page: &PageRequest<OrganizationId>,
    ) -> Result<Page<Organization, OrganizationId>, DatastoreError> {
        let rows = sqlx::query(
            "SELECT
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota
             FROM organization
             WHERE deleted_at IS NULL
               AND NOT is_platform
               AND ($1::uuid IS NULL OR id > $1)
             ORDER BY id
             LIMIT $2",
        )
        .bind(page.after().map(OrganizationId::uuid))
        .bind(i64::from(page.limit()) + 1)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list organizations"))?;
        let organizations = rows
            .iter()
            .map(organization_from_row)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_rows(organizations, page, |organization| {
            organization.id
        }))
    }

    /// Grants an organization other quotas; `None` when it is not there. What it has beyond them, it keeps.
    pub async fn organization_quotas_set(
        &mut self,
        id: OrganizationId,
        change: &OrganizationQuotasChange,
    ) -> Result<Option<Organization>, DatastoreError> {
        sqlx::query(
            "UPDATE organization
             SET accounts_quota = coalesce($2, accounts_quota),
                 users_quota = coalesce($3, users_quota),
                 api_tokens_quota = coalesce($4, api_tokens_quota)
             WHERE id = $1
               AND deleted_at IS NULL
               AND NOT is_platform
             RETURNING
                 id, name, display_name, is_platform, created_at, accounts_quota, users_quota, api_tokens_quota",
        )
        .bind(id.uuid())
        .bind(change.accounts.map(i64::from))
        .bind(change.users.map(i64::from))
        .bind(change.api_tokens.map(i64::from))
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("change the organization's quotas"))?
        .map(|row| organization_from_row(&row))
        .transpose()
    }

    /// Deletes an organization without accounts: its tokens, sessions and data key go at once, its name
    /// is free again, and what its accounts used stays in the ledger.
    pub async fn organization_delete(
        &mut self,
        id: OrganizationId,
        now: OffsetDateTime,
    ) -> Result<(), OrganizationDeleteError> {
        // Waits for accounts that are being created: those hold the row.
        let found = sqlx::query(
            "SELECT id
             FROM organization
             WHERE id = $1
               AND deleted_at IS NULL
               AND NOT is_platform
             FOR UPDATE",
        )
        .bind(id.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("lock the organization"))?;
        if found.is_none() {
            return Err(OrganizationDeleteError::NotFound);
        }

        let accounts = sqlx::query(
            "SELECT name
             FROM account
             WHERE organization_id = $1
               AND deleted_at IS NULL
             ORDER BY name
             LIMIT $2",
        )
        .bind(id.uuid())
        .bind(ACCOUNTS_NAMED_MAX)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("look for accounts of the organization"))?;
        if !accounts.is_empty() {
            let names = accounts
                .iter()
                .map(|row| {
                    let name: String = row.try_get("name").map_err(failed_to("read an account's name"))?;
                    name.parse()
                        .map_err(|error| DatastoreError::inconsistent("account", name, error))
                })
                .collect::<Result<Vec<Name>, DatastoreError>>()?;
            return Err(OrganizationDeleteError::HasAccounts { names });
        }

        for statement in [
            "DELETE FROM session WHERE organization_id = $1",
            "DELETE FROM sign_in_link WHERE organization_id = $1",
            "DELETE FROM api_token WHERE organization_id = $1",
            // Without it nobody can open the seeds of the organization's deleted accounts any more.
            "DELETE FROM data_key WHERE organization_id = $1",
        ] {
            sqlx::query(statement)
                .bind(id.uuid())
                .execute(self.connection())
                .await
                .map_err(failed_to("delete what belongs to the organization"))?;
        }
        sqlx::query("UPDATE organization SET deleted_at = $2 WHERE id = $1")
            .bind(id.uuid())
            .bind(now)
            .execute(self.connection())
            .await
            .map_err(failed_to("delete the organization"))?;
        Ok(())
    }
}
