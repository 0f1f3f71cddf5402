//! Enrolment tokens: with one, a node joins a cell once.

use time::OffsetDateTime;
use tollway_model::CellId;

use crate::SystemTx;
use crate::error::{DatastoreError, failed_to};

/// An enrolment token to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnrolmentToken {
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// The cell that the node joins.
    pub cell_id: CellId,
    /// Now.
    pub created_at: OffsetDateTime,
    /// When it ends unused.
    pub expires_at: OffsetDateTime,
}

/// Why a token lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentTokenRefused {
    /// There is no such token, or it was used before, or it has ended. One answer for all three: whoever
    /// tries tokens learns nothing.
    #[error("the enrolment token is not valid: it was used, has expired, or never existed; create a new one")]
    Invalid,
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

impl SystemTx {
    /// Stores a new token.
    pub async fn enrolment_token_insert(&mut self, new: &NewEnrolmentToken) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO enrolment_token (secret_hash, cell_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(&new.secret_hash[..])
        .bind(new.cell_id.uuid())
        .bind(new.created_at)
        .bind(new.expires_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the enrolment token"))?;
        Ok(())
    }

    /// Uses a token up and says for which cell it was. It stays good when the transaction is not
    /// committed: an enrolment that fails later may be tried again.
    pub async fn enrolment_token_consume(
        &mut self,
        secret_hash: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<CellId, EnrolmentTokenRefused> {
        let cell: Option<uuid::Uuid> = sqlx::query_scalar(
            "UPDATE enrolment_token
             SET used_at = $2
             WHERE secret_hash = $1
               AND used_at IS NULL
               AND expires_at > $2
             RETURNING cell_id",
        )
        .bind(&secret_hash[..])
        .bind(now)
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("use the enrolment token"))?;
        cell.map(CellId::from_uuid).ok_or(EnrolmentTokenRefused::Invalid)
    }
}
