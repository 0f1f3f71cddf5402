//! Users of an account, and what was issued for them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tollway_model as model;
use utoipa::ToSchema;

/// Somebody or something that connects to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// `usr_` and 32 hexadecimal digits.
    pub id: String,
    /// Id of the account.
    pub account: String,
    /// Unique in the account.
    pub name: String,
    /// What the user may do.
    pub permissions: Permissions,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// What a user may do. An empty `allow` allows everything; `deny` wins.
///
/// A list has at most 100 entries of at most 256 bytes, and all together must fit into a JWT of 3,072
/// bytes, about forty filters of forty letters: a broker takes no more when a client connects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Filters of subjects that may be published to.
    #[serde(default)]
    pub publish_allow: Vec<String>,
    /// Filters of subjects that may not.
    #[serde(default)]
    pub publish_deny: Vec<String>,
    /// A filter, or a filter, a blank and a queue group.
    #[serde(default)]
    pub subscribe_allow: Vec<String>,
    /// The same, for what may not be subscribed to.
    #[serde(default)]
    pub subscribe_deny: Vec<String>,
    /// Whether replies to received requests may be published although `publish_allow` does not name them. When
    /// it is empty beside this, nothing but such replies may be published.
    #[serde(default)]
    pub allow_responses: bool,
}

/// What a new user is called, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Unique in the account: lower-case letters, digits and hyphens, at most 63.
    pub name: String,
    /// Everything inside the account when absent.
    #[serde(default)]
    pub permissions: Option<Permissions>,
}

/// Credentials that were issued for a user; their seed is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Issuance {
    /// `iss_` and 32 hexadecimal digits.
    pub id: String,
    /// Id of the user.
    pub user: String,
    /// The NATS user key, `U...`.
    pub public_key: String,
    /// When they were issued.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// When they end; null when they do not.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub expires_at: Option<OffsetDateTime>,
    /// When they were revoked; null while they are good.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub revoked_at: Option<OffsetDateTime>,
}

/// How long new credentials are good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueCredentials {
    /// Seconds; no end when absent or 0.
    #[serde(default)]
    pub lifetime_seconds: Option<u64>,
}

/// New credentials. `creds` cannot be had again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedCredentials {
    /// What was issued.
    pub issuance: Issuance,
    /// The .creds file, with the only copy of the seed.
    pub creds: String,
}

/// Without the seed, so that no log can hold it.
impl std::fmt::Debug for IssuedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedCredentials")
            .field("issuance", &self.issuance)
            .finish_non_exhaustive()
    }
}

impl From<model::Issuance> for Issuance {
    fn from(issuance: model::Issuance) -> Self {
        Self {
            id: issuance.id.to_string(),
            user: issuance.user_id.to_string(),
            public_key: issuance.public_key.into(),
            issued_at: issuance.issued_at,
            expires_at: issuance.expires_at,
            revoked_at: issuance.revoked_at,
        }
    }
}

impl From<model::User> for User {
    fn from(user: model::User) -> Self {
        Self {
            id: user.id.to_string(),
            account: user.account_id.to_string(),
            name: user.name.into(),
            permissions: user.permissions.into(),
            created_at: user.created_at,
        }
    }
}

impl From<model::Permissions> for Permissions {
    fn from(permissions: model::Permissions) -> Self {
        let lists = model::PermissionLists::from(permissions);
        Self {
            publish_allow: lists.publish_allow,
            publish_deny: lists.publish_deny,
            subscribe_allow: lists.subscribe_allow,
            subscribe_deny: lists.subscribe_deny,
            allow_responses: lists.allow_responses,
        }
    }
}

impl From<Permissions> for model::PermissionLists {
    fn from(permissions: Permissions) -> Self {
        Self {
            publish_allow: permissions.publish_allow,
            publish_deny: permissions.publish_deny,
            subscribe_allow: permissions.subscribe_allow,
            subscribe_deny: permissions.subscribe_deny,
            allow_responses: permissions.allow_responses,
        }
    }
}
