//! Nodes: who serves which cell, with which certificate, since when.

use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tollway_model::{AttachmentId, BootId, CellId, ClientUrl, Label, Node, NodeId};

use crate::bounds::TEXT_LENGTH_MAX;
use crate::error::{DatastoreError, failed_to};
use crate::row::{Reader, bounded_text};
use crate::{NODE_SILENCE_MAX, SystemTx};

/// A node that asks to join a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// The id it gets if it is new.
    pub id: NodeId,
    /// What it calls itself.
    pub name: Label,
    /// Now.
    pub enrolled_at: OffsetDateTime,
}

/// Why a node was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum NodeAdmitError {
    /// A cell has exactly one serving node, and it is another one.
    #[error(
        "the cell is served by the node {name}: enrol under that name to replace it, or use another cell"
    )]
    CellHasNode {
        /// What that node is called.
        name: Label,
    },
    /// The database did not do its part.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// What a node says about itself at the beginning of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The stream.
    pub attachment_id: AttachmentId,
    /// The run of the process.
    pub boot_id: BootId,
    /// What it runs.
    pub software_version: String,
    /// Where clients reach it; `None` when it did not say, or said nothing that can be one.
    pub client_url: Option<ClientUrl>,
}

pub(crate) fn node_from_row(row: &PgRow) -> Result<Node, DatastoreError> {
    let row = Reader::new(row, "node", "id");
    Ok(Node {
        id: NodeId::from_uuid(row.get("id")?),
        cell_id: CellId::from_uuid(row.get("cell_id")?),
        name: row.parse("name")?,
        client_url: row.get("client_url")?,
        software_version: row.get("software_version")?,
        boot_id: row.get::<Option<uuid::Uuid>>("boot_id")?.map(BootId::from_uuid),
        connected: row.get("connected")?,
        last_seen_at: row.get("last_seen_at")?,
        enrolled_at: row.get("enrolled_at")?,
    })
}

