//! API tokens, and who holds one.

use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;
use tollway_authz::{Actor, Principal};
use tollway_model::{ApiToken, ApiTokenId, Label, OrganizationId, Page, PageRequest, Quota, Role};

use crate::error::{DatastoreError, failed_to};
use crate::quota::{QuotaExceeded, QuotaReserveError};
use crate::row::Reader;
use crate::{AuthTx, SystemTx, TenantTx};

/// An API token to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// What it may do: a role of an organization in a [`TenantTx`].
    pub role: Role,
    /// What people call it.
    pub name: Label,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// Now.
    pub created_at: OffsetDateTime,
    /// When it ends by itself; `None` when it does not.
    pub expires_at: Option<OffsetDateTime>,
}

/// Why an API token was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenInsertError {
    /// The organization is not there, or was deleted.
    #[error("the organization was deleted")]
    OrganizationGone,
    /// The organization has as many tokens as it may have.
    #[error(transparent)]
    QuotaExceeded(QuotaExceeded),
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

impl From<QuotaReserveError> for ApiTokenInsertError {
    fn from(error: QuotaReserveError) -> Self {
        match error {
            QuotaReserveError::Exceeded(exceeded) => Self::QuotaExceeded(exceeded),
            QuotaReserveError::OrganizationGone => Self::OrganizationGone,
            QuotaReserveError::Datastore(error) => Self::Datastore(error),
        }
    }
}

fn api_token_from_row(row: &PgRow) -> Result<ApiToken, DatastoreError> {
    let row = Reader::new(row, "api_token", "id");
    Ok(ApiToken {
        id: ApiTokenId::from_uuid(row.get("id")?),
        organization_id: row
            .get::<Option<uuid::Uuid>>("organization_id")?
            .map(OrganizationId::from_uuid),
        role: row.parse("role")?,
        name: row.parse("name")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

async fn api_token_insert_in_tx(
    connection: &mut PgConnection,
    organization: Option<OrganizationId>,
    new: &NewApiToken,
) -> Result<ApiToken, DatastoreError> {
    let row = sqlx::query(
        "INSERT INTO api_token (id, organization_id, role, name, secret_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING id, organization_id, role, name, created_at, expires_at, last_used_at",
    )
    .bind(new.id.uuid())
    .bind(organization.map(OrganizationId::uuid))
    .bind(new.role.as_str())
    .bind(new.name.as_str())
    .bind(&new.secret_hash[..])
    .bind(new.created_at)
    .bind(new.expires_at)
    .fetch_one(connection)
    .await
    .map_err(failed_to("insert the API token"))?;
    api_token_from_row(&row)
}

impl TenantTx {
    /// Stores a token of the organization; the role must be one of an organization.
    pub async fn api_token_insert(&mut self, new: &NewApiToken) -> Result<ApiToken, ApiTokenInsertError> {
        self.quota_reserve(Quota::ApiTokens).await?;
        let organization = self.organization();
        Ok(api_token_insert_in_tx(self.connection(), Some(organization), new).await?)
    }

    /// Tokens of the organization, in the order of their creation.
    pub async fn api_token_list(
        &mut self,
        page: &PageRequest<ApiTokenId>,
    ) -> Result<Page<ApiToken, ApiTokenId>, DatastoreError> {
        let organization = self.organization().uuid();
        let rows = sqlx::query(
            "SELECT id, organization_id, role, name, created_at, expires_at, last_used_at
             FROM api_token
             WHERE organization_id = $1
               AND ($2::uuid IS NULL OR id > $2)
             ORDER BY id
             LIMIT $3",
        )
        .bind(organization)
        .bind(page.after().map(ApiTokenId::uuid))
        .bind(i64::from(page.limit()) + 1)
        .fetch_all(self.connection())
        .await
        .map_err(failed_to("list API tokens"))?;
        let tokens = rows
            .iter()
            .map(api_token_from_row)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_rows(tokens, page, |token| token.id))
    }

    /// Deletes a token of the organization, which ends it at once; `false` when it is not there.
    pub async fn api_token_delete(&mut self, token: ApiTokenId) -> Result<bool, DatastoreError> {
        let organization = self.organization().uuid();
        let deleted = sqlx::query(
            "DELETE FROM api_token
             WHERE organization_id = $1
               AND id = $2",
        )
        .bind(organization)
        .bind(token.uuid())
        .execute(self.connection())
        .await
        .map_err(failed_to("delete the API token"))?;
        Ok(deleted.rows_affected() > 0)
    }
}

impl SystemTx {
    /// Stores a token of the platform: the role must be platform admin.
    pub async fn platform_api_token_insert(&mut self, new: &NewApiToken) -> Result<ApiToken, DatastoreError> {
        api_token_insert_in_tx(self.connection(), None, new).await
    }

    /// Whether the platform has a token: the first start writes one out once.
    pub async fn platform_api_token_exists(&mut self) -> Result<bool, DatastoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM api_token WHERE organization_id IS NULL)")
            .fetch_one(self.connection())
            .await
            .map_err(failed_to("look for an API token of the platform"))
    }
}

impl AuthTx {
    /// Who holds the token with this hash; `None` when nobody does or it has ended. Notes its use, at
    /// most once a minute: commit.
    pub async fn api_token_lookup(
        &mut self,
        secret_hash: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<Option<Principal>, DatastoreError> {
        let row = sqlx::query("SELECT id, organization_id, role FROM app_api_token_lookup($1, $2)")
            .bind(&secret_hash[..])
            .bind(now)
            .fetch_optional(self.connection())
            .await
            .map_err(failed_to("look up the API token"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "api_token", "id");
        let actor = Actor::ApiToken(ApiTokenId::from_uuid(row.get("id")?));
        let organization = row
            .get::<Option<uuid::Uuid>>("organization_id")?
            .map(OrganizationId::from_uuid);
        let principal = Principal::new(row.parse("role")?, organization, actor);
        principal.map(Some).map_err(|error| row.inconsistent(error))
    }
}
