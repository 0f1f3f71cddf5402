//! Organizations: the tenants that own accounts.

use time::OffsetDateTime;

use crate::{DisplayName, Name, OrganizationId, OrganizationQuotas};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// What it is in ids and rows.
    pub id: OrganizationId,
    /// Unique in the installation.
    pub name: Name,
    /// What people call it.
    pub display_name: DisplayName,
    /// The platform's own organization: it holds the system account and is in no list.
    pub is_platform: bool,
    /// How much it may have.
    pub quotas: OrganizationQuotas,
    /// When it was created.
    pub created_at: OffsetDateTime,
}
