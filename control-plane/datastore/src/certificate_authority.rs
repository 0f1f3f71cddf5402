//! The built-in certificate authority of the fleet.

use time::OffsetDateTime;
use tollway_model::CertificateAuthorityId;

use crate::SystemTx;
use crate::error::{DatastoreError, failed_to};
use crate::row::Reader;

/// The authority that signs certificates of nodes and of the fleet listener, with its sealed key.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateAuthorityRecord {
    /// What it is in rows.
    pub id: CertificateAuthorityId,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, sealed.
    pub private_key: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl std::fmt::Debug for CertificateAuthorityRecord {
    /// Without the key: sealed or not, it has no place in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthorityRecord")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SystemTx {
    /// The authority; `None` before the first start.
    pub async fn certificate_authority_get(
        &mut self,
    ) -> Result<Option<CertificateAuthorityRecord>, DatastoreError> {
        let row = sqlx::query(
            "SELECT id, certificate, private_key, created_at
             FROM certificate_authority",
        )
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the certificate authority"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let row = Reader::new(&row, "certificate_authority", "id");
        Ok(Some(CertificateAuthorityRecord {
            id: CertificateAuthorityId::from_uuid(row.get("id")?),
            certificate: row.get("certificate")?,
            private_key: row.get("private_key")?,
            created_at: row.get("created_at")?,
        }))
    }

    /// Stores the authority at the first start, under [`SystemTx::bootstrap_lock`]. A second one fails.
    pub async fn certificate_authority_insert(
        &mut self,
        authority: &CertificateAuthorityRecord,
    ) -> Result<(), DatastoreError> {
        sqlx::query(
            "INSERT INTO certificate_authority (id, certificate, private_key, created_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(authority.id.uuid())
        .bind(&authority.certificate)
        .bind(&authority.private_key)
        .bind(authority.created_at)
        .execute(self.connection())
        .await
        .map_err(failed_to("insert the certificate authority"))?;
        Ok(())
    }
}
