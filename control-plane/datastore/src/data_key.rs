//! Data keys: one per organization, wrapped by the key-encryption key.

use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;
use tollway_model::OrganizationId;

use crate::error::{DatastoreError, failed_to};
use crate::row::Reader;
use crate::{SystemTx, TenantTx};

/// The key that seals an organization's seeds, itself sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// Which key-encryption key wrapped it.
    pub kek_id: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

impl std::fmt::Debug for WrappedDataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrappedDataKey")
            .field("kek_id", &self.kek_id)
            .finish_non_exhaustive()
    }
}

fn data_key_from_row(row: &PgRow) -> Result<WrappedDataKey, DatastoreError> {
    let row = Reader::new(row, "data_key", "organization_id");
    Ok(WrappedDataKey {
        kek_id: row.get("kek_id")?,
        wrapped: row.get("wrapped")?,
    })
}

async fn data_key_get_in_tx(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Option<WrappedDataKey>, DatastoreError> {
    sqlx::query(
        "SELECT organization_id, kek_id, wrapped
         FROM data_key
         WHERE organization_id = $1",
    )
    .bind(organization.uuid())
    .fetch_optional(connection)
    .await
    .map_err(failed_to("read the data key"))?
    .map(|row| data_key_from_row(&row))
    .transpose()
}

impl TenantTx {
    /// The organization's data key; `None` when the organization was deleted.
    pub async fn data_key_get(&mut self) -> Result<Option<WrappedDataKey>, DatastoreError> {
        let organization = self.organization();
        data_key_get_in_tx(self.connection(), organization).await
    }
}

impl SystemTx {
    /// An organization's data key.
    pub async fn data_key_get(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Option<WrappedDataKey>, DatastoreError> {
        data_key_get_in_tx(self.connection(), organization).await
    }

    /// Gives a new organization its data key.
    pub async fn data_key_insert(
        &mut self,
        organization: OrganizationId,
        key: &WrappedDataKey,
        now: OffsetDateTime,
    ) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO data_key (organization_id, kek_id, wrapped, created_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(organization.uuid())
        .bind(&key.kek_id)
        .bind(&key.wrapped)
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the data key"))?;
        Ok(())
    }
}
