//! Documents: what travels to cells, and how far it came.

use crate::{AccountKey, Name, Refusal};

/// What a cell should hold of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellDocument {
    /// The account.
    pub account: AccountKey,
    /// The cell's revision at this account's last change.
    pub revision: u64,
    /// The cell no longer serves the account; the documents are the last ones.
    pub removed: bool,
    /// The account JWT, signed by the operator.
    pub account_jwt: String,
    /// What a NATS JWT cannot say, signed by the operator.
    pub statement_jwt: String,
    /// The request that caused the change, for logs.
    pub request_id: String,
}

/// How far an account's newest document has travelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRollout {
    /// The cell that serves the account.
    pub cell: Name,
    /// The revision that carries the account's newest document.
    pub revision: u64,
    /// What the cell acknowledged last, within the current epoch.
    pub applied_revision: u64,
    /// Why the cell refused the newest document; `None` when it did not, or has not seen it.
    pub refused: Option<Refusal>,
}

impl AccountRollout {
    /// Whether the cell serves the account's newest document.
    pub fn is_applied(&self) -> bool {
        self.applied_revision >= self.revision && self.refused.is_none()
    }
}