impl SystemTx {
    /// Lets a node into a cell that has none, or again under the same name: it then keeps its id, and its
    /// old certificate ends with [`Self::node_certificate_replace`], to be called in the same transaction.
    pub async fn node_admit(&mut self, cell: CellId, new: &NewNode) -> Result<Node, NodeAdmitError> {
        // Names are compared by the statement itself, so that of two nodes at once one is refused.
        let row = sqlx::query(
            "INSERT INTO node (id, cell_id, name, enrolled_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (cell_id) DO UPDATE
             SET enrolled_at = excluded.enrolled_at
             WHERE node.name = excluded.name
             RETURNING
                 id, cell_id, name, client_url, software_version, boot_id, last_seen_at, enrolled_at,
                 attachment_id IS NOT NULL
                     AND coalesce(last_seen_at > now() - make_interval(secs => $5), false) AS connected",
        )
        .bind(new.id.uuid())
        .bind(cell.uuid())
        .bind(new.name.as_str())
        .bind(new.enrolled_at)
        .bind(NODE_SILENCE_MAX.as_secs_f64())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("admit the node"))?;
        if let Some(row) = row {
            return Ok(node_from_row(&row)?);
        }
        let row = sqlx::query("SELECT id, name FROM node WHERE cell_id = $1")
            .bind(cell.uuid())
            .fetch_one(self.connection())
            .await
            .map_err(failed_to("read which node serves the cell"))?;
        Err(NodeAdmitError::CellHasNode {
            name: Reader::new(&row, "node", "id").parse("name")?,
        })
    }

    /// Makes this the one certificate that the node may attach with; every one before ends at once, and
    /// with it the stream that was opened under it.
    pub async fn node_certificate_replace(
        &mut self,
        node: NodeId,
        certificate_sha256: &[u8; 32],
    ) -> Result<(), DatastoreError> {
        sqlx::query(
            "UPDATE node
             SET certificate_sha256 = $2,
                 certificate_sha256_previous = NULL,
                 attachment_id = NULL
             WHERE id = $1",
        )
        .bind(node.uuid())
        .bind(&certificate_sha256[..])
        .execute(self.connection())
        .await
        .map_err(failed_to("replace the node's certificate"))?;
        Ok(())
    }

    /// Gives the node its next certificate. The one it asked with stays good until the new one is seen:
    /// the answer may be lost, and the node must be able to ask again.
    ///
    /// `presented` is the certificate that the node asked with.
    pub async fn node_certificate_renew(
        &mut self,
        node: NodeId,
        presented: &[u8; 32],
        renewed: &[u8; 32],
    ) -> Result<(), DatastoreError> {
        sqlx::query(
            "UPDATE node
             SET certificate_sha256 = $3,
                 certificate_sha256_previous = $2
             WHERE id = $1
               AND (certificate_sha256 = $2 OR certificate_sha256_previous = $2)",
        )
        .bind(node.uuid())
        .bind(&presented[..])
        .bind(&renewed[..])
        .execute(self.connection())
        .await
        .map_err(failed_to("renew the node's certificate"))?;
        Ok(())
    }

    /// The node that may attach with this certificate; `None` when the certificate is not (or no longer)
    /// this node's. Seeing the newest certificate ends the one before.
    pub async fn node_authenticate(
        &mut self,
        node: NodeId,
        certificate_sha256: &[u8; 32],
    ) -> Result<Option<Node>, DatastoreError> {
        sqlx::query(
            "UPDATE node
             SET certificate_sha256_previous =
                     CASE WHEN certificate_sha256 = $2 THEN NULL ELSE certificate_sha256_previous END
             WHERE id = $1
               AND (certificate_sha256 = $2 OR certificate_sha256_previous = $2)
             RETURNING
                 id, cell_id, name, client_url, software_version, boot_id, last_seen_at, enrolled_at,
                 attachment_id IS NOT NULL
                     AND coalesce(last_seen_at > now() - make_interval(secs => $3), false) AS connected",
        )
        .bind(node.uuid())
        .bind(&certificate_sha256[..])
        .bind(NODE_SILENCE_MAX.as_secs_f64())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("look up the node's certificate"))?
        .map(|row| node_from_row(&row))
        .transpose()
    }

    /// A node by its id.
    pub async fn node_get(&mut self, node: NodeId) -> Result<Option<Node>, DatastoreError> {
        sqlx::query(
            "SELECT
                 id, cell_id, name, client_url, software_version, boot_id, last_seen_at, enrolled_at,
                 attachment_id IS NOT NULL
                     AND coalesce(last_seen_at > now() - make_interval(secs => $2), false) AS connected
             FROM node
             WHERE id = $1",
        )
        .bind(node.uuid())
        .bind(NODE_SILENCE_MAX.as_secs_f64())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("read the node"))?
        .map(|row| node_from_row(&row))
        .transpose()
    }

    /// Notes that a stream of the node began; an older one counts no more. `false`, and nothing is noted,
    /// when the certificate that it was opened with ended meanwhile.
    pub async fn node_connected(
        &mut self,
        node: NodeId,
        certificate_sha256: &[u8; 32],
        hello: &Hello,
    ) -> Result<bool, DatastoreError> {
        let done = sqlx::query(
            "UPDATE node
             SET attachment_id = $2,
                 boot_id = $3,
                 software_version = $4,
                 client_url = $5,
                 last_seen_at = now()
             WHERE id = $1
               AND (certificate_sha256 = $6 OR certificate_sha256_previous = $6)",
        )
        .bind(node.uuid())
        .bind(hello.attachment_id.uuid())
        .bind(hello.boot_id.uuid())
        .bind(bounded_text(&hello.software_version, TEXT_LENGTH_MAX))
        .bind(hello.client_url.as_ref().map_or("", ClientUrl::as_str))
        .bind(&certificate_sha256[..])
        .execute(self.connection())
        .await
        .map_err(failed_to("note that the node connected"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether this stream is the one that counts: the node has begun no newer one, at whichever control
    /// plane, and was not enrolled again. It stays so until the transaction ends.
    pub async fn node_attached(
        &mut self,
        node: NodeId,
        attachment: AttachmentId,
    ) -> Result<bool, DatastoreError> {
        let row = sqlx::query(
            "SELECT id
             FROM node
             WHERE id = $1
               AND attachment_id = $2
             FOR SHARE",
        )
        .bind(node.uuid())
        .bind(attachment.uuid())
        .fetch_optional(self.connection())
        .await
        .map_err(failed_to("look up the node's stream"))?;
        Ok(row.is_some())
    }

    /// The stream of the cell's node that counts, at whichever control plane.
    pub async fn cell_attachment(&mut self, cell: CellId) -> Result<Option<AttachmentId>, DatastoreError> {
        let row = sqlx::query("SELECT id, attachment_id FROM node WHERE cell_id = $1")
            .bind(cell.uuid())
            .fetch_optional(self.connection())
            .await
            .map_err(failed_to("look up the stream of the cell's node"))?;
        let Some(row) = row else { return Ok(None) };
        let attachment: Option<uuid::Uuid> = Reader::new(&row, "node", "id").get("attachment_id")?;
        Ok(attachment.map(AttachmentId::from_uuid))
    }

    /// Notes that the node was heard of on this stream. Call it well within [`NODE_SILENCE_MAX`]. `false` when
    /// the stream does not count any more.
    pub async fn node_seen(
        &mut self,
        node: NodeId,
        attachment: AttachmentId,
    ) -> Result<bool, DatastoreError> {
        let done = sqlx::query(
            "UPDATE node
             SET last_seen_at = now()
             WHERE id = $1
               AND attachment_id = $2",
        )
        .bind(node.uuid())
        .bind(attachment.uuid())
        .execute(self.connection())
        .await
        .map_err(failed_to("note that the node was heard of"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes that a stream of the node ended. Changes nothing when a newer stream took its place.
    pub async fn node_disconnected(
        &mut self,
        node: NodeId,
        attachment: AttachmentId,
    ) -> Result<(), DatastoreError> {
        sqlx::query(
            "UPDATE node
             SET attachment_id = NULL
             WHERE id = $1
               AND attachment_id = $2",
        )
        .bind(node.uuid())
        .bind(attachment.uuid())
        .execute(self.connection())
        .await
        .map_err(failed_to("note that the node disconnected"))?;
        Ok(())
    }
}
