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
    /// How much it may have; platform admins grant more.
    pub quotas: OrganizationQuotas,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// How much of everything an organization may have at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrganizationQuotas {
    /// Accounts; 100 unless somebody granted something else.
    pub accounts: u32,
    /// Users of all accounts together; 10000 unless somebody granted something else.
    pub users: u32,
    /// API tokens, with those that have ended and were not deleted; 200 unless somebody granted something else.
    pub api_tokens: u32,
}

/// What to change of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateOrganization {
    /// Fields that are set replace the organization's; others stay as they are. What it has beyond a quota, it
    /// keeps.
    pub quotas: OrganizationQuotasChange,
}

/// The quotas to change; absent ones stay as they are. Each is 0 to 1000000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationQuotasChange {
    /// Accounts.
    #[serde(default)]
    pub accounts: Option<u32>,
    /// Users of all accounts together.
    #[serde(default)]
    pub users: Option<u32>,
    /// API tokens.
    #[serde(default)]
    pub api_tokens: Option<u32>,
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
            quotas: organization.quotas.into(),
            created_at: organization.created_at,
        }
    }
}

impl From<model::OrganizationQuotas> for OrganizationQuotas {
    fn from(quotas: model::OrganizationQuotas) -> Self {
        Self {
            accounts: quotas.accounts,
            users: quotas.users,
            api_tokens: quotas.api_tokens,
        }
    }
}

impl From<OrganizationQuotasChange> for model::OrganizationQuotasChange {
    fn from(change: OrganizationQuotasChange) -> Self {
        Self {
            accounts: change.accounts,
            users: change.users,
            api_tokens: change.api_tokens,
        }
    }
}
