//! Sessions: signed-in browsers.

use time::OffsetDateTime;

use crate::{OrganizationId, Role, SessionId};

/// A browser that signed in with a one-time link. Its secret is in a cookie; only a hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it is in ids and rows.
    pub id: SessionId,
    /// The organization it acts in; `None` exactly for platform admins.
    pub organization_id: Option<OrganizationId>,
    /// What it may do.
    pub role: Role,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When it was used last, to the minute.
    pub last_seen_at: OffsetDateTime,
    /// When it ends even if it is used.
    pub expires_at: OffsetDateTime,
}
