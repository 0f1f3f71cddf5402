//! API tokens: how machines call the API.

use time::OffsetDateTime;

use crate::{ApiTokenId, Label, OrganizationId, Role};

/// A token for the API. Its secret was shown once; only a hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// What it is in ids and rows.
    pub id: ApiTokenId,
    /// The organization it acts in; `None` exactly for platform admins.
    pub organization_id: Option<OrganizationId>,
    /// What it may do.
    pub role: Role,
    /// What people call it.
    pub name: Label,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it ends by itself; `None` when it does not.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was used last, to the minute; `None` before its first use.
    pub last_used_at: Option<OffsetDateTime>,
}
