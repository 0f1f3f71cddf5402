//! Nodes: the processes that serve cells.

use time::OffsetDateTime;

use crate::{BootId, CellId, Label, NodeId};

/// A node that enrolled for a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is in ids, rows and its certificate.
    pub id: NodeId,
    /// The cell it serves.
    pub cell_id: CellId,
    /// Unique in the cell.
    pub name: Label,
    /// Where clients reach it (`nats://host:port`); empty before its first Hello.
    pub client_url: String,
    /// What it runs; empty before its first Hello.
    pub software_version: String,
    /// Its current or last run; `None` before its first Hello.
    pub boot_id: Option<BootId>,
    /// Whether its fleet stream is open and it was heard of recently.
    pub connected: bool,
    /// When it was heard of last.
    pub last_seen_at: Option<OffsetDateTime>,
    /// When it enrolled last.
    pub enrolled_at: OffsetDateTime,
}
