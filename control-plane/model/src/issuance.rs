//! Issuances: one handing-out of credentials each.

use time::OffsetDateTime;

use crate::{AccountId, IssuanceId, OrganizationId, UserId, UserKey};

/// Credentials that were issued for a user: a fresh key and a JWT. The seed was shown once and is
/// nowhere any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// What it is in ids and rows.
    pub id: IssuanceId,
    /// The organization that owns the account.
    pub organization_id: OrganizationId,
    /// The account that the credentials are for.
    pub account_id: AccountId,
    /// The user that the credentials are for.
    pub user_id: UserId,
    /// The NATS user key of these credentials alone.
    pub public_key: UserKey,
    /// When they were issued; the JWT's `iat` is this in whole seconds.
    pub issued_at: OffsetDateTime,
    /// When they end by themselves; `None` when they do not.
    pub expires_at: Option<OffsetDateTime>,
    /// When they were revoked; `None` while they are good.
    pub revoked_at: Option<OffsetDateTime>,
}
