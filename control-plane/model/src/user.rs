//! Users: who may connect to an account, with which permissions.

use time::OffsetDateTime;

use crate::{AccountId, Name, OrganizationId, Permissions, UserId};

/// A NATS user of an account. It has no key of its own: each issuance makes a fresh one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What it is in ids and rows.
    pub id: UserId,
    /// The organization that owns the account.
    pub organization_id: OrganizationId,
    /// The account it connects to.
    pub account_id: AccountId,
    /// Unique in the account.
    pub name: Name,
    /// What it may do; goes into the credentials when they are issued.
    pub permissions: Permissions,
    /// When it was created.
    pub created_at: OffsetDateTime,
}
