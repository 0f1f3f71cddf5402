//! Where accounts are served. For platform admins.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tollway_model as model;
use utoipa::ToSchema;

/// A failure and capacity domain that serves accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cell {
    /// `cel_` and 32 hexadecimal digits.
    pub id: String,
    /// Unique in the installation.
    pub name: String,
    /// Changes when the database was restored from a backup.
    pub epoch: u64,
    /// What the cell should hold.
    pub revision: u64,
    /// What it acknowledged.
    pub applied_revision: u64,
    /// Accounts that live in it.
    pub accounts: u32,
    /// Nodes that joined it.
    pub nodes: Vec<CellNode>,
    /// Documents that its node would not take.
    pub refused: Vec<CellRefusal>,
    /// The update that its node would not take as a whole; null when it took the last one.
    #[schema(required)]
    pub update_refused: Option<CellUpdateRefusal>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A process that serves the cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellNode {
    /// `nod_` and 32 hexadecimal digits.
    pub id: String,
    /// Unique in the cell.
    pub name: String,
    /// Where clients reach it.
    pub client_url: String,
    /// As the node said it.
    pub software_version: String,
    /// Whether its fleet stream is open.
    pub connected: bool,
    /// When it was last heard of; null when never.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub last_seen_at: Option<OffsetDateTime>,
}

/// A document that the cell's node would not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellRefusal {
    /// Public key of the account.
    pub account: String,
    /// A stable word, such as `untrusted_issuer`.
    pub code: String,
    /// One sentence for people.
    pub reason: String,
}

/// An update that the cell's node refused as a whole. It holds what it held, and is sent the update again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellUpdateRefusal {
    /// A stable word, such as `snapshot_empty`.
    pub code: String,
    /// One sentence for people.
    pub reason: String,
    /// When it was refused last.
    #[serde(with = "time::serde::rfc3339")]
    pub refused_at: OffsetDateTime,
}

/// A cell to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCell {
    /// Unique in the installation: lower-case letters, digits and hyphens, at most 63.
    pub name: String,
}

/// An enrolment token to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolmentToken {
    /// 60 to 86400 seconds; 900 when absent or 0.
    #[serde(default)]
    pub lifetime_seconds: Option<u32>,
}

/// A one-time token with which a node joins a cell.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentToken {
    /// `twe_...`; shown once. Carries the fingerprint of the authority, so that the node knows whom it talks to.
    pub token: String,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Without the token, so that no log can hold it.
impl std::fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolmentToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl From<model::CellSummary> for Cell {
    fn from(summary: model::CellSummary) -> Self {
        let applied_revision = summary.cell.applied_revision();
        Self {
            id: summary.cell.id.to_string(),
            name: summary.cell.name.into(),
            epoch: summary.cell.cursor.epoch,
            revision: summary.cell.cursor.revision,
            applied_revision,
            accounts: summary.accounts,
            nodes: summary.nodes.into_iter().map(CellNode::from).collect(),
            refused: summary.refused.into_iter().map(CellRefusal::from).collect(),
            update_refused: summary.update_refused.map(CellUpdateRefusal::from),
            created_at: summary.cell.created_at,
        }
    }
}

impl From<model::Node> for CellNode {
    fn from(node: model::Node) -> Self {
        Self {
            id: node.id.to_string(),
            name: node.name.into(),
            client_url: node.client_url,
            software_version: node.software_version,
            connected: node.connected,
            last_seen_at: node.last_seen_at,
        }
    }
}

impl From<model::Refusal> for CellRefusal {
    fn from(refusal: model::Refusal) -> Self {
        Self {
            account: refusal.account.into(),
            code: refusal.code,
            reason: refusal.reason,
        }
    }
}

impl From<model::UpdateRefusal> for CellUpdateRefusal {
    fn from(refusal: model::UpdateRefusal) -> Self {
        Self {
            code: refusal.code,
            reason: refusal.reason,
            refused_at: refusal.refused_at,
        }
    }
}
