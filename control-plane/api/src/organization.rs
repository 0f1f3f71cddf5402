//! Tenants.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tollway_model as model;
use utoipa::ToSchema;

/// A tenant that owns accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// `org_` and 32 hexadecimal digits.
    pub id: String,
    /// Unique in the installation: lower-case letters, digits and hyphens.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// What a new organization is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// Unique in the installation: lower-case letters, digits and hyphens, at most 63.
    pub name: String,
    /// The name again when absent or empty.
    #[serde(default)]
    pub display_name: Option<String>,
}

impl From<model::Organization> for Organization {
    fn from(organization: model::Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name.into(),
            display_name: organization.display_name.into(),
            created_at: organization.created_at,
        }
    }
}
