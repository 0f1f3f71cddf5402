//! The operator: the root of trust of all accounts.

use time::OffsetDateTime;
use tollway_model::{OperatorId, OperatorKey};

use crate::SystemTx;
use crate::error::{DatastoreError, failed_to};
use crate::row::Reader;

/// The operator of this installation, with its sealed seeds.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorRecord {
    /// What it is in rows.
    pub id: OperatorId,
    /// What people call it.
    pub name: String,
    /// Its identity, which nodes pin.
    pub public_key: OperatorKey,
    /// The key that signs accounts.
    pub signing_public_key: OperatorKey,
    /// Seed of the identity, sealed.
    pub identity_seed: Vec<u8>,
    /// Seed of the signing key, sealed.
    pub signing_seed: Vec<u8>,
    /// The self-signed operator JWT.
    pub jwt: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl std::fmt::Debug for OperatorRecord {
    /// Without the seeds: sealed or not, they have no place in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorRecord")
            .field("id", &self.id)
            .field("public_key", &self.public_key)
            .finish_non_exhaustive()
    }
}

impl SystemTx {
    /// The operator; `None` before the first start.
    pub async fn operator_get(&mut self) -> Result<Option<OperatorRecord>, DatastoreError> {
        let row = sqlx::query(
            "SELECT id, name, public_key, signing_public_key, identity_seed, signing_seed, jwt, created_at
             FROM operator",
        )
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the operator"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "operator", "id");
        Ok(Some(OperatorRecord {
            id: OperatorId::from_uuid(row.get("id")?),
            name: row.get("name")?,
            public_key: row.parse("public_key")?,
            signing_public_key: row.parse("signing_public_key")?,
            identity_seed: row.get("identity_seed")?,
            signing_seed: row.get("signing_seed")?,
            jwt: row.get("jwt")?,
            created_at: row.get("created_at")?,
        }))
    }

    /// Stores the operator at the first start, under [`SystemTx::bootstrap_lock`]. A second one fails.
    pub async fn operator_insert(&mut self, operator: &OperatorRecord) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO operator (
                 id, name, public_key, signing_public_key, identity_seed, signing_seed, jwt, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(operator.id.uuid())
        .bind(&operator.name)
        .bind(operator.public_key.as_str())
        .bind(operator.signing_public_key.as_str())
        .bind(&operator.identity_seed)
        .bind(&operator.signing_seed)
        .bind(&operator.jwt)
        .bind(operator.created_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the operator"))?;
        Ok(())
    }
}
