//! Isolated messaging accounts of an organization.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tollway_model as model;
use utoipa::ToSchema;

use crate::base64_bytes;

/// An isolated space of subjects, with its own limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// `acc_` and 32 hexadecimal digits.
    pub id: String,
    /// Id of the organization that owns it.
    pub organization: String,
    /// Unique in the organization.
    pub name: String,
    /// The NATS account key, `A...`.
    pub public_key: String,
    /// Name of the cell that serves the account.
    pub cell: String,
    /// What the account may use; never beyond `limits_granted`.
    pub limits: AccountLimits,
    /// What the platform granted: members of the organization may set `limits` up to it.
    pub limits_granted: AccountLimits,
    /// Whether its clients are cut and refused.
    pub suspended: bool,
    /// Why it is suspended; empty when it is not.
    pub suspended_reason: String,
    /// `platform` or `organization`; empty when it is not suspended. Only the platform resumes what it suspended.
    pub suspended_by: String,
    /// Grows with each change of the account's document.
    pub version: u64,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Connections open now, as last reported by the cell (a few seconds old).
    pub connections: u32,
}

/// Totals of the account; -1 is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountLimits {
    /// Client connections open at the same time.
    pub connections: i64,
    /// Subscriptions of all connections together.
    pub subscriptions: i64,
    /// Largest message, headers and payload, in bytes.
    pub payload_bytes: i64,
}

/// What a new account is called, where it lives, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Unique in the organization: lower-case letters, digits and hyphens, at most 63.
    pub name: String,
    /// A cell's name, for platform admins; the one with the fewest accounts, of those with a node, when absent or empty.
    #[serde(default)]
    pub cell: Option<String>,
    /// What is absent, the whole or a field of it, is the installation's default. What a platform admin sets is
    /// granted as well; others may not go beyond the defaults.
    #[serde(default)]
    pub limits: Option<NewAccountLimits>,
}

/// Totals of an account to be; -1 is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccountLimits {
    /// Client connections open at the same time; 1000 when absent.
    #[serde(default)]
    pub connections: Option<i64>,
    /// Subscriptions of all connections together; 100000 when absent.
    #[serde(default)]
    pub subscriptions: Option<i64>,
    /// Largest message, headers and payload, in bytes; 1048576 when absent.
    #[serde(default)]
    pub payload_bytes: Option<i64>,
}

/// What to change about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAccount {
    /// Fields that are set replace the account's; others stay as they are. What a platform admin sets is
    /// granted as well; others may not go beyond `limits_granted`.
    pub limits: AccountLimitsChange,
}

/// The limits to change; absent ones stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountLimitsChange {
    /// Client connections open at the same time; -1 is unlimited.
    #[serde(default)]
    pub connections: Option<i64>,
    /// Subscriptions of all connections together; -1 is unlimited.
    #[serde(default)]
    pub subscriptions: Option<i64>,
    /// Largest message in bytes; -1 is unlimited.
    #[serde(default)]
    pub payload_bytes: Option<i64>,
}

/// Why an account is suspended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendAccount {
    /// Shown to the tenant.
    #[serde(default)]
    pub reason: String,
}

/// How far the account's newest document has travelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountRollout {
    /// Name of the cell.
    pub cell: String,
    /// The cell's revision that carries the account's newest document.
    pub revision: u64,
    /// What the cell acknowledged last.
    pub applied_revision: u64,
    /// Whether the cell serves the account's newest document.
    pub applied: bool,
    /// A stable word saying why the cell refused the document; empty when it did not.
    pub refused_code: String,
    /// The same as a sentence.
    pub refused_reason: String,
}

/// A message to send into the account, whose reply is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestInAccount {
    /// A literal subject.
    pub subject: String,
    /// Base64.
    #[serde(default, with = "base64_bytes")]
    #[schema(value_type = String, format = Byte)]
    pub payload: Vec<u8>,
    /// 1 to 10000 milliseconds; 2000 when absent or 0.
    #[serde(default)]
    pub timeout_ms: Option<u32>,
}

/// The first reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestInAccountReply {
    /// Base64.
    #[serde(with = "base64_bytes")]
    #[schema(value_type = String, format = Byte)]
    pub payload: Vec<u8>,
    /// The NATS header block of the reply, base64; empty when it had none.
    #[serde(with = "base64_bytes")]
    #[schema(value_type = String, format = Byte)]
    pub headers: Vec<u8>,
}

impl From<model::AccountLimits> for AccountLimits {
    fn from(limits: model::AccountLimits) -> Self {
        Self {
            connections: limits.connections.raw(),
            subscriptions: limits.subscriptions.raw(),
            payload_bytes: limits.payload_bytes.raw(),
        }
    }
}

impl From<model::Account> for Account {
    fn from(account: model::Account) -> Self {
        let (suspended, suspended_reason, suspended_by) = match account.stage {
            model::AccountStage::Suspended { reason, by, .. } => (true, reason.into(), by.as_str()),
            model::AccountStage::Serving | model::AccountStage::Deleted { .. } => (false, String::new(), ""),
        };
        Self {
            id: account.id.to_string(),
            organization: account.organization_id.to_string(),
            name: account.name.into(),
            public_key: account.public_key.into(),
            cell: account.cell.map(|cell| cell.name.into()).unwrap_or_default(),
            limits: account.limits.into(),
            limits_granted: account.limits_granted.into(),
            suspended,
            suspended_reason,
            suspended_by: suspended_by.to_owned(),
            version: account.version,
            created_at: account.created_at,
            connections: account.live.connections,
        }
    }
}

impl From<model::AccountRollout> for AccountRollout {
    fn from(rollout: model::AccountRollout) -> Self {
        let applied = rollout.is_applied();
        let (refused_code, refused_reason) = rollout
            .refused
            .map(|refusal| (refusal.code, refusal.reason))
            .unwrap_or_default();
        Self {
            cell: rollout.cell.into(),
            revision: rollout.revision,
            applied_revision: rollout.applied_revision,
            applied,
            refused_code,
            refused_reason,
        }
    }
}
