//! What is told about a consumer.

use serde::Serialize;

use crate::api::response::ClusterInfo;
use crate::config::ConsumerConfig;
use crate::nanos::Nanos;
use crate::wire_time::WireTime;

/// A consumer and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerInfo {
    pub stream_name: String,
    pub name: String,
    pub created: WireTime,
    pub config: ConsumerConfig,
    pub delivered: SequencePair,
    pub ack_floor: SequencePair,
    pub num_ack_pending: u64,
    pub num_redelivered: u64,
    pub num_waiting: u64,
    pub num_pending: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub push_bound: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub pause_remaining: Nanos,
    pub ts: WireTime,
}

/// A place among the deliveries of a consumer and among the messages of its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct SequencePair {
    pub consumer_seq: u64,
    pub stream_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active: Option<WireTime>,
}

/// The answer to `CONSUMER.PAUSE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerPaused {
    pub paused: bool,
    pub pause_until: WireTime,
    #[serde(skip_serializing_if = "Nanos::is_zero")]
    pub pause_remaining: Nanos,
}

impl Default for ConsumerPaused {
    /// A consumer that is not paused.
    fn default() -> Self {
        Self {
            paused: false,
            pause_until: WireTime::NEVER,
            pause_remaining: Nanos::ZERO,
        }
    }
}

/// The answer to `CONSUMER.RESET`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's documentation")]
pub struct ConsumerReset {
    #[serde(flatten)]
    pub info: ConsumerInfo,
    /// The next message it looks at.
    pub reset_seq: u64,
}
