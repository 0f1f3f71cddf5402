//! Permissions as a claim writes them. [`crate::PermissionSet`] answers with them.

use serde::{Deserialize, Serialize};

use crate::json::{is_default, null_as_default, object_or_default, object_or_none};

/// What a user may publish and subscribe to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Permissions {
    /// Subjects that may be published to.
    #[serde(
        rename = "pub",
        default,
        deserialize_with = "object_or_default",
        skip_serializing_if = "is_default"
    )]
    pub publish: Rules,
    /// Filters that may be subscribed with; an entry may be `filter queue`.
    #[serde(
        rename = "sub",
        default,
        deserialize_with = "object_or_default",
        skip_serializing_if = "is_default"
    )]
    pub subscribe: Rules,
    /// Leave to answer: publish to the reply subjects of delivered messages.
    /// When present, an empty publish allow list allows nothing else.
    #[serde(
        rename = "resp",
        default,
        deserialize_with = "object_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub responses: Option<ResponsePermission>,
}

impl Permissions {
    /// Whether nothing is said at all: an account's default permissions apply then.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Filters that allow and filters that deny. Deny wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// Nothing listed means that everything is allowed.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub allow: Vec<String>,
    /// Refused, whatever is allowed.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub deny: Vec<String>,
}

/// How many replies a delivered message entitles to, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResponsePermission {
    /// Messages per reply subject: 0 is the default of one, negative is unlimited.
    #[serde(default)]
    pub max: i64,
    /// Nanoseconds after delivery: 0 is the default of two minutes, negative is unlimited.
    #[serde(rename = "ttl", default)]
    pub ttl_ns: i64,
}
