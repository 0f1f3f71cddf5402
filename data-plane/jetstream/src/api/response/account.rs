//! What an account uses and may use.

use std::collections::BTreeMap;

use serde::Serialize;

/// The answer to `INFO`. With tiers the numbers outside of them are zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct AccountInfo {
    #[serde(flatten)]
    pub usage: TierInfo,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    pub api: ApiUse,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, TierInfo>,
}

/// What is used and granted: by the account, or by its streams of some number of replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct TierInfo {
    pub memory: u64,
    pub storage: u64,
    pub reserved_memory: u64,
    pub reserved_storage: u64,
    pub streams: u64,
    pub consumers: u64,
    pub limits: AccountInfoLimits,
}

/// What is granted; -1 for no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct AccountInfoLimits {
    pub max_memory: i64,
    pub max_storage: i64,
    pub max_streams: i64,
    pub max_consumers: i64,
    pub max_ack_pending: i64,
    pub memory_max_stream_bytes: i64,
    pub storage_max_stream_bytes: i64,
    pub max_bytes_required: bool,
}

/// Calls of the account to the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ApiUse {
    pub level: u8,
    pub total: u64,
    pub errors: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub inflight: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
