//! Tokens for the API, of one organization.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tollway_model as model;
use utoipa::ToSchema;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiToken {
    /// `tok_` and 32 hexadecimal digits.
    pub id: String,
    /// Id of the organization.
    pub organization: String,
    /// For people.
    pub name: String,
    /// `owner`, `admin`, `developer` or `viewer`.
    pub role: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ends; null when it does not.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute; null when never.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub last_used_at: Option<OffsetDateTime>,
}

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiToken {
    /// For people; 1 to 100 characters.
    pub name: String,
    /// `owner`, `admin`, `developer` or `viewer`; at most the caller's own.
    pub role: String,
    /// Seconds; no end when absent or 0.
    #[serde(default)]
    pub lifetime_seconds: Option<u64>,
}

/// A new token with its secret, which cannot be had again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiTokenWithSecret {
    /// The token.
    pub api_token: ApiToken,
    /// `tlw_...`; stored hashed.
    pub secret: String,
}

/// Without the secret, so that no log can hold it.
impl std::fmt::Debug for ApiTokenWithSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiTokenWithSecret")
            .field("api_token", &self.api_token)
            .finish_non_exhaustive()
    }
}

impl From<model::ApiToken> for ApiToken {
    fn from(token: model::ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            organization: token.organization_id.map(|id| id.to_string()).unwrap_or_default(),
            name: token.name.into(),
            role: token.role.to_string(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}
